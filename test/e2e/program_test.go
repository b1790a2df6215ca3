package e2e

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// program is one of our binaries, run as a user runs it.
type program struct {
	t    *testing.T
	cmd  *exec.Cmd
	out  *lockedBuffer
	done chan struct{} // closed once the process is reaped
}

// binary is a program that `make build` has made.
func binary(t *testing.T, name string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", "..", "bin", name))
	require.NoError(t, err)
	_, err = os.Stat(path)
	require.NoError(t, err, "run make build first")
	return path
}

// start runs a program; it is killed, and its output shown, if the test fails.
func start(t *testing.T, name string, args ...string) *program {
	t.Helper()
	p := &program{t: t, out: &lockedBuffer{}, done: make(chan struct{})}
	p.cmd = exec.Command(binary(t, name), args...)
	p.cmd.Stdout, p.cmd.Stderr = p.out, p.out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	require.NoError(t, p.cmd.Start())
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	t.Cleanup(func() {
		p.kill9()
		if t.Failed() {
			t.Logf("output of %s:\n%s", name, p.out.tail(20000))
		}
	})
	return p
}

// kill9 ends the program as a power cut would, and waits until it is gone.
func (p *program) kill9() {
	select {
	case <-p.done:
		return // the number may be another process's by now
	default:
	}
	_ = syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL)
	<-p.done
}

// interrupt is Ctrl-C; the program must end by itself, with success.
func (p *program) interrupt() {
	p.t.Helper()
	require.NoError(p.t, p.cmd.Process.Signal(syscall.SIGINT))
	select {
	case <-p.done:
	case <-time.After(time.Minute):
		require.FailNow(p.t, "the program does not end on Ctrl-C", p.out.tail(4000))
	}
	require.Zero(p.t, p.cmd.ProcessState.ExitCode(), p.out.tail(4000))
}

// alive fails the test if the program has ended.
func (p *program) alive() {
	p.t.Helper()
	select {
	case <-p.done:
		require.FailNow(p.t, "the program has ended", p.out.tail(4000))
	default:
	}
}

// lockedBuffer keeps what a program prints.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

func (b *lockedBuffer) tail(n int) string {
	s := b.String()
	return s[max(0, len(s)-n):]
}
