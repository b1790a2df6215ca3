// Package garbagecollector deletes objects whose owners are all gone, and makes
// owners wait for their dependents, or let them go, where their deletion asks
// for it.
package garbagecollector

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"
	"k8s.io/utils/lru"

	"github.com/lubberline/lubberline/orchestrator/controller/objectwatch"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

const (
	// workers wait for the API most of the time.
	workers = 10
	// absentOwners is how many owners known not to exist are remembered, so
	// that each is asked for once and not once for every dependent.
	absentOwners = 1000
	// unseenAgain is when a dependent is looked at again whose owner exists but
	// is not told by the watch: it may vanish without being told.
	unseenAgain = 30 * time.Second
	maxDelay    = time.Minute
)

// Options is what the controller works with.
type Options struct {
	Metadata   metadata.Interface
	Objects    *objectwatch.Watcher
	Events     record.EventRecorder // may be nil
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Clock      clock.Clock // nil is the real one
}

// kinds knows the resource of a kind.
type kinds interface {
	Lookup(gvk schema.GroupVersionKind) (objectwatch.Kind, bool)
}

// Controller is a graph of all objects and one loop over those that something
// may have to be done about, by UID.
type Controller struct {
	metadata metadata.Interface
	kinds    kinds
	events   record.EventRecorder
	log      *slog.Logger
	graph    *graph
	absent   *lru.Cache
	loop     *reconcile.Loop
	// parallel is how many dependents of one owner are let go at the same time.
	parallel int
}

// New subscribes to the object watch, which is run after it.
func New(o Options) (*Controller, error) {
	c, err := newController(o, o.Objects, []reconcile.Cache{o.Objects})
	if err != nil {
		return nil, err
	}
	o.Objects.Subscribe(c.observe)
	return c, nil
}

func newController(o Options, k kinds, caches []reconcile.Cache) (*Controller, error) {
	c := &Controller{
		metadata: o.Metadata, kinds: k, events: o.Events, log: o.Logger,
		graph: newGraph(), absent: lru.New(absentOwners), parallel: workers,
	}
	var err error
	c.loop, err = reconcile.New(reconcile.Options{
		Name: "garbagecollector", Reconcile: c.reconcile, Workers: workers, MaxDelay: maxDelay,
		Caches: caches, Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	})
	return c, err
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.loop.Run(ctx) }

func (c *Controller) observe(k *objectwatch.Kind, old, current metav1.Object) {
	if old != nil && (current == nil || current.GetUID() != old.GetUID()) {
		c.gone(old)
	}
	if current != nil {
		c.enqueue(c.graph.put(newNode(k, current)))
	}
}

func (c *Controller) gone(o metav1.Object) {
	removed, work := c.graph.remove(o.GetUID())
	if removed != nil && len(work) > 0 {
		c.absent.Add(removed.identity(), struct{}{})
	}
	c.enqueue(work)
}

func (c *Controller) enqueue(work []types.UID) {
	slices.Sort(work) // the order is the same in each run of a simulation
	for _, uid := range work {
		c.loop.Add(string(uid))
	}
}

// reconcile does the next step about one object; what follows from it is told
// by the watch.
func (c *Controller) reconcile(ctx context.Context, key string) error {
	n := c.graph.get(types.UID(key))
	switch {
	case n == nil:
		return nil
	case n.orphaning:
		return c.orphanDependents(ctx, n)
	case n.foreground:
		return c.awaitDependents(ctx, n)
	case n.deleting || len(n.owners) == 0 || c.allKnown(n):
		return nil
	}
	return c.checkOwners(ctx, n)
}

// allKnown: every owner is there and stays, which is by far the usual case and
// needs no request.
func (c *Controller) allKnown(n *node) bool {
	for _, ref := range n.owners {
		owner := c.graph.get(ref.UID)
		if owner == nil || owner.foreground || !owner.is(ref, n.namespace) {
			return false
		}
	}
	return true
}

// awaitDependents lets an object go when no dependent blocks it any more, and
// sees to it that those which do are deleted. Objects that wait for each other
// in a circle would do so for ever: they cease to block.
func (c *Controller) awaitDependents(ctx context.Context, n *node) error {
	blocked := false
	for _, d := range c.graph.dependentsOf(n.uid) {
		if !d.blocks(n.uid) {
			continue
		}
		blocked = true
		if !d.deleting {
			c.loop.Add(string(d.uid))
		}
	}
	if blocked && c.graph.inCircle(n.uid) {
		return c.unblock(ctx, n)
	}
	if blocked {
		return nil
	}
	return c.removeFinalizer(ctx, n, metav1.FinalizerDeleteDependents)
}

// warnNamespace tells in an event of a reference over a namespace's border.
func (c *Controller) warnNamespace(n *node, ref metav1.OwnerReference) {
	if c.events == nil {
		return
	}
	about := &corev1.ObjectReference{APIVersion: n.kind.APIVersion(), Kind: n.kind.Kind, Namespace: n.namespace, Name: n.name, UID: n.uid}
	c.events.Eventf(about, corev1.EventTypeWarning, "OwnerRefInvalidNamespace",
		"ownerRef [%s/%s, namespace: %s, name: %s, uid: %s] does not exist in namespace %q",
		ref.APIVersion, ref.Kind, n.namespace, ref.Name, ref.UID, n.namespace)
}
