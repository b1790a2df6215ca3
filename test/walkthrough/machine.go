package walkthrough

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/lubberline/lubberline/test/lab"
	"github.com/lubberline/lubberline/test/program"
)

const (
	// data is the folder that the document uses.
	data = "/tmp/walkthrough"
	// bound is how long the machine's parts may take to begin or end.
	bound = 2 * time.Minute
	poll  = 100 * time.Millisecond
)

// machine is a fresh machine to the document: its own network, where all the
// usual ports are free, its own /run/lubberline and its own folder data. The
// control groups are those of the real one, so that the program is told of
// another root.
type machine struct {
	name   string
	dir    string // of the test, for this machine
	path   string // PATH of the document's commands
	root   string // of the repository
	holder *exec.Cmd
}

// setup gives the machine folders of its own.
const setup = `set -e
mkdir -p /run/lubberline
mount -t tmpfs tmpfs /run/lubberline
mount --bind %[1]s/data %[2]s
echo ready
exec sleep infinity`

const configuration = `
collector: {interval: 1s, node: %[1]s, runtimes: {docker: "", podman: "", containerd: "", crio: ""}}
aggregator: {resolution: 1s}
orchestrator: {runtime: {pod_logs: /tmp/walkthrough/pod-logs, cgroup_root: /lubberwalk-%[1]s}}
`

// wrapper is the program as the document calls it.
const wrapper = `#!/bin/sh
case "$1" in
up|join|down) part=$1; shift; exec %[1]s $part --config %[2]s "$@" ;;
*) exec %[1]s "$@" ;;
esac
`

func newMachine(dir, name string, space *lab.Space) (*machine, error) {
	lubberline, err := program.Path("lubberline")
	if err != nil {
		return nil, err
	}
	root, err := filepath.Abs("../..")
	if err != nil {
		return nil, err
	}
	dir = filepath.Join(dir, name)
	bin, config := filepath.Join(dir, "bin"), filepath.Join(dir, "config.yaml")
	m := &machine{name: name, dir: dir, root: root, path: bin + ":" + os.Getenv("PATH")}
	err = errors.Join(os.MkdirAll(bin, 0o755), os.MkdirAll(filepath.Join(dir, "data"), 0o755), os.MkdirAll(data, 0o755),
		os.WriteFile(config, fmt.Appendf(nil, configuration, name), 0o600),
		os.WriteFile(filepath.Join(bin, "lubberline"), fmt.Appendf(nil, wrapper, lubberline, config), 0o755))
	if _, missing := exec.LookPath("kubectl"); missing != nil {
		err = errors.Join(err, os.Symlink(lubberline, filepath.Join(bin, "kubectl")))
	}
	if err != nil {
		return nil, err
	}
	return m, space.Do(m.hold)
}

// hold starts the process that the namespaces live with.
func (m *machine) hold() error {
	m.holder = exec.Command("unshare", "--mount", "--propagation", "slave", "sh", "-c", fmt.Sprintf(setup, m.dir, data))
	m.holder.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	out := &program.Output{}
	m.holder.Stdout, m.holder.Stderr = out, out
	if err := m.holder.Start(); err != nil {
		return err
	}
	for deadline := time.Now().Add(bound); !strings.Contains(out.String(), "ready"); time.Sleep(poll) {
		if time.Now().After(deadline) || m.holder.Process.Signal(syscall.Signal(0)) != nil {
			return fmt.Errorf("no folders of its own: %s", out)
		}
	}
	return nil
}

// enter is how a program gets into the machine, in the repository's folder.
func (m *machine) enter() []string {
	return []string{"nsenter", "--target", fmt.Sprint(m.holder.Process.Pid), "--net", "--mount", "--wd=" + m.root, "--", "env", "PATH=" + m.path}
}

// command is one of the machine's.
func (m *machine) command(args ...string) *exec.Cmd {
	words := append(m.enter(), args...)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env = append(os.Environ(), "HOME="+m.dir, "GOPATH="+goEnv("GOPATH"), "GOCACHE="+goEnv("GOCACHE"), "GOFLAGS=-buildvcs=false", "GOPROXY=off")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	return cmd
}

// goEnv is where Go keeps things, also for another HOME.
func goEnv(name string) string {
	out, _ := exec.Command("go", "env", name).Output() // empty is Go's own idea
	return strings.TrimSpace(string(out))
}

// end leaves no trace of the machine.
func (m *machine) end() error {
	var errs []error
	if _, err := os.Stat(filepath.Join(m.dir, "data/data")); err == nil {
		out, err := m.command("timeout", fmt.Sprint(bound.Seconds()), "lubberline", "down", "--data-dir", data+"/data").CombinedOutput()
		if err != nil {
			errs = append(errs, fmt.Errorf("lubberline down on %s: %w: %s", m.name, err, out))
		}
	}
	_ = syscall.Kill(-m.holder.Process.Pid, syscall.SIGKILL)
	_ = m.holder.Wait()
	return errors.Join(append(errs, removeCgroups("lubberwalk-"+m.name), os.RemoveAll(m.dir))...)
}

// removeCgroups removes the groups that are left, in every hierarchy.
func removeCgroups(name string) error {
	roots, err := filepath.Glob("/sys/fs/cgroup/*/" + name)
	for _, root := range append(roots, "/sys/fs/cgroup/"+name) {
		out, failed := exec.Command("find", root, "-depth", "-type", "d", "-exec", "rmdir", "{}", "+").CombinedOutput()
		if _, gone := os.Stat(root); failed != nil && gone == nil {
			err = errors.Join(err, fmt.Errorf("%s: %s", root, out))
		}
	}
	return err
}
