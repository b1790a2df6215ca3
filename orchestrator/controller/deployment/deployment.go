// Package deployment rolls out deployments: it makes a replica set for every
// template and moves the pods from the old ones to the new one.
package deployment

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	appsclient "k8s.io/client-go/kubernetes/typed/apps/v1"
	appslisters "k8s.io/client-go/listers/apps/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/controller/expectations"
	"github.com/lubberline/lubberline/orchestrator/controller/ownership"
	"github.com/lubberline/lubberline/orchestrator/controller/podindex"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
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

// Controller rolls out all deployments.
type Controller struct {
	client      appsclient.AppsV1Interface
	deployments appslisters.DeploymentLister
	replicaSets appslisters.ReplicaSetLister
	pods        podindex.Index
	events      record.EventRecorder
	clock       clock.Clock
	written     *generations
	created     *expectations.Set // replica sets
	loop        *reconcile.Loop
}

// New makes the controller.
func New(o Options) (*Controller, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	apps := o.Informers.Apps().V1()
	pods, sets, deployments := o.Informers.Core().V1().Pods().Informer(), apps.ReplicaSets().Informer(), apps.Deployments().Informer()
	index, err := podindex.Of(pods)
	if err != nil {
		return nil, fmt.Errorf("deployment controller: %w", err)
	}
	c := &Controller{
		client: o.Client.AppsV1(), deployments: apps.Deployments().Lister(), replicaSets: apps.ReplicaSets().Lister(),
		pods: index, events: o.Events, clock: o.Clock, written: newGenerations(), created: expectations.New(o.Clock),
	}
	c.loop, err = reconcile.New(reconcile.Options{
		Name: "deployment", Reconcile: c.reconcile, Caches: []reconcile.Cache{pods, sets, deployments},
		Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	})
	if err != nil {
		return nil, err
	}
	_, podErr := pods.AddEventHandler(reconcile.Handler(c.podChanged))
	_, setErr := sets.AddEventHandler(reconcile.Handler(c.replicaSetChanged))
	_, err = deployments.AddEventHandler(reconcile.Handler(c.deploymentChanged))
	return c, errors.Join(podErr, setErr, err)
}

// Run rolls out until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.loop.Run(ctx) }

// Loops are the controller's loops, for simulations.
func (c *Controller) Loops() []*reconcile.Loop { return []*reconcile.Loop{c.loop} }

func (c *Controller) reconcile(ctx context.Context, key string) error {
	namespace, name := reconcile.SplitKey(key)
	cached, err := c.deployments.Deployments(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		c.created.Forget(key)
		return nil
	}
	if err != nil {
		return err
	}
	d := cached.DeepCopy()
	selector, err := metav1.LabelSelectorAsSelector(d.Spec.Selector)
	if err != nil {
		return fmt.Errorf("deployment %s has invalid label selector: %w", key, err)
	}
	if selector.Empty() {
		return c.refuseEverything(ctx, cached, d)
	}
	sets, err := c.claim(ctx, d, selector)
	if err != nil {
		return err
	}
	shown, err := c.created.Met(ctx, key, view{c, d})
	if err != nil {
		return err
	}
	if !shown || !c.written.shown(sets) { // the event that shows it comes back here
		c.loop.AddAfter(key, expectations.Patience)
		return nil
	}
	r := newRollout(d, sets, c.clock.Now())
	if err := c.advance(ctx, r); err != nil {
		return errors.Join(err, c.reportFailure(ctx, cached, r))
	}
	return c.updateStatus(ctx, cached, r)
}

// refuseEverything is for a selector that would take all pods of the namespace.
func (c *Controller) refuseEverything(ctx context.Context, cached, d *appsv1.Deployment) error {
	c.events.Event(d, corev1.EventTypeWarning, "SelectingAll", "This deployment is selecting all pods. A non-empty selector is required.")
	d.Status.ObservedGeneration = d.Generation
	return c.putStatus(ctx, cached, d)
}

func (c *Controller) claim(ctx context.Context, d *appsv1.Deployment, selector labels.Selector) ([]*appsv1.ReplicaSet, error) {
	all, err := c.replicaSets.ReplicaSets(d.Namespace).List(labels.Everything())
	if err != nil {
		return nil, err
	}
	slices.SortFunc(all, byAge)
	return ownership.Claim(ctx, ownership.Claimer{
		Owner: d, Kind: appsv1.SchemeGroupVersion.WithKind("Deployment"), Selector: selector,
		Fresh: func(ctx context.Context) (metav1.Object, error) {
			return c.client.Deployments(d.Namespace).Get(ctx, d.Name, metav1.GetOptions{})
		},
		Patch: func(ctx context.Context, name string, patch []byte) error {
			_, err := c.client.ReplicaSets(d.Namespace).Patch(ctx, name, types.StrategicMergePatchType, patch, metav1.PatchOptions{})
			return err
		},
	}, all)
}

// advance takes the next step of the roll-out. What it learns for the status it
// notes in r.d.
func (c *Controller) advance(ctx context.Context, r *rollout) error {
	if r.d.DeletionTimestamp != nil {
		return nil
	}
	r.notePause()
	if err := c.syncRevision(ctx, r); err != nil {
		return err
	}
	recreate := r.d.Spec.Strategy.Type == appsv1.RecreateDeploymentStrategyType
	if r.d.Spec.Paused || r.wasScaled() && !(recreate && len(active(r.all())) > 1) {
		r.scaling = true
		return c.scaleAll(ctx, r)
	}
	switch r.d.Spec.Strategy.Type {
	case appsv1.RecreateDeploymentStrategyType:
		return c.recreate(ctx, r)
	case appsv1.RollingUpdateDeploymentStrategyType:
		return c.roll(ctx, r)
	}
	return fmt.Errorf("unexpected deployment strategy type: %s", r.d.Spec.Strategy.Type)
}
