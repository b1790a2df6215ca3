package alerts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	groups "github.com/lubberline/lubberline/collector/bench/lab"
	"github.com/lubberline/lubberline/collector/cgroup"
	"github.com/lubberline/lubberline/test/machine"
	"github.com/lubberline/lubberline/test/peers"
	run "github.com/lubberline/lubberline/test/program"
)

// TestFaultsOfMachinesAndPodsFireTheShippedRules makes a machine, and pods on it,
// go wrong in many ways at once. What is changed on this machine is put back as
// soon as the alerts have fired.
func TestFaultsOfMachinesAndPodsFireTheShippedRules(t *testing.T) {
	peers.RequireReal(t)
	unlock, err := machine.Lock("alerts-node")
	require.NoError(t, err)
	t.Cleanup(unlock)
	n := newNode(t)
	faults := n.shortDisks() // before the start, which is not to see how they are filled
	n.boot()
	faults = append(faults, n.podFaults()...)
	for _, begin := range []func() fault{
		n.keepProcessorsBusy, n.slowDisk, n.deadDisk, n.takeMemory, n.dropPages, n.openFiles, n.trackConnections, n.loopTunnel,
	} {
		faults = append(faults, begin())
	}
	n.await(faults)
}

// fault is something that is wrong until end.
type fault struct {
	// alerts are what must follow: expressions for the alert's name and the
	// beginning of its summary, "NodeCPUHigh: Node a uses ".
	alerts []string
	finder *aggregator
	end    func() // may be nil
}

// String is the alerts that are missing.
func (f fault) String() string { return strings.Join(f.alerts, ", ") }

// node is the machine that things go wrong with.
type node struct {
	*machine.Machine
	t       *testing.T
	alerts  *aggregator
	cgroups cgroup.Hierarchies
	program string
}

func newNode(t *testing.T) *node {
	t.Helper()
	system, err := cgroup.New(cgroup.Options{})
	require.NoError(t, err)
	program, err := run.Path("lubberline")
	require.NoError(t, err)
	m := machine.New(8)
	m.Disk = 1 << 30
	m.Aggregator = "alerts: {interval: 1s, speed: 60}"
	alerts := &aggregator{t: t, http: strings.TrimPrefix(m.HTTP, "http://")}
	return &node{Machine: m, t: t, alerts: alerts, cgroups: system.Hierarchies(), program: program}
}

func (n *node) boot() {
	n.t.Cleanup(func() {
		if n.t.Failed() && n.Program != nil {
			n.t.Logf("output: %s", n.Out.Tail(8000))
		}
		require.NoError(n.t, n.Clean())
	})
	require.NoError(n.t, n.Boot())
}

// found is a fault that the machine's own alerts must find.
func (n *node) found(end func(), alerts ...string) fault {
	return fault{alerts: alerts, finder: n.alerts, end: end}
}

// await waits for all alerts; what is wrong ends with the last of its own.
func (n *node) await(faults []fault) {
	n.t.Helper()
	start := time.Now()
	for ; len(faults) > 0; time.Sleep(500 * time.Millisecond) {
		require.Less(n.t, time.Since(start), 3*patience, "these must fire: %v", faults)
		for i := range faults {
			f := &faults[i]
			for _, one := range f.finder.alerts() {
				said := one.name + ": " + one.summary
				is := func(alert string) bool { return regexp.MustCompile("^" + alert).MatchString(said) }
				if slices.ContainsFunc(f.alerts, is) {
					n.t.Logf("after %.0f s %s", time.Since(start).Seconds(), said)
					f.alerts = slices.DeleteFunc(f.alerts, is)
				}
			}
			if len(f.alerts) == 0 && f.end != nil {
				f.end()
			}
		}
		faults = slices.DeleteFunc(faults, func(f fault) bool { return len(f.alerts) == 0 })
	}
}

// sh runs a script to its end and returns what it prints.
func (n *node) sh(script string, args ...any) string {
	n.t.Helper()
	script = fmt.Sprintf(script, args...)
	out, err := exec.Command("sh", "-ec", script).CombinedOutput()
	require.NoError(n.t, err, "%s: %s", script, out)
	return strings.TrimSpace(string(out))
}

// afterwards runs a script when now is called, at the end of the test at the
// latest; also when the test is killed. It tries for ten seconds: what is used can
// be removed only later.
func (n *node) afterwards(script string, args ...any) (now func()) {
	n.t.Helper()
	script = fmt.Sprintf(script, args...)
	cmd := exec.Command("sh", "-c", "trap '' INT TERM HUP; cat >/dev/null; for i in $(seq 100); do "+script+" && exit; sleep 0.1; done; exit 1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out := &run.Output{}
	cmd.Stdout, cmd.Stderr = out, out
	hold, err := cmd.StdinPipe() // ends with this process
	require.NoError(n.t, err)
	require.NoError(n.t, cmd.Start())
	return n.once(func() {
		require.NoError(n.t, hold.Close())
		require.NoError(n.t, cmd.Wait(), "%s: %s", script, out)
	})
}

// once is the function for one call, at the end of the test at the latest.
func (n *node) once(f func()) func() {
	f = sync.OnceFunc(f)
	n.t.Cleanup(f)
	return f
}

// every calls f until end, each time after the pause.
func (n *node) every(pause time.Duration, f func() error) (end func()) {
	n.t.Helper()
	stop, stopped := make(chan struct{}), make(chan error, 1)
	go func() {
		ticker := time.NewTicker(pause)
		defer ticker.Stop()
		for {
			if err := f(); err != nil {
				stopped <- err
				return
			}
			select {
			case <-stop:
				stopped <- nil
				return
			case <-ticker.C:
			}
		}
	}()
	return n.once(func() {
		close(stop)
		require.NoError(n.t, <-stopped)
	})
}

// limit is a file of a control group with what to write into it, "pids.max=20", in
// version 1 and in version 2.
type limit struct{ controller, v1, v2 string }

// set writes a limit of a control group.
func (n *node) set(id string, l limit) {
	n.t.Helper()
	setting := l.v2
	if _, ok := n.cgroups.V1[l.controller]; ok {
		setting = l.v1
	}
	file, value, _ := strings.Cut(setting, "=")
	require.NoError(n.t, os.WriteFile(n.file(id, l.controller, file), []byte(value), 0o644))
}

// file is one of a control group, in the hierarchy of the controller.
func (n *node) file(id, controller, name string) string {
	root, ok := n.cgroups.V1[controller]
	if !ok {
		root = n.cgroups.V2
	}
	return filepath.Join(root, id, name)
}

// inGroup runs a script in a control group of its own until end.
func (n *node) inGroup(id, script string, limits ...limit) (end func()) {
	n.t.Helper()
	g, err := groups.New(n.cgroups, id)
	require.NoError(n.t, err)
	require.NoError(n.t, g.Remove(), "what an earlier run left")
	g, err = groups.New(n.cgroups, id)
	require.NoError(n.t, err)
	n.t.Cleanup(func() { require.NoError(n.t, g.Remove()) })
	for _, l := range limits {
		n.set(id, l)
	}
	procs := n.file(id, "pids", "cgroup.procs")
	killed := n.afterwards("test ! -e %s || xargs -r kill -KILL <%s", procs, procs)
	_, err = g.Shell(script)
	require.NoError(n.t, err)
	return n.once(func() { require.NoError(n.t, g.Remove()); killed() })
}

// number reads the first number of a file of the kernel's.
func number(path string) (n int64, err error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	if _, err = fmt.Sscan(string(text), &n); err != nil {
		return 0, fmt.Errorf("%s: %q: %w", path, text, err)
	}
	return n, nil
}
