package app

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"

	agent "github.com/lubberline/lubberline/orchestrator/agent/app"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/join"
	"github.com/lubberline/lubberline/orchestrator/pki"
	"github.com/lubberline/lubberline/orchestrator/podnet"
	"github.com/lubberline/lubberline/orchestrator/proxy"
	"github.com/lubberline/lubberline/orchestrator/runtime"
	"github.com/lubberline/lubberline/ownmetrics"
)

// MemberOptions is what a machine is made of that has joined a cluster.
type MemberOptions struct {
	// Config says what this machine is; what is the cluster's comes from
	// Identity.
	Config   Config
	DataDir  string
	Identity *join.Identity
	// Stats answers the kubelet's /stats/summary and /metrics/….
	Stats      http.Handler
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Member runs pods for a cluster whose control host is another machine.
type Member struct {
	o       MemberOptions
	cfg     Config
	log     *slog.Logger
	runtime *runtime.Runtime // nil with a runtime of somebody else's
	agent   *agent.App
	events  *recorders
	client  kubernetes.Interface
	shared  informers.SharedInformerFactory
	parts   []part
}

// NewMember gets the node's range of pod addresses, which it waits for, and
// makes its parts. Nothing runs yet.
func NewMember(ctx context.Context, o MemberOptions) (_ *Member, err error) {
	m := &Member{o: o, cfg: o.Config, log: o.Logger}
	of(&m.cfg, o.Identity.Cluster)
	m.cfg.Address = o.Identity.Address.String()
	m.client, err = kubernetes.NewForConfig(o.Identity.ClientConfig())
	if err != nil {
		return nil, err
	}
	if m.cfg.Network.Node, err = m.podRange(ctx); err != nil {
		return nil, fmt.Errorf("node %s: %w", o.Identity.Node, err)
	}
	if err := m.prepareRuntime(); err != nil {
		return nil, err
	}
	m.shared = informers.NewSharedInformerFactoryWithOptions(m.client, 0, informers.WithTransform(withoutManagedFields))
	m.events = newRecorders(m.client)
	m.parts = []part{{"certificates", o.Identity}}
	if _, err := ownmetrics.Register(o.Registerer, pki.Expiry(o.Identity.Ends)); err != nil {
		return nil, err
	}
	for _, build := range []func() error{m.followServers, m.buildPodNetwork, m.buildProxy, m.buildAgent} {
		if err := build(); err != nil {
			m.events.shutdown()
			return nil, err
		}
	}
	return m, nil
}

// followServers knows the control hosts by the Service that leads to them.
func (m *Member) followServers() error {
	slices := m.shared.Discovery().V1().EndpointSlices().Informer()
	_, err := slices.AddEventHandler(reconcile.Handler(func(_, current *discoveryv1.EndpointSlice) {
		if current == nil || current.Namespace != metav1.NamespaceDefault || current.Name != "kubernetes" {
			return
		}
		var all []netip.Addr
		for _, e := range current.Endpoints {
			for _, text := range e.Addresses {
				if address, err := netip.ParseAddr(text); err == nil {
					all = append(all, address)
				}
			}
		}
		if err := m.o.Identity.SetServers(all); err != nil {
			m.log.Error("the control hosts are not known after the next start", "error", err)
		}
	}))
	return err
}

// IdentityDir is where a machine with that data directory keeps what it is in
// its cluster.
func IdentityDir(dataDir string) string { return filepath.Join(dataDir, "identity") }

// of sets what the whole cluster has in common.
func of(c *Config, cluster join.Cluster) {
	c.Network.Pods, c.Network.Services, c.Network.Domain = cluster.Pods, cluster.Services, cluster.Domain
}

func withoutManagedFields(o any) (any, error) {
	if m, err := meta.Accessor(o); err == nil {
		m.SetManagedFields(nil)
	}
	return o, nil
}

func (m *Member) prepareRuntime() error {
	if m.cfg.Runtime.Socket != "" {
		return m.cfg.network().Setup()
	}
	options, err := RuntimeOptions(m.cfg, m.o.DataDir, m.logger("runtime"))
	if err != nil {
		return err
	}
	options.Registerer = m.o.Registerer
	m.runtime, err = runtime.New(options)
	return err
}

func (m *Member) buildPodNetwork() error {
	n := m.cfg.Network
	routes, err := podnet.New(podnet.Options{
		Informers: m.shared, Node: m.o.Identity.Node, Address: m.o.Identity.Address, Pods: n.Pods, Own: n.Node, Bridge: n.Bridge,
		Table: n.translation(), Logger: m.logger("podnet"), Registerer: m.o.Registerer,
	})
	m.parts = append(m.parts, part{"pod network", routes})
	return err
}

func (m *Member) buildProxy() error {
	n := m.cfg.Network
	p, err := proxy.New(proxy.Options{
		Informers: m.shared, NodeName: m.o.Identity.Node,
		PodNetwork: n.Pods, LocalPods: n.Node, ServiceNetwork: n.Services, Bridge: n.Bridge, TableName: n.table(),
		Events: m.events.of("kube-proxy", m.o.Identity.Node), Logger: m.logger("proxy"), Registerer: m.o.Registerer,
	})
	m.parts = append(m.parts, part{"proxy", p})
	return err
}

func (m *Member) buildAgent() (err error) {
	id := m.o.Identity
	options := agentOptions(m.cfg, m.o.DataDir, id.Node, id.Address, m.o.Stats)
	authorities := id.CAs()
	options.Client, options.Informers, options.Events = m.client, m.shared, m.events.of("kubelet", id.Node)
	options.ClusterDNS, options.Socket = []string{id.Cluster.DNS.String()}, m.RuntimeSocket()
	options.Certificate, options.ClientCAs = id.Certificate, func() *x509.CertPool { return authorities }
	options.Logger, options.Registerer = m.logger("kubelet"), m.o.Registerer
	m.agent, err = agent.New(options)
	m.parts = append(m.parts, part{"node agent", m.agent})
	return err
}

// agentOptions are those that every machine's agent has in common.
func agentOptions(c Config, dataDir, node string, address netip.Addr, stats http.Handler) agent.Options {
	handlers := map[string]http.Handler{}
	for _, path := range statsPaths {
		if stats != nil {
			handlers[path] = stats
		}
	}
	return agent.Options{
		NodeName: node, Addresses: []string{address.String()}, PodCIDRs: []string{c.Network.Node.String()},
		MaxPods: int64(c.Runtime.MaxPods), Root: filepath.Join(dataDir, "node"), LogDir: c.Runtime.PodLogs,
		ClusterDNS: []string{nth(c.Network.Services, dnsIndex).String()}, ClusterDomain: c.Network.Domain,
		Port: int32(c.KubeletPort), Cgroup: filepath.Join(c.Runtime.CgroupRoot, "kubepods"), Handlers: handlers,
	}
}

func (m *Member) logger(component string) *slog.Logger { return m.log.With("part", component) }

// RuntimeSocket is where CRI is spoken.
func (m *Member) RuntimeSocket() string {
	if m.runtime == nil {
		return m.cfg.Runtime.Socket
	}
	return m.runtime.Socket()
}

// PodRange holds the addresses of this node's pods.
func (m *Member) PodRange() netip.Prefix { return m.cfg.Network.Node }

// Ready is closed when the node takes pods.
func (m *Member) Ready() <-chan struct{} { return m.agent.Ready() }

// Run works until ctx ends. Pods are left running.
func (m *Member) Run(ctx context.Context) error {
	var parts sync.WaitGroup
	defer m.events.shutdown()
	defer m.shared.Shutdown()
	defer parts.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	m.shared.Start(ctx.Done())
	if m.runtime != nil {
		m.parts = append(m.parts, part{"runtime", m.runtime})
	}
	for _, p := range m.parts {
		parts.Go(func() {
			if err := p.run.Run(ctx); err != nil && !errors.Is(err, context.Canceled) && ctx.Err() == nil {
				m.log.Error("a part of the node ended", "part", p.name, "error", err)
			}
		})
	}
	<-ctx.Done()
	return nil
}
