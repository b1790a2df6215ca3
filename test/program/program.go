// Package program runs our own programs for tests, as a user runs them.
package program

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// endBound is how long a program may take to end by itself.
const endBound = time.Minute

// Program is one of our programs while it runs.
type Program struct {
	// Out is what it has printed.
	Out *Output
	// Done is closed once the process is reaped.
	Done <-chan struct{}

	cmd *exec.Cmd
}

// Path is a program that `make build` has made: in bin below the go.mod above
// the working directory, or in the folder LUBBERLINE_BIN.
func Path(name string) (string, error) {
	dir, err := folder()
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("run make build first: %w", err)
	}
	return path, nil
}

func folder() (string, error) {
	if dir := os.Getenv("LUBBERLINE_BIN"); dir != "" {
		return dir, nil
	}
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return filepath.Join(dir, "bin"), nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("no go.mod above the working directory")
		}
	}
	return "", err
}

// Start runs a program. It is killed when this process ends.
func Start(name string, args ...string) (*Program, error) {
	path, err := Path(name)
	if err != nil {
		return nil, err
	}
	done := make(chan struct{})
	p := &Program{Out: &Output{}, Done: done, cmd: exec.Command(path, args...)}
	p.cmd.Stdout, p.cmd.Stderr = p.Out, p.Out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() { _ = p.cmd.Wait(); close(done) }()
	return p, nil
}

// PID is the process's number.
func (p *Program) PID() int { return p.cmd.Process.Pid }

// ExitCode is that of an ended program.
func (p *Program) ExitCode() int { return p.cmd.ProcessState.ExitCode() }

// Ended says whether the program is gone.
func (p *Program) Ended() bool {
	select {
	case <-p.Done:
		return true
	default:
		return false
	}
}

// Kill ends the program as a power cut would, and waits until it is gone.
func (p *Program) Kill() {
	if p.Ended() {
		return // the number may be another process's by now
	}
	_ = syscall.Kill(-p.PID(), syscall.SIGKILL)
	<-p.Done
}

// Interrupt is Ctrl-C; a program that does not end by itself, with success, is
// an error.
func (p *Program) Interrupt() error {
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return fmt.Errorf("interrupt the program: %w", err)
	}
	select {
	case <-p.Done:
	case <-time.After(endBound):
		return fmt.Errorf("the program does not end on Ctrl-C: %s", p.Out.Tail(4000))
	}
	if code := p.ExitCode(); code != 0 {
		return fmt.Errorf("the program ended with %d: %s", code, p.Out.Tail(4000))
	}
	return nil
}

// Output keeps what a program prints.
type Output struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write is called by the program's reader.
func (o *Output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.Write(p)
}

func (o *Output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// Tail is the last n bytes.
func (o *Output) Tail(n int) string {
	s := o.String()
	return s[max(0, len(s)-n):]
}
