// Package kubernetes tests the orchestrator as people use it: `lubberline up` is
// started, and the real kubectl is run against it.
package kubernetes

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	single "github.com/lubberline/lubberline/test/machine"
	"github.com/lubberline/lubberline/test/program"
)

const (
	waitLong = single.WaitLong
	poll     = single.Poll
	image    = single.Image
	node     = single.Node
)

// machine is the one that tests use.
type machine struct{ *single.Machine }

func newMachine(n int) *machine { return &machine{single.New(n)} }

func until(check func() error) error { return single.Until(check) }

func eventually(t *testing.T, what string, check func() error) {
	t.Helper()
	require.NoError(t, until(check), what)
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
