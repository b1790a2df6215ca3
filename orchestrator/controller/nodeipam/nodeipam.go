// Package nodeipam gives every node its part of the pods' addresses.
package nodeipam

import (
	"context"
	"encoding/json"
	"fmt"
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
	Reserved   map[string]netip.Prefix
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Clock      clock.Clock           // nil is the real one
}

// Controller gives out ranges.
type Controller struct {
	o     Options
	nodes corelisters.NodeLister
	loop  *reconcile.Loop

	mu    sync.Mutex
	given map[string]netip.Prefix // by node, which the cache may not show yet
}

// New makes the controller.
func New(o Options) (*Controller, error) {
	if !o.Pods.IsValid() || o.Bits < o.Pods.Bits() || o.Bits > o.Pods.Addr().BitLen() {
		return nil, fmt.Errorf("node addresses: no range of /%d within %s", o.Bits, o.Pods)
	}
	nodes := o.Informers.Core().V1().Nodes()
	c := &Controller{o: o, nodes: nodes.Lister(), given: map[string]netip.Prefix{}}
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
		c.mu.Unlock()
		return
	}
	if current.Spec.PodCIDR == "" {
		c.loop.Add(current.Name)
	}
}

func (c *Controller) reconcile(ctx context.Context, name string) error {
	node, err := c.nodes.Get(name)
	if apierrors.IsNotFound(err) || err == nil && node.Spec.PodCIDR != "" {
		return nil
	}
	if err != nil {
		return err
	}
	all, err := c.nodes.List(labels.Everything())
	if err != nil {
		return err
	}
	prefix, err := c.choose(name, all)
	if err != nil {
		c.o.Events.Event(node, corev1.EventTypeWarning, "CIDRNotAvailable", "Node "+name+" status is now: CIDRNotAvailable")
		return err
	}
	return c.write(ctx, node, prefix)
}

// choose finds the first range that no node has.
func (c *Controller) choose(name string, all []*corev1.Node) (netip.Prefix, error) {
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
	for prefix := netip.PrefixFrom(c.o.Pods.Masked().Addr(), c.o.Bits); c.o.Pods.Contains(prefix.Addr()); prefix = next(prefix) {
		if !overlapsAny(prefix, used) {
			c.given[name] = prefix
			return prefix, nil
		}
	}
	return netip.Prefix{}, fmt.Errorf("no range of /%d is left in %s for node %s", c.o.Bits, c.o.Pods, name)
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
