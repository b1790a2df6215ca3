// Package namespace empties namespaces that are being deleted, pods first, and
// then lets go of them.
package namespace

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

const (
	// settle is how long after the deletion of a namespace its content is first
	// looked at: requests that were let in before it have been stored by then.
	settle = time.Second
	// The distance of two looks at content that takes its time. It grows with
	// the time that the deletion has taken already.
	minRecheck = 500 * time.Millisecond
	maxRecheck = 15 * time.Second
)

// Options is what the controller works with.
type Options struct {
	Client    kubernetes.Interface
	Metadata  metadata.Interface
	Informers informers.SharedInformerFactory
	// Discovery tells what kinds there are; nil is the client's.
	Discovery  Discovery
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Clock      clock.Clock // nil is the real one
}

// Discovery is the part of the discovery client that is used.
type Discovery interface {
	ServerPreferredNamespacedResources() ([]*metav1.APIResourceList, error)
}

var _ Discovery = (discovery.DiscoveryInterface)(nil)

// Controller is one loop over the namespaces.
type Controller struct {
	client     kubernetes.Interface
	metadata   metadata.Interface
	discovery  Discovery
	namespaces listers.NamespaceLister
	loop       *reconcile.Loop
	clock      clock.Clock
	log        *slog.Logger
}

// New asks the factory for the informers; the factory is started after it.
func New(o Options) (*Controller, error) {
	if o.Discovery == nil {
		o.Discovery = o.Client.Discovery()
	}
	namespaces, pods := o.Informers.Core().V1().Namespaces(), o.Informers.Core().V1().Pods()
	c, err := newController(o, namespaces.Lister(), []reconcile.Cache{namespaces.Informer(), pods.Informer()})
	if err != nil {
		return nil, err
	}
	_, err = namespaces.Informer().AddEventHandler(reconcile.Handler(c.namespaceChanged))
	_, errPods := pods.Informer().AddEventHandler(reconcile.Handler(c.podChanged))
	return c, errors.Join(err, errPods)
}

func newController(o Options, namespaces listers.NamespaceLister, caches []reconcile.Cache) (*Controller, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	c := &Controller{
		client: o.Client, metadata: o.Metadata, discovery: o.Discovery,
		namespaces: namespaces, clock: o.Clock, log: o.Logger,
	}
	var err error
	c.loop, err = reconcile.New(reconcile.Options{
		Name: "namespace", Reconcile: c.reconcile, MaxDelay: maxRecheck, Caches: caches,
		Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	})
	return c, err
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.loop.Run(ctx) }

func (c *Controller) namespaceChanged(_, current *corev1.Namespace) {
	if current != nil && current.DeletionTimestamp != nil {
		c.loop.AddAfter(current.Name, current.DeletionTimestamp.Add(settle).Sub(c.clock.Now()))
	}
}

// podChanged goes on with a namespace as soon as a pod of it is gone, instead
// of waiting for the longest grace period.
func (c *Controller) podChanged(old, current *corev1.Pod) {
	if current != nil {
		return
	}
	if ns, err := c.namespaces.Get(old.Namespace); err == nil && ns.DeletionTimestamp != nil {
		c.namespaceChanged(nil, ns)
	}
}

// reconcile does one pass over a namespace's content. What remains is looked
// at again later; an error is also told in the namespace's conditions.
func (c *Controller) reconcile(ctx context.Context, name string) error {
	ns, err := c.client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if ns.DeletionTimestamp == nil || !slices.Contains(ns.Spec.Finalizers, corev1.FinalizerKubernetes) {
		return nil
	}
	if ns, err = c.markTerminating(ctx, ns); err != nil {
		return ignoreGone(err)
	}
	found := c.deleteContent(ctx, ns)
	if err := c.report(ctx, ns, found); err != nil {
		return ignoreGone(err)
	}
	if err := found.err(); err != nil {
		return fmt.Errorf("delete content: %w", err)
	}
	if len(found.remaining) > 0 {
		c.loop.AddAfter(name, c.recheck(ns))
		return nil
	}
	return ignoreGone(c.finalize(ctx, name, ns))
}

func (c *Controller) recheck(ns *corev1.Namespace) time.Duration {
	return min(max(c.clock.Since(ns.DeletionTimestamp.Time)/4, minRecheck), maxRecheck)
}

// markTerminating is for a namespace of which the API server has not set the
// phase with the deletion.
func (c *Controller) markTerminating(ctx context.Context, ns *corev1.Namespace) (*corev1.Namespace, error) {
	if ns.Status.Phase == corev1.NamespaceTerminating {
		return ns, nil
	}
	ns = ns.DeepCopy()
	ns.Status.Phase = corev1.NamespaceTerminating
	return c.client.CoreV1().Namespaces().UpdateStatus(ctx, ns, metav1.UpdateOptions{})
}

// report stores the conditions where they have changed. A conflict is left to
// the next pass: a status that lags does not stop the deletion.
func (c *Controller) report(ctx context.Context, ns *corev1.Namespace, found *content) error {
	if !setConditions(&ns.Status, found.conditions(), metav1.NewTime(c.clock.Now())) {
		return nil
	}
	updated, err := c.client.CoreV1().Namespaces().UpdateStatus(ctx, ns, metav1.UpdateOptions{})
	if apierrors.IsConflict(err) {
		return nil
	}
	if err == nil {
		*ns = *updated
	}
	return err
}

// finalize takes our finalizer away, with which the API server removes the
// namespace unless others hold it.
func (c *Controller) finalize(ctx context.Context, name string, seen *corev1.Namespace) error {
	ns, err := c.client.CoreV1().Namespaces().Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if ns.UID != seen.UID {
		return nil // another one of the same name
	}
	ns.Spec.Finalizers = slices.DeleteFunc(ns.Spec.Finalizers, func(f corev1.FinalizerName) bool { return f == corev1.FinalizerKubernetes })
	if _, err = c.client.CoreV1().Namespaces().Finalize(ctx, ns, metav1.UpdateOptions{}); err == nil {
		c.log.Info("namespace emptied", "namespace", name, "took", c.clock.Since(ns.DeletionTimestamp.Time))
	}
	return err
}

func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
