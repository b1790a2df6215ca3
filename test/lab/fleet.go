package lab

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

// Fleet is a cluster of three hosts: n1 controls it.
type Fleet struct {
	T     *testing.T
	Hub   *Hub
	Hosts []*Host
	Join  []string // the command that `lubberline up` has printed, without the program
}

// New makes three hosts and starts the first; on says on which network each
// is. It ends with the test.
func New(t *testing.T, on [3]int) *Fleet {
	t.Helper()
	peers.RequireReal(t)
	unlock, err := Lock()
	require.NoError(t, err)
	t.Cleanup(unlock)
	networks := []int{on[0]}
	if on[2] != on[0] {
		networks = append(networks, on[2])
	}
	f := &Fleet{T: t}
	f.Hub, err = NewHub(networks...)
	require.NoError(t, err)
	for i := range 3 {
		name, address := fmt.Sprintf("n%d", i+1), fmt.Sprintf("192.168.%d.%d", on[i], i+1)
		h, err := NewHost(name, address)
		require.NoError(t, err)
		require.NoError(t, h.Clean(), "leftovers of an earlier run")
		require.NoError(t, f.Hub.Plug(name, h.Space, on[i], address))
		require.NoError(t, h.Configure())
		f.Hosts = append(f.Hosts, h)
	}
	t.Cleanup(f.Clean)
	require.NoError(t, f.Hosts[0].Start("up"))
	require.NoError(t, f.Hosts[0].Ready())
	command, err := f.Hosts[0].Prints("(?m)join with: lubberline (join .*)$")
	require.NoError(t, err)
	f.Join = strings.Fields(command[1])
	return f
}

// Joined has the other two join, and gives all three the Image. It returns how
// long each took until its node was Ready.
func (f *Fleet) Joined() []time.Duration {
	f.T.Helper()
	var took []time.Duration
	for _, h := range f.Hosts[1:] {
		start := time.Now()
		require.NoError(f.T, h.Start(f.Join...))
		require.NoError(f.T, h.Ready())
		took = append(took, time.Since(start))
	}
	for _, h := range f.Hosts {
		require.NoError(f.T, h.Imports())
	}
	return took
}

func (f *Fleet) Clean() {
	var wait sync.WaitGroup
	errs := make([]error, len(f.Hosts))
	for i, h := range f.Hosts {
		if f.T.Failed() && h.Program != nil {
			f.T.Logf("output of %s:\n%s", h.Name, h.Out.Tail(12000))
		}
		wait.Go(func() { errs[i] = h.Clean() })
	}
	wait.Wait()
	for _, h := range f.Hosts {
		errs = append(errs, h.handle.Close())
	}
	errs = append(errs, f.Hub.handle.Close())
	require.NoError(f.T, errors.Join(errs...))
}

// Kubectl runs the real kubectl on the control host.
func (f *Fleet) Kubectl(args ...string) string {
	f.T.Helper()
	out, err := f.Try(args...)
	require.NoError(f.T, err)
	return out
}

func (f *Fleet) Try(args ...string) (string, error) {
	return f.Hosts[0].Lubberline(append([]string{"kubectl", "--kubeconfig", f.Hosts[0].Kubeconfig()}, args...)...)
}

// Apply makes objects from a manifest.
func (f *Fleet) Apply(manifest string) {
	f.T.Helper()
	file := filepath.Join(f.T.TempDir(), "manifest.yaml")
	require.NoError(f.T, os.WriteFile(file, []byte(manifest), 0o600))
	f.Kubectl("apply", "-f", file)
}

// Becomes waits until kubectl prints what is wanted.
func (f *Fleet) Becomes(want string, args ...string) {
	f.T.Helper()
	require.NoError(f.T, Until(func() error {
		out, err := f.Try(args...)
		if err != nil {
			return err
		}
		if strings.TrimSpace(out) != want {
			return fmt.Errorf("kubectl %s prints %q, not %q", strings.Join(args, " "), strings.TrimSpace(out), want)
		}
		return nil
	}))
}

// Lock keeps two runs of these tests apart: their names are the same.
func Lock() (unlock func(), err error) {
	f, err := os.OpenFile(folder()+".lock", os.O_CREATE|os.O_RDWR, 0o644)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { f.Close() }, nil
}
