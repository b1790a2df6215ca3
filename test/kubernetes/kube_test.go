package kubernetes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/test/program"
)

// commandBound ends a kubectl that does not end.
const commandBound = 2 * time.Minute

// kube runs one kubectl in a namespace of its own.
type kube struct {
	t    *testing.T
	m    *machine
	path string
	ns   string
	home string
}

var namespaces atomic.Int64

// newKube makes a namespace, which goes with the test.
func newKube(t *testing.T, m *machine, path string) *kube {
	t.Helper()
	k := &kube{t: t, m: m, path: path, ns: fmt.Sprintf("test-%d", namespaces.Add(1)), home: t.TempDir()}
	k.run("create", "namespace", k.ns)
	t.Cleanup(func() {
		if t.Failed() {
			out, _, _ := k.try("get", "all,events", "-o", "wide")
			t.Logf("%s at the end:\n%s", k.ns, out)
		}
		_, _, _ = k.try("delete", "namespace", k.ns, "--wait=false")
	})
	k.until("the namespace has its service account", func() error { return k.check("get", "serviceaccount", "default") })
	return k
}

// ours runs `lubberline kubectl`, by the link that a machine without a kubectl
// of its own would have.
func ours(t *testing.T, m *machine) *kube {
	t.Helper()
	return newKube(t, m, kubectls(t)["ours"])
}

func (k *kube) command(args ...string) *exec.Cmd {
	ctx, cancel := context.WithTimeout(context.Background(), commandBound)
	k.t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, k.path, append([]string{"--namespace", k.ns}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+k.m.Kubeconfig, "HOME="+k.home, "EDITOR=false")
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// try runs kubectl to its end.
func (k *kube) try(args ...string) (stdout, stderr string, err error) { return k.tryInput("", args...) }

func (k *kube) tryInput(stdin string, args ...string) (stdout, stderr string, err error) {
	return finish(k.command(args...), stdin)
}

func finish(cmd *exec.Cmd, stdin string) (stdout, stderr string, err error) {
	var out, complaint bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &complaint
	err = cmd.Run()
	return out.String(), complaint.String(), err
}

// run is a kubectl that succeeds; the answer is its standard output.
func (k *kube) run(args ...string) string { k.t.Helper(); return k.input("", args...) }

func (k *kube) input(stdin string, args ...string) string {
	k.t.Helper()
	out, complaint, err := k.tryInput(stdin, args...)
	require.NoError(k.t, err, "kubectl %v: %s%s", args, out, complaint)
	return out
}

// refused is a kubectl that fails; the answer is its standard error.
func (k *kube) refused(args ...string) string { k.t.Helper(); return k.refusedInput("", args...) }

func (k *kube) refusedInput(stdin string, args ...string) string {
	k.t.Helper()
	out, complaint, err := k.tryInput(stdin, args...)
	require.Error(k.t, err, "kubectl %v: %s%s", args, out, complaint)
	return complaint
}

// check is a kubectl that may fail; the error has what it said.
func (k *kube) check(args ...string) error {
	out, complaint, err := k.try(args...)
	if err != nil {
		return fmt.Errorf("kubectl %v: %w: %s%s", args, err, out, complaint)
	}
	return nil
}

func (k *kube) until(what string, check func() error) {
	k.t.Helper()
	eventually(k.t, what, check)
}

// shows waits until kubectl prints the text.
func (k *kube) shows(text string, args ...string) {
	k.t.Helper()
	k.until(fmt.Sprintf("kubectl %v shows %q", args, text), func() error {
		out, complaint, err := k.try(args...)
		if err != nil || !strings.Contains(out, text) {
			return fmt.Errorf("%w: %s%s", err, out, complaint)
		}
		return nil
	})
}

// matches waits until what kubectl prints matches the pattern.
func (k *kube) matches(pattern string, args ...string) {
	k.t.Helper()
	expression := regexp.MustCompile(pattern)
	k.until(fmt.Sprintf("kubectl %v prints %q", args, pattern), func() error {
		out, complaint, err := k.try(args...)
		if err != nil || !expression.MatchString(out) {
			return fmt.Errorf("%w: %s%s", err, out, complaint)
		}
		return nil
	})
}

// path is what a JSONPath finds in an object or a list.
func (k *kube) jsonpath(path string, args ...string) string {
	k.t.Helper()
	return k.run(append([]string{"get", "-o", "jsonpath=" + path}, args...)...)
}

// becomes waits until a JSONPath finds the value.
func (k *kube) becomes(value, path string, args ...string) {
	k.t.Helper()
	all := append([]string{"get", "-o", "jsonpath=" + path}, args...)
	k.until(fmt.Sprintf("%s of %v is %q", path, args, value), func() error {
		out, complaint, err := k.try(all...)
		if err != nil || out != value {
			return fmt.Errorf("it is %q %s %w", out, complaint, err)
		}
		return nil
	})
}

// object decodes what `get -o json` prints.
func (k *kube) object(into any, args ...string) {
	k.t.Helper()
	require.NoError(k.t, json.Unmarshal([]byte(k.run(append([]string{"get", "-o", "json"}, args...)...)), into))
}

// names of the objects, without their kind.
func (k *kube) names(args ...string) []string {
	k.t.Helper()
	return strings.Fields(k.jsonpath("{.items[*].metadata.name}", args...))
}

func (k *kube) create(manifest string) { k.t.Helper(); k.input(manifest, "create", "-f", "-") }

// ready waits until a pod is.
func (k *kube) ready(pods ...string) {
	k.t.Helper()
	k.run(append([]string{"wait", "--timeout=60s", "--for=condition=Ready", "pod"}, pods...)...)
}

// stream is a kubectl that goes on until the test ends.
type stream struct {
	*program.Output
	t    *testing.T
	cmd  *exec.Cmd
	in   io.WriteCloser
	done chan struct{}
}

// follow starts a kubectl that goes on, with a pipe to its input.
func (k *kube) follow(args ...string) *stream {
	k.t.Helper()
	s := &stream{Output: &program.Output{}, t: k.t, cmd: k.command(args...), done: make(chan struct{})}
	s.cmd.Stdout, s.cmd.Stderr = s.Output, s.Output
	in, err := s.cmd.StdinPipe()
	require.NoError(k.t, err)
	s.in = in
	s.start()
	return s
}

func (s *stream) start() {
	s.t.Helper()
	require.NoError(s.t, s.cmd.Start())
	go func() { _ = s.cmd.Wait(); close(s.done) }()
	s.t.Cleanup(s.end)
}

// terminal starts a kubectl on a terminal of its own.
func (k *kube) terminal(args ...string) *stream {
	k.t.Helper()
	ours, theirs := openTerminal(k.t)
	s := &stream{Output: &program.Output{}, t: k.t, cmd: k.command(args...), in: ours, done: make(chan struct{})}
	s.cmd.Stdin, s.cmd.Stdout, s.cmd.Stderr = theirs, theirs, theirs
	s.cmd.SysProcAttr.Setsid, s.cmd.SysProcAttr.Setctty = true, true
	s.start()
	theirs.Close()
	go func() { _, _ = io.Copy(s.Output, ours) }()
	return s
}

// openTerminal is both ends of a pseudo-terminal of 40 rows and 100 columns.
func openTerminal(t *testing.T) (ours, theirs *os.File) {
	t.Helper()
	ours, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { ours.Close() })
	fd := int(ours.Fd())
	require.NoError(t, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0))
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	require.NoError(t, err)
	require.NoError(t, unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: 40, Col: 100}))
	theirs, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	return ours, theirs
}

func (s *stream) write(text string) {
	s.t.Helper()
	_, err := io.WriteString(s.in, text)
	require.NoError(s.t, err)
}

// prints waits until the text was printed, in all so many times.
func (s *stream) prints(text string, times int) {
	s.t.Helper()
	eventually(s.t, fmt.Sprintf("%v prints %q", s.cmd.Args, text), func() error {
		if n := strings.Count(s.String(), text); n < times {
			return fmt.Errorf("%d times in %q", n, s.Tail(2000))
		}
		return nil
	})
}

// end kills the kubectl, if it still runs.
func (s *stream) end() {
	_ = s.cmd.Process.Kill()
	<-s.done
}

// exits waits until the kubectl ends by itself; the answer is its exit code.
func (s *stream) exits() int {
	s.t.Helper()
	select {
	case <-s.done:
	case <-time.After(waitLong):
		require.FailNow(s.t, "it does not end", "%v: %s", s.cmd.Args, s.Tail(2000))
	}
	return s.cmd.ProcessState.ExitCode()
}
