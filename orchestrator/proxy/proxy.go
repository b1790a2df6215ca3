// Package proxy makes the addresses of services work on this machine: it writes
// the kernel's table (package plan says what is in it) as services and endpoints
// change, each change by itself.
//
// IPv4 only: a service without an IPv4 cluster IP is not served. Topology hints
// are ignored on purpose: every ready endpoint takes its share.
package proxy

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"sigs.k8s.io/knftables"

	"github.com/lubberline/lubberline/orchestrator/controller/sliceindex"
	"github.com/lubberline/lubberline/orchestrator/proxy/plan"
	"github.com/lubberline/lubberline/orchestrator/proxy/ruleset"
)

// Options is what a proxy is made of.
type Options struct {
	Informers informers.SharedInformerFactory
	NodeName  string
	// NodeAddresses are this machine's; flows to node ports are recognised by
	// them. May be nil: the machine's interfaces are asked then.
	NodeAddresses func() []netip.Addr
	// PodNetwork holds the addresses of all pods, LocalPods those of this
	// machine's, ServiceNetwork the cluster IPs.
	PodNetwork, LocalPods, ServiceNetwork netip.Prefix
	// Bridge is the interface of this machine's pods. It need not exist yet.
	Bridge     string
	Events     record.EventRecorder // may be nil
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Clock      clock.WithTicker      // nil is the real one
	// TableName is the table's in this network namespace; empty is "lubberline".
	TableName string
	// Table is used in place of the kernel's, when it is not nil.
	Table knftables.Interface
}

// Proxy serves all services on this machine.
type Proxy struct {
	o        Options
	log      *slog.Logger
	metrics  *metrics
	services corelisters.ServiceLister
	slices   sliceindex.Index
	synced   []cache.InformerSynced

	facts   plan.Facts
	wanted  *plan.Wanted
	rules   *ruleset.Ruleset
	changes plan.Changes // not in the kernel yet
	flows   *flows
	health  *healthServers
	warned  map[string]string // what a service's owner has been told, by service

	mu      sync.Mutex
	dirty   map[string]mark // services that have changed
	changed chan struct{}   // dirty is not empty; one slot

	broken bool    // the last repair failed
	others *uint32 // the kernel's generation without our transactions, at the last repair
	ready  chan struct{}
}

// mark is when a service was seen to change, and when what caused it did, zero
// when not known.
type mark struct{ seen, caused time.Time }

// checkEvery is how often it is asked whether somebody has changed the kernel's
// rules, compareEvery how often they are compared whatever the answer. A
// comparison that took long is followed by a pause of comparePause times as long,
// unless the table is gone: others change their own rules all the time.
const (
	checkEvery   = time.Second
	compareEvery = 5 * time.Minute
	comparePause = 200
)

// New looks for what the proxy needs, and asks for its informers. The kernel is
// changed by Run.
func New(o Options) (*Proxy, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.NodeAddresses == nil {
		o.NodeAddresses = interfaceAddresses
	}
	for name, prefix := range map[string]netip.Prefix{"pod": o.PodNetwork, "local pod": o.LocalPods, "service": o.ServiceNetwork} {
		if !prefix.IsValid() || !prefix.Addr().Is4() {
			return nil, fmt.Errorf("proxy: %s network %q: want an IPv4 network", name, prefix)
		}
	}
	p := &Proxy{
		o: o, log: o.Logger, wanted: plan.NewWanted(), changes: plan.Changes{}, warned: map[string]string{},
		dirty: map[string]mark{}, changed: make(chan struct{}, 1), ready: make(chan struct{}),
		health: newHealthServers(o.Logger),
	}
	if err := p.open(); err != nil {
		return nil, err
	}
	if err := p.watch(); err != nil {
		return nil, err
	}
	var err error
	p.metrics, err = newMetrics(o.Registerer)
	p.flows = newFlows(o.NodeAddresses, o.Logger, p.metrics)
	return p, err
}

func (p *Proxy) tableName() string { return cmp.Or(p.o.TableName, plan.TableName) }

// open gets hold of the kernel's table.
func (p *Proxy) open() (err error) {
	nft := p.o.Table
	if nft == nil {
		if nft, err = ruleset.Open(p.tableName()); err != nil {
			return fmt.Errorf("proxy: %w", err)
		}
	}
	p.facts = plan.Facts{
		Node: p.o.NodeName, Pods: p.o.PodNetwork.Masked(), Services: p.o.ServiceNetwork.Masked(), LocalPods: p.o.LocalPods.Masked(),
		TranslateLocal: p.o.Table == nil && !bridgesAreFiltered(p.o.Bridge),
	}
	if p.facts.TranslateLocal {
		p.log.Warn("bridged packets are not filtered here (net.bridge.bridge-nf-call-iptables): pods of this machine see its address in place of each other's behind services")
	}
	p.rules = ruleset.New(nft, p.facts)
	return nil
}

// Ready is closed when the kernel's table holds all services.
func (p *Proxy) Ready() <-chan struct{} { return p.ready }

// Run keeps the table until ctx ends. It stays behind then: connections go on,
// and the next Run takes it over.
func (p *Proxy) Run(ctx context.Context) error {
	defer p.metrics.set.Unregister()
	defer p.health.close()
	if !cache.WaitForCacheSync(ctx.Done(), p.synced...) {
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer cancel()
	helpers.Go(func() { p.flows.run(ctx) })
	p.markAll()
	p.plan()
	if err := p.repairUntilDone(ctx); err != nil {
		return nil // ctx has ended
	}
	close(p.ready)
	p.log.Info("services are served", "services", len(p.wanted.Plans()))
	p.loop(ctx)
	return nil
}

func (p *Proxy) loop(ctx context.Context) {
	check := p.o.Clock.NewTicker(checkEvery)
	defer check.Stop()
	next, last := p.o.Clock.Now(), p.o.Clock.Now() // of the comparisons
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.changed:
			p.apply(ctx)
		case <-check.C():
			now := p.o.Clock.Now()
			if p.foreignChange() && (!now.Before(next) || p.isGone()) || now.Sub(last) >= compareEvery {
				started := time.Now() // what it costs is real whatever the clock
				p.repair(ctx, "compared")
				last, next = now, now.Add(time.Since(started)*comparePause)
			}
			p.removeUnused(ctx)
		}
	}
}
