// Package ephemeralvolume makes the claims of volumes that live as long as their
// pod: a pod describes such a claim, and owns it.
package ephemeralvolume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
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

// Controller makes the claims; the garbage collector deletes them.
type Controller struct {
	client kubernetes.Interface
	pods   corelisters.PodLister
	claims corelisters.PersistentVolumeClaimLister
	events record.EventRecorder
	loop   *reconcile.Loop
}

// New makes the controller.
func New(o Options) (*Controller, error) {
	core := o.Informers.Core().V1()
	c := &Controller{client: o.Client, pods: core.Pods().Lister(), claims: core.PersistentVolumeClaims().Lister(), events: o.Events}
	var err error
	c.loop, err = reconcile.New(reconcile.Options{
		Name: "ephemeralvolume", Reconcile: c.reconcile, Workers: 2,
		Caches: []reconcile.Cache{core.Pods().Informer(), core.PersistentVolumeClaims().Informer()},
		Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	})
	if err != nil {
		return nil, err
	}
	_, podErr := core.Pods().Informer().AddEventHandler(reconcile.Handler(c.podChanged))
	_, claimErr := core.PersistentVolumeClaims().Informer().AddEventHandler(reconcile.Handler(c.claimChanged))
	return c, errors.Join(podErr, claimErr)
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.loop.Run(ctx) }

// Loops are the controller's loops, for simulations.
func (c *Controller) Loops() []*reconcile.Loop { return []*reconcile.Loop{c.loop} }

func (c *Controller) podChanged(old, current *corev1.Pod) {
	if current == nil || old != nil && old.UID == current.UID {
		return
	}
	for i := range current.Spec.Volumes {
		if current.Spec.Volumes[i].Ephemeral != nil {
			c.loop.Add(reconcile.Key(current))
			return
		}
	}
}

// claimChanged: one that was deleted by hand is made again, and one that was in
// the way may be gone.
func (c *Controller) claimChanged(old, current *corev1.PersistentVolumeClaim) {
	if current != nil {
		return
	}
	if owner := metav1.GetControllerOfNoCopy(old); owner != nil && owner.Kind == "Pod" {
		c.loop.Add(old.Namespace + "/" + owner.Name)
	}
}

func (c *Controller) reconcile(ctx context.Context, key string) error {
	namespace, name := reconcile.SplitKey(key)
	pod, err := c.pods.Pods(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil || pod.DeletionTimestamp != nil || podutil.IsTerminal(pod) {
		return err
	}
	var errs []error
	for i := range pod.Spec.Volumes {
		if v := &pod.Spec.Volumes[i]; v.Ephemeral != nil && v.Ephemeral.VolumeClaimTemplate != nil {
			if err := c.ensure(ctx, pod, v); err != nil {
				c.events.Event(pod, corev1.EventTypeWarning, "FailedBinding", fmt.Sprintf("ephemeral volume %s: %v", v.Name, err))
				errs = append(errs, fmt.Errorf("pod %s, ephemeral volume %s: %w", key, v.Name, err))
			}
		}
	}
	return errors.Join(errs...)
}

// ensure makes the claim unless it is there. One of the same name that is not
// the pod's own is an error: the pod must not get data of others.
func (c *Controller) ensure(ctx context.Context, pod *corev1.Pod, v *corev1.Volume) error {
	name := pod.Name + "-" + v.Name
	claim, err := c.claims.PersistentVolumeClaims(pod.Namespace).Get(name)
	if err == nil {
		return own(claim, pod)
	}
	if !apierrors.IsNotFound(err) {
		return err
	}
	template := v.Ephemeral.VolumeClaimTemplate.DeepCopy()
	_, err = c.client.CoreV1().PersistentVolumeClaims(pod.Namespace).Create(ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: template.Labels, Annotations: template.Annotations,
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(pod, corev1.SchemeGroupVersion.WithKind("Pod"))},
		},
		Spec: template.Spec,
	}, metav1.CreateOptions{})
	if apierrors.IsAlreadyExists(err) { // by a cache that is behind
		if claim, err = c.client.CoreV1().PersistentVolumeClaims(pod.Namespace).Get(ctx, name, metav1.GetOptions{}); err == nil {
			return own(claim, pod)
		}
	}
	if err != nil {
		return fmt.Errorf("create PVC %s: %w", name, err)
	}
	return nil
}

func own(claim *corev1.PersistentVolumeClaim, pod *corev1.Pod) error {
	if !metav1.IsControlledBy(claim, pod) {
		return fmt.Errorf("PVC %q was not created for pod %q (pod is not owner)", claim.Namespace+"/"+claim.Name, pod.Namespace+"/"+pod.Name)
	}
	return nil
}
