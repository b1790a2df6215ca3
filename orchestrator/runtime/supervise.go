package runtime

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/prometheus/procfs"
	"golang.org/x/sys/unix"
)

// Back-off between starts of a containerd that keeps dying; one that lived
// longer than the last of them starts at the first again.
const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 10 * time.Second
)

// maxLog is the size at which containerd's log is put aside at a start.
const maxLog = 10 << 20

// supervised is a daemon that is to outlive us: it has a session of its own and
// writes to a file, and the next process of ours finds it by its pid file.
type supervised struct {
	program string
	args    []string
	env     []string
	pidFile string
	logFile string
	// version differs when a running daemon does not fit any more.
	version string
	log     *slog.Logger
}

// identity is the pid file's content. Start (clock ticks since boot) tells the
// process from a later one with the same number.
type identity struct {
	PID     int    `json:"pid"`
	Start   uint64 `json:"start"`
	Version string `json:"version"`
}

// run keeps the daemon running until ctx ends, and then leaves it.
func (s *supervised) run(ctx context.Context, started func()) error {
	id, adopted := s.adopt(ctx)
	for wait := firstBackoff; ; {
		began := time.Now()
		if !adopted {
			var err error
			if id, err = s.start(); err != nil {
				s.log.Error("cannot start the container runtime", "error", err)
			} else {
				started()
			}
		}
		if id.PID != 0 {
			if err := awaitExit(ctx, id.PID); err != nil {
				return nil //nolint:nilerr // ctx ended: the daemon stays
			}
			s.log.Warn("the container runtime ended; starting it again", "pid", id.PID, "lived", time.Since(began).Round(time.Millisecond))
		}
		if time.Since(began) > lastBackoff {
			wait = firstBackoff
		}
		id, adopted = identity{}, false
		select {
		case <-time.After(wait):
			wait = min(2*wait, lastBackoff)
		case <-ctx.Done():
			return nil
		}
	}
}

// adopt returns the daemon that an earlier process of ours left, or ends it
// when it runs with another configuration or program.
func (s *supervised) adopt(ctx context.Context) (identity, bool) {
	id, ok := s.running()
	if !ok {
		return identity{}, false
	}
	if id.Version == s.version {
		s.log.Info("taking over the running container runtime", "pid", id.PID)
		return id, true
	}
	s.log.Info("the container runtime has another configuration; starting it anew", "pid", id.PID)
	if err := s.end(ctx, id); err != nil {
		s.log.Error("cannot end the old container runtime", "pid", id.PID, "error", err)
	}
	return identity{}, false
}

// running returns the daemon named by the pid file, if it lives.
func (s *supervised) running() (identity, bool) {
	data, err := os.ReadFile(s.pidFile)
	if err != nil {
		return identity{}, false
	}
	var id identity
	if err := json.Unmarshal(data, &id); err != nil {
		return identity{}, false
	}
	start, err := startOf(id.PID)
	return id, err == nil && start == id.Start
}

func startOf(pid int) (uint64, error) {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return 0, err
	}
	stat, err := p.Stat()
	if err == nil && stat.State == "Z" {
		return 0, errors.New("ended")
	}
	return stat.Starttime, err
}

// start runs the daemon and writes its pid file.
func (s *supervised) start() (identity, error) {
	out, err := s.openLog()
	if err != nil {
		return identity{}, err
	}
	defer out.Close()
	cmd := exec.Command(s.program, s.args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = s.env, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return identity{}, err
	}
	pid := cmd.Process.Pid
	start, err := startOf(pid)
	go func() { _ = cmd.Wait() }() // takes the exit status, so that it is no zombie
	id := identity{PID: pid, Start: start, Version: s.version}
	if err != nil {
		return id, err
	}
	return id, s.remember(id)
}

func (s *supervised) remember(id identity) error {
	data, err := json.Marshal(id)
	if err != nil {
		return err
	}
	next := s.pidFile + ".next"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return err
	}
	return os.Rename(next, s.pidFile)
}

func (s *supervised) openLog() (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(s.logFile), 0o711); err != nil {
		return nil, err
	}
	if info, err := os.Stat(s.logFile); err == nil && info.Size() > maxLog {
		if err := os.Rename(s.logFile, s.logFile+".1"); err != nil {
			return nil, err
		}
	}
	return os.OpenFile(s.logFile, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
}

// end asks the daemon to end, and kills it after ten seconds.
func (s *supervised) end(ctx context.Context, id identity) error {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	if err := unix.Kill(id.PID, unix.SIGTERM); err != nil {
		return err
	}
	if awaitExit(ctx, id.PID) == nil {
		return nil
	}
	if err := unix.Kill(id.PID, unix.SIGKILL); err != nil {
		return err
	}
	return awaitExit(context.Background(), id.PID)
}

// awaitExit waits for the process, which need not be a child, to end. The error
// is ctx's.
func awaitExit(ctx context.Context, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("process %d: %w", pid, err)
	}
	defer unix.Close(fd)
	wake, err := unix.Eventfd(0, unix.EFD_CLOEXEC)
	if err != nil {
		return err
	}
	defer unix.Close(wake)
	defer context.AfterFunc(ctx, func() { _, _ = unix.Write(wake, []byte{1, 0, 0, 0, 0, 0, 0, 0}) })()
	for {
		poll := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}, {Fd: int32(wake), Events: unix.POLLIN}}
		if _, err := unix.Poll(poll, -1); err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		if poll[0].Revents != 0 {
			return nil
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
}
