// Package replication keeps the wanted number of pods for ReplicationControllers
// and ReplicaSets: one engine for both kinds.
package replication

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/controller/expectations"
	"github.com/lubberline/lubberline/orchestrator/controller/ownership"
	"github.com/lubberline/lubberline/orchestrator/controller/podcontrol"
	"github.com/lubberline/lubberline/orchestrator/controller/podindex"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/controller/slowstart"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// Burst is the most pods that are created or deleted for one owner before the
// cache has shown them.
const Burst = 500

// defaultParallel is how many pods of one owner are written at the same time.
const defaultParallel = 16

// Options is what the controller is made of.
type Options struct {
	Client     kubernetes.Interface
	Informers  informers.SharedInformerFactory
	Events     record.EventRecorder
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Clock      clock.Clock           // nil is the real one
	// Parallel is how many pods of one owner are written at the same time; 0 is
	// 16, and 1 writes them in order.
	Parallel int
}

// Controller replicates the pods of all owners of one kind.
type Controller struct {
	kind     kind
	control  *podcontrol.Control
	index    podindex.Index
	expected *expectations.Set
	clock    clock.Clock
	parallel int
	loop     *reconcile.Loop
}

// NewReplicaSets makes the controller of ReplicaSets.
func NewReplicaSets(o Options) (*Controller, error) {
	return newController("replicaset", o, &replicaSets{o.Informers.Apps().V1().ReplicaSets().Lister(), o.Client.AppsV1()})
}

// NewReplicationControllers makes the controller of ReplicationControllers.
func NewReplicationControllers(o Options) (*Controller, error) {
	return newController("replication", o, &replicationControllers{o.Informers.Core().V1().ReplicationControllers().Lister(), o.Client.CoreV1()})
}

func newController(name string, o Options, k kind) (*Controller, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Parallel == 0 {
		o.Parallel = defaultParallel
	}
	pods, owners := o.Informers.Core().V1().Pods().Informer(), k.informer(o.Informers)
	index, err := podindex.Of(pods)
	if err != nil {
		return nil, fmt.Errorf("%s controller: %w", name, err)
	}
	c := &Controller{kind: k, index: index, expected: expectations.New(o.Clock), clock: o.Clock, parallel: o.Parallel}
	c.control = &podcontrol.Control{Kind: k.gvk(), Pods: o.Client.CoreV1(), Events: o.Events, Expected: c.expected, Index: index}
	c.loop, err = reconcile.New(reconcile.Options{
		Name: name, Reconcile: c.reconcile, Caches: []reconcile.Cache{pods, owners},
		Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	})
	if err != nil {
		return nil, err
	}
	_, podErr := pods.AddEventHandler(reconcile.Handler(c.router().Changed))
	_, ownerErr := owners.AddEventHandler(reconcile.Handler(c.ownerChanged))
	return c, errors.Join(podErr, ownerErr)
}

// Run replicates until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.loop.Run(ctx) }

// Loops are the controller's loops, for simulations.
func (c *Controller) Loops() []*reconcile.Loop { return []*reconcile.Loop{c.loop} }

func (c *Controller) reconcile(ctx context.Context, key string) error {
	w, err := c.kind.get(reconcile.SplitKey(key))
	if apierrors.IsNotFound(err) {
		c.expected.Forget(key)
		return nil
	}
	if err != nil {
		return err
	}
	shown, err := c.control.CacheShows(ctx, w)
	if err != nil {
		return err
	}
	if !shown { // neither can pods be counted, nor the status be told
		c.loop.AddAfter(key, expectations.Patience)
		return nil
	}
	pods := append(c.index.ControlledBy(w.GetUID()), c.index.Orphans(w.GetNamespace())...)
	terminating := countTerminating(w, pods)
	active, err := c.claim(ctx, w, slices.DeleteFunc(pods, isInactive))
	if err != nil {
		return err
	}
	outcome := outcome{}
	if w.GetDeletionTimestamp() == nil {
		outcome = c.manage(ctx, w, active)
	}
	now := c.clock.Now()
	if err := c.updateStatus(ctx, w, nextStatus(w, active, terminating, outcome, now)); err != nil {
		return err
	}
	if wait := podutil.UntilAvailable(active, seconds(w.minReadySeconds), now); wait > 0 {
		c.loop.AddAfter(key, wait)
	}
	return outcome.err
}

func isInactive(pod *corev1.Pod) bool {
	return pod.DeletionTimestamp != nil || podutil.IsTerminal(pod)
}

func (c *Controller) claim(ctx context.Context, w *workload, pods []*corev1.Pod) ([]*corev1.Pod, error) {
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return ownership.Claim(ctx, ownership.Claimer{
		Owner: w, Kind: c.kind.gvk(), Selector: w.selector, Patch: c.control.Patch(w.GetNamespace()),
		Fresh: func(ctx context.Context) (metav1.Object, error) {
			return c.kind.fresh(ctx, w.GetNamespace(), w.GetName())
		},
	}, pods)
}

// outcome is what became of bringing the number of pods to the wanted one.
type outcome struct {
	managed bool   // it was tried
	reason  string // of the failure
	err     error
}

func (c *Controller) manage(ctx context.Context, w *workload, active []*corev1.Pod) outcome {
	surplus := len(active) - w.replicas
	switch {
	case surplus < 0:
		return outcome{true, podcontrol.FailedCreate, c.create(ctx, w, min(-surplus, Burst))}
	case surplus > 0:
		return outcome{true, podcontrol.FailedDelete, c.delete(ctx, w, active, min(surplus, Burst))}
	}
	return outcome{managed: true}
}

func (c *Controller) create(ctx context.Context, w *workload, n int) error {
	_, err := slowstart.Run(n, c.parallel, func(int) error {
		err := c.control.Create(ctx, w.Owner, c.control.FromTemplate(w.Owner, w.template))
		if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			return nil // no pod can be created any more
		}
		return err
	})
	return err
}

func (c *Controller) delete(ctx context.Context, w *workload, active []*corev1.Pod, n int) error {
	victims := rankForDeletion(active, c.colocated(w), seconds(w.minReadySeconds), c.clock.Now())[:n]
	return slowstart.All(n, c.parallel, func(i int) error { return c.control.Delete(ctx, w.Owner, victims[i]) })
}

// colocated counts the active pods of w and its siblings by node.
func (c *Controller) colocated(w *workload) map[string]int {
	onNode := map[string]int{}
	for _, uid := range c.kind.siblings(w) {
		for _, pod := range c.index.ControlledBy(uid) {
			if !isInactive(pod) {
				onNode[pod.Spec.NodeName]++
			}
		}
	}
	return onNode
}

func seconds(n int32) time.Duration { return time.Duration(n) * time.Second }
