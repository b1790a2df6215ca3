package walkthrough

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
	"github.com/lubberline/lubberline/test/program"
)

// TestWalkthrough is a person who follows the document, with one machine or
// with three: two are on one link, the third is behind a router, so that what its
// pods send goes through a tunnel.
func TestWalkthrough(t *testing.T) {
	peers.RequireReal(t)
	for name, on := range map[string][]int{"one": {77}, "three": {77, 77, 78}} {
		t.Run(name, func(t *testing.T) { follow(t, on) })
	}
}

func follow(t *testing.T, on []int) {
	document, err := os.ReadFile("../../docs/walkthrough.md")
	require.NoError(t, err)
	blocks, err := parse(string(document))
	require.NoError(t, err)
	require.Greater(t, len(blocks), 10)

	r, err := newRoom(t.TempDir(), on)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, r.end()) })
	w := &walk{t: t, room: r, terminals: map[string]*terminal{}}
	t.Cleanup(w.end)
	for _, b := range blocks {
		if b.machines != 0 && b.machines != len(on) {
			continue
		}
		for _, c := range b.commands {
			w.do(b, c)
		}
	}
	require.Empty(t, w.services, "the document ends what it starts")
}

// walk is how far the person is.
type walk struct {
	t         *testing.T
	room      *room
	terminals map[string]*terminal // by machine
	services  []*service
	printed   strings.Builder
}

func (w *walk) do(b block, c command) {
	w.t.Helper()
	began := time.Now()
	require.NoError(w.t, c.fill(w.printed.String()))
	switch {
	case c.text == interrupt:
		last := -1
		for i, s := range w.services {
			if s.machine == b.machine {
				last = i
			}
		}
		require.GreaterOrEqual(w.t, last, 0, "line %d: nothing runs on %s", c.line, b.machine)
		require.NoError(w.t, w.services[last].interrupt(), "line %d", c.line)
		w.services = slices.Delete(w.services, last, last+1)
	case b.background:
		s, err := w.room.machine(b.machine).start(c)
		if s != nil {
			w.services = append(w.services, s)
		}
		require.NoError(w.t, err)
		w.printed.WriteString(s.out.String())
	default:
		output, err := w.terminal(b.machine).run(c)
		require.NoError(w.t, err)
		w.printed.WriteString(output)
	}
	w.t.Logf("line %d, %.1fs: %s", c.line, time.Since(began).Seconds(), c.text)
}

// terminal of a machine; it is opened with its first command.
func (w *walk) terminal(machine string) *terminal {
	if _, open := w.terminals[machine]; !open {
		t, err := w.room.machine(machine).terminal()
		require.NoError(w.t, err)
		w.terminals[machine] = t
	}
	return w.terminals[machine]
}

// end ends what a failure has left running.
func (w *walk) end() {
	if w.t.Failed() {
		w.describe()
	}
	for _, s := range slices.Backward(w.services) {
		if err := s.interrupt(); err != nil {
			w.t.Log(err)
			_ = s.cmd.Process.Kill()
		}
	}
	for _, t := range w.terminals {
		t.end()
	}
}

func (w *walk) describe() {
	for _, s := range w.services {
		w.t.Logf("%s: %v:\n%s%s", s.machine, s.cmd.Args, s.out, s.cmd.Stderr.(*program.Output).Tail(20000))
	}
	if t, open := w.terminals[first]; open {
		out, _, _ := t.try("kubectl get all,events -A -o wide")
		w.t.Logf("at the end:\n%s", out)
	}
}
