// Package podgc deletes pods that nobody will end: those of nodes that are gone,
// those that are being deleted but were never on a node, those stuck on a node
// that is out of service, and the oldest of very many that have ended.
package podgc

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
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/controller/podindex"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// DefaultThreshold is how many pods that have ended are kept.
const DefaultThreshold = 12500

// quarantine is how long a node must be gone before its pods are deleted: it may
// have been removed only to be registered anew.
const quarantine = 40 * time.Second

// sweepKey is the key under which ended pods are counted; no pod has it.
const sweepKey = ""

// Options is what the controller is made of.
type Options struct {
	Client     kubernetes.Interface
	Informers  informers.SharedInformerFactory
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Clock      clock.Clock           // nil is the real one
	Threshold  int                   // 0 is DefaultThreshold
}

// Controller collects pods.
type Controller struct {
	client    kubernetes.Interface
	nodes     corelisters.NodeLister
	index     podindex.Index
	clock     clock.Clock
	threshold int
	loop      *reconcile.Loop
}

// New makes the controller.
func New(o Options) (*Controller, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Threshold == 0 {
		o.Threshold = DefaultThreshold
	}
	core := o.Informers.Core().V1()
	pods, nodes := core.Pods().Informer(), core.Nodes().Informer()
	index, err := podindex.Of(pods)
	if err != nil {
		return nil, fmt.Errorf("pod garbage collector: %w", err)
	}
	c := &Controller{client: o.Client, nodes: core.Nodes().Lister(), index: index, clock: o.Clock, threshold: o.Threshold}
	c.loop, err = reconcile.New(reconcile.Options{
		Name: "podgc", Reconcile: c.reconcile, Caches: []reconcile.Cache{pods, nodes},
		Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	})
	if err != nil {
		return nil, err
	}
	_, podErr := pods.AddEventHandler(reconcile.Handler(c.podChanged))
	_, nodeErr := nodes.AddEventHandler(reconcile.Handler(c.nodeChanged))
	return c, errors.Join(podErr, nodeErr)
}

// Run collects until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.loop.Run(ctx) }

// Loops are the controller's loops, for simulations.
func (c *Controller) Loops() []*reconcile.Loop { return []*reconcile.Loop{c.loop} }

func (c *Controller) podChanged(old, current *corev1.Pod) {
	if current == nil {
		return
	}
	if podutil.IsTerminal(current) && (old == nil || !podutil.IsTerminal(old)) {
		c.loop.Add(sweepKey)
	}
	if c.isStuck(current) {
		c.loop.Add(reconcile.Key(current))
	} else if current.Spec.NodeName != "" && (old == nil || old.Spec.NodeName == "") && c.nodeGone(current) {
		c.loop.AddAfter(reconcile.Key(current), quarantine)
	}
}

func (c *Controller) nodeChanged(old, current *corev1.Node) {
	switch {
	case current == nil:
		for _, pod := range c.index.OnNode(old.Name) {
			c.loop.AddAfter(reconcile.Key(pod), quarantine)
		}
	case isOutOfService(current):
		for _, pod := range c.index.OnNode(current.Name) {
			c.loop.Add(reconcile.Key(pod))
		}
	}
}

// isStuck: the pod is being deleted, and there is no node that would end it.
func (c *Controller) isStuck(pod *corev1.Pod) bool {
	if pod.DeletionTimestamp == nil {
		return false
	}
	if pod.Spec.NodeName == "" {
		return true
	}
	node, err := c.nodes.Get(pod.Spec.NodeName)
	return err == nil && isOutOfService(node)
}

// isOutOfService: an administrator says that the node has been shut down, and it
// is not ready.
func isOutOfService(node *corev1.Node) bool {
	ready := slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
		return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
	})
	return !ready && slices.ContainsFunc(node.Spec.Taints, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeOutOfService })
}

// nodeGone asks the cache only.
func (c *Controller) nodeGone(pod *corev1.Pod) bool {
	_, err := c.nodes.Get(pod.Spec.NodeName)
	return apierrors.IsNotFound(err)
}

func (c *Controller) reconcile(ctx context.Context, key string) error {
	if key == sweepKey {
		return c.sweep(ctx)
	}
	pod := c.index.Get(reconcile.SplitKey(key))
	switch {
	case pod == nil:
		return nil
	case c.isStuck(pod):
		return c.remove(ctx, pod, nil)
	case pod.Spec.NodeName == "" || !c.nodeGone(pod):
		return nil
	}
	// The cache may be old, and this cannot be undone.
	_, err := c.client.CoreV1().Nodes().Get(ctx, pod.Spec.NodeName, metav1.GetOptions{})
	if !apierrors.IsNotFound(err) {
		return err
	}
	return c.remove(ctx, pod, &corev1.PodCondition{
		Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByPodGC",
		Message: "PodGC: node no longer exists", ObservedGeneration: pod.Generation,
	})
}

// sweep deletes the oldest of the ended pods that are above the threshold; those
// that were evicted go first.
func (c *Controller) sweep(ctx context.Context) error {
	ended := slices.DeleteFunc(c.index.All(), func(p *corev1.Pod) bool { return !podutil.IsTerminal(p) || p.DeletionTimestamp != nil })
	surplus := len(ended) - c.threshold
	if surplus <= 0 {
		return nil
	}
	slices.SortFunc(ended, func(a, b *corev1.Pod) int {
		if x, y := a.Status.Reason == "Evicted", b.Status.Reason == "Evicted"; x != y {
			if x {
				return -1
			}
			return 1
		}
		return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
	})
	for _, pod := range ended[:surplus] {
		if err := c.remove(ctx, pod, nil); err != nil {
			return err
		}
	}
	return nil
}

// remove deletes a pod at once. One that had not ended is marked as failed
// before, with the reason, for those who count failures.
func (c *Controller) remove(ctx context.Context, pod *corev1.Pod, why *corev1.PodCondition) error {
	client := c.client.CoreV1().Pods(pod.Namespace)
	if !podutil.IsTerminal(pod) {
		updated := pod.DeepCopy()
		updated.Status.Phase = corev1.PodFailed
		if why != nil {
			podutil.UpdateCondition(&updated.Status, *why, c.clock.Now())
		}
		if _, err := client.UpdateStatus(ctx, updated, metav1.UpdateOptions{}); err != nil {
			return ignoreNotFound(err)
		}
	}
	now := int64(0)
	return ignoreNotFound(client.Delete(ctx, pod.Name, metav1.DeleteOptions{
		GracePeriodSeconds: &now, Preconditions: metav1.NewUIDPreconditions(string(pod.UID)),
	}))
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
