// Package machine runs `lubberline up` for tests, as a user runs it, beside others
// on the same machine.
package machine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/orchestrator/podnet"
	"github.com/lubberline/lubberline/orchestrator/proxy"
	"github.com/lubberline/lubberline/orchestrator/runtime"
	"github.com/lubberline/lubberline/test/program"
)

const (
	// WaitLong bounds every wait for a condition. It is generous: what is
	// asserted is that a thing happens, on machines that are slow at times.
	WaitLong = 60 * time.Second
	// Poll is the time between two looks.
	Poll = 50 * time.Millisecond
	// Image is what pods of the tests run; no pull policy asks for it anew.
	Image = "lubberline.test/busybox:1"
	// Node is the machine's name.
	Node = "lubbertest"
	// cleanBound covers ending all pods and the runtime.
	cleanBound = 2 * time.Minute
)

// Machine is `lubberline up` on data, addresses, a bridge and control groups of
// its own.
type Machine struct {
	Dir        string
	Network    runtime.Network
	HTTP       string // the monitoring's APIs
	Kubeconfig string
	Disk       int64  // size of a file system of its own for all data, in bytes; 0 is none
	Store      int64  // of one for the API's objects
	Aggregator string // more of the configuration's section aggregator: "influxdb: {…}"
	number     int
	args       []string
	*program.Program
}

// New describes machine number n of this test run. Its ports are below
// those that the kernel gives to clients, so that they are free after a crash.
func New(n int) *Machine {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("lubberline-kubernetes-%d", n))
	port := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", 23100+10*n+i) }
	subnet := netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/24", 201+n))
	return &Machine{
		Dir: dir, number: n, HTTP: "http://" + port(1), Kubeconfig: filepath.Join(dir, "d/orchestrator/api/admin.kubeconfig"),
		Network: runtime.Network{Bridge: fmt.Sprintf("lubbertest%d", n), Subnet: subnet, Cluster: netip.PrefixFrom(subnet.Addr(), 16)},
		args: []string{
			"up", "--config", filepath.Join(dir, "config.yaml"), "--data-dir", filepath.Join(dir, "d"),
			"--http", port(1), "--collector-http", port(2), "--forward", port(3),
		},
	}
}

// Table is the kernel's table of its services.
func (m *Machine) Table() string { return "lubberline-" + m.Network.Bridge }

// Config is the program's configuration file.
func (m *Machine) Config() string { return filepath.Join(m.Dir, "config.yaml") }

func (m *Machine) cgroup() string { return fmt.Sprintf("/lubbertest-%d", m.number) }

func (m *Machine) configuration() string {
	more := ""
	if m.Aggregator != "" {
		more = ", " + m.Aggregator
	}
	return fmt.Sprintf(`
collector: {interval: 1s, node: %s, runtimes: {docker: "", podman: "", containerd: "", crio: ""}}
aggregator: {resolution: 1s%s}
orchestrator:
  api: 127.0.0.1:%d
  kubelet_port: %d
  network: {bridge: %s, pods: %s, node: %s, services: 10.%d.0.0/16}
  runtime: {pod_logs: %s/pods, cgroup_root: %s}
`, Node, more, 23100+10*m.number, 23104+10*m.number, m.Network.Bridge, m.Network.Cluster, m.Network.Subnet, 111+m.number, m.Dir, m.cgroup())
}

// Boot starts the machine from nothing, also where an earlier run of the tests
// was killed, and gives it an image.
func (m *Machine) Boot() error {
	if err := m.Clean(); err != nil {
		return fmt.Errorf("leftovers of an earlier run: %w", err)
	}
	if err := os.MkdirAll(m.Dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(m.Config(), []byte(m.configuration()), 0o600); err != nil {
		return err
	}
	if err := m.mountDisk(); err != nil {
		return err
	}
	path, err := program.Path("lubberline")
	if err != nil {
		return err
	}
	if err := m.Start(); err != nil {
		return err
	}
	if err := Until(func() error { return m.untainted(path) }); err != nil {
		return err
	}
	out, err := exec.Command(path, "images", "build-busybox", "--name", Image, "--socket", m.Socket()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("busybox: %w: %s", err, out)
	}
	return nil
}

func (m *Machine) mountDisk() error {
	for _, disk := range []struct {
		dir  string
		size int64
	}{{filepath.Join(m.Dir, "d"), m.Disk}, {m.StoreDir(), m.Store}} {
		if disk.size == 0 {
			continue
		}
		if err := os.MkdirAll(disk.dir, 0o700); err != nil {
			return err
		}
		if err := unix.Mount("tmpfs", disk.dir, "tmpfs", 0, fmt.Sprintf("size=%d", disk.size)); err != nil {
			return fmt.Errorf("disk for %s: %w", disk.dir, err)
		}
	}
	return nil
}

// StoreDir has the API's objects.
func (m *Machine) StoreDir() string { return filepath.Join(m.Dir, "d/orchestrator/api/etcd") }

// Start runs the program, again after a crash, until its node takes pods.
func (m *Machine) Start() (err error) {
	if m.Program, err = program.Start("lubberline", m.args...); err != nil {
		return err
	}
	return Until(func() error {
		out := m.Out.String()
		switch {
		case m.Ended():
			return Fatal{fmt.Errorf("the program has ended: %s", m.Out.Tail(4000))}
		case strings.Contains(out, "no pods run here"):
			return Fatal{fmt.Errorf("no pods run: %s", m.Out.Tail(4000))}
		case !strings.Contains(out, "is Ready for pods"):
			return fmt.Errorf("the node is not ready: %s", m.Out.Tail(4000))
		}
		return nil
	})
}

// untainted says why the node takes no pods: it may be short of disk.
func (m *Machine) untainted(lubberline string) error {
	out, err := exec.Command(lubberline, "kubectl", "--kubeconfig", m.Kubeconfig, "get", "node", Node, "-o", "jsonpath={.spec.taints}").CombinedOutput()
	if err != nil || len(out) > 0 {
		return fmt.Errorf("the node has taints: %s %w", out, err)
	}
	return nil
}

func (m *Machine) runtimeData() string { return filepath.Join(m.Dir, "d", "orchestrator", "runtime") }

// Socket is the container runtime's.
func (m *Machine) Socket() string {
	return filepath.Join(runtime.StateDirOf(m.runtimeData()), "containerd.sock")
}

// Clean ends the program and everything that outlives it, and leaves no trace.
func (m *Machine) Clean() error {
	var errs []error
	if m.Program != nil && !m.Ended() {
		errs = append(errs, m.Interrupt())
		m.Kill()
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanBound)
	defer cancel()
	programs, err := program.Path("runtime")
	errs = append(errs, err, runtime.Remove(ctx, runtime.Options{
		BinDir: programs, DataDir: m.runtimeData(), Network: m.Network, Logger: slog.New(slog.DiscardHandler),
	}))
	errs = append(errs, proxy.Remove(ctx, m.Table()), podnet.Remove(ctx, m.Network.Cluster, "lubberline-pods-"+m.Network.Bridge),
		unmountBelow(m.Dir), removeCgroups(m.cgroup()), os.RemoveAll(m.Dir))
	return errors.Join(errs...)
}

// unmountBelow undoes the mounts of pods' volumes.
func unmountBelow(dir string) error {
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err
	}
	var errs []error
	lines := strings.Split(string(mounts), "\n")
	for _, line := range slices.Backward(lines) {
		if fields := strings.Fields(line); len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			errs = append(errs, unix.Unmount(fields[4], unix.MNT_DETACH))
		}
	}
	return errors.Join(errs...)
}

// removeCgroups removes a control group with all below it, in every hierarchy.
func removeCgroups(name string) error {
	roots, err := filepath.Glob("/sys/fs/cgroup/*" + name)
	if err != nil {
		return err
	}
	var errs []error
	for _, root := range append(roots, "/sys/fs/cgroup"+name) {
		var groups []string
		err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				groups = append(groups, path)
			}
			return nil //nolint:nilerr // what vanishes meanwhile need not be removed
		})
		errs = append(errs, err)
		for _, group := range slices.Backward(groups) {
			errs = append(errs, Until(func() error { return removeCgroup(group) }))
		}
	}
	return errors.Join(errs...)
}

// removeCgroup fails while a process of the group is still on its way out.
func removeCgroup(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Fatal is an error that no waiting mends.
type Fatal struct{ Err error }

// Error implements error.
func (f Fatal) Error() string { return f.Err.Error() }

// Unwrap implements errors.Unwrap.
func (f Fatal) Unwrap() error { return f.Err }

// Until asks until the check is satisfied and returns the last complaint when
// it never is.
func Until(check func() error) error {
	var last error
	for deadline := time.Now().Add(WaitLong); time.Now().Before(deadline); time.Sleep(Poll) {
		if last = check(); last == nil || errors.As(last, &Fatal{}) {
			return last
		}
	}
	return last
}

// Lock keeps two runs of the tests of that name apart: their addresses are the
// same.
func Lock(name string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "lubberline-"+name+".lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil
}
