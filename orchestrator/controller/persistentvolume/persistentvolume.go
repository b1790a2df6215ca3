// Package persistentvolume binds claims to volumes, makes volumes for claims of
// the class local-path, and says what becomes of a volume whose claim is gone.
//
// A volume and its claim point at each other; each pointer is written by one
// request, and the second only after the first. So a binding that was cut off in
// the middle is completed or undone from what is stored, and no volume is ever
// used by two claims.
package persistentvolume

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	storagelisters "k8s.io/client-go/listers/storage/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/storageclass"
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

// Controller binds, provisions and reclaims.
type Controller struct {
	client      kubernetes.Interface
	claims      corelisters.PersistentVolumeClaimLister
	volumes     corelisters.PersistentVolumeLister
	classes     storagelisters.StorageClassLister
	pods        corelisters.PodLister
	nodes       corelisters.NodeLister
	events      record.EventRecorder
	claimLoop   *reconcile.Loop
	volumesLoop *reconcile.Loop
}

// New makes the controller.
func New(o Options) (*Controller, error) {
	core, storage := o.Informers.Core().V1(), o.Informers.Storage().V1()
	c := &Controller{
		client: o.Client, events: o.Events,
		claims: core.PersistentVolumeClaims().Lister(), volumes: core.PersistentVolumes().Lister(),
		classes: storage.StorageClasses().Lister(), pods: core.Pods().Lister(), nodes: core.Nodes().Lister(),
	}
	options := reconcile.Options{
		Name: "persistentvolumeclaim", Reconcile: c.reconcileClaim,
		Caches: []reconcile.Cache{
			core.PersistentVolumeClaims().Informer(), core.PersistentVolumes().Informer(), storage.StorageClasses().Informer(),
			core.Pods().Informer(), core.Nodes().Informer(),
		},
		Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	}
	var err error
	if c.claimLoop, err = reconcile.New(options); err != nil {
		return nil, err
	}
	options.Name, options.Reconcile = "persistentvolume", c.reconcileVolume
	if c.volumesLoop, err = reconcile.New(options); err != nil {
		return nil, err
	}
	return c, c.watch(o.Informers)
}

func (c *Controller) watch(f informers.SharedInformerFactory) error {
	var errs []error
	note := func(_ any, err error) { errs = append(errs, err) }
	core := f.Core().V1()
	note(core.PersistentVolumeClaims().Informer().AddEventHandler(reconcile.Handler(c.claimChanged)))
	note(core.PersistentVolumes().Informer().AddEventHandler(reconcile.Handler(c.volumeChanged)))
	note(f.Storage().V1().StorageClasses().Informer().AddEventHandler(reconcile.Handler(c.classChanged)))
	note(core.Pods().Informer().AddEventHandler(reconcile.Handler(c.podChanged)))
	note(core.Nodes().Informer().AddEventHandler(reconcile.Handler(c.nodeChanged)))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("persistent volume controller: %w", err)
	}
	return nil
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	var volumes sync.WaitGroup
	defer volumes.Wait()
	volumes.Go(func() { _ = c.volumesLoop.Run(ctx) })
	return c.claimLoop.Run(ctx)
}

// Loops are the controller's loops, for simulations.
func (c *Controller) Loops() []*reconcile.Loop { return []*reconcile.Loop{c.claimLoop, c.volumesLoop} }

func (c *Controller) claimChanged(old, current *corev1.PersistentVolumeClaim) {
	for _, claim := range []*corev1.PersistentVolumeClaim{old, current} {
		if claim == nil {
			continue
		}
		c.claimLoop.Add(reconcile.Key(claim))
		if claim.Spec.VolumeName != "" {
			c.volumesLoop.Add(claim.Spec.VolumeName)
		}
		c.addVolumesFor(claim)
	}
}

// addVolumesFor asks for the volumes that point at the claim.
func (c *Controller) addVolumesFor(claim *corev1.PersistentVolumeClaim) {
	for _, v := range c.allVolumes() {
		if ref := v.Spec.ClaimRef; ref != nil && ref.Namespace == claim.Namespace && ref.Name == claim.Name {
			c.volumesLoop.Add(v.Name)
		}
	}
}

func (c *Controller) volumeChanged(old, current *corev1.PersistentVolume) {
	for _, v := range []*corev1.PersistentVolume{old, current} {
		if v == nil {
			continue
		}
		c.volumesLoop.Add(v.Name)
		if ref := v.Spec.ClaimRef; ref != nil {
			c.claimLoop.Add(ref.Namespace + "/" + ref.Name)
		}
	}
	c.addClaims(func(claim *corev1.PersistentVolumeClaim) bool {
		name := ""
		if current != nil {
			name = current.Name
		} else {
			name = old.Name
		}
		return claim.Spec.VolumeName == name || claim.Spec.VolumeName == "" && current != nil && current.Spec.ClaimRef == nil && storageclass.OfClaim(claim) == storageclass.OfVolume(current)
	})
}

// classChanged: claims wait for their class, or for a default one.
func (c *Controller) classChanged(_, current *storagev1.StorageClass) {
	if current != nil {
		c.addClaims(func(claim *corev1.PersistentVolumeClaim) bool {
			return claim.Spec.VolumeName == "" && (!storageclass.Names(claim) || storageclass.OfClaim(claim) == current.Name)
		})
	}
}

// podChanged: a claim that is being deleted waits until no pod has it.
func (c *Controller) podChanged(old, current *corev1.Pod) {
	pod := current
	if pod == nil {
		pod = old
	}
	if current != nil && old != nil && old.UID == current.UID {
		return
	}
	for _, name := range claimsOf(pod) {
		c.claimLoop.Add(pod.Namespace + "/" + name)
	}
}

// nodeChanged: volumes wait for a node to be made on, or for one that never
// comes back.
func (c *Controller) nodeChanged(old, current *corev1.Node) {
	switch {
	case current == nil:
		for _, v := range c.allVolumes() {
			if v.Labels[storageclass.NodeLabel] == old.Name {
				c.volumesLoop.Add(v.Name)
			}
		}
	case old == nil || usable(old) != usable(current) || folderOf(old) != folderOf(current):
		c.addClaims(func(claim *corev1.PersistentVolumeClaim) bool { return claim.Spec.VolumeName == "" })
	}
}

func (c *Controller) addClaims(wanted func(*corev1.PersistentVolumeClaim) bool) {
	claims, err := c.claims.List(labels.Everything())
	if err != nil {
		return
	}
	for _, claim := range claims {
		if wanted(claim) {
			c.claimLoop.Add(reconcile.Key(claim))
		}
	}
}

func (c *Controller) allVolumes() []*corev1.PersistentVolume {
	volumes, err := c.volumes.List(labels.Everything())
	if err != nil {
		return nil
	}
	return volumes
}
