package simtest

import (
	"cmp"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// cached is one kind's cache. It shows the API's past, and moves on only when it
// is told to. The interface's other methods are not for simulations.
type cached struct {
	cache.SharedIndexInformer
	kind     reflect.Type
	indexer  cache.Indexer
	handlers []cache.ResourceEventHandler
	position int // in the API's log
}

func (w *World) addCache(k *resourceKind) {
	c := &cached{
		kind:    reflect.TypeOf(k.prototype),
		indexer: sorted{cache.NewIndexer(cache.MetaNamespaceKeyFunc, cache.Indexers{cache.NamespaceIndex: cache.MetaNamespaceIndexFunc})},
	}
	w.caches = append(w.caches, c)
	w.factory.InformerFor(k.prototype.(runtime.Object), func(kubernetes.Interface, time.Duration) cache.SharedIndexInformer { return c })
}

func (c *cached) AddEventHandler(h cache.ResourceEventHandler) (cache.ResourceEventHandlerRegistration, error) {
	c.handlers = append(c.handlers, h)
	return nil, nil
}

func (c *cached) GetStore() cache.Store                  { return c.indexer }
func (c *cached) GetIndexer() cache.Indexer              { return c.indexer }
func (c *cached) AddIndexers(i cache.Indexers) error     { return c.indexer.AddIndexers(i) }
func (c *cached) SetTransform(cache.TransformFunc) error { return nil }

// deliver shows the next event; false without one.
func (c *cached) deliver(w *World) bool {
	log := w.API.log[c.kind]
	if c.position == len(log) {
		return false
	}
	event := log[c.position]
	c.position++
	if event.Current == nil {
		c.gone(event.Old, event.Old)
	} else {
		c.show(event.Current)
	}
	return true
}

// relist shows the present at once, as after a watch that was cut off: what came
// and went in between is never seen.
func (c *cached) relist(w *World) {
	c.position = len(w.API.log[c.kind])
	present := w.API.objects[c.kind]
	for _, key := range slices.Sorted(slices.Values(c.indexer.ListKeys())) {
		old, _, _ := c.indexer.GetByKey(key)
		if _, lives := present[key]; !lives {
			c.gone(old, cache.DeletedFinalStateUnknown{Key: key, Obj: old})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(present)) {
		c.show(present[key])
	}
}

func (c *cached) show(o Object) {
	old, exists, _ := c.indexer.Get(o)
	if err := c.indexer.Update(o); err != nil {
		panic(err)
	}
	for _, h := range c.handlers {
		if exists {
			h.OnUpdate(old, o)
		} else {
			h.OnAdd(o, false)
		}
	}
}

func (c *cached) gone(o, told any) {
	if err := c.indexer.Delete(o); err != nil {
		panic(err)
	}
	for _, h := range c.handlers {
		h.OnDelete(told)
	}
}

// sorted lists in the order of keys, so that a run can be repeated.
type sorted struct{ cache.Indexer }

func (s sorted) List() []any { return sortObjects(s.Indexer.List()) }

func (s sorted) Index(name string, o any) ([]any, error) {
	objects, err := s.Indexer.Index(name, o)
	return sortObjects(objects), err
}

func (s sorted) ByIndex(name, value string) ([]any, error) {
	objects, err := s.Indexer.ByIndex(name, value)
	return sortObjects(objects), err
}

func sortObjects(objects []any) []any {
	slices.SortFunc(objects, func(a, b any) int {
		x, y := a.(Object), b.(Object)
		return cmp.Or(strings.Compare(x.GetNamespace(), y.GetNamespace()), strings.Compare(x.GetName(), y.GetName()))
	})
	return objects
}
