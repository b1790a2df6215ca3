package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ticksPerSecond is USER_HZ, the unit of the times in /proc/PID/stat.
const ticksPerSecond = 100

// process is a program that runs and is measured from outside.
type process struct {
	name string
	cmd  *exec.Cmd
	out  *os.File
	done chan struct{} // closed once it is reaped
}

// start runs a program with its output in a file below dir.
func start(dir, path string, args ...string) (*process, error) {
	name := filepath.Base(path)
	out, err := os.Create(filepath.Join(dir, name+".out"))
	if err != nil {
		return nil, err
	}
	p := &process{name: name, cmd: exec.Command(path, args...), out: out, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = out, out
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start %s: %w", name, err), out.Close())
	}
	go func() { _ = p.cmd.Wait(); close(p.done) }()
	return p, nil
}

// stop ends the program as Ctrl-C does, and kills it when it takes too long.
func (p *process) stop() {
	defer p.out.Close()
	_ = p.cmd.Process.Signal(syscall.SIGINT)
	select {
	case <-p.done:
	case <-time.After(20 * time.Second):
		_ = p.cmd.Process.Kill()
		<-p.done
	}
}

// alive is an error with the end of the output when the program has ended.
func (p *process) alive() error {
	select {
	case <-p.done:
		text, _ := os.ReadFile(p.out.Name())
		return fmt.Errorf("%s has ended: %s: %s", p.name, p.cmd.ProcessState, text[max(0, len(text)-1500):])
	default:
		return nil
	}
}

// cpu is the user and system time the program has used.
func (p *process) cpu() (time.Duration, error) { return cpuTime(p.cmd.Process.Pid) }

func cpuTime(pid int) (time.Duration, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0, fmt.Errorf("stat of process %d: %q", pid, text)
	}
	var ticks int
	for _, f := range fields[11:13] {
		n, err := strconv.Atoi(f)
		if err != nil {
			return 0, fmt.Errorf("stat of process %d: %w", pid, err)
		}
		ticks += n
	}
	return time.Duration(ticks) * time.Second / ticksPerSecond, nil
}

// memory is a figure of /proc/PID/status in MiB: VmRSS, or VmHWM for the most
// it has ever been.
func (p *process) memory(field string) (float64, error) { return memoryOf(p.cmd.Process.Pid, field) }

func memoryOf(pid int, field string) (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kib, err := strconv.Atoi(strings.TrimSuffix(strings.TrimSpace(rest), " kB"))
			return float64(kib) / 1024, err
		}
	}
	return 0, fmt.Errorf("status of process %d: no %s", pid, field)
}

// use is what a program needed during a measurement.
type use struct {
	cpu, wall time.Duration
	rss, peak float64 // MiB, at the end
}

func (u use) percent() float64 { return 100 * u.cpu.Seconds() / u.wall.Seconds() }

// watch measures a program while work runs.
func (p *process) watch(work func() error) (u use, err error) {
	before, err := p.cpu()
	if err != nil {
		return u, err
	}
	began := time.Now()
	if err := work(); err != nil {
		return u, errors.Join(err, p.alive())
	}
	return p.used(before, began)
}

// used is what a program needed since began, when its CPU time was before.
func (p *process) used(before time.Duration, began time.Time) (u use, err error) {
	u.wall = time.Since(began)
	after, err := p.cpu()
	if err != nil {
		return u, err
	}
	u.cpu = after - before
	if u.rss, err = p.memory("VmRSS"); err != nil {
		return u, err
	}
	u.peak, err = p.memory("VmHWM")
	return u, err
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}
