package alerts

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	run "github.com/lubberline/lubberline/test/program"
)

// expected is an alert that an aggregator must fire, by the beginning of its
// summary.
type expected struct {
	of            *aggregator
	name, summary string
}

// await waits until each has fired at some time.
func await(t *testing.T, all []expected) {
	t.Helper()
	begun := time.Now()
	for time.Since(begun) < 4*patience {
		waiting := all[:0:0]
		for _, e := range all {
			if summary := e.fires(); summary != "" {
				t.Logf("after %.0f s %s: %s", time.Since(begun).Seconds(), e.name, summary)
			} else {
				waiting = append(waiting, e)
			}
		}
		if all = waiting; len(all) == 0 {
			return
		}
		time.Sleep(500 * time.Millisecond)
	}
	for _, e := range all {
		t.Errorf("%s did not fire: %s…", e.name, e.summary)
	}
	t.FailNow()
}

// fires is the summary of the alert, empty while it does not fire.
func (e expected) fires() string {
	for _, f := range e.of.alerts() {
		if f.name == e.name && strings.HasPrefix(f.summary, e.summary) {
			return f.summary
		}
	}
	return ""
}

// awaitQuery waits until an expression returns a series.
func (a *aggregator) awaitQuery(expr string) {
	a.t.Helper()
	require.Eventually(a.t, func() bool { _, ok := a.query(expr); return ok }, patience, 10*pause, expr)
}

// awaitMetric waits until a program's own metric is not 0.
func (a *aggregator) awaitMetric(program, series string) {
	a.t.Helper()
	require.Eventually(a.t, func() bool {
		answer, err := http.Get(program + "/metrics")
		if err != nil {
			return false
		}
		defer answer.Body.Close()
		for lines := bufio.NewScanner(answer.Body); lines.Scan(); {
			if value, ok := strings.CutPrefix(lines.Text(), series+" "); ok {
				return value != "0"
			}
		}
		return false
	}, patience, 10*pause, series)
}

// collector is `lubberline-collector` that feeds an aggregator.
type collector struct {
	*run.Program
	http string
}

// collect starts a collector that sends samples each second to an address, and
// waits until they are there; more goes on in its configuration.
func (a *aggregator) collect(node, to, more string) *collector {
	a.t.Helper()
	address := freeAddress(a.t)
	a.write(node+".yaml", fmt.Sprintf("collector:\n  node: %s\n  interval: 1s\n  http: %s\n  forward: {listen: ''}\n"+
		"  runtimes: {docker: '', podman: '', containerd: '', crio: ''}\n  remote_write: {url: 'http://%s/api/v1/write'}\n%s", node, address, to, more))
	p, err := run.Start("lubberline-collector", "--config", filepath.Join(a.dir, node+".yaml"), "--data-dir", filepath.Join(a.dir, node))
	require.NoError(a.t, err)
	a.t.Cleanup(func() {
		p.Kill()
		if a.t.Failed() {
			a.t.Logf("output of %s: %s", node, p.Out.Tail(2000))
		}
	})
	return &collector{p, "http://" + address}
}

// logsTo is the part of a collector's configuration that sends the logs of pods
// somewhere.
func logsTo(address string, log *podLog) string {
	return fmt.Sprintf("  logs: {pods: '%s'}\n  log_output: {address: '%s', spool_size: 16MiB}\n", log.pods, address)
}

// deaf takes connections and never answers.
func deaf(t *testing.T) (address string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				for _, c := range held {
					_ = c.Close()
				}
				return
			}
			held = append(held, c)
		}
	}()
	return l.Addr().String()
}

// link is a proxy on the way to an aggregator.
type link struct {
	address string
	delay   time.Duration // of each request
	refuses atomic.Bool
}

func newLink(t *testing.T, to string) *link {
	l := &link{}
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: to})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(l.delay)
		if l.refuses.Load() {
			http.Error(w, "not here", http.StatusMethodNotAllowed)
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	l.address = strings.TrimPrefix(server.URL, "http://")
	return l
}

// slowLink lets through less than a request a second: what waits before it
// becomes more and more.
func slowLink(t *testing.T, to string) (address string) {
	l := newLink(t, to)
	l.delay = 1500 * time.Millisecond
	return l.address
}

// falter has a program stand still again and again, as one does on a machine that
// swaps, until the test ends. It goes on a tenth of a second after a full one.
func falter(t *testing.T, p *run.Program, still, goes time.Duration) {
	t.Helper()
	ended, done := make(chan struct{}), make(chan struct{})
	wait := func(until time.Time) (more bool) {
		select {
		case <-time.After(time.Until(until)):
			return true
		case <-ended:
			return false
		}
	}
	go func() {
		defer close(done)
		for more := true; more; {
			_ = unix.Kill(p.PID(), unix.SIGSTOP)
			more = wait(time.Now().Add(still).Truncate(time.Second).Add(time.Second + time.Second/10))
			_ = unix.Kill(p.PID(), unix.SIGCONT)
			more = more && wait(time.Now().Add(goes))
		}
	}()
	t.Cleanup(func() { close(ended); <-done })
}

// disk is a small file system.
type disk struct {
	t   *testing.T
	dir string
}

func newDisk(t *testing.T, dir string, size int64) *disk {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o750))
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", size)))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, unix.MNT_DETACH)) })
	return &disk{t, dir}
}

func (d *disk) filler() string { return filepath.Join(d.dir, "filler") }

// fill leaves no room at all.
func (d *disk) fill() {
	d.t.Helper()
	f, err := os.Create(d.filler())
	require.NoError(d.t, err)
	defer f.Close()
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	require.ErrorIs(d.t, err, unix.ENOSPC)
}

// free undoes fill.
func (d *disk) free() { require.NoError(d.t, os.Remove(d.filler())) }

// podLog is the log of a pod of the namespace shop, as a kubelet keeps it.
type podLog struct {
	t          *testing.T
	pods, path string
}

func newPodLog(t *testing.T, pods, pod string) *podLog {
	dir := filepath.Join(pods, "shop_"+pod+"_00000000-0000-0000-0000-000000000001", "main")
	require.NoError(t, os.MkdirAll(dir, 0o755))
	l := &podLog{t, pods, filepath.Join(dir, "0.log")}
	l.write(1)
	return l
}

// write adds at least so many bytes.
func (l *podLog) write(bytesWanted int) {
	l.t.Helper()
	f, err := os.OpenFile(l.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o644)
	require.NoError(l.t, err)
	defer f.Close()
	line := fmt.Sprintf("%s stdout F order paid %s\n", time.Now().UTC().Format(time.RFC3339Nano), strings.Repeat(".", 400))
	lines := bytes.Repeat([]byte(line), min(bytesWanted, 1<<20)/len(line)+1)
	for n := 0; n < bytesWanted; n += len(lines) {
		_, err = f.Write(lines)
		require.NoError(l.t, err)
	}
}

// goOn adds a line each 100 ms until the test ends.
func (l *podLog) goOn() {
	ticks := time.NewTicker(100 * time.Millisecond)
	ended := make(chan struct{})
	l.t.Cleanup(func() { ticks.Stop(); close(ended) })
	go func() {
		for {
			select {
			case <-ended:
				return
			case <-ticks.C:
				l.write(1)
			}
		}
	}()
}

// awaitReader waits until a process has the file open.
func (l *podLog) awaitReader(pid int) {
	l.t.Helper()
	want, err := os.Stat(l.path)
	require.NoError(l.t, err)
	require.Eventually(l.t, func() bool {
		open, err := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
		require.NoError(l.t, err)
		for _, path := range open {
			if have, err := os.Stat(path); err == nil && os.SameFile(have, want) {
				return true
			}
		}
		return false
	}, patience, pause, "%s is not read", l.path)
}

// rotateAway takes the file away; the next one begins empty.
func (l *podLog) rotateAway() { require.NoError(l.t, os.Remove(l.path)) }
