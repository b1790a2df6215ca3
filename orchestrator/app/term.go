package app

import (
	"errors"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/informers/apps"
	"k8s.io/client-go/informers/coordination"
	"k8s.io/client-go/informers/core"
	"k8s.io/client-go/informers/discovery"
	"k8s.io/client-go/informers/internalinterfaces"
	"k8s.io/client-go/informers/policy"
	"k8s.io/client-go/informers/rbac"
	"k8s.io/client-go/informers/scheduling"
	"k8s.io/client-go/informers/storage"
	"k8s.io/client-go/tools/cache"
)

// term is one time of leading: the scheduler and the controllers, made for it,
// and what they have asked of the process, which is undone when it ends.
type term struct {
	informers  *borrowed
	registerer *registrations
	parts      []part
}

func newTerm(f informers.SharedInformerFactory, r prometheus.Registerer) *term {
	return &term{informers: &borrowed{SharedInformerFactory: f}, registerer: &registrations{inner: r}}
}

func (t *term) add(name string, run runner) { t.parts = append(t.parts, part{name, run}) }

// end takes the loops' handlers and metrics out again. The loops have ended.
func (t *term) end() error {
	t.registerer.end()
	return t.informers.end()
}

// borrowed is a factory whose informers outlive those who ask for them: it knows
// which handlers were added through it. It has the groups that controllers use.
type borrowed struct {
	informers.SharedInformerFactory

	mu    sync.Mutex
	added []func() error // each removes a handler
}

func (b *borrowed) end() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	var errs []error
	for _, remove := range b.added {
		errs = append(errs, remove())
	}
	b.added = nil
	return errors.Join(errs...)
}

// InformerFor implements informers.SharedInformerFactory.
func (b *borrowed) InformerFor(obj runtime.Object, make internalinterfaces.NewInformerFunc) cache.SharedIndexInformer {
	return &borrowedInformer{b.SharedInformerFactory.InformerFor(obj, make), b}
}

// ForResource implements informers.SharedInformerFactory.
func (b *borrowed) ForResource(resource schema.GroupVersionResource) (informers.GenericInformer, error) {
	g, err := b.SharedInformerFactory.ForResource(resource)
	if err != nil {
		return nil, err
	}
	return &borrowedGeneric{g, b}, nil
}

// The groups make their informers by InformerFor.

// Core implements informers.SharedInformerFactory.
func (b *borrowed) Core() core.Interface { return core.New(b, "", nil) }

// Apps implements informers.SharedInformerFactory.
func (b *borrowed) Apps() apps.Interface { return apps.New(b, "", nil) }

// Coordination implements informers.SharedInformerFactory.
func (b *borrowed) Coordination() coordination.Interface { return coordination.New(b, "", nil) }

// Discovery implements informers.SharedInformerFactory.
func (b *borrowed) Discovery() discovery.Interface { return discovery.New(b, "", nil) }

// Policy implements informers.SharedInformerFactory.
func (b *borrowed) Policy() policy.Interface { return policy.New(b, "", nil) }

// Rbac implements informers.SharedInformerFactory.
func (b *borrowed) Rbac() rbac.Interface { return rbac.New(b, "", nil) }

// Scheduling implements informers.SharedInformerFactory.
func (b *borrowed) Scheduling() scheduling.Interface { return scheduling.New(b, "", nil) }

// Storage implements informers.SharedInformerFactory.
func (b *borrowed) Storage() storage.Interface { return storage.New(b, "", nil) }

type borrowedGeneric struct {
	informers.GenericInformer
	b *borrowed
}

func (g *borrowedGeneric) Informer() cache.SharedIndexInformer {
	return &borrowedInformer{g.GenericInformer.Informer(), g.b}
}

type borrowedInformer struct {
	cache.SharedIndexInformer
	b *borrowed
}

// AddEventHandler implements cache.SharedInformer.
func (i *borrowedInformer) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	registration, err := i.SharedIndexInformer.AddEventHandler(h)
	if err == nil {
		i.b.mu.Lock()
		i.b.added = append(i.b.added, func() error { return i.RemoveEventHandler(registration) })
		i.b.mu.Unlock()
	}
	return registration, err
}

// registrations is a registerer that takes all out again that was put in.
type registrations struct {
	inner prometheus.Registerer // may be nil

	mu  sync.Mutex
	all []prometheus.Collector
}

// Register implements prometheus.Registerer.
func (r *registrations) Register(c prometheus.Collector) error {
	if r.inner == nil {
		return nil
	}
	if err := r.inner.Register(c); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, c)
	return nil
}

// MustRegister implements prometheus.Registerer.
func (r *registrations) MustRegister(all ...prometheus.Collector) {
	for _, c := range all {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

// Unregister implements prometheus.Registerer.
func (r *registrations) Unregister(c prometheus.Collector) bool {
	return r.inner != nil && r.inner.Unregister(c)
}

func (r *registrations) end() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.all {
		r.Unregister(c) // most have done so themselves
	}
	r.all = nil
}
