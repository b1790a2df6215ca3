// Package endpoints keeps the addresses of services: an Endpoints object and
// EndpointSlices for every service that selects pods, and slices that mirror
// Endpoints written by hand.
package endpoints

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/controller/expectations"
	"github.com/lubberline/lubberline/orchestrator/controller/podevents"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/controller/sliceindex"
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

// Controller keeps the addresses of all services. Its three loops share the key,
// the service's: each writes objects of its own.
type Controller struct {
	client    kubernetes.Interface
	services  corelisters.ServiceLister
	pods      corelisters.PodLister
	nodes     corelisters.NodeLister
	endpoints corelisters.EndpointsLister
	slices    discoverylisters.EndpointSliceLister
	sliceOf   sliceindex.Index
	events    record.EventRecorder
	created   *expectations.Set // slices, by service and manager
	triggers  *triggers
	max       int // endpoints of a slice

	write, slice, mirror *reconcile.Loop
}

// New makes the controller.
func New(o Options) (*Controller, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	core, discovery := o.Informers.Core().V1(), o.Informers.Discovery().V1()
	c := &Controller{
		client: o.Client, services: core.Services().Lister(), pods: core.Pods().Lister(), nodes: core.Nodes().Lister(),
		endpoints: core.Endpoints().Lister(), slices: discovery.EndpointSlices().Lister(), events: o.Events,
		created: expectations.New(o.Clock), triggers: newTriggers(), max: maxEndpoints,
	}
	pods, services, nodes := core.Pods().Informer(), core.Services().Informer(), core.Nodes().Informer()
	objects, sliced := core.Endpoints().Informer(), discovery.EndpointSlices().Informer()
	index, err := sliceindex.Of(sliced)
	if err != nil {
		return nil, fmt.Errorf("endpoints controller: %w", err)
	}
	c.sliceOf = index
	var errs []error
	for _, l := range []struct {
		name      string
		reconcile func(context.Context, string) error
		loop      **reconcile.Loop
	}{
		{"endpoints", c.reconcileEndpoints, &c.write}, {"endpointslice", c.reconcileSlices, &c.slice}, {"endpointslicemirroring", c.reconcileMirror, &c.mirror},
	} {
		loop, err := reconcile.New(reconcile.Options{
			Name: l.name, Reconcile: l.reconcile, Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
			Caches: []reconcile.Cache{pods, services, nodes, objects, sliced},
		})
		*l.loop, errs = loop, append(errs, err)
	}
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("endpoints controller: %w", err)
	}
	_, podErr := pods.AddEventHandler(reconcile.Handler(c.podChanged))
	_, serviceErr := services.AddEventHandler(reconcile.Handler(c.serviceChanged))
	_, objectErr := objects.AddEventHandler(reconcile.Handler(c.endpointsChanged))
	_, sliceErr := sliced.AddEventHandler(reconcile.Handler(c.sliceChanged))
	return c, errors.Join(podErr, serviceErr, objectErr, sliceErr)
}

// Run keeps them until ctx ends.
func (c *Controller) Run(ctx context.Context) error {
	var others sync.WaitGroup
	others.Go(func() { _ = c.slice.Run(ctx) })
	others.Go(func() { _ = c.mirror.Run(ctx) })
	defer others.Wait()
	return c.write.Run(ctx)
}

// Loops are the controller's loops, for simulations.
func (c *Controller) Loops() []*reconcile.Loop {
	return []*reconcile.Loop{c.write, c.slice, c.mirror}
}

func (c *Controller) serviceChanged(old, current *corev1.Service) {
	if current == nil {
		current = old
		c.triggers.forget(current)
	}
	key := reconcile.Key(current)
	c.write.Add(key)
	c.slice.Add(key)
	c.mirror.Add(key)
}

func (c *Controller) endpointsChanged(old, current *corev1.Endpoints) {
	if current == nil {
		current = old
	}
	c.write.Add(reconcile.Key(current))
	c.mirror.Add(reconcile.Key(current))
}

func (c *Controller) sliceChanged(old, current *discoveryv1.EndpointSlice) {
	for _, s := range []*discoveryv1.EndpointSlice{old, current} {
		if s == nil || sliceindex.Service(s) == "" {
			continue
		}
		key := sliceindex.Service(s)
		switch s.Labels[discoveryv1.LabelManagedBy] {
		case sliceManager:
			c.slice.Add(key)
		case mirrorManager:
			c.mirror.Add(key)
		}
	}
}

func (c *Controller) podChanged(old, current *corev1.Pod) {
	if old != nil && current != nil && !matters(old, current) {
		return
	}
	namespace := ""
	var sets []labels.Set
	for _, pod := range []*corev1.Pod{old, current} {
		if pod != nil {
			namespace, sets = pod.Namespace, append(sets, pod.Labels)
		}
	}
	services, err := c.services.Services(namespace).List(labels.Everything())
	if err != nil {
		return
	}
	for _, s := range services {
		if selects(s) && slices.ContainsFunc(sets, func(set labels.Set) bool { return covers(s.Spec.Selector, set) }) {
			c.write.Add(reconcile.Key(s))
			c.slice.Add(reconcile.Key(s))
		}
	}
}

// matters says whether a change of a pod can change an address.
func matters(old, current *corev1.Pod) bool {
	return podevents.ReadySince(old) != podevents.ReadySince(current) || old.Status.Phase != current.Status.Phase ||
		(old.DeletionTimestamp == nil) != (current.DeletionTimestamp == nil) || old.Spec.NodeName != current.Spec.NodeName ||
		!slices.Equal(old.Status.PodIPs, current.Status.PodIPs) || old.Status.PodIP != current.Status.PodIP || !maps.Equal(old.Labels, current.Labels)
}

func selects(s *corev1.Service) bool {
	return s.Spec.Selector != nil && s.Spec.Type != corev1.ServiceTypeExternalName
}

// covers says whether a selector selects what has these labels. It is asked for
// each service at each change of a pod, so it makes nothing.
func covers(selector map[string]string, set labels.Set) bool {
	for key, value := range selector {
		if has, ok := set[key]; !ok || has != value {
			return false
		}
	}
	return true
}

// selected are the service's pods that can have an address, by name.
func (c *Controller) selected(s *corev1.Service) ([]*corev1.Pod, error) {
	pods, err := c.pods.Pods(s.Namespace).List(labels.SelectorFromSet(s.Spec.Selector))
	if err != nil {
		return nil, err
	}
	pods = slices.DeleteFunc(slices.Clone(pods), func(p *corev1.Pod) bool { return !canServe(p) })
	slices.SortFunc(pods, func(a, b *corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods, nil
}
