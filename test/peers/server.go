package peers

import (
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// How long peers may take on a busy machine.
const (
	startTimeout = 90 * time.Second
	stopGrace    = 20 * time.Second
)

// server is what the peers have in common: a command that can be started
// again on the same data and the same ports.
type server struct {
	name    string
	dir     string
	command func() *exec.Cmd
	ready   func() error
	proc    *process
}

// Start starts the server on its data and waits until it is ready. It fails
// the test when it does not get there.
func (s *server) Start(t testing.TB) {
	t.Helper()
	if err := s.start(); err != nil {
		t.Fatal(err)
	}
}

func (s *server) start() error {
	p, err := startProcess(s.name, s.dir+"/server.log", s.command())
	if err != nil {
		return err
	}
	s.proc = p
	return p.waitFor(startTimeout, s.ready)
}

// Kill ends the server as a power cut would: SIGKILL to the whole group.
func (s *server) Kill() { s.proc.end(syscall.SIGKILL, stopGrace) }

// Stop ends the server in the orderly way.
func (s *server) Stop() { s.proc.end(syscall.SIGTERM, stopGrace) }

// Log is the end of the server's log.
func (s *server) Log() string { return s.proc.logTail() }
