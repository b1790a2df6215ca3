package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

// Fleet is a cluster of a test: what goes wrong with it ends the test, which
// then shows what the hosts have printed.
type Fleet struct {
	*Cluster
	T *testing.T
}

// NewFleet makes a cluster that ends with the test, and starts its first host.
func NewFleet(t *testing.T, p Plan) *Fleet {
	t.Helper()
	f := MakeFleet(t, p)
	require.NoError(t, f.Up())
	return f
}

// MakeFleet makes a cluster that ends with the test, and starts nothing.
func MakeFleet(t *testing.T, p Plan) *Fleet {
	t.Helper()
	peers.RequireReal(t)
	c, err := Make(p)
	require.NoError(t, err)
	t.Cleanup(func() {
		for _, h := range c.Hosts {
			if t.Failed() && h.Program != nil {
				t.Logf("output of %s:\n%s", h.Name, h.Out.Tail(12000))
			}
		}
		require.NoError(t, c.Clean())
	})
	return &Fleet{Cluster: c, T: t}
}

// Joined has the others join, and gives all hosts the Image. It returns how
// long each took until its node was Ready.
func (f *Fleet) Joined() []time.Duration {
	f.T.Helper()
	took, err := f.JoinAll()
	require.NoError(f.T, err)
	require.NoError(f.T, f.Each((*Host).Imports))
	return took
}

// Kubectl runs the real kubectl on the control host.
func (f *Fleet) Kubectl(args ...string) string {
	f.T.Helper()
	out, err := f.Try(args...)
	require.NoError(f.T, err)
	return out
}

// Try is Kubectl where failing is no surprise.
func (f *Fleet) Try(args ...string) (string, error) { return f.Cluster.Kubectl(args...) }

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
