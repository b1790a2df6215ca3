// Package podnet lets pods reach the pods of other nodes without translation of
// addresses: by a route to the node where both share a link, and through a VXLAN
// tunnel of the kernel where they do not. Only what leaves the cluster gets the
// node's own address.
package podnet

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/knftables"
)

const (
	// compareEvery is how often the kernel is looked at without a reason.
	compareEvery = time.Minute
	// settle is how long changes are collected: pods come and go with links.
	settle = 200 * time.Millisecond
	// firewallEvery is how often the kernel is asked whether any of its rules has
	// changed, which costs next to nothing.
	firewallEvery = 2 * time.Second
)

// Options is what a network is made of.
type Options struct {
	Informers informers.SharedInformerFactory
	// Node is this machine's name and Address its address on the network of the
	// nodes; invalid where only this machine has it: no other node is reached.
	Node    string
	Address netip.Addr
	// Pods are the addresses of all pods, Own those of this machine's, which are
	// on Bridge.
	Pods, Own netip.Prefix
	Bridge    string
	// Table is the name of the kernel's table; empty: DefaultTable.
	Table      string
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
}

// Network keeps the kernel's routes as the nodes are.
type Network struct {
	o       Options
	log     *slog.Logger
	nodes   corelisters.NodeLister
	synced  cache.InformerSynced
	changed chan struct{} // one slot
	kernel  *kernel
	nft     knftables.Interface
	metrics *metrics
	trouble rate.Sometimes
}

// New asks for the informer of nodes. The kernel is changed by Run.
func New(o Options) (*Network, error) {
	if !o.Pods.Contains(o.Own.Addr()) || !o.Own.Addr().Is4() {
		return nil, fmt.Errorf("pod network: range %s is not within %s", o.Own, o.Pods)
	}
	m, err := newMetrics(o.Registerer)
	if err != nil {
		return nil, fmt.Errorf("pod network: %w", err)
	}
	o.Table = cmp.Or(o.Table, DefaultTable)
	nft, err := knftables.New(knftables.IPv4Family, o.Table)
	if err != nil {
		return nil, fmt.Errorf("pod network: %w", err)
	}
	nodes := o.Informers.Core().V1().Nodes()
	n := &Network{
		o: o, log: o.Logger, nodes: nodes.Lister(), changed: make(chan struct{}, 1), nft: nft, metrics: m,
		kernel: &kernel{pods: o.Pods.Masked(), own: o.Own.Masked(), address: o.Address}, trouble: rate.Sometimes{First: 3, Interval: time.Minute},
	}
	told, err := nodes.Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(any) { n.wake() },
		UpdateFunc: n.nodeUpdated,
		DeleteFunc: func(any) { n.wake() },
	})
	if err != nil {
		return nil, fmt.Errorf("pod network: %w", err)
	}
	n.synced = told.HasSynced
	return n, nil
}

// nodeUpdated ignores what the nodes write every few seconds.
func (n *Network) nodeUpdated(old, current any) {
	before, after := old.(*corev1.Node), current.(*corev1.Node)
	if before.Spec.PodCIDR != after.Spec.PodCIDR || internalAddress(before) != internalAddress(after) {
		n.wake()
	}
}

func (n *Network) wake() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// Run keeps the routes until ctx ends, and leaves them: pods go on.
func (n *Network) Run(ctx context.Context) error {
	defer n.metrics.set.Unregister()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	n.report("translation of addresses", n.translate(ctx))
	if !cache.WaitForCacheSync(ctx.Done(), n.synced) {
		return nil
	}
	n.report("watch of links and routes", n.kernel.watch(ctx, n.wake))
	ticks, rules := time.NewTicker(compareEvery), time.NewTicker(firewallEvery)
	defer ticks.Stop()
	defer rules.Stop()
	wall := newFirewall(n)
	n.reconcile()
	for {
		n.checkFirewall(ctx, wall)
		select {
		case <-ctx.Done():
			return nil
		case <-rules.C:
			continue
		case <-ticks.C:
			n.report("translation of addresses", n.translate(ctx))
		case <-n.changed:
			select {
			case <-time.After(settle):
			case <-ctx.Done():
				return nil
			}
		}
		n.reconcile()
	}
}

func (n *Network) checkFirewall(ctx context.Context, wall *firewall) {
	news, err := wall.check(ctx)
	n.report("firewall", err)
	switch {
	case news && len(wall.against) > 0:
		n.log.Warn("a firewall drops what it does not accept itself: have it accept the pods' packets", "chains", wall.against, "pods", n.o.Pods)
	case news:
		n.log.Info("no firewall drops the pods' packets any more")
	}
}

func (n *Network) reconcile() {
	if !n.o.Address.IsValid() {
		return
	}
	nodes, err := n.nodes.List(labels.Everything())
	if err != nil {
		n.report("nodes", err)
		return
	}
	result, err := n.kernel.apply(peersOf(n.o.Node, n.o.Own.Masked(), nodes))
	n.metrics.show(result)
	n.report("routes to other nodes", err)
	if result.changes > 0 {
		n.log.Info("routes to other nodes changed", "direct", result.direct, "tunnels", result.tunnels, "unreachable", result.unreachable)
	}
}

func (n *Network) report(what string, err error) {
	if err == nil || errors.Is(err, context.Canceled) {
		return
	}
	n.metrics.errors.Inc()
	n.trouble.Do(func() { n.log.Warn("the pods' network is not complete", "part", what, "error", err) })
}
