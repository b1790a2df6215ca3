// Package nodelifecycle watches over nodes: one whose agent is silent becomes
// not ready, nodes are tainted for their conditions, and pods that do not
// tolerate that are evicted.
package nodelifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/controller/podindex"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// The time without a sign of life after which a node is not ready any more: one
// that has reported before, and one that never has.
const (
	DefaultGracePeriod        = 40 * time.Second
	DefaultStartupGracePeriod = time.Minute
)

// Options is what the controller is made of.
type Options struct {
	Client     kubernetes.Interface
	Informers  informers.SharedInformerFactory
	Events     record.EventRecorder
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Clock      clock.Clock           // nil is the real one
	// GracePeriod and StartupGracePeriod replace the defaults; 0 does not.
	GracePeriod, StartupGracePeriod time.Duration
}

// Controller watches over all nodes.
type Controller struct {
	o     Options
	nodes corelisters.NodeLister
	index podindex.Index
	life  *signs
	since *since
	fell  *set // nodes that said that they are no longer ready
	// health is by node, evict by pod.
	health, evict *reconcile.Loop
}

// New makes the controller.
func New(o Options) (*Controller, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.GracePeriod == 0 {
		o.GracePeriod = DefaultGracePeriod
	}
	if o.StartupGracePeriod == 0 {
		o.StartupGracePeriod = DefaultStartupGracePeriod
	}
	core := o.Informers.Core().V1()
	pods, nodes, leases := core.Pods().Informer(), core.Nodes().Informer(), o.Informers.Coordination().V1().Leases().Informer()
	index, err := podindex.Of(pods)
	if err != nil {
		return nil, fmt.Errorf("node lifecycle controller: %w", err)
	}
	c := &Controller{o: o, nodes: core.Nodes().Lister(), index: index, life: newSigns(o.Clock), since: newSince(), fell: newSet()}
	caches := []reconcile.Cache{pods, nodes, leases}
	var healthErr, evictErr error
	c.health, healthErr = reconcile.New(reconcile.Options{
		Name: "nodelifecycle", Reconcile: c.reconcileNode, Caches: caches, Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	})
	c.evict, evictErr = reconcile.New(reconcile.Options{
		Name: "tainteviction", Reconcile: c.reconcilePod, Caches: caches, Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	})
	if err := errors.Join(healthErr, evictErr); err != nil {
		return nil, err
	}
	_, podErr := pods.AddEventHandler(reconcile.Handler(c.podChanged))
	_, nodeErr := nodes.AddEventHandler(reconcile.Handler(c.nodeChanged))
	_, leaseErr := leases.AddEventHandler(reconcile.Handler(c.leaseChanged))
	return c, errors.Join(podErr, nodeErr, leaseErr)
}

// Run watches until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	var evicting sync.WaitGroup
	evicting.Go(func() { _ = c.evict.Run(ctx) })
	defer evicting.Wait()
	return c.health.Run(ctx)
}

// Loops are the controller's loops, for simulations.
func (c *Controller) Loops() []*reconcile.Loop { return []*reconcile.Loop{c.health, c.evict} }

func (c *Controller) leaseChanged(_, current *coordinationv1.Lease) {
	if current != nil && current.Namespace == corev1.NamespaceNodeLease && current.Spec.RenewTime != nil {
		c.life.renewed(current.Name, current.Spec.RenewTime.Time)
	}
}

func (c *Controller) nodeChanged(old, current *corev1.Node) {
	if current == nil {
		c.life.forget(old.Name)
		c.fell.remove(old.Name)
		return
	}
	if ready := condition(current, corev1.NodeReady); ready != nil {
		c.life.reported(current.Name, ready.LastHeartbeatTime.Time)
		if ready.Status == corev1.ConditionFalse && old != nil && isReady(old) {
			c.fell.add(current.Name)
		}
	}
	c.health.Add(current.Name)
	if old == nil || !sameTaints(noExecute(old), noExecute(current)) {
		for _, pod := range c.index.OnNode(current.Name) {
			c.evict.Add(reconcile.Key(pod))
		}
	}
}

func (c *Controller) podChanged(old, current *corev1.Pod) {
	switch {
	case current == nil:
		c.since.forget(old.UID)
	case current.Spec.NodeName != "" && current.DeletionTimestamp == nil && (old == nil || old.Spec.NodeName == "" || !sameTolerations(old, current)):
		c.evict.Add(reconcile.Key(current))
	}
}

// reconcileNode judges a node's life, and taints it for what it is.
func (c *Controller) reconcileNode(ctx context.Context, name string) error {
	node, err := c.nodes.Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	silent, left := c.silent(node)
	if silent {
		if node, err = c.markUnknown(ctx, node); err != nil {
			return err
		}
	} else {
		c.health.AddAfter(name, left)
	}
	if err := c.taint(ctx, node); err != nil {
		return err
	}
	return c.takeOutOfService(ctx, node)
}

// takeOutOfService marks the pods of a silent node as not ready for as long as it
// is silent. A node that reports of itself that it is not ready goes on to
// report about its pods, so that those are marked but once.
func (c *Controller) takeOutOfService(ctx context.Context, node *corev1.Node) error {
	ready := condition(node, corev1.NodeReady)
	switch {
	case ready == nil || ready.Status == corev1.ConditionTrue:
		c.fell.remove(node.Name)
		return nil
	case ready.Status == corev1.ConditionFalse && !c.fell.has(node.Name):
		return nil
	}
	if err := c.markPodsNotReady(ctx, node); err != nil {
		return err
	}
	c.fell.remove(node.Name)
	return nil
}
