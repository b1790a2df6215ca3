// Package lab makes clusters of several machines. The machines are network
// namespaces of this one, each with a `lubberline` of its own, its own data,
// container runtime and control groups.
package lab

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	orchestrator "github.com/lubberline/lubberline/orchestrator/app"
	"github.com/lubberline/lubberline/orchestrator/runtime"
	"github.com/lubberline/lubberline/test/machine"
	"github.com/lubberline/lubberline/test/program"
)

const (
	// Wait bounds every wait for a condition, which is looked at each Poll.
	Wait = 90 * time.Second
	// Poll is the time between two looks.
	Poll = 50 * time.Millisecond
	// Image is what pods of the tests run.
	Image = "lubberline.test/busybox:1"
	// cleanBound covers ending all pods and the runtime.
	cleanBound = 2 * time.Minute
)

// Host is one machine.
type Host struct {
	*Space
	Name, Address string
	// Dir has everything of the host.
	Dir              string
	*program.Program // nil until the first start

	plan Plan
}

func folder(name string) string { return filepath.Join(os.TempDir(), "lubberline-lab-"+name) }

func newHost(p Plan, name, address string) (*Host, error) {
	s, err := NewSpace()
	return &Host{Space: s, Name: name, Address: address, Dir: filepath.Join(folder(p.Name), name), plan: p}, err
}

// Config is what keeps the host apart from others on this machine.
func (h *Host) Config() orchestrator.Config {
	c := orchestrator.DefaultConfig()
	c.Address = h.Address
	c.Runtime.MaxPods = cmp.Or(h.plan.Pods, c.Runtime.MaxPods)
	c.Runtime.PodLogs, c.Runtime.CgroupRoot = filepath.Join(h.Dir, "pods"), "/lublab-"+h.plan.Name+"-"+h.Name
	return c
}

// Data is the host's data folder.
func (h *Host) Data() string { return filepath.Join(h.Dir, "d") }

// Socket is the container runtime's.
func (h *Host) Socket() string {
	return filepath.Join(runtime.StateDirOf(filepath.Join(h.Data(), "orchestrator", "runtime")), "containerd.sock")
}

// Kubeconfig is the administrator's, on a host that controls.
func (h *Host) Kubeconfig() string {
	return filepath.Join(h.Data(), "orchestrator/api/admin.kubeconfig")
}

// ConfigFile is the program's configuration.
func (h *Host) ConfigFile() string { return filepath.Join(h.Dir, "config.yaml") }

// Configure writes the configuration. What differs from any other machine is
// what keeps the machines of the test apart, and what the plan says.
func (h *Host) Configure() error {
	c := h.Config()
	interval := cmp.Or(h.plan.Interval, time.Second)
	aggregator := fmt.Sprintf("resolution: %s", interval)
	if h.plan.Aggregator != "" {
		aggregator += ", " + h.plan.Aggregator
	}
	text := fmt.Sprintf(`
collector: {interval: %s, node: %s, runtimes: {docker: "", podman: "", containerd: "", crio: ""}}
aggregator: {%s}
orchestrator:
  address: %s
  runtime: {pod_logs: %s, cgroup_root: %s, max_pods: %d}
`, interval, h.Name, aggregator, h.Address, c.Runtime.PodLogs, c.Runtime.CgroupRoot, c.Runtime.MaxPods)
	if h.plan.Orchestrator != nil {
		text += h.plan.Orchestrator(h)
	}
	if err := os.MkdirAll(h.Dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(h.ConfigFile(), []byte(text), 0o600)
}

// Start runs `lubberline` with the command, and the flags that every one has.
func (h *Host) Start(args ...string) error {
	args = append(args, "--config", h.ConfigFile(), "--data-dir", h.Data())
	return h.Do(func() (err error) {
		h.Program, err = program.Start("lubberline", args...)
		return err
	})
}

// Prints waits until the program has said so and returns the first match.
func (h *Host) Prints(pattern string) (found []string, err error) {
	expression := regexp.MustCompile(pattern)
	err = Until(func() error {
		if found = expression.FindStringSubmatch(h.Out.String()); found != nil {
			return nil
		}
		missing := fmt.Errorf("%s does not print %q: %s", h.Name, pattern, h.Out.Tail(4000))
		if h.Ended() {
			return Fatal{Err: missing}
		}
		return missing
	})
	return found, err
}

// Ready waits until the node takes pods.
func (h *Host) Ready() error {
	_, err := h.Prints("is Ready for pods")
	return err
}

// Imports gives the host the Image that pods of the tests run.
func (h *Host) Imports() error {
	_, err := h.Lubberline("images", "build-busybox", "--name", Image, "--socket", h.Socket())
	return err
}

// Lubberline runs the program to its end and returns what it prints.
func (h *Host) Lubberline(args ...string) (string, error) {
	path, err := program.Path("lubberline")
	if err != nil {
		return "", err
	}
	var out []byte
	err = h.Do(func() error {
		out, err = exec.Command(path, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("lubberline %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	})
	return string(out), err
}

// End is Ctrl-C; the pods stay.
func (h *Host) End() error {
	if h.Program == nil || h.Ended() {
		return nil
	}
	defer h.Kill()
	return h.Interrupt()
}

// Clean ends everything of the host and leaves no trace.
func (h *Host) Clean() error {
	err := h.End()
	ctx, cancel := context.WithTimeout(context.Background(), cleanBound)
	defer cancel()
	cfg := h.Config()
	programs, missing := program.Path("runtime")
	cfg.Runtime.Programs = programs
	removed := h.Do(func() error {
		return orchestrator.Remove(ctx, cfg, filepath.Join(h.Data(), "orchestrator"), slog.New(slog.DiscardHandler))
	})
	groups, _ := filepath.Glob("/sys/fs/cgroup/*" + cfg.Runtime.CgroupRoot)
	for _, group := range groups {
		removed = errors.Join(removed, os.Remove(group))
	}
	return errors.Join(err, missing, removed, os.RemoveAll(h.Dir))
}

// Fatal is an error that no waiting mends.
type Fatal = machine.Fatal

// Until asks until the check is satisfied and returns the last complaint when
// it never is.
func Until(check func() error) error {
	var last error
	for deadline := time.Now().Add(Wait); time.Now().Before(deadline); time.Sleep(Poll) {
		if last = check(); last == nil || errors.As(last, &Fatal{}) {
			return last
		}
	}
	return last
}
