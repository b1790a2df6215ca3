package cgroup_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/bench/lab"
	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/collector/reading"
)

// live returns the machine's own cgroups, and skips where the test may not make
// any, unless the run demands it.
func live(t *testing.T, o cgroup.Options) *cgroup.System {
	t.Helper()
	if os.Getuid() != 0 {
		require.Empty(t, os.Getenv("LUBBERLINE_REAL"), "LUBBERLINE_REAL is set, and this test needs root")
		t.Skip("needs root to make cgroups")
	}
	s, err := cgroup.New(o)
	require.NoError(t, err)
	return s
}

func group(t *testing.T, h cgroup.Hierarchies, name string) *lab.Group {
	t.Helper()
	g, err := lab.New(h, fmt.Sprintf("/lubberline-test-%d-%s", os.Getpid(), name))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, g.Remove()) })
	return g
}

// unified is the live v2 hierarchy alone, as on a machine that has no other.
func unified(t *testing.T) *cgroup.System {
	t.Helper()
	h := live(t, cgroup.Options{}).Hierarchies()
	if h.V2 == "" {
		require.Empty(t, os.Getenv("LUBBERLINE_REAL"), "LUBBERLINE_REAL is set, and no v2 hierarchy is mounted")
		t.Skip("no v2 hierarchy is mounted")
	}
	mounts := filepath.Join(t.TempDir(), "mountinfo")
	line := fmt.Sprintf("41 31 0:38 / %s rw,relatime - cgroup2 cgroup2 rw\n", h.V2)
	require.NoError(t, os.WriteFile(mounts, []byte(line), 0o600))
	return live(t, cgroup.Options{MountInfo: mounts})
}

const spin = "while :; do :; done"

func TestLiveCgroupComesIsReadAndGoes(t *testing.T) {
	for name, system := range map[string]func() *cgroup.System{
		"all": func() *cgroup.System { return live(t, cgroup.Options{}) },
		"v2":  func() *cgroup.System { return unified(t) },
	} {
		t.Run(name, func(t *testing.T) { comeReadGo(t, system()) })
	}
}

func comeReadGo(t *testing.T, s *cgroup.System) {
	ctx, cancel := context.WithCancel(context.Background())
	events, done := make(chan cgroup.Event, 1000), make(chan error)
	go func() { done <- s.Watch(ctx, func(e cgroup.Event) { events <- e }) }()
	next := func(kind cgroup.EventKind, id string) {
		t.Helper()
		for {
			select {
			case e := <-events:
				if e.Kind == kind && e.ID == id {
					return
				}
			case <-time.After(10 * time.Second):
				require.FailNow(t, "no event", "%v %s", kind, id)
			}
		}
	}
	next(cgroup.Walked, "")
	g := group(t, s.Hierarchies(), "life")
	next(cgroup.Created, g.ID)
	c, err := g.Shell(spin)
	require.NoError(t, err)

	r, err := s.Open(g.ID)
	require.NoError(t, err)
	defer r.Close()
	var sample reading.Sample
	now := time.Now().UnixNano()
	cpu := func() uint64 {
		now += int64(time.Second)
		require.NoError(t, r.Read(now, &sample))
		v, ok := sample.Get(reading.CPUUsage)
		require.True(t, ok)
		return v
	}
	first := cpu()
	require.Eventually(t, func() bool { return cpu() > first }, 10*time.Second, time.Millisecond)
	require.Eventually(t, func() bool {
		pid, ok := s.FirstProcess(g.ID)
		return ok && pid == c.Process.Pid
	}, 10*time.Second, time.Millisecond)

	require.NoError(t, g.Remove())
	require.ErrorIs(t, r.Read(now, &sample), cgroup.ErrGone, "files were open when it went")
	next(cgroup.Removed, g.ID)
	_, err = s.Open(g.ID)
	require.ErrorIs(t, err, cgroup.ErrGone)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

func TestLivePressure(t *testing.T) {
	if _, err := os.Stat("/proc/pressure/cpu"); err != nil {
		t.Skip("this kernel has no pressure figures")
	}
	s := unified(t)
	g := group(t, s.Hierarchies(), "psi")
	for range 3 {
		_, err := g.Shell(spin)
		require.NoError(t, err)
	}
	r, err := s.Open(g.ID)
	require.NoError(t, err)
	defer r.Close()
	var sample reading.Sample
	require.Eventually(t, func() bool {
		require.NoError(t, r.Read(time.Now().UnixNano(), &sample))
		v, _ := sample.Get(reading.PressureCPUWaiting)
		return v > 0
	}, 20*time.Second, 10*time.Millisecond, "three tasks on two CPUs wait for each other")
	_, ok := sample.Get(reading.MemoryUsage)
	require.False(t, ok, "no memory controller here: unknown, not zero")
}
