// Package disruption counts how many pods each PodDisruptionBudget lets go
// now. The eviction subresource takes from that figure; this controller gives
// back what is healthy again, and forgets evictions that were not carried out.
package disruption

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	policylisters "k8s.io/client-go/listers/policy/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/podutil"
)

// Options is what the controller is made of.
type Options struct {
	Client     kubernetes.Interface
	Informers  informers.SharedInformerFactory
	Events     record.EventRecorder
	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Clock      clock.Clock           // nil is the real one
}

// Controller keeps the status of disruption budgets.
type Controller struct {
	client  kubernetes.Interface
	pods    corelisters.PodLister
	budgets policylisters.PodDisruptionBudgetLister
	scales  scales
	events  record.EventRecorder
	clock   clock.Clock
	loop    *reconcile.Loop // of budgets
	stale   *reconcile.Loop // of pods that were not disrupted after all
}

// New makes the controller.
func New(o Options) (*Controller, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	core, apps, policy := o.Informers.Core().V1(), o.Informers.Apps().V1(), o.Informers.Policy().V1()
	c := &Controller{
		client: o.Client, pods: core.Pods().Lister(), budgets: policy.PodDisruptionBudgets().Lister(), events: o.Events, clock: o.Clock,
		scales: scales{core.ReplicationControllers().Lister(), apps.ReplicaSets().Lister(), apps.Deployments().Lister()},
	}
	pods := core.Pods().Informer()
	caches := []reconcile.Cache{
		pods, policy.PodDisruptionBudgets().Informer(),
		core.ReplicationControllers().Informer(), apps.ReplicaSets().Informer(), apps.Deployments().Informer(),
	}
	options := reconcile.Options{
		Name: "disruption", Reconcile: c.reconcile, Caches: caches,
		Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	}
	var err error
	if c.loop, err = reconcile.New(options); err != nil {
		return nil, err
	}
	options.Name, options.Reconcile, options.Workers, options.Caches = "disruptiontarget", c.clearTarget, 1, caches[:1]
	if c.stale, err = reconcile.New(options); err != nil {
		return nil, err
	}
	return c, c.watch(o.Informers)
}

func (c *Controller) watch(f informers.SharedInformerFactory) error {
	var errs []error
	note := func(_ any, err error) { errs = append(errs, err) }
	note(f.Core().V1().Pods().Informer().AddEventHandler(reconcile.Handler(c.podChanged)))
	note(f.Policy().V1().PodDisruptionBudgets().Informer().AddEventHandler(reconcile.Handler(c.budgetChanged)))
	note(f.Core().V1().ReplicationControllers().Informer().AddEventHandler(reconcile.Handler(scaleChanged(c, ofReplicationController))))
	note(f.Apps().V1().ReplicaSets().Informer().AddEventHandler(reconcile.Handler(scaleChanged(c, ofReplicaSet))))
	note(f.Apps().V1().Deployments().Informer().AddEventHandler(reconcile.Handler(scaleChanged(c, ofDeployment))))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("disruption controller: %w", err)
	}
	return nil
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	ended := make(chan error, 1)
	go func() { ended <- c.stale.Run(ctx) }()
	return errors.Join(c.loop.Run(ctx), <-ended)
}

// Loops are the controller's loops, for simulations.
func (c *Controller) Loops() []*reconcile.Loop { return []*reconcile.Loop{c.loop, c.stale} }

func (c *Controller) budgetChanged(_, current *policyv1.PodDisruptionBudget) {
	if current != nil {
		c.loop.Add(reconcile.Key(current))
	}
}

func (c *Controller) podChanged(old, current *corev1.Pod) {
	if old != nil && current != nil && sameForBudgets(old, current) {
		return
	}
	if current != nil && isTargeted(current) {
		c.stale.AddAfter(reconcile.Key(current), deletionTimeout)
	}
	for _, pod := range []*corev1.Pod{old, current} {
		if pod != nil {
			c.addSelecting(pod)
		}
	}
}

// sameForBudgets: nothing that a budget's status depends on has changed.
func sameForBudgets(a, b *corev1.Pod) bool {
	return a.UID == b.UID && labels.Equals(a.Labels, b.Labels) && podutil.IsReady(a) == podutil.IsReady(b) &&
		(a.DeletionTimestamp == nil) == (b.DeletionTimestamp == nil) && isTargeted(a) == isTargeted(b) &&
		controllerUID(a) == controllerUID(b)
}

// addSelecting asks for the budgets that select the pod.
func (c *Controller) addSelecting(pod *corev1.Pod) {
	budgets, err := c.budgets.PodDisruptionBudgets(pod.Namespace).List(labels.Everything())
	if err != nil {
		return
	}
	for _, b := range budgets {
		if s, err := metav1.LabelSelectorAsSelector(b.Spec.Selector); err == nil && s.Matches(labels.Set(pod.Labels)) {
			c.loop.Add(reconcile.Key(b))
		}
	}
}

// addAll asks for the budgets of a namespace that depend on wanted numbers.
func (c *Controller) addAll(namespace string) {
	budgets, err := c.budgets.PodDisruptionBudgets(namespace).List(labels.Everything())
	if err != nil {
		return
	}
	for _, b := range budgets {
		if needsScale(&b.Spec) {
			c.loop.Add(reconcile.Key(b))
		}
	}
}

// reconcile brings one budget's status up to date.
func (c *Controller) reconcile(ctx context.Context, key string) error {
	namespace, name := reconcile.SplitKey(key)
	b, err := c.budgets.PodDisruptionBudgets(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	pods, err := c.selected(b)
	if err != nil {
		c.events.Eventf(b, corev1.EventTypeWarning, "NoPods", "Failed to get pods: %v", err)
		return c.fail(ctx, b, err)
	}
	if len(pods) == 0 && b.Status.ObservedGeneration < b.Generation {
		c.events.Eventf(b, corev1.EventTypeNormal, "NoPods", "No matching pods found")
	}
	expected, err := c.expect(b, pods)
	if err != nil {
		c.events.Eventf(b, corev1.EventTypeWarning, "CalculateExpectedPodCountFailed", "Failed to calculate the number of expected pods: %v", err)
		return c.fail(ctx, b, err)
	}
	if expected.unmanaged > 0 && b.Status.ObservedGeneration < b.Generation {
		c.events.Eventf(b, corev1.EventTypeWarning, "UnmanagedPods", "Pods selected by this PodDisruptionBudget (selector: %v) were found "+
			"to be unmanaged. As a result, the status of the PDB cannot be calculated correctly, which may result in undefined behavior. "+
			"To account for these pods please set \".spec.minAvailable\" field of the PDB to an integer value.", b.Spec.Selector)
	}
	return c.update(ctx, b, pods, expected)
}

func (c *Controller) selected(b *policyv1.PodDisruptionBudget) ([]*corev1.Pod, error) {
	selector, err := metav1.LabelSelectorAsSelector(b.Spec.Selector)
	if err != nil {
		return nil, err
	}
	return c.pods.Pods(b.Namespace).List(selector)
}

// update writes the status when it is not as it should be.
func (c *Controller) update(ctx context.Context, b *policyv1.PodDisruptionBudget, pods []*corev1.Pod, e expectation) error {
	now := c.clock.Now()
	disrupted := pending(b, pods, now)
	for _, pod := range disrupted.overdue {
		c.events.Eventf(pod, corev1.EventTypeWarning, "NotDeleted", "Pod was expected by PDB %s/%s to be deleted but it wasn't", b.Namespace, b.Name)
	}
	status := statusOf(b, e, healthy(pods, disrupted.pods), disrupted.pods)
	if err := c.write(ctx, b, status); err != nil {
		return err
	}
	if !disrupted.next.IsZero() {
		c.loop.AddAfter(reconcile.Key(b), disrupted.next.Sub(now))
	}
	return nil
}

// fail lets no pod go while nothing is known for certain. It is tried again when
// a pod, a controller or the budget changes.
func (c *Controller) fail(ctx context.Context, b *policyv1.PodDisruptionBudget, cause error) error {
	return c.write(ctx, b, failedStatus(b, cause))
}

func (c *Controller) write(ctx context.Context, b *policyv1.PodDisruptionBudget, status policyv1.PodDisruptionBudgetStatus) error {
	if equalStatus(&b.Status, &status) {
		return nil
	}
	b = b.DeepCopy()
	b.Status = status
	_, err := c.client.PolicyV1().PodDisruptionBudgets(b.Namespace).UpdateStatus(ctx, b, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
