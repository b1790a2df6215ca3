package ha

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/lab"
	"github.com/lubberline/lubberline/test/program"
)

// web answers on every node, behind one service.
const web = `
apiVersion: v1
kind: ReplicationController
metadata: {name: web}
spec:
  replicas: 3
  selector: {app: web}
  template:
    metadata: {labels: {app: web}}
    spec:
      topologySpreadConstraints:
      - {maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: DoNotSchedule, labelSelector: {matchLabels: {app: web}}}
      containers:
      - {name: main, image: ` + lab.Image + `, command: [sh, -c, "mkdir /www; echo well > /www/index.html; exec httpd -f -p 8080 -h /www"]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {clusterIP: 10.96.0.80, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
`

// TestRollingUpgrade replaces the program on one machine after the other: no
// container ends or starts, the service answers all the time, and old and new
// work together on the way.
func TestRollingUpgrade(t *testing.T) {
	c := newCluster(t)
	next := nextVersion(t)
	c.Apply(web)
	c.becomes(c.Hosts[0], "3", "get", "rc", "web", "-o", "jsonpath={.status.readyReplicas}")
	before := c.allContainers()
	require.Len(t, before, 3)
	load := startLoad(t, c.Hosts[2])
	require.NoError(t, lab.Until(load.atLeast(20)))
	t.Setenv("LUBBERLINE_BIN", next)
	for i, h := range c.Hosts {
		command := "up"
		if h.Name == "n3" {
			command = "join"
		}
		start := time.Now()
		require.NoError(t, h.End())
		require.NoError(t, h.Start(command))
		require.NoError(t, h.Ready())
		_, err := h.Prints("Lubberline upgraded, ")
		require.NoError(t, err)
		t.Logf("%s: stopped to Ready in %v", h.Name, time.Since(start))
		c.servers(c.Hosts[1], c.Hosts[0], c.Hosts[1])
		c.works(fmt.Sprintf("after-%d", i))
		require.Equal(t, before, c.allContainers(), "after %s", h.Name)
	}
	answered, failed := load.end()
	t.Logf("requests: %d answered, %d failed", answered, failed)
	require.Zero(t, failed)
	require.Greater(t, answered, int64(100))
}

// works: a pod is made on every node and read by either server, whichever
// version each has.
func (c *cluster) works(name string) {
	c.T.Helper()
	for _, h := range c.Hosts {
		pod := name + "-" + h.Name
		_, err := on(c.Hosts[0], "run", pod, "--image="+lab.Image, "--overrides",
			fmt.Sprintf(`{"spec":{"nodeName":%q,"terminationGracePeriodSeconds":0}}`, h.Name), "--command", "--", "sh", "-c", "echo from "+pod+"; exec sleep 1000000")
		require.NoError(c.T, err)
	}
	for _, h := range c.Hosts {
		pod := name + "-" + h.Name
		c.becomes(c.Hosts[1], "Running", "get", "pod", pod, "-o", "jsonpath={.status.phase}")
		c.becomes(c.Hosts[1], "from "+pod, "logs", pod)
		_, err := on(c.Hosts[1], "delete", "pod", pod)
		require.NoError(c.T, err)
	}
	for _, h := range c.Hosts {
		require.NoError(c.T, lab.Until(func() error {
			found, err := containers(h)
			if err == nil && len(found) != 1 {
				err = fmt.Errorf("%s runs %v", h.Name, found)
			}
			return err
		}))
	}
}

// allContainers are those of all hosts, by id, with when each was started.
func (c *cluster) allContainers() map[string]string {
	c.T.Helper()
	all := map[string]string{}
	for _, h := range c.Hosts {
		found, err := containers(h)
		require.NoError(c.T, err)
		for id, what := range found {
			all[id] = h.Name + " " + what
		}
	}
	return all
}

// nextVersion is a folder with the same program of another version.
func nextVersion(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	runtime, err := program.Path("runtime")
	require.NoError(t, err)
	require.NoError(t, os.Symlink(runtime, filepath.Join(dir, "runtime")))
	build := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(dir, "lubberline"),
		"-ldflags", "-s -w -extldflags=-Wl,--no-export-dynamic -X github.com/lubberline/lubberline/version.Version=upgraded",
		"github.com/lubberline/lubberline/cmd/lubberline")
	build.Env = append(os.Environ(), "CGO_ENABLED=1", "GOFLAGS=-buildvcs=false")
	out, err := build.CombinedOutput()
	require.NoError(t, err, string(out))
	return dir
}

// load asks the service from a host, again and again.
type load struct {
	answered, failed atomic.Int64
	last             atomic.Value
	stop             context.CancelFunc
	done             chan struct{}
}

// pace is between two requests.
const pace = 10 * time.Millisecond

func startLoad(t *testing.T, from *lab.Host) *load {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	l := &load{stop: cancel, done: make(chan struct{})}
	go func() {
		defer close(l.done)
		ticks := time.NewTicker(pace)
		defer ticks.Stop()
		for ctx.Err() == nil {
			if err := from.Do(ask); err != nil {
				l.failed.Add(1)
				l.last.Store(err)
			} else {
				l.answered.Add(1)
			}
			<-ticks.C
		}
	}()
	t.Cleanup(func() {
		l.end()
		if err := l.last.Load(); err != nil {
			t.Logf("the last request that failed: %v", err)
		}
	})
	return l
}

func (l *load) atLeast(n int64) func() error {
	return func() error {
		if have := l.answered.Load(); have < n {
			return fmt.Errorf("%d requests are answered", have)
		}
		return nil
	}
}

func (l *load) end() (answered, failed int64) {
	l.stop()
	<-l.done
	return l.answered.Load(), l.failed.Load()
}

// ask is one request on a connection of its own, dialled on this thread.
func ask() error {
	conn, err := net.DialTimeout("tcp", "10.96.0.80:80", 2*time.Second)
	if err != nil {
		return err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(2 * time.Second)); err != nil {
		return err
	}
	if _, err := io.WriteString(conn, "GET / HTTP/1.0\r\n\r\n"); err != nil {
		return err
	}
	answer, err := io.ReadAll(conn)
	if err == nil && !(len(answer) > 5 && string(answer[len(answer)-5:]) == "well\n") {
		err = errors.New("an answer without its text: " + string(answer))
	}
	return err
}
