// Package lab makes real cgroups with processes in them, for measurements and
// for tests, and removes them without a trace. It needs root.
package lab

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/lubberline/lubberline/collector/cgroup"
)

// Group is a cgroup under the same path in all of the machine's hierarchies.
type Group struct {
	ID          string
	hierarchies cgroup.Hierarchies
	commands    []*exec.Cmd
}

// New makes a cgroup, and those above it.
func New(h cgroup.Hierarchies, id string) (*Group, error) {
	g := &Group{ID: id, hierarchies: h}
	for _, dir := range g.dirs() {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return nil, errors.Join(fmt.Errorf("make a cgroup: %w", err), g.Remove())
		}
	}
	return g, nil
}

// dirs are the directories of the cgroup, each once.
func (g *Group) dirs() (dirs []string) {
	for _, dir := range g.hierarchies.V1 {
		if path := filepath.Join(dir, g.ID); !slices.Contains(dirs, path) {
			dirs = append(dirs, path)
		}
	}
	if g.hierarchies.V2 != "" {
		dirs = append(dirs, filepath.Join(g.hierarchies.V2, g.ID))
	}
	return dirs
}

// Path is where a file of a v1 controller is, or one of v2 when controller is
// empty.
func (g *Group) Path(controller, file string) string {
	dir := g.hierarchies.V1[controller]
	if controller == "" {
		dir = g.hierarchies.V2
	}
	return filepath.Join(dir, g.ID, file)
}

// Set writes one of the cgroup's files.
func (g *Group) Set(controller, file, value string) error {
	if err := os.WriteFile(g.Path(controller, file), []byte(value), 0o644); err != nil {
		return fmt.Errorf("set %s of %s: %w", file, g.ID, err)
	}
	return nil
}

// Shell runs a shell script in the cgroup, from its first command on. The
// script's processes end with the one that started them.
func (g *Group) Shell(script string) (*exec.Cmd, error) {
	var enter strings.Builder
	for _, dir := range g.dirs() {
		fmt.Fprintf(&enter, "echo $$ > '%s/cgroup.procs' && ", dir)
	}
	c := exec.Command("sh", "-c", enter.String()+script)
	return c, g.Start(c)
}

// Start starts a command that is to be ended by Remove.
func (g *Group) Start(c *exec.Cmd) error {
	if c.SysProcAttr == nil {
		c.SysProcAttr = &syscall.SysProcAttr{}
	}
	c.SysProcAttr.Pdeathsig = syscall.SIGKILL
	if err := c.Start(); err != nil {
		return fmt.Errorf("start a process in %s: %w", g.ID, err)
	}
	g.commands = append(g.commands, c)
	return nil
}

// Move puts a process into the cgroup.
func (g *Group) Move(pid int) error {
	for _, dir := range g.dirs() {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), fmt.Append(nil, pid), 0o644); err != nil {
			return fmt.Errorf("move process %d into %s: %w", pid, g.ID, err)
		}
	}
	return nil
}

// Remove ends the processes and removes the cgroup. Those above it stay.
func (g *Group) Remove() error {
	g.kill()
	for _, c := range g.commands {
		_ = c.Process.Kill()
		_ = c.Wait()
	}
	g.commands = nil
	var failed error
	for _, dir := range g.dirs() {
		failed = errors.Join(failed, remove(dir))
	}
	return failed
}

// kill ends all processes that are in the cgroup.
func (g *Group) kill() {
	for _, dir := range g.dirs() {
		text, _ := os.ReadFile(filepath.Join(dir, "cgroup.procs"))
		for word := range strings.FieldsSeq(string(text)) {
			var pid int
			if _, err := fmt.Sscan(word, &pid); err == nil && pid > 1 && pid != os.Getpid() {
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
	}
}

// remove removes a directory of a cgroup. The kernel lets go of it a moment
// after its last process.
func remove(dir string) error {
	var err error
	for range 200 {
		if err = syscall.Rmdir(dir); err == nil || errors.Is(err, syscall.ENOENT) {
			return nil
		}
		time.Sleep(10 * time.Millisecond)
	}
	return fmt.Errorf("remove %s: %w", dir, err)
}
