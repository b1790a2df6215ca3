// Package runtime runs the bundled container runtime of one machine: it writes
// the configuration of containerd and of the pod network, starts containerd or
// takes over the one that an earlier process of ours left running, starts it
// again when it dies, and puts the sandbox image in its place.
//
// containerd and the shims outlive this process, so that pods go on whatever
// happens to Lubberline; Remove ends them.
package runtime

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// SandboxImage is the name of the image that holds a pod's namespaces open. It
// is made from our own pause program and never pulled.
const SandboxImage = "lubberline.local/pause:1"

// Options is what the runtime needs to know.
type Options struct {
	// BinDir has containerd, its shim, runc, ctr, the CNI plugins and
	// lubberline-pause, as `make runtime` leaves them.
	BinDir string
	// DataDir takes images, layers, configuration and containerd's log.
	DataDir string
	// StateDir takes sockets, mounts and namespaces. It must be short (sockets
	// have at most 107 bytes) and is lost at a reboot. Empty: StateDirOf(DataDir).
	StateDir string
	// Network is the pods' network on this machine.
	Network Network
	Logger  *slog.Logger
	// Registerer may be nil.
	Registerer prometheus.Registerer
}

// Runtime is a containerd that is kept running.
type Runtime struct {
	o       Options
	log     *slog.Logger
	metrics *metrics
	process *supervised
	ready   chan struct{}
}

// StateDirOf is the default state directory of the runtime whose data lies in
// dataDir: short, and different for different data.
func StateDirOf(dataDir string) string {
	return filepath.Join("/run/lubberline", shortHash(dataDir))
}

// New writes the configuration and makes the bridge. It starts nothing yet; it
// fails when a program is missing or this process may not run containers.
func New(o Options) (*Runtime, error) {
	if o.StateDir == "" {
		o.StateDir = StateDirOf(o.DataDir)
	}
	if os.Geteuid() != 0 {
		return nil, errors.New("container runtime: running containers needs root")
	}
	if err := checkPrograms(o.BinDir); err != nil {
		return nil, err
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("container runtime: %w", err)
	}
	r := &Runtime{o: o, log: o.Logger, metrics: m, ready: make(chan struct{})}
	if err := r.prepare(); err != nil {
		return nil, fmt.Errorf("container runtime: %w", err)
	}
	return r, nil
}

func (r *Runtime) prepare() error {
	for _, dir := range []string{r.o.DataDir, r.o.StateDir, r.cniConfDir(), r.registryDir()} {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return err
		}
	}
	if err := r.o.Network.Setup(); err != nil {
		return err
	}
	written, err := r.writeConfig()
	if err != nil {
		return err
	}
	r.process = &supervised{
		program: filepath.Join(r.o.BinDir, "containerd"),
		args:    []string{"--config", r.configFile(), "--log-level", "warn"},
		env:     append(os.Environ(), "PATH="+r.o.BinDir+":"+os.Getenv("PATH")),
		pidFile: filepath.Join(r.o.StateDir, "containerd.pid"),
		logFile: filepath.Join(r.o.DataDir, "containerd.log"),
		version: written,
		log:     r.log,
	}
	return nil
}

// Socket is where CRI is spoken, a path.
func (r *Runtime) Socket() string { return filepath.Join(r.o.StateDir, "containerd.sock") }

// Ready is closed when pods can be run.
func (r *Runtime) Ready() <-chan struct{} { return r.ready }

// Run keeps containerd running until ctx ends, and leaves it running then.
func (r *Runtime) Run(ctx context.Context) error {
	go func() {
		if err := r.becomeReady(ctx); err != nil && ctx.Err() == nil {
			r.log.Error("the container runtime is not usable", "error", err)
		}
	}()
	return r.process.run(ctx, func() { r.metrics.starts.Inc() })
}

// becomeReady waits for CRI to answer and puts the sandbox image in place.
func (r *Runtime) becomeReady(ctx context.Context) error {
	if err := awaitCRI(ctx, r.Socket()); err != nil {
		return err
	}
	images := Images{BinDir: r.o.BinDir, Socket: r.Socket()}
	for wait := 50 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := images.ensureSandbox(ctx)
		if err == nil {
			close(r.ready)
			return nil
		}
		r.log.Warn("the sandbox image cannot be imported yet", "error", err)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
