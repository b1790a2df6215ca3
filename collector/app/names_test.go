package app

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/logs"
	"github.com/lubberline/lubberline/collector/reading"
)

// fakeTail remembers what it is told.
type fakeTail struct {
	calls []string
	fail  error
}

func (f *fakeTail) Add(s logs.Source) error {
	f.calls = append(f.calls, "add "+s.ID+" "+s.Path+" "+s.Tag)
	return f.fail
}

func (f *fakeTail) Remove(id string) { f.calls = append(f.calls, "remove "+id) }

func (f *fakeTail) take() []string {
	calls := f.calls
	f.calls = nil
	return calls
}

func identity(id, pod string) *reading.Identity {
	return &reading.Identity{Runtime: "docker", ContainerID: id, Name: pod, Namespace: "docker", Pod: pod, Container: pod,
		Image: "img", LogPath: "/var/" + id + ".log", LogFormat: reading.DockerJSON, Labels: map[string]string{"a": "b"}}
}

func cgroupOf(path string, i *reading.Identity) *reading.Container {
	return &reading.Container{ID: path, Identity: i}
}

func tick(n *names, containers ...*reading.Container) { n.observe(observation{containers: containers}) }

func TestContainersComeAndGo(t *testing.T) {
	tail := &fakeTail{}
	n := newNames("node-1", tail, "", slog.New(slog.DiscardHandler))
	web := cgroupOf("/docker/1", identity("1", "web"))
	tick(n, web, cgroupOf("/system.slice/ssh.service", &reading.Identity{}), cgroupOf("/docker/2", nil))
	require.Equal(t, []string{"add 1 /var/1.log kubernetes.docker.web.web"}, tail.take())
	source := n.Lookup("1")
	require.Equal(t, "web", source.Pod)
	require.Equal(t, "node-1", source.Host)
	require.Equal(t, map[string]string{"a": "b"}, source.Labels)
	require.Nil(t, n.Lookup("2"))

	tick(n, web)
	require.Empty(t, tail.take(), "nothing is new")
	tick(n)
	require.Equal(t, []string{"remove 1"}, tail.take())
	require.Nil(t, n.Lookup("1"))
	require.Empty(t, n.known)
	tick(n, cgroupOf("/docker/1", identity("1", "web")))
	require.Equal(t, []string{"add 1 /var/1.log kubernetes.docker.web.web"}, tail.take(), "docker start: the same id again")
}

func TestRenamedContainer(t *testing.T) {
	tail := &fakeTail{}
	n := newNames("node-1", tail, "", slog.New(slog.DiscardHandler))
	tick(n, cgroupOf("/docker/1", identity("1", "web")))
	tail.take()
	tick(n, cgroupOf("/docker/1", identity("1", "shop")))
	require.Equal(t, []string{"add 1 /var/1.log kubernetes.docker.shop.shop"}, tail.take())
	require.Equal(t, "shop", n.Lookup("1").Pod)
	tick(n)
	require.Equal(t, []string{"remove 1"}, tail.take())
}

// The cgroup that goes must not take the log from the one that stays or comes.
func TestSeveralCgroupsOfOneContainer(t *testing.T) {
	tail := &fakeTail{}
	n := newNames("node-1", tail, "", slog.New(slog.DiscardHandler))
	i := identity("1", "web")
	outer, inner := cgroupOf("/docker/1", i), cgroupOf("/docker/1/init.scope", i)
	tick(n, outer, inner)
	tail.take()
	tick(n, outer)
	require.Empty(t, tail.take())
	require.NotNil(t, n.Lookup("1"))

	moved := cgroupOf("/system.slice/docker-1.scope", i)
	tick(n, moved)
	require.NotContains(t, tail.take(), "remove 1")
	require.NotNil(t, n.Lookup("1"))
	tick(n)
	require.Equal(t, []string{"remove 1"}, tail.take())
	require.Empty(t, n.containers)
}

func TestCgroupOfAnotherContainer(t *testing.T) {
	tail := &fakeTail{}
	n := newNames("node-1", tail, "", slog.New(slog.DiscardHandler))
	tick(n, cgroupOf("/custom", identity("1", "web")))
	tail.take()
	tick(n, cgroupOf("/custom", identity("2", "db")))
	require.Equal(t, []string{"add 2 /var/2.log kubernetes.docker.db.db", "remove 1"}, tail.take())
	require.Nil(t, n.Lookup("1"))
	require.NotNil(t, n.Lookup("2"))
}

func TestContainersWithoutALogToRead(t *testing.T) {
	var out strings.Builder
	tail := &fakeTail{fail: errors.New("format \"x\"")}
	n := newNames("node-1", tail, "", slog.New(slog.NewTextHandler(&out, nil)))
	sandbox, silent, bad := identity("1", "pause"), identity("2", "silent"), identity("3", "bad")
	sandbox.Sandbox, silent.LogPath = true, ""
	tick(n, cgroupOf("/1", sandbox), cgroupOf("/2", silent), cgroupOf("/3", bad))
	require.Equal(t, []string{"add 3 /var/3.log kubernetes.docker.bad.bad"}, tail.take())
	require.Contains(t, out.String(), "the log of a container cannot be read")
	require.NotNil(t, n.Lookup("2"), "its log driver may be fluentd")
	tick(n)
	require.Empty(t, tail.take(), "only what was added is removed")

	n = newNames("node-1", nil, "", slog.New(slog.DiscardHandler)) // container logs are switched off
	tick(n, cgroupOf("/1", identity("1", "web")))
	require.NotNil(t, n.Lookup("1"))
	tick(n)
	require.Nil(t, n.Lookup("1"))
}
