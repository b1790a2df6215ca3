package e2e

import (
	"testing"

	"github.com/stretchr/testify/require"

	run "github.com/lubberline/lubberline/test/program"
)

// program is one of our binaries, run as a user runs it.
type program struct {
	t    *testing.T
	out  *run.Output
	done <-chan struct{} // closed once the process is reaped
	p    *run.Program
}

// start runs a program; it is killed, and its output shown, if the test fails.
func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p, err := run.Start(name, args...)
	require.NoError(t, err)
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("output of %s:\n%s", name, p.Out.Tail(20000))
		}
	})
	return &program{t: t, out: p.Out, done: p.Done, p: p}
}

// kill9 ends the program as a power cut would, and waits until it is gone.
func (p *program) kill9() { p.p.Kill() }

// interrupt is Ctrl-C; the program must end by itself, with success.
func (p *program) interrupt() {
	p.t.Helper()
	require.NoError(p.t, p.p.Interrupt())
}

// alive fails the test if the program has ended.
func (p *program) alive() {
	p.t.Helper()
	require.False(p.t, p.p.Ended(), "the program has ended: %s", p.out.Tail(4000))
}

// binary is a program that `make build` has made.
func binary(t *testing.T, name string) string {
	t.Helper()
	path, err := run.Path(name)
	require.NoError(t, err)
	return path
}
