package walkthrough

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/lubberline/lubberline/test/program"
)

const (
	// patience is how long a look is repeated, and commandBound how long one
	// command may take.
	patience     = time.Minute
	commandBound = 3 * time.Minute
	again        = 300 * time.Millisecond
)

// terminal is a shell that keeps its folder and variables from command to
// command.
type terminal struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines chan string
}

func (m *machine) terminal() (*terminal, error) {
	t := &terminal{cmd: m.command("bash", "--noprofile", "--norc"), lines: make(chan string, 1000)}
	in, err := t.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	out, err := t.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	t.in = in
	if err := t.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		defer close(t.lines)
		for scanner := bufio.NewScanner(out); scanner.Scan(); {
			t.lines <- scanner.Text()
		}
	}()
	return t, nil
}

// end kills the shell and what it has started.
func (t *terminal) end() {
	_ = syscall.Kill(-t.cmd.Process.Pid, syscall.SIGKILL)
	_ = t.cmd.Wait()
}

var ended = regexp.MustCompile(`^(.*)--ended (\d+)--$`)

// noise is what kubectl prints when a server is faster than it: the message that
// it drops is empty.
var noise = regexp.MustCompile(`^E\d{4} .* Unknown stream id \d, discarding message$`)

// try runs a command once.
func (t *terminal) try(text string) (output string, failed bool, err error) {
	if _, err := fmt.Fprintf(t.in, "{ %s\n} </dev/null 2>&1; echo --ended $?--\n", text); err != nil {
		return "", false, err
	}
	var got strings.Builder
	deadline := time.After(commandBound)
	for {
		select {
		case line, open := <-t.lines:
			if !open {
				return got.String(), false, fmt.Errorf("the shell has ended: %s", got.String())
			}
			if end := ended.FindStringSubmatch(line); end != nil {
				got.WriteString(end[1])
				return got.String(), end[2] != "0", nil
			}
			if !noise.MatchString(line) {
				got.WriteString(line + "\n")
			}
		case <-deadline:
			return got.String(), false, fmt.Errorf("it does not end: %s", got.String())
		}
	}
}

// run runs a command until it prints what it should, and returns that.
func (t *terminal) run(c command) (output string, err error) {
	for deadline := time.Now().Add(patience); ; time.Sleep(again) {
		output, failed, err := t.try(c.text)
		if err != nil {
			return output, fmt.Errorf("line %d: $ %s: %w", c.line, c.text, err)
		}
		if c.matches(output) && failed == c.fails() {
			return output, nil
		}
		if !c.isLook() || time.Now().After(deadline) {
			return output, fmt.Errorf("line %d: $ %s\nprints (failed: %t):\n%s\ninstead of:\n%s", c.line, c.text, failed, output, strings.Join(c.want, "\n"))
		}
	}
}

// service is a program in a terminal of its own.
type service struct {
	machine string
	cmd     *exec.Cmd
	out     *program.Output
	done    chan struct{}
}

// start runs a program in the background until it has printed what it should.
func (m *machine) start(c command) (*service, error) {
	s := &service{machine: m.name, cmd: m.command("bash", "--noprofile", "--norc", "-c", "exec "+c.text), out: &program.Output{}, done: make(chan struct{})}
	s.cmd.Stdout = s.out
	s.cmd.Stderr = &program.Output{}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	go func() { _ = s.cmd.Wait(); close(s.done) }()
	for deadline := time.Now().Add(bound); !c.matches(s.out.String()); time.Sleep(poll) {
		if time.Now().After(deadline) {
			return s, fmt.Errorf("line %d: $ %s\nprints:\n%s%s\ninstead of:\n%s", c.line, c.text, s.out, s.cmd.Stderr, strings.Join(c.want, "\n"))
		}
	}
	return s, nil
}

// interrupt is Ctrl-C.
func (s *service) interrupt() error {
	if err := s.cmd.Process.Signal(syscall.SIGINT); err != nil {
		return err
	}
	select {
	case <-s.done:
	case <-time.After(bound):
		return fmt.Errorf("the program does not end on Ctrl-C: %s", s.out)
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("the program ends with %d: %s%s", code, s.out.Tail(2000), s.cmd.Stderr)
	}
	return nil
}
