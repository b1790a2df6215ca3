// Package app puts the collector together: what reads this node, what serves
// it, and what ships it. cmd/lubberline-collector and `lubberline up` both run
// it.
package app

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/lubberline/lubberline/collector/exposition"
	"github.com/lubberline/lubberline/collector/host"
	"github.com/lubberline/lubberline/collector/sampler"
	"github.com/lubberline/lubberline/dirlock"
	"github.com/lubberline/lubberline/lifecycle"
	"github.com/lubberline/lubberline/listen"
	"github.com/lubberline/lubberline/logging"
)

// closeBound is how long each part may take to end.
const closeBound = 10 * time.Second

// Options is what a collector is made of.
type Options struct {
	Config Config
	// DataDir holds the spools and the positions; one collector at a time.
	DataDir string
	// CRISocket is of a container runtime beside those of Config, empty for none.
	CRISocket string
	// PodLogs is the folder of pods' log files (/var/log/pods on most nodes): they
	// are all read, whatever is known of their containers. Empty for none.
	PodLogs string
	// Metrics of other parts of the process are shipped beside our own; may be nil.
	Metrics prometheus.Gatherer
	Logger  *slog.Logger
}

// App is a collector with its listeners bound.
type App struct {
	cfg     Config
	dataDir string
	cri     string // socket of a further runtime
	podLogs string
	node    string
	log     *slog.Logger
	metrics *prometheus.Registry
	others  prometheus.Gatherer // may be nil
	group   *lifecycle.Group

	sampler   *sampler.Sampler
	host      *host.Host
	shown     *exposition.Exposition
	http      *listen.Server
	forward   net.Addr // nil without a forward input
	ownLogs   string   // address of the input for our own records; empty without one
	afterTick []func(observation)
}

// New builds a collector and binds its listeners. What it acquired is released
// again when it fails, or else when Run ends.
func New(o Options) (_ *App, err error) {
	node, err := o.Config.NodeName()
	if err != nil {
		return nil, err
	}
	a := &App{
		cfg: o.Config, dataDir: o.DataDir, cri: o.CRISocket, podLogs: o.Config.HostRoot.Path(cmp.Or(o.PodLogs, o.Config.Logs.Pods)), node: node, log: o.Logger,
		metrics: prometheus.NewRegistry(), others: o.Metrics, group: lifecycle.New(logging.Component(o.Logger, "collector"), closeBound),
	}
	a.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	defer func() {
		if err != nil {
			_ = a.group.Cleanups()
		}
	}()
	lock, err := dirlock.Take(o.DataDir)
	if err != nil {
		return nil, fmt.Errorf("collector: %w", err)
	}
	a.group.Close("data directory", lock)
	for _, build := range []func() error{a.buildSampling, a.buildMetricsOutput, a.buildLogs, a.buildHTTP} {
		if err := build(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// NodeName is the configured name of this machine, or else its host name.
func (c *Config) NodeName() (name string, err error) {
	if c.Node != "" {
		return c.Node, nil
	}
	if c.HostRoot == "" {
		name, err = os.Hostname()
	} else {
		var text []byte
		text, err = os.ReadFile(c.HostRoot.Path("/etc/hostname"))
		name = strings.TrimSpace(string(text))
	}
	if err == nil && name == "" {
		err = errors.New("empty")
	}
	if err != nil {
		return "", fmt.Errorf("node name: %w; set node in the configuration", err)
	}
	return name, nil
}

// buildHTTP serves the samples; the profiles only where nobody else can ask.
func (a *App) buildHTTP() (err error) {
	if a.cfg.HTTP == "" {
		return nil
	}
	a.http, err = listen.New(listen.Options{Address: a.cfg.HTTP, Security: a.cfg.HTTPSecurity, Logger: a.logger("http")})
	if err != nil {
		return fmt.Errorf("collector http: %w", err)
	}
	mux := http.NewServeMux()
	a.shown.Register(mux)
	if listen.IsLoopback(a.cfg.HTTP) {
		exposition.RegisterProfiling(mux)
	}
	a.group.Cleanup("collector http", a.http.Shutdown) // in case Run never comes
	a.group.Serve("collector http", func() error { return a.http.Serve(mux) }, a.http.Shutdown)
	return nil
}

// Handler serves the samples as a kubelet does, for whoever serves them
// elsewhere too: /metrics/cadvisor, /metrics/resource, /stats/summary.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	a.shown.Register(mux)
	return mux
}

// Run works until ctx ends or a part fails, and releases everything.
func (a *App) Run(ctx context.Context) error { return a.group.Run(ctx) }

// HTTPAddr is where the samples are served, nil when they are not.
func (a *App) HTTPAddr() net.Addr {
	if a.http == nil {
		return nil
	}
	return a.http.Addr()
}

// OwnLogs is where a logging.Pipeline can post, empty when nowhere.
func (a *App) OwnLogs() string { return a.ownLogs }

// ForwardAddr is where the forward input listens, nil when it does not.
func (a *App) ForwardAddr() net.Addr { return a.forward }

// Ready is closed after the first sample of everything.
func (a *App) Ready() <-chan struct{} { return a.sampler.Ready() }

// Node is the name of this machine in all that is shipped.
func (a *App) Node() string { return a.node }

func (a *App) path(name string) string { return filepath.Join(a.dataDir, name) }

func (a *App) logger(part string) *slog.Logger { return logging.Component(a.log, part) }
