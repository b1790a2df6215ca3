// Package nodeipam gives every node its part of the pods' addresses.
package nodeipam

import (
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"log/slog"
	"net/netip"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// Options is what the controller is made of.
type Options struct {
	Client    kubernetes.Interface
	Informers informers.SharedInformerFactory
	Events    record.EventRecorder
	// Pods are the addresses of all pods; every node gets a range of Bits.
	Pods netip.Prefix
	Bits int
	// Reserved are ranges that only the node of that name gets.
	Reserved map[string]netip.Prefix
	// Claims is where several control hosts agree on who has which range; nil
	// where there is only one.
	Claims     Claims
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Clock      clock.Clock           // nil is the real one
}

// Claims is who has which range.
type Claims interface {
	// Claim gives the range to the node, unless somebody has it, and returns who
	// has.
	Claim(ctx context.Context, prefix netip.Prefix, node string) (owner string, err error)
	// Release gives the range back if the node has it.
	Release(ctx context.Context, prefix netip.Prefix, node string) error
	// Owners are the nodes by their ranges.
	Owners(ctx context.Context) (map[netip.Prefix]string, error)
}

// Controller gives out ranges.
type Controller struct {
	o     Options
	nodes corelisters.NodeLister
	loop  *reconcile.Loop

	mu    sync.Mutex
	given map[string]netip.Prefix // by node, which the cache may not show yet
	gone  map[string]netip.Prefix // of nodes that were deleted, to be given back
}

// New makes the controller.
func New(o Options) (*Controller, error) {
	if !o.Pods.IsValid() || o.Bits < o.Pods.Bits() || o.Bits > o.Pods.Addr().BitLen() {
		return nil, fmt.Errorf("node addresses: no range of /%d within %s", o.Bits, o.Pods)
	}
	nodes := o.Informers.Core().V1().Nodes()
	c := &Controller{o: o, nodes: nodes.Lister(), given: map[string]netip.Prefix{}, gone: map[string]netip.Prefix{}}
	var err error
	c.loop, err = reconcile.New(reconcile.Options{
		Name: "nodeipam", Reconcile: c.reconcile, Workers: 1, Caches: []reconcile.Cache{nodes.Informer()},
		Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	})
	if err != nil {
		return nil, err
	}
	_, err = nodes.Informer().AddEventHandler(reconcile.Handler(c.changed))
	return c, err
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.loop.Run(ctx) }

func (c *Controller) changed(old, current *corev1.Node) {
	if current == nil {
		c.mu.Lock()
		delete(c.given, old.Name)
		if prefix, err := netip.ParsePrefix(old.Spec.PodCIDR); err == nil && c.o.Claims != nil {
			c.gone[old.Name] = prefix.Masked()
			defer c.loop.Add(old.Name)
		}
		c.mu.Unlock()
		return
	}
	if current.Spec.PodCIDR == "" || old == nil && c.o.Claims != nil {
		c.loop.Add(current.Name)
	}
}

func (c *Controller) reconcile(ctx context.Context, name string) error {
	node, err := c.nodes.Get(name)
	switch {
	case apierrors.IsNotFound(err):
		return c.giveBack(ctx, name)
	case err != nil:
		return err
	case node.Spec.PodCIDR != "":
		return c.keep(ctx, node)
	}
	prefix, err := c.rangeFor(ctx, name)
	if err != nil {
		c.o.Events.Event(node, corev1.EventTypeWarning, "CIDRNotAvailable", "Node "+name+" status is now: CIDRNotAvailable")
		return err
	}
	return c.write(ctx, node, prefix)
}

// rangeFor is the range that the node gets: claimed, where others give out ranges
// too.
func (c *Controller) rangeFor(ctx context.Context, name string) (netip.Prefix, error) {
	all, err := c.nodes.List(labels.Everything())
	if err != nil || c.o.Claims == nil {
		return c.choose(name, all, nil)
	}
	for {
		owners, err := c.o.Claims.Owners(ctx)
		if err != nil {
			return netip.Prefix{}, err
		}
		prefix, err := c.choose(name, all, owners)
		if err != nil {
			return prefix, err
		}
		owner, err := c.o.Claims.Claim(ctx, prefix, name)
		if err != nil || owner == name {
			return prefix, err
		}
		c.forget(name)
	}
}

func (c *Controller) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.given, name)
}

// keep claims the range of a node that brought it along.
func (c *Controller) keep(ctx context.Context, node *corev1.Node) error {
	prefix, err := netip.ParsePrefix(node.Spec.PodCIDR)
	if err != nil || c.o.Claims == nil {
		return nil //nolint:nilerr // nothing that could be claimed
	}
	owner, err := c.o.Claims.Claim(ctx, prefix.Masked(), node.Name)
	if err == nil && owner != node.Name {
		c.o.Logger.Error("two nodes have the same range of pod addresses", "range", prefix, "node", node.Name, "other", owner)
	}
	return err
}

// giveBack lets others have the range of a node that is gone.
func (c *Controller) giveBack(ctx context.Context, name string) error {
	c.mu.Lock()
	prefix, ok := c.gone[name]
	c.mu.Unlock()
	if !ok {
		return nil
	}
	if err := c.o.Claims.Release(ctx, prefix, name); err != nil {
		return err
	}
	c.mu.Lock()
	delete(c.gone, name)
	c.mu.Unlock()
	return nil
}

// choose finds the first range that no node has and nobody has claimed, but for
// the node itself.
func (c *Controller) choose(name string, all []*corev1.Node, claimed map[netip.Prefix]string) (netip.Prefix, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if prefix, ok := c.given[name]; ok {
		return prefix, nil
	}
	used := make(map[netip.Prefix]bool)
	for _, node := range all {
		if prefix, err := netip.ParsePrefix(node.Spec.PodCIDR); err == nil {
			used[prefix.Masked()] = true
		}
	}
	for prefix, owner := range claimed {
		if owner == name && !used[prefix] {
			c.given[name] = prefix
			return prefix, nil
		}
		used[prefix] = true
	}
	for _, prefix := range c.given {
		used[prefix] = true
	}
	for owner, prefix := range c.o.Reserved {
		if owner == name && !used[prefix.Masked()] {
			c.given[name] = prefix.Masked()
			return prefix.Masked(), nil
		}
		used[prefix.Masked()] = true
	}
	for prefix := range Ranges(c.o.Pods, c.o.Bits) {
		if !overlapsAny(prefix, used) {
			c.given[name] = prefix
			return prefix, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("no range of /%d is left in %s for node %s", c.o.Bits, c.o.Pods, name)
}

// Ranges are the parts of that size of a network, in order.
func Ranges(network netip.Prefix, bits int) iter.Seq[netip.Prefix] {
	return func(yield func(netip.Prefix) bool) {
		for prefix := netip.PrefixFrom(network.Masked().Addr(), bits); network.Contains(prefix.Addr()); prefix = next(prefix) {
			if !yield(prefix) {
				return
			}
		}
	}
}

// overlapsAny looks at each: ranges may have other sizes than ours.
func overlapsAny(prefix netip.Prefix, used map[netip.Prefix]bool) bool {
	if used[prefix] {
		return true
	}
	for other := range used {
		if other.Bits() != prefix.Bits() && other.Overlaps(prefix) {
			return true
		}
	}
	return false
}

// next is the range behind prefix, of the same size; invalid behind the last.
func next(prefix netip.Prefix) netip.Prefix {
	address := prefix.Addr().AsSlice()
	carry := 1 << (7 - (prefix.Bits()-1)%8)
	for i := (prefix.Bits() - 1) / 8; i >= 0 && carry > 0; i-- {
		carry += int(address[i])
		address[i], carry = byte(carry), carry>>8
	}
	if carry > 0 {
		return netip.Prefix{}
	}
	following, _ := netip.AddrFromSlice(address)
	return netip.PrefixFrom(following, prefix.Bits())
}

func (c *Controller) write(ctx context.Context, node *corev1.Node, prefix netip.Prefix) error {
	body, err := json.Marshal(map[string]any{
		"metadata": map[string]any{"uid": node.UID}, // not of one that has taken the name since
		"spec":     map[string]any{"podCIDR": prefix.String(), "podCIDRs": []string{prefix.String()}},
	})
	if err != nil {
		return err
	}
	_, err = c.o.Client.CoreV1().Nodes().Patch(ctx, node.Name, types.MergePatchType, body, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsInvalid(err) || apierrors.IsConflict(err) {
		c.mu.Lock()
		delete(c.given, node.Name)
		c.mu.Unlock()
	}
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("give node %s the range %s: %w", node.Name, prefix, err)
	}
	c.o.Logger.Info("a node has its range of pod addresses", "node", node.Name, "range", prefix)
	return nil
}
