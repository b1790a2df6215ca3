package reference

import (
	"context"
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
)

// How long to wait before a watch that failed is tried again: from the first,
// doubled each time, to the last.
const (
	firstDelay = 200 * time.Millisecond
	lastDelay  = 30 * time.Second
)

// watched is one object. Its fields but key, cancel and read are guarded by
// the cache's mu.
type watched struct {
	key    key
	cancel context.CancelFunc
	read   chan struct{} // closed when object (or its absence) or err is known
	isRead bool
	object runtime.Object // nil: not there
	err    error          // of the last try, while nothing was ever read
	pods   map[types.UID]bool
}

// follow reads the object and keeps it up to date until ctx ends or the object
// can not change any more.
func (c *Cache) follow(ctx context.Context, w *watched) {
	delay := firstDelay
	for ctx.Err() == nil {
		start := time.Now()
		settled, err := c.once(ctx, w)
		if settled {
			return
		}
		if time.Since(start) > lastDelay {
			delay = firstDelay // it went well for a while
		}
		c.failed(ctx, w, err)
		select {
		case <-ctx.Done():
		case <-time.After(delay + rand.N(delay)/4):
		}
		delay = min(2*delay, lastDelay)
	}
}

// once reads the object and watches it until the watch ends. Settled means
// that there is nothing more to see.
func (c *Cache) once(ctx context.Context, w *watched) (settled bool, err error) {
	only := metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", w.key.name).String()}
	version, object, err := c.list(ctx, w.key, only)
	if err != nil {
		return false, err
	}
	if c.store(w, object) {
		return true, nil
	}
	only.ResourceVersion, only.AllowWatchBookmarks = version, true
	stream, err := c.watch(ctx, w.key, only)
	if err != nil {
		return false, err
	}
	defer stream.Stop()
	return c.events(ctx, w, stream)
}

// events takes what the watch brings until it ends.
func (c *Cache) events(ctx context.Context, w *watched, stream watch.Interface) (settled bool, err error) {
	for {
		var event watch.Event
		open := false
		select {
		case event, open = <-stream.ResultChan():
		case <-ctx.Done():
			return true, nil
		}
		switch {
		case !open:
			c.metrics.rewatches.Inc()
			return false, errEnded
		case event.Type == watch.Error:
			return false, apierrors.FromObject(event.Object)
		case event.Type == watch.Deleted:
			c.store(w, nil)
		case event.Type == watch.Added || event.Type == watch.Modified:
			if c.store(w, event.Object) {
				return true, nil
			}
		}
	}
}

var errEnded = errors.New("the watch has ended")

func (c *Cache) list(ctx context.Context, k key, o metav1.ListOptions) (version string, object runtime.Object, err error) {
	if k.kind == configMap {
		l, err := c.o.Client.CoreV1().ConfigMaps(k.namespace).List(ctx, o)
		if err != nil {
			return "", nil, err
		}
		return l.ResourceVersion, named(l.Items, k.name, func(m *corev1.ConfigMap) string { return m.Name }), nil
	}
	l, err := c.o.Client.CoreV1().Secrets(k.namespace).List(ctx, o)
	if err != nil {
		return "", nil, err
	}
	return l.ResourceVersion, named(l.Items, k.name, func(s *corev1.Secret) string { return s.Name }), nil
}

// named finds the object: not every server has to honour the selector.
func named[T any, P interface {
	*T
	runtime.Object
}](items []T, name string, nameOf func(P) string) runtime.Object {
	for i := range items {
		if p := P(&items[i]); nameOf(p) == name {
			return p
		}
	}
	return nil
}

func (c *Cache) watch(ctx context.Context, k key, o metav1.ListOptions) (watch.Interface, error) {
	if k.kind == configMap {
		return c.o.Client.CoreV1().ConfigMaps(k.namespace).Watch(ctx, o)
	}
	return c.o.Client.CoreV1().Secrets(k.namespace).Watch(ctx, o)
}

// store takes what was read and says whether it is the last state of all.
func (c *Cache) store(w *watched, object runtime.Object) (settled bool) {
	if object != nil {
		if a, err := meta.Accessor(object); err != nil || a.GetName() != w.key.name {
			return false
		}
	}
	c.mu.Lock()
	known := w.isRead && w.err == nil
	changed := known && version(w.object) != version(object)
	w.object, w.err = object, nil
	w.markRead()
	pods, tell := slices.Collect(maps.Keys(w.pods)), c.changed
	c.mu.Unlock()
	if changed {
		c.metrics.changes.Inc()
		for _, f := range tell {
			f(pods)
		}
	}
	return immutable(object)
}

// failed lets those who wait have the error, if nothing was ever read. What
// was read before stays good.
func (c *Cache) failed(ctx context.Context, w *watched, err error) {
	if ctx.Err() != nil || errors.Is(err, errEnded) {
		return
	}
	c.metrics.failures.Inc()
	c.o.Logger.Debug("cannot watch what pods refer to", "kind", w.key.kind, "namespace", w.key.namespace, "name", w.key.name, "err", err)
	c.mu.Lock()
	defer c.mu.Unlock()
	if !w.isRead || w.err != nil {
		w.err = err
		w.markRead()
	}
}

// markRead needs the cache's mu.
func (w *watched) markRead() {
	if !w.isRead {
		w.isRead = true
		close(w.read)
	}
}

func version(o runtime.Object) string {
	if o == nil {
		return ""
	}
	a, err := meta.Accessor(o)
	if err != nil {
		return ""
	}
	return string(a.GetUID()) + "/" + a.GetResourceVersion()
}

func immutable(o runtime.Object) bool {
	switch o := o.(type) {
	case *corev1.ConfigMap:
		return o.Immutable != nil && *o.Immutable
	case *corev1.Secret:
		return o.Immutable != nil && *o.Immutable
	}
	return false
}
