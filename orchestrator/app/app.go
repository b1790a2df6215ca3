// Package app puts the orchestrator together: the API server and its store, the
// scheduler, the controllers, this machine's node agent and the container
// runtime below it. `lubberline up` runs it.
package app

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"

	agent "github.com/lubberline/lubberline/orchestrator/agent/app"
	"github.com/lubberline/lubberline/orchestrator/apiserver"
	"github.com/lubberline/lubberline/orchestrator/dns"
	"github.com/lubberline/lubberline/orchestrator/join"
	"github.com/lubberline/lubberline/orchestrator/runtime"
	"github.com/lubberline/lubberline/orchestrator/scheduler/driver"
	"github.com/lubberline/lubberline/orchestrator/store"
)

// Options is what an orchestrator is made of.
type Options struct {
	Config Config
	// DataDir holds the store, certificates, images and pods' volumes.
	DataDir string
	// Node is this machine's name.
	Node string
	// ResourceMetrics is the unix socket where metrics.k8s.io is answered.
	ResourceMetrics string
	// Stats answers the kubelet's /stats/summary and /metrics/….
	Stats      http.Handler
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// App is an orchestrator with its store open and its listeners bound.
type App struct {
	o       Options
	cfg     Config
	log     *slog.Logger
	address netip.Addr

	store     *store.Store     // external; nil with the embedded one
	records   *store.Records   // of store
	runtime   *runtime.Runtime // nil with a runtime of somebody else's
	server    *apiserver.Server
	client    kubernetes.Interface // the controllers'
	events    *recorders
	agent     *agent.App
	dns       *dns.Server
	servers   *servers       // nil with the embedded store
	own       *join.Identity // nil without servers or without an address
	elsewhere http.Handler   // asks the control host that own uses
	parts     []part
	first     *term // with the embedded store: the only one
	metrics   *metrics

	leads sync.Mutex // held while the loops of a leader are at work
}

// part is something that runs once the API answers.
type part struct {
	name string
	run  interface{ Run(context.Context) error }
}

// New opens the store and binds the listeners. What it acquired is released
// when Run ends.
func New(ctx context.Context, o Options) (_ *App, err error) {
	a := &App{o: o, cfg: o.Config, log: o.Logger}
	if a.metrics, err = newMetrics(o.Registerer); err != nil {
		return nil, err
	}
	if err := a.openShared(ctx); err != nil {
		return nil, err
	}
	if err := errors.Join(a.prepareNetwork(), ctx.Err()); err != nil {
		return nil, errors.Join(err, a.closeShared())
	}
	if err := a.buildServer(ctx); err != nil {
		return nil, errors.Join(err, a.closeShared())
	}
	defer func() {
		if err != nil {
			ended, cancel := context.WithCancel(context.Background())
			cancel()
			err = errors.Join(err, a.server.Run(ended)) // releases what it holds
		}
	}()
	for _, build := range []func() error{
		a.buildClient, a.buildFirstTerm, a.buildPodNetwork, a.buildProxy, a.buildDNS, a.buildServers, a.buildOwn, a.buildAgent,
	} {
		if err := build(); err != nil {
			return nil, err
		}
	}
	return a, nil
}

// network is the pods' network as the runtime makes it.
func (c *Config) network() runtime.Network {
	address, _ := netip.ParseAddr(c.Address) // invalid when it is empty; Validate has looked at it
	return runtime.Network{Bridge: c.Network.Bridge, Subnet: c.Network.Node, Cluster: c.Network.Pods, Address: address}
}

// RuntimeOptions are those of the bundled runtime of an orchestrator with that
// data directory.
func RuntimeOptions(c Config, dataDir string, log *slog.Logger) (runtime.Options, error) {
	programs, err := runtime.FindPrograms(c.Runtime.Programs)
	return runtime.Options{
		BinDir: programs, DataDir: filepath.Join(dataDir, "runtime"), Network: c.network(), Logger: log,
	}, err
}

// prepareNetwork makes the runtime's configuration and the pods' bridge, or only
// the bridge: the API server listens on it.
func (a *App) prepareNetwork() error {
	a.address = a.cfg.network().Gateway()
	if a.cfg.Address != "" {
		a.address = netip.MustParseAddr(a.cfg.Address) // Validate has looked at it
	}
	if a.cfg.Runtime.Socket != "" {
		return a.cfg.network().Setup()
	}
	options, err := RuntimeOptions(a.cfg, a.o.DataDir, a.logger("runtime"))
	if err != nil {
		return err
	}
	options.Registerer = a.o.Registerer
	a.runtime, err = runtime.New(options)
	return err
}

func (a *App) buildServer(ctx context.Context) (err error) {
	_, port, err := net.SplitHostPort(a.cfg.API)
	if err != nil {
		return fmt.Errorf("orchestrator: api %q: %w", a.cfg.API, err)
	}
	options := apiserver.Options{
		DataDir: filepath.Join(a.o.DataDir, "api"), Listen: []string{a.cfg.API, net.JoinHostPort(a.address.String(), port)},
		Advertise: a.address, Hosts: []string{a.o.Node}, ServiceNetwork: a.cfg.Network.Services, Domain: a.cfg.Network.Domain,
		Roles: a.cfg.Roles, Logger: a.logger("api"), Registerer: a.o.Registerer,
	}
	if a.cfg.Address != "" {
		options.Join = a.joinable()
	}
	options.Store, options.StoreSize = a.store, int64(a.cfg.StoreSize)
	if a.cfg.Etcd != nil {
		a.servers = newServers(a)
		options.Servers, options.Claims, options.Names = a.servers, serviceClaims{a.records}, names{a.records}
	}
	if a.o.ResourceMetrics != "" {
		options.MetricsAPI = "unix://" + a.o.ResourceMetrics
		options.MetricsElsewhere = a.metricsElsewhere
	}
	a.server, err = apiserver.New(ctx, options)
	return err
}

func (a *App) buildClient() (err error) {
	a.client, err = kubernetes.NewForConfig(a.server.ClientConfig("system:kube-controller-manager", "system:masters"))
	if err != nil {
		return err
	}
	a.events = newRecorders(a.client)
	return nil
}

// buildFirstTerm has who always leads ask for its informers before they start.
func (a *App) buildFirstTerm() (err error) {
	if a.store == nil {
		a.first, err = a.leading()
	}
	a.parts = append(a.parts, part{"leader", runFunc(a.lead)})
	return err
}

func (a *App) buildScheduler(t *term) error {
	client, err := kubernetes.NewForConfig(a.server.ClientConfig("system:kube-scheduler"))
	if err != nil {
		return err
	}
	d, err := driver.New(driver.Options{
		Client: client, Informers: t.informers, Events: a.events.of("default-scheduler", ""),
		Logger: a.logger("scheduler"), Registerer: t.registerer,
	})
	t.add("scheduler", d)
	return err
}

func (a *App) logger(component string) *slog.Logger { return a.log.With("part", component) }

// Client may do everything; Informers are shared by all of this process.
func (a *App) Client() kubernetes.Interface { return a.client }

// Informers is the one factory of this process. Run starts it: ask before.
func (a *App) Informers() informers.SharedInformerFactory { return a.server.Informers() }

// Kubeconfig is the administrator's file, URL what it leads to.
func (a *App) Kubeconfig() string { return a.server.Kubeconfig() }

// URL is where this machine reaches the API.
func (a *App) URL() string { return a.server.URL() }

// RuntimeSocket is where CRI is spoken.
func (a *App) RuntimeSocket() string {
	if a.runtime == nil {
		return a.cfg.Runtime.Socket
	}
	return a.runtime.Socket()
}

// APIReady is closed when the API answers, Ready when the node takes pods.
func (a *App) APIReady() <-chan struct{} { return a.server.Ready() }

// Ready is closed when the node takes pods.
func (a *App) Ready() <-chan struct{} { return a.agent.Ready() }

// Run works until ctx ends or the API server fails, and releases everything.
// Pods are left running.
func (a *App) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var parts sync.WaitGroup
	defer a.metrics.set.Unregister()
	defer a.events.shutdown()
	defer parts.Wait()
	defer cancel()
	if a.runtime != nil {
		parts.Go(func() { a.keep(ctx, part{"runtime", a.runtime}) })
	}
	parts.Go(func() {
		select {
		case <-a.server.Ready():
		case <-ctx.Done():
			return
		}
		for _, p := range a.parts {
			parts.Go(func() { a.keep(ctx, p) })
		}
	})
	return a.server.Run(ctx)
}

// keep runs a part; one that fails leaves the others running.
func (a *App) keep(ctx context.Context, p part) {
	if err := p.run.Run(ctx); err != nil && ctx.Err() == nil {
		a.log.Error("a part of the orchestrator ended", "part", p.name, "error", err)
	}
}
