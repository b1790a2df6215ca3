// Package daemonset runs one pod of every daemon set on every node that it is
// meant for.
package daemonset

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	appslisters "k8s.io/client-go/listers/apps/v1"
	corelisters "k8s.io/client-go/listers/core/v1"
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

// Burst is the most pods that are created or deleted for one daemon set before
// the cache has shown them.
const Burst = 250

const defaultParallel = 16

// Options is what the controller is made of.
type Options struct {
	Client     kubernetes.Interface
	Informers  informers.SharedInformerFactory
	Events     record.EventRecorder
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Clock      clock.Clock           // nil is the real one
	// Parallel is how many pods of one daemon set are written at the same time;
	// 0 is 16, and 1 writes them in order.
	Parallel int
}

// Controller runs the pods of all daemon sets.
type Controller struct {
	client    kubernetes.Interface
	sets      appslisters.DaemonSetLister
	revisions appslisters.ControllerRevisionLister
	nodes     corelisters.NodeLister
	control   *podcontrol.Control
	index     podindex.Index
	events    record.EventRecorder
	clock     clock.Clock
	failures  *backoff
	parallel  int
	loop      *reconcile.Loop
}

// New makes the controller.
func New(o Options) (*Controller, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Parallel == 0 {
		o.Parallel = defaultParallel
	}
	apps, core := o.Informers.Apps().V1(), o.Informers.Core().V1()
	pods, nodes := core.Pods().Informer(), core.Nodes().Informer()
	sets, revisions := apps.DaemonSets().Informer(), apps.ControllerRevisions().Informer()
	index, err := podindex.Of(pods)
	if err != nil {
		return nil, fmt.Errorf("daemon set controller: %w", err)
	}
	c := &Controller{
		client: o.Client, sets: apps.DaemonSets().Lister(), revisions: apps.ControllerRevisions().Lister(), nodes: core.Nodes().Lister(),
		index: index, events: o.Events, clock: o.Clock, failures: newBackoff(o.Clock), parallel: o.Parallel,
	}
	c.control = &podcontrol.Control{
		Kind: kind, Pods: o.Client.CoreV1(), Events: o.Events, Expected: expectations.New(o.Clock), Index: index,
	}
	c.loop, err = reconcile.New(reconcile.Options{
		Name: "daemonset", Reconcile: c.reconcile, Caches: []reconcile.Cache{pods, nodes, sets, revisions},
		Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	})
	if err != nil {
		return nil, err
	}
	_, podErr := pods.AddEventHandler(reconcile.Handler(c.router().Changed))
	_, nodeErr := nodes.AddEventHandler(reconcile.Handler(c.nodeChanged))
	_, setErr := sets.AddEventHandler(reconcile.Handler(c.setChanged))
	_, err = revisions.AddEventHandler(reconcile.Handler(c.revisionChanged))
	return c, errors.Join(podErr, nodeErr, setErr, err)
}

var kind = appsv1.SchemeGroupVersion.WithKind("DaemonSet")

// Run controls daemon sets until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.loop.Run(ctx) }

// Loops are the controller's loops, for simulations.
func (c *Controller) Loops() []*reconcile.Loop { return []*reconcile.Loop{c.loop} }

func (c *Controller) reconcile(ctx context.Context, key string) error {
	namespace, name := reconcile.SplitKey(key)
	ds, err := c.sets.DaemonSets(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		c.control.Expected.Forget(key)
		return nil
	}
	if err != nil || ds.DeletionTimestamp != nil {
		return err
	}
	selector, err := metav1.LabelSelectorAsSelector(ds.Spec.Selector)
	if err != nil {
		return fmt.Errorf("daemon set %s has invalid label selector: %w", key, err)
	}
	if selector.Empty() {
		c.events.Event(ds, corev1.EventTypeWarning, "SelectingAll", "This daemon set is selecting all pods. A non-empty selector is required.")
		return nil
	}
	if shown, err := c.control.CacheShows(ctx, ds); err != nil || !shown {
		c.loop.AddAfter(key, expectations.Patience)
		return err
	}
	s, err := c.observe(ctx, ds, selector)
	if err != nil {
		return err
	}
	err = c.advance(ctx, s)
	if wait := podutil.UntilAvailable(s.allPods(), s.minReady(), s.now); wait > 0 {
		c.loop.AddAfter(key, wait)
	}
	return errors.Join(err, c.updateStatus(ctx, s))
}

// observe collects what is known of a daemon set, with its revisions brought up
// to date.
func (c *Controller) observe(ctx context.Context, ds *appsv1.DaemonSet, selector labels.Selector) (*state, error) {
	pods, err := c.claimPods(ctx, ds, selector)
	if err != nil {
		return nil, err
	}
	h, err := c.syncHistory(ctx, ds, selector, pods)
	if err != nil {
		return nil, fmt.Errorf("failed to construct revisions of DaemonSet: %w", err)
	}
	nodes, err := c.nodes.List(labels.Everything())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(nodes, func(a, b *corev1.Node) int { return strings.Compare(a.Name, b.Name) })
	return newState(ds, nodes, pods, h, c.clock.Now()), nil
}

func (c *Controller) claimPods(ctx context.Context, ds *appsv1.DaemonSet, selector labels.Selector) ([]*corev1.Pod, error) {
	pods := append(c.index.ControlledBy(ds.UID), c.index.Orphans(ds.Namespace)...)
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return ownership.Claim(ctx, ownership.Claimer{
		Owner: ds, Kind: kind, Selector: selector, Fresh: c.fresh(ds), Patch: c.control.Patch(ds.Namespace),
	}, pods)
}

func (c *Controller) fresh(ds *appsv1.DaemonSet) func(context.Context) (metav1.Object, error) {
	return func(ctx context.Context) (metav1.Object, error) {
		return c.client.AppsV1().DaemonSets(ds.Namespace).Get(ctx, ds.Name, metav1.GetOptions{})
	}
}

// advance puts pods where they are missing and takes away those that must not
// be; when nothing of that is left, it goes on with the update.
func (c *Controller) advance(ctx context.Context, s *state) error {
	p := s.manage(c.mayReplace(s))
	if p.empty() && s.ds.Spec.UpdateStrategy.Type == appsv1.RollingUpdateDaemonSetStrategyType {
		p = s.update()
	}
	if err := c.carryOut(ctx, s, p); err != nil {
		return err
	}
	return c.cleanUp(ctx, s)
}

// mayReplace decides about pods that have ended: those that failed are replaced
// with a back-off.
func (c *Controller) mayReplace(s *state) func(*corev1.Pod, string) bool {
	return func(pod *corev1.Pod, node string) bool {
		if pod.Status.Phase == corev1.PodSucceeded {
			c.events.Eventf(s.ds, corev1.EventTypeNormal, "SucceededDaemonPod", "Found succeeded daemon pod %s/%s on node %s, will try to delete it", pod.Namespace, pod.Name, node)
			return true
		}
		if wait := c.failures.next(fmt.Sprintf("%s/%d/%s", s.ds.UID, s.ds.Generation, node)); wait > 0 {
			c.loop.AddAfter(reconcile.Key(s.ds), wait)
			return false
		}
		c.events.Eventf(s.ds, corev1.EventTypeWarning, "FailedDaemonPod", "Found failed daemon pod %s/%s on node %s, will try to kill it", pod.Namespace, pod.Name, node)
		return true
	}
}

func (c *Controller) carryOut(ctx context.Context, s *state, p plan) error {
	create, remove := p.create[:min(len(p.create), Burst)], p.remove[:min(len(p.remove), Burst)]
	_, createErr := slowstart.Run(len(create), c.parallel, func(i int) error {
		err := c.control.Create(ctx, s.ds, s.podFor(c.control, create[i]))
		if apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause) {
			return nil
		}
		return err
	})
	removeErr := slowstart.All(len(remove), c.parallel, func(i int) error { return c.control.Delete(ctx, s.ds, remove[i]) })
	return errors.Join(createErr, removeErr)
}

func (s *state) minReady() time.Duration {
	return time.Duration(s.ds.Spec.MinReadySeconds) * time.Second
}

func (s *state) allPods() []*corev1.Pod {
	return slices.Concat(slices.Collect(maps.Values(s.pods))...)
}
