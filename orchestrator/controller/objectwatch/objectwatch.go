// Package objectwatch tells of every change to every kind of object that the
// API server has, by metadata alone. Where the program has a shared informer of
// a kind, that one is used; of the others only names, identities and owners
// are kept, so that watching everything costs little memory.
package objectwatch

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	v1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

const (
	// discoverAgain is how long after a failure the server is asked again for
	// the kinds that it has.
	discoverAgain = 250 * time.Millisecond
	// maxDiscoverAgain bounds the growth of that time: an API that another
	// program serves may be away for long.
	maxDiscoverAgain = time.Minute
)

// Kind is one kind of object.
type Kind struct {
	Resource   schema.GroupVersionResource
	Kind       string
	Namespaced bool
}

// APIVersion is the group and version as objects state them.
func (k Kind) APIVersion() string { return k.Resource.GroupVersion().String() }

// Handler is told of a change; old is nil for what is new, current for what is
// gone. Objects are *corev1.Pod and the like for kinds with a shared informer,
// and *metav1.PartialObjectMetadata for others; they must not be written to.
// Changes of one kind are told in order, those of several at the same time.
type Handler func(k *Kind, old, current v1.Object)

// Options is what a Watcher works with.
type Options struct {
	Metadata  metadata.Interface
	Discovery Discovery
	Informers informers.SharedInformerFactory
	// Shared are the resources for which the factory's informers are used. All
	// of them must be served.
	Shared []schema.GroupVersionResource
	Logger *slog.Logger
}

// Discovery is the part of the discovery client that is used.
type Discovery interface {
	ServerPreferredResources() ([]*v1.APIResourceList, error)
}

var _ Discovery = (discovery.DiscoveryInterface)(nil)

// Watcher watches all kinds.
type Watcher struct {
	o        Options
	shared   map[schema.GroupVersionResource]informers.GenericInformer
	metadata metadatainformer.SharedInformerFactory
	handlers []Handler
	synced   *done

	mu      sync.RWMutex
	kinds   map[schema.GroupVersionKind]Kind
	watched map[schema.GroupVersionResource]informers.GenericInformer
}

// New asks the factory for the informers; the factory is started after it.
func New(o Options) (*Watcher, error) {
	w := &Watcher{
		o:        o,
		shared:   map[schema.GroupVersionResource]informers.GenericInformer{},
		metadata: metadatainformer.NewSharedInformerFactoryWithOptions(o.Metadata, 0, metadatainformer.WithTransform(strip)),
		synced:   &done{c: make(chan struct{})},
		kinds:    map[schema.GroupVersionKind]Kind{},
		watched:  map[schema.GroupVersionResource]informers.GenericInformer{},
	}
	for _, gvr := range o.Shared {
		informer, err := o.Informers.ForResource(gvr)
		if err != nil {
			return nil, fmt.Errorf("watch objects: %w", err)
		}
		informer.Informer() // from now on the factory has it
		w.shared[gvr] = informer
	}
	return w, nil
}

// Subscribe adds a handler. All are added before Run.
func (w *Watcher) Subscribe(h Handler) { w.handlers = append(w.handlers, h) }

// HasSyncedChecker is done when the handlers have been told of all objects that
// were there at the start.
func (w *Watcher) HasSyncedChecker() cache.DoneChecker { return w.synced }

// Lookup finds a kind by what objects state.
func (w *Watcher) Lookup(gvk schema.GroupVersionKind) (Kind, bool) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	k, ok := w.kinds[gvk]
	return k, ok
}

// Informer returns the informer by which a resource is watched. Before the
// Watcher has synced, and for resources that it does not watch, it is an error.
func (w *Watcher) Informer(gvr schema.GroupVersionResource) (informers.GenericInformer, error) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if i, ok := w.watched[gvr]; ok {
		return i, nil
	}
	return nil, fmt.Errorf("%s is not watched", gvr)
}

// Watched lists the kinds that are watched.
func (w *Watcher) Watched() []Kind {
	w.mu.RLock()
	defer w.mu.RUnlock()
	var kinds []Kind
	for _, k := range w.kinds {
		if _, ok := w.watched[k.Resource]; ok {
			kinds = append(kinds, k)
		}
	}
	return kinds
}

// Run discovers the kinds and watches them until ctx ends. What cannot be
// discovered at first is added later; all else is watched meanwhile.
func (w *Watcher) Run(ctx context.Context) error {
	defer w.metadata.Shutdown()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	synced := false
	for wait := discoverAgain; ; wait = min(2*wait, maxDiscoverAgain) {
		lists, errDiscovery := w.o.Discovery.ServerPreferredResources()
		added, err := w.add(lists)
		if err != nil {
			return err
		}
		w.metadata.Start(ctx.Done())
		if len(w.Watched()) > 0 && !synced {
			synced = awaitAll(ctx, added)
			if synced {
				close(w.synced.c)
			}
		}
		if errDiscovery == nil {
			<-ctx.Done()
			return ctx.Err()
		}
		w.o.Logger.Warn("cannot discover all kinds of objects", "retry_in", wait, "error", errDiscovery)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(wait):
		}
	}
}

func awaitAll(ctx context.Context, added []cache.ResourceEventHandlerRegistration) bool {
	for _, r := range added {
		select {
		case <-r.HasSyncedChecker().Done():
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// add watches the kinds that are not watched yet.
func (w *Watcher) add(lists []*v1.APIResourceList) ([]cache.ResourceEventHandlerRegistration, error) {
	var added []cache.ResourceEventHandlerRegistration
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			w.o.Logger.Warn("kinds of an unreadable group version are not watched", "group_version", list.GroupVersion, "error", err)
			continue
		}
		for _, r := range list.APIResources {
			registration, err := w.addKind(Kind{gv.WithResource(r.Name), r.Kind, r.Namespaced}, r.Verbs)
			if err != nil {
				return nil, err
			}
			if registration != nil {
				added = append(added, registration)
			}
		}
	}
	return added, nil
}

// addKind returns nil when there is nothing to watch, or it is watched already.
func (w *Watcher) addKind(k Kind, verbs v1.Verbs) (cache.ResourceEventHandlerRegistration, error) {
	gvk := k.Resource.GroupVersion().WithKind(k.Kind)
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, known := w.kinds[gvk]; known {
		return nil, nil
	}
	w.kinds[gvk] = k
	if isEvent(k.Resource.GroupResource()) || !watchable(verbs) {
		return nil, nil
	}
	informer, ok := w.shared[k.Resource]
	if !ok {
		informer = w.metadata.ForResource(k.Resource)
	}
	registration, err := informer.Informer().AddEventHandler(w.tell(&k))
	if err != nil {
		return nil, fmt.Errorf("watch %s: %w", k.Resource, err)
	}
	w.watched[k.Resource] = informer
	return registration, nil
}

// isEvent: events own nothing, are not counted, and are the most numerous.
func isEvent(gr schema.GroupResource) bool {
	return gr.Resource == "events" && (gr.Group == corev1.GroupName || gr.Group == eventsv1.GroupName)
}

func watchable(verbs v1.Verbs) bool {
	for _, verb := range []string{"delete", "list", "watch"} {
		if !slices.Contains(verbs, verb) {
			return false
		}
	}
	return true
}

func (w *Watcher) tell(k *Kind) cache.ResourceEventHandler {
	return reconcile.Handler(func(old, current v1.Object) {
		for _, h := range w.handlers {
			h(k, old, current)
		}
	})
}

// strip leaves of an object's metadata what the handlers ask for.
func strip(o any) (any, error) {
	m, ok := o.(*v1.PartialObjectMetadata)
	if !ok {
		return nil, errors.New("watch objects: not metadata")
	}
	return &v1.PartialObjectMetadata{
		TypeMeta: m.TypeMeta,
		ObjectMeta: v1.ObjectMeta{
			Namespace: m.Namespace, Name: m.Name, UID: m.UID, ResourceVersion: m.ResourceVersion,
			OwnerReferences: m.OwnerReferences, Finalizers: m.Finalizers,
			CreationTimestamp: m.CreationTimestamp, DeletionTimestamp: m.DeletionTimestamp,
		},
	}, nil
}

type done struct{ c chan struct{} }

func (*done) Name() string            { return "object watch" }
func (d *done) Done() <-chan struct{} { return d.c }
