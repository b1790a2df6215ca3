// Package reference keeps the ConfigMaps and Secrets that the node's pods refer
// to: each is watched alone, from the first pod that needs it to the last. A
// node that reads only what it needs may be allowed only that.
package reference

import (
	"context"
	"fmt"
	"log/slog"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/lubberline/lubberline/ownmetrics"
)

// Options is what a Cache needs.
type Options struct {
	Client     kubernetes.Interface
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Cache is safe for use by many goroutines.
type Cache struct {
	o       Options
	metrics *metrics
	set     ownmetrics.Set
	ctx     context.Context // of all watches; ended by Close
	cancel  context.CancelFunc
	running sync.WaitGroup

	mu      sync.Mutex
	watches map[key]*watched          // guarded by mu
	pods    map[types.UID]map[key]int // guarded by mu; what each pod refers to
	closed  bool                      // guarded by mu
	changed []func([]types.UID)       // guarded by mu
}

type kind string

const (
	configMap kind = "configmap"
	secret    kind = "secret"
)

type key struct {
	kind            kind
	namespace, name string
}

// New returns an empty cache. Close ends its watches.
func New(o Options) (*Cache, error) {
	if o.Client == nil {
		return nil, fmt.Errorf("reference: a client is needed")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	c := &Cache{o: o, metrics: newMetrics(), watches: map[key]*watched{}, pods: map[types.UID]map[key]int{}}
	var err error
	if c.set, err = c.metrics.register(o.Registerer); err != nil {
		return nil, err
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c, nil
}

// OnChange has f called with the pods that refer to an object which has come,
// changed or gone since it was first read. f must not block.
func (c *Cache) OnChange(f func(pods []types.UID)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = append(c.changed, f)
}

// Close ends every watch and waits for them.
func (c *Cache) Close() error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.cancel()
	c.running.Wait()
	c.set.Unregister()
	return nil
}

// Register says what the pod refers to now, from its spec and its image pull
// secrets; watches start for what is new and end for what nobody needs.
func (c *Cache) Register(pod *corev1.Pod) {
	want := map[key]int{}
	for _, k := range Of(pod) {
		want[k] = 1
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replace(pod.UID, want)
}

// Unregister forgets the pod.
func (c *Cache) Unregister(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replace(uid, nil)
}

// replace needs mu.
func (c *Cache) replace(uid types.UID, want map[key]int) {
	old := c.pods[uid]
	for k := range want {
		if old[k] == 0 {
			c.start(k).pods[uid] = true
		}
	}
	for k := range old {
		if want[k] == 0 {
			c.release(k, uid)
		}
	}
	if len(want) == 0 {
		delete(c.pods, uid)
	} else {
		c.pods[uid] = want
	}
}

// start needs mu.
func (c *Cache) start(k key) *watched {
	if w := c.watches[k]; w != nil {
		return w
	}
	ctx, cancel := context.WithCancel(c.ctx)
	w := &watched{key: k, cancel: cancel, read: make(chan struct{}), pods: map[types.UID]bool{}}
	c.watches[k] = w
	c.metrics.watches.Set(float64(len(c.watches)))
	if !c.closed {
		c.running.Go(func() { c.follow(ctx, w) })
	}
	return w
}

// release needs mu.
func (c *Cache) release(k key, uid types.UID) {
	w := c.watches[k]
	if w == nil {
		return
	}
	delete(w.pods, uid)
	if len(w.pods) == 0 {
		w.cancel()
		delete(c.watches, k)
		c.metrics.watches.Set(float64(len(c.watches)))
	}
}
