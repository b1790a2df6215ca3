// Package cluster tests clusters of several machines as people use them. The
// machines are network namespaces of this one, each with a `lubberline` of its
// own, its own data, container runtime and control groups.
package cluster

import (
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
	"github.com/lubberline/lubberline/test/program"
)

const (
	// waitLong bounds every wait for a condition.
	waitLong = 90 * time.Second
	poll     = 50 * time.Millisecond
	image    = "lubberline.test/busybox:1"
	// cleanBound covers ending all pods and the runtime.
	cleanBound = 2 * time.Minute
)

// host is one machine.
type host struct {
	*space
	name, address string
	dir           string
	*program.Program
}

func folder() string { return filepath.Join(os.TempDir(), "lubberline-cluster") }

func newHost(name, address string) (*host, error) {
	s, err := newSpace()
	return &host{space: s, name: name, address: address, dir: filepath.Join(folder(), name)}, err
}

func (h *host) config() orchestrator.Config {
	c := orchestrator.DefaultConfig()
	c.Address = h.address
	c.Runtime.PodLogs, c.Runtime.CgroupRoot = filepath.Join(h.dir, "pods"), "/lubcluster-"+h.name
	return c
}

func (h *host) data() string { return filepath.Join(h.dir, "d") }

func (h *host) socket() string {
	return filepath.Join(runtime.StateDirOf(filepath.Join(h.data(), "orchestrator", "runtime")), "containerd.sock")
}

func (h *host) kubeconfig() string {
	return filepath.Join(h.data(), "orchestrator/api/admin.kubeconfig")
}

// configure writes the configuration. What differs from any other machine is
// what keeps the machines of the test apart.
func (h *host) configure() error {
	c := h.config()
	text := fmt.Sprintf(`
collector: {interval: 1s, node: %s, runtimes: {docker: "", podman: "", containerd: "", crio: ""}}
aggregator: {resolution: 1s}
orchestrator:
  address: %s
  runtime: {pod_logs: %s, cgroup_root: %s}
`, h.name, h.address, c.Runtime.PodLogs, c.Runtime.CgroupRoot)
	if err := os.MkdirAll(h.dir, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(h.dir, "config.yaml"), []byte(text), 0o600)
}

// start runs `lubberline` with the command, and the flags that every one has.
func (h *host) start(args ...string) error {
	args = append(args, "--config", filepath.Join(h.dir, "config.yaml"), "--data-dir", h.data())
	return h.do(func() (err error) {
		h.Program, err = program.Start("lubberline", args...)
		return err
	})
}

// prints waits until the program has said so and returns the first match.
func (h *host) prints(pattern string) (found []string, err error) {
	expression := regexp.MustCompile(pattern)
	err = until(func() error {
		if found = expression.FindStringSubmatch(h.Out.String()); found != nil {
			return nil
		}
		missing := fmt.Errorf("%s does not print %q: %s", h.name, pattern, h.Out.Tail(4000))
		if h.Ended() {
			return fatal{missing}
		}
		return missing
	})
	return found, err
}

// ready waits until the node takes pods.
func (h *host) ready() error {
	_, err := h.prints("is Ready for pods")
	return err
}

// imports gives the host the image that pods of the tests run.
func (h *host) imports() error {
	_, err := h.lubberline("images", "build-busybox", "--name", image, "--socket", h.socket())
	return err
}

// lubberline runs the program to its end and returns what it prints.
func (h *host) lubberline(args ...string) (string, error) {
	path, err := program.Path("lubberline")
	if err != nil {
		return "", err
	}
	var out []byte
	err = h.do(func() error {
		out, err = exec.Command(path, args...).CombinedOutput()
		if err != nil {
			return fmt.Errorf("lubberline %s: %w: %s", strings.Join(args, " "), err, out)
		}
		return nil
	})
	return string(out), err
}

// end is Ctrl-C; the pods stay.
func (h *host) end() error {
	if h.Program == nil || h.Ended() {
		return nil
	}
	defer h.Kill()
	return h.Interrupt()
}

// clean ends everything of the host and leaves no trace.
func (h *host) clean() error {
	err := h.end()
	ctx, cancel := context.WithTimeout(context.Background(), cleanBound)
	defer cancel()
	cfg := h.config()
	programs, missing := program.Path("runtime")
	cfg.Runtime.Programs = programs
	removed := h.do(func() error {
		return orchestrator.Remove(ctx, cfg, filepath.Join(h.data(), "orchestrator"), slog.New(slog.DiscardHandler))
	})
	groups, _ := filepath.Glob("/sys/fs/cgroup/*" + cfg.Runtime.CgroupRoot)
	for _, group := range groups {
		removed = errors.Join(removed, os.Remove(group))
	}
	return errors.Join(err, missing, removed, os.RemoveAll(h.dir))
}

// fatal is an error that no waiting mends.
type fatal struct{ error }

// until asks until the check is satisfied and returns the last complaint when
// it never is.
func until(check func() error) error {
	var last error
	for deadline := time.Now().Add(waitLong); time.Now().Before(deadline); time.Sleep(poll) {
		if last = check(); last == nil || errors.As(last, &fatal{}) {
			return last
		}
	}
	return last
}
