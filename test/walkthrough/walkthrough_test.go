package walkthrough

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
	"github.com/lubberline/lubberline/test/program"
)

// TestWalkthrough is a person who follows the document.
func TestWalkthrough(t *testing.T) {
	peers.RequireReal(t)
	document, err := os.ReadFile("../../docs/walkthrough.md")
	require.NoError(t, err)
	blocks, err := parse(string(document))
	require.NoError(t, err)
	require.Greater(t, len(blocks), 10)

	m, err := newMachine(t.TempDir())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, m.end()) })
	w := &walk{t: t, m: m}
	t.Cleanup(w.end)
	w.terminal, err = m.terminal()
	require.NoError(t, err)
	for _, b := range blocks {
		for _, c := range b.commands {
			w.do(b, c)
		}
	}
	require.Empty(t, w.services, "the document ends what it starts")
}

// walk is how far the person is.
type walk struct {
	t        *testing.T
	m        *machine
	terminal *terminal
	services []*service
}

func (w *walk) do(b block, c command) {
	w.t.Helper()
	began := time.Now()
	switch {
	case c.text == interrupt:
		require.NotEmpty(w.t, w.services, "line %d: nothing runs", c.line)
		last := len(w.services) - 1
		require.NoError(w.t, w.services[last].interrupt(), "line %d", c.line)
		w.services = w.services[:last]
	case b.background:
		s, err := w.m.start(c)
		if s != nil {
			w.services = append(w.services, s)
		}
		require.NoError(w.t, err)
	default:
		require.NoError(w.t, w.terminal.run(c))
	}
	w.t.Logf("line %d, %.1fs: %s", c.line, time.Since(began).Seconds(), c.text)
}

// end ends what a failure has left running.
func (w *walk) end() {
	if w.t.Failed() {
		w.describe()
	}
	for _, s := range w.services {
		if err := s.interrupt(); err != nil {
			w.t.Log(err)
			_ = s.cmd.Process.Kill()
		}
	}
	if w.terminal != nil {
		w.terminal.end()
	}
}

func (w *walk) describe() {
	for _, s := range w.services {
		w.t.Logf("%v:\n%s%s", s.cmd.Args, s.out, s.cmd.Stderr.(*program.Output).Tail(20000))
	}
	if w.terminal != nil {
		out, _, _ := w.terminal.try("kubectl get all,events -A -o wide")
		w.t.Logf("at the end:\n%s", out)
	}
}
