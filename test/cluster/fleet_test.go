package cluster

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

// fleet is a cluster of three hosts: n1 controls it.
type fleet struct {
	t     *testing.T
	hub   *hub
	hosts []*host
	join  []string // the command that `lubberline up` has printed, without the program
}

// newFleet makes three hosts and starts the first; on says on which network each
// is. It ends with the test.
func newFleet(t *testing.T, on [3]int) *fleet {
	t.Helper()
	peers.RequireReal(t)
	unlock, err := lock()
	require.NoError(t, err)
	t.Cleanup(unlock)
	networks := []int{on[0]}
	if on[2] != on[0] {
		networks = append(networks, on[2])
	}
	f := &fleet{t: t}
	f.hub, err = newHub(networks...)
	require.NoError(t, err)
	for i := range 3 {
		name, address := fmt.Sprintf("n%d", i+1), fmt.Sprintf("192.168.%d.%d", on[i], i+1)
		h, err := newHost(name, address)
		require.NoError(t, err)
		require.NoError(t, h.clean(), "leftovers of an earlier run")
		require.NoError(t, f.hub.plug(name, h.space, on[i], address))
		require.NoError(t, h.configure())
		f.hosts = append(f.hosts, h)
	}
	t.Cleanup(f.clean)
	require.NoError(t, f.hosts[0].start("up"))
	require.NoError(t, f.hosts[0].ready())
	command, err := f.hosts[0].prints("(?m)join with: lubberline (join .*)$")
	require.NoError(t, err)
	f.join = strings.Fields(command[1])
	return f
}

// joined has the other two join, and gives all three the image. It returns how
// long each took until its node was Ready.
func (f *fleet) joined() []time.Duration {
	f.t.Helper()
	var took []time.Duration
	for _, h := range f.hosts[1:] {
		start := time.Now()
		require.NoError(f.t, h.start(f.join...))
		require.NoError(f.t, h.ready())
		took = append(took, time.Since(start))
	}
	for _, h := range f.hosts {
		require.NoError(f.t, h.imports())
	}
	return took
}

func (f *fleet) clean() {
	var wait sync.WaitGroup
	errs := make([]error, len(f.hosts))
	for i, h := range f.hosts {
		if f.t.Failed() && h.Program != nil {
			f.t.Logf("output of %s:\n%s", h.name, h.Out.Tail(12000))
		}
		wait.Go(func() { errs[i] = h.clean() })
	}
	wait.Wait()
	for _, h := range f.hosts {
		errs = append(errs, h.handle.Close())
	}
	errs = append(errs, f.hub.handle.Close())
	require.NoError(f.t, errors.Join(errs...))
}

// kubectl runs the real kubectl on the control host.
func (f *fleet) kubectl(args ...string) string {
	f.t.Helper()
	out, err := f.try(args...)
	require.NoError(f.t, err)
	return out
}

func (f *fleet) try(args ...string) (string, error) {
	return f.hosts[0].lubberline(append([]string{"kubectl", "--kubeconfig", f.hosts[0].kubeconfig()}, args...)...)
}

// apply makes objects from a manifest.
func (f *fleet) apply(manifest string) {
	f.t.Helper()
	file := filepath.Join(f.t.TempDir(), "manifest.yaml")
	require.NoError(f.t, os.WriteFile(file, []byte(manifest), 0o600))
	f.kubectl("apply", "-f", file)
}

// becomes waits until kubectl prints what is wanted.
func (f *fleet) becomes(want string, args ...string) {
	f.t.Helper()
	require.NoError(f.t, until(func() error {
		out, err := f.try(args...)
		if err != nil {
			return err
		}
		if strings.TrimSpace(out) != want {
			return fmt.Errorf("kubectl %s prints %q, not %q", strings.Join(args, " "), strings.TrimSpace(out), want)
		}
		return nil
	}))
}

// lock keeps two runs of these tests apart: their names are the same.
func lock() (unlock func(), err error) {
	f, err := os.OpenFile(folder()+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil
}
