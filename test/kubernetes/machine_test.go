// Package kubernetes tests the orchestrator as people use it: `lubberline up` is
// started, and the real kubectl is run against it.
package kubernetes

import (
	"bytes"
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
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/orchestrator/runtime"
	"github.com/lubberline/lubberline/test/program"
)

const (
	// waitLong bounds every wait for a condition. It is generous: what is
	// asserted is that a thing happens, on machines that are slow at times.
	waitLong = 60 * time.Second
	poll     = 50 * time.Millisecond
	// image is what pods of the tests run; no pull policy asks for it anew.
	image = "lubberline.test/busybox:1"
	// node is the machine's name.
	node = "lubbertest"
	// cleanBound covers ending all pods and the runtime.
	cleanBound = 2 * time.Minute
)

// machine is `lubberline up` on data, addresses, a bridge and control groups of
// its own.
type machine struct {
	dir        string
	number     int
	network    runtime.Network
	http       string // the monitoring's APIs
	kubeconfig string
	disk       int64 // size of a file system of its own for all data, in bytes; 0 is none
	args       []string
	*program.Program
}

// newMachine describes machine number n of this test run. Its ports are below
// those that the kernel gives to clients, so that they are free after a crash.
func newMachine(n int) *machine {
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("lubberline-kubernetes-%d", n))
	port := func(i int) string { return fmt.Sprintf("127.0.0.1:%d", 23100+10*n+i) }
	subnet := netip.MustParsePrefix(fmt.Sprintf("10.%d.0.0/24", 201+n))
	return &machine{
		dir: dir, number: n, http: "http://" + port(1), kubeconfig: filepath.Join(dir, "d/orchestrator/api/admin.kubeconfig"),
		network: runtime.Network{Bridge: fmt.Sprintf("lubbertest%d", n), Subnet: subnet, Cluster: netip.PrefixFrom(subnet.Addr(), 16)},
		args: []string{
			"up", "--config", filepath.Join(dir, "config.yaml"), "--data-dir", filepath.Join(dir, "d"),
			"--http", port(1), "--collector-http", port(2), "--forward", port(3),
		},
	}
}

func (m *machine) cgroup() string { return fmt.Sprintf("/lubbertest-%d", m.number) }

func (m *machine) configuration() string {
	return fmt.Sprintf(`
collector: {interval: 1s, node: %s, runtimes: {docker: "", podman: "", containerd: "", crio: ""}}
aggregator: {resolution: 1s}
orchestrator:
  api: 127.0.0.1:%d
  kubelet_port: %d
  network: {bridge: %s, pods: %s, node: %s, services: 10.%d.0.0/16}
  runtime: {pod_logs: %s/pods, cgroup_root: %s}
`, node, 23100+10*m.number, 23104+10*m.number, m.network.Bridge, m.network.Cluster, m.network.Subnet, 111+m.number, m.dir, m.cgroup())
}

// boot starts the machine from nothing, also where an earlier run of the tests
// was killed, and gives it an image.
func (m *machine) boot() error {
	if err := m.clean(); err != nil {
		return fmt.Errorf("leftovers of an earlier run: %w", err)
	}
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(m.dir, "config.yaml"), []byte(m.configuration()), 0o600); err != nil {
		return err
	}
	if err := m.mountDisk(); err != nil {
		return err
	}
	path, err := program.Path("lubberline")
	if err != nil {
		return err
	}
	if err := m.start(); err != nil {
		return err
	}
	if err := until(func() error { return m.untainted(path) }); err != nil {
		return err
	}
	out, err := exec.Command(path, "images", "build-busybox", "--name", image, "--socket", m.socket()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("busybox: %w: %s", err, out)
	}
	return nil
}

func (m *machine) mountDisk() error {
	if m.disk == 0 {
		return nil
	}
	data := filepath.Join(m.dir, "d")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return err
	}
	return unix.Mount("tmpfs", data, "tmpfs", 0, fmt.Sprintf("size=%d", m.disk))
}

// start runs the program, again after a crash, until its node takes pods.
func (m *machine) start() (err error) {
	if m.Program, err = program.Start("lubberline", m.args...); err != nil {
		return err
	}
	return until(func() error {
		out := m.Out.String()
		switch {
		case m.Ended():
			return fatal{fmt.Errorf("the program has ended: %s", m.Out.Tail(4000))}
		case strings.Contains(out, "no pods run here"):
			return fatal{fmt.Errorf("no pods run: %s", m.Out.Tail(4000))}
		case !strings.Contains(out, "is Ready for pods"):
			return fmt.Errorf("the node is not ready: %s", m.Out.Tail(4000))
		}
		return nil
	})
}

// untainted says why the node takes no pods: it may be short of disk.
func (m *machine) untainted(lubberline string) error {
	out, err := exec.Command(lubberline, "kubectl", "--kubeconfig", m.kubeconfig, "get", "node", node, "-o", "jsonpath={.spec.taints}").CombinedOutput()
	if err != nil || len(out) > 0 {
		return fmt.Errorf("the node has taints: %s %w", out, err)
	}
	return nil
}

func (m *machine) runtimeData() string { return filepath.Join(m.dir, "d", "orchestrator", "runtime") }

func (m *machine) socket() string {
	return filepath.Join(runtime.StateDirOf(m.runtimeData()), "containerd.sock")
}

// clean ends the program and everything that outlives it, and leaves no trace.
func (m *machine) clean() error {
	var errs []error
	if m.Program != nil && !m.Ended() {
		errs = append(errs, m.Interrupt())
		m.Kill()
	}
	ctx, cancel := context.WithTimeout(context.Background(), cleanBound)
	defer cancel()
	programs, err := program.Path("runtime")
	errs = append(errs, err, runtime.Remove(ctx, runtime.Options{
		BinDir: programs, DataDir: m.runtimeData(), Network: m.network, Logger: slog.New(slog.DiscardHandler),
	}))
	errs = append(errs, unmountBelow(m.dir), removeCgroups(m.cgroup()), os.RemoveAll(m.dir))
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
			errs = append(errs, until(func() error { return removeCgroup(group) }))
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

// fatal is an error that no waiting mends.
type fatal struct{ error }

// until asks until the check is satisfied and returns the last complaint when
// it never is.
func until(check func() error) error {
	var last error
	for deadline := time.Now().Add(waitLong); time.Now().Before(deadline); time.Sleep(poll) {
		if last = check(); last == nil || errors.As(last, &fatal{}) {
			return last
		}
	}
	return last
}

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	require.NoError(t, until(check), what)
}

// lock keeps two runs of these tests apart: their addresses are the same.
func lock() (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "lubberline-kubernetes.lock"), os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil
}

// kubectls are the real kubectl by where it comes from: the machine's own, if
// it has one, and ours, called by a link as a machine without one would do it.
func kubectls(t *testing.T) map[string]string {
	t.Helper()
	ours, err := program.Path("lubberline")
	require.NoError(t, err)
	link := filepath.Join(t.TempDir(), "kubectl")
	require.NoError(t, os.Symlink(ours, link))
	found := map[string]string{"ours": link}
	if own, err := exec.LookPath("kubectl"); err == nil {
		found["the machine's"] = own
	}
	return found
}

// describe shows what went on when a test failed.
func (m *machine) describe(t *testing.T) {
	t.Logf("output of lubberline:\n%s", withoutNoise(m.Out.Tail(60000)))
}

// withoutNoise drops what libraries say of themselves.
func withoutNoise(out string) string {
	var kept bytes.Buffer
	for line := range strings.Lines(out) {
		if !strings.HasPrefix(line, "I1") && !strings.HasPrefix(line, "I0") {
			kept.WriteString(line)
		}
	}
	return kept.String()
}
