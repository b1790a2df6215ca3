// Package resourcequota counts what the objects of a namespace use of its
// quotas. Admission charges new objects; the controller sets up new quotas,
// gives back what is deleted and puts right what admission has charged for
// objects that were not stored after all.
package resourcequota

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	quotav1 "k8s.io/apiserver/pkg/quota/v1"
	"k8s.io/apiserver/pkg/quota/v1/generic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
	"k8s.io/utils/clock"

	"github.com/lubberline/lubberline/orchestrator/controller/objectwatch"
	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/quota"
)

const (
	// recountEvery bounds how long an error of any origin can last.
	recountEvery = 5 * time.Minute
	// recountNew is when a quota is counted after an object was added: it may
	// have been let in before admission knew of the quota.
	recountNew = time.Second
	// recountCharged is when a quota is counted after a charge: the object may
	// have been refused by others afterwards.
	recountCharged = 2 * time.Second
	// inFlight is how long a charge may be without its object being seen. So
	// long after a charge nothing is given back, or it could be given twice;
	// but under steady charges not longer than maxPostponed.
	inFlight     = 250 * time.Millisecond
	maxPostponed = 5 * time.Second
)

// Options is what the controller works with.
type Options struct {
	Client     kubernetes.Interface
	Informers  informers.SharedInformerFactory
	Objects    *objectwatch.Watcher
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	Clock      clock.Clock // nil is the real one
}

// objects is where the objects are found that are counted.
type objects interface {
	Watched() []objectwatch.Kind
	Informer(schema.GroupVersionResource) (informers.GenericInformer, error)
}

// Controller is one loop over the quotas.
type Controller struct {
	client   kubernetes.Interface
	quotas   listers.ResourceQuotaLister
	objects  objects
	registry quotav1.Registry
	ignored  map[schema.GroupResource]struct{}
	loop     *reconcile.Loop
	clock    clock.Clock

	mu      sync.Mutex
	charges map[string]charge // by the quota's key
}

// charge is what is known of admission's use of a quota.
type charge struct {
	// last is when it was charged.
	last time.Time
	// postponed is since when something waits to be given back; zero for not.
	postponed time.Time
}

// New asks the factory for the informers and subscribes to the object watch;
// both are started after it.
func New(o Options) (*Controller, error) {
	quotas := o.Informers.Core().V1().ResourceQuotas()
	c, err := newController(o, quotas.Lister(), o.Objects, []reconcile.Cache{quotas.Informer(), o.Objects})
	if err != nil {
		return nil, err
	}
	o.Objects.Subscribe(c.objectChanged)
	_, err = quotas.Informer().AddEventHandler(reconcile.Handler(c.quotaChanged))
	return c, err
}

func newController(o Options, quotas listers.ResourceQuotaLister, objects objects, caches []reconcile.Cache) (*Controller, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	c := &Controller{
		client: o.Client, quotas: quotas, objects: objects, clock: o.Clock,
		ignored: quota.Ignored(), charges: map[string]charge{},
	}
	c.registry = generic.NewRegistry(quota.Evaluators(generic.ListerFuncForResourceFunc(objects.Informer), o.Clock))
	var err error
	c.loop, err = reconcile.New(reconcile.Options{
		Name: "resourcequota", Reconcile: c.reconcile, Caches: caches,
		Logger: o.Logger, Registerer: o.Registerer, Clock: o.Clock,
	})
	return c, err
}

// Run works until ctx ends.
func (c *Controller) Run(ctx context.Context) error { return c.loop.Run(ctx) }

// quotaChanged counts a quota that is new or wants other limits. Changes of
// usage alone are our own or admission's.
func (c *Controller) quotaChanged(old, current *corev1.ResourceQuota) {
	switch {
	case current == nil:
		c.forget(reconcile.Key(old))
		return
	case old == nil || !quotav1.Equals(current.Spec.Hard, current.Status.Hard):
		c.loop.Add(reconcile.Key(current))
	}
	if old != nil && increases(old.Status.Used, current.Status.Used) {
		c.noteCharge(reconcile.Key(current))
		c.loop.AddAfter(reconcile.Key(current), recountCharged)
	}
}

// objectChanged counts the quotas of an object's namespace that it counts for.
func (c *Controller) objectChanged(k *objectwatch.Kind, old, current metav1.Object) {
	now := c.clock.Now()
	switch {
	case !k.Namespaced:
	case old == nil:
		c.recount(k, current.GetNamespace(), recountNew)
	case current == nil || current.GetUID() != old.GetUID():
		c.recount(k, old.GetNamespace(), 0)
	default:
		c.objectUpdated(k, old, current, now)
	}
}

func (c *Controller) objectUpdated(k *objectwatch.Kind, old, current metav1.Object, now time.Time) {
	o, isOld := old.(runtime.Object)
	n, isNew := current.(runtime.Object)
	if isOld && isNew && quota.Replenishes(o, n, now) {
		c.recount(k, current.GetNamespace(), 0)
	}
	pod, ok := current.(*corev1.Pod)
	if ok && old.GetDeletionTimestamp() == nil && pod.DeletionTimestamp != nil && pod.DeletionGracePeriodSeconds != nil {
		c.recount(k, pod.Namespace, quota.PodExpires(pod).Sub(now)+time.Second)
	}
}

// recount asks for a count after d of the quotas of a namespace which limit
// this kind.
func (c *Controller) recount(k *objectwatch.Kind, namespace string, d time.Duration) {
	quotas, err := c.quotas.ResourceQuotas(namespace).List(labels.Everything())
	if err != nil || len(quotas) == 0 {
		return
	}
	evaluator := c.evaluator(k.Resource)
	if evaluator == nil {
		return
	}
	for _, q := range quotas {
		if len(evaluator.MatchingResources(quotav1.ResourceNames(q.Spec.Hard))) > 0 {
			c.loop.AddAfter(reconcile.Key(q), d)
		}
	}
}

// evaluator is the one of a resource, added when it is first needed; nil for
// what is not counted.
func (c *Controller) evaluator(gvr schema.GroupVersionResource) quotav1.Evaluator {
	if _, ignored := c.ignored[gvr.GroupResource()]; ignored {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.registry.Get(gvr.GroupResource()) == nil {
		c.registry.Add(quota.CountOf(generic.ListerFuncForResourceFunc(c.objects.Informer), gvr))
	}
	return c.registry.Get(gvr.GroupResource())
}

func (c *Controller) reconcile(ctx context.Context, key string) error {
	namespace, name := reconcile.SplitKey(key)
	q, err := c.quotas.ResourceQuotas(namespace).Get(name)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, k := range c.objects.Watched() {
		if k.Namespaced {
			c.evaluator(k.Resource)
		}
	}
	status, errCount := c.count(q)
	if c.postpone(key, q.Status.Used, status.Used) {
		c.loop.AddAfter(key, inFlight)
		return errCount
	}
	if equality.Semantic.DeepEqual(status, q.Status) {
		c.loop.AddAfter(key, recountEvery+rand.N(recountEvery/10))
		return errCount
	}
	q = q.DeepCopy()
	q.Status = status
	_, err = c.client.CoreV1().ResourceQuotas(namespace).UpdateStatus(ctx, q, metav1.UpdateOptions{})
	if apierrors.IsNotFound(err) {
		err = nil
	}
	if err == nil {
		c.loop.AddAfter(key, recountEvery+rand.N(recountEvery/10))
	}
	return errors.Join(errCount, err)
}

// count is a quota's status as it should be. What cannot be counted keeps its
// former figure, and there is an error.
func (c *Controller) count(q *corev1.ResourceQuota) (corev1.ResourceQuotaStatus, error) {
	hard := quotav1.Add(corev1.ResourceList{}, q.Spec.Hard)
	usage, err := quotav1.CalculateUsage(q.Namespace, q.Spec.Scopes, hard, c.registry, q.Spec.ScopeSelector)
	used := quotav1.Add(corev1.ResourceList{}, q.Status.Used)
	for n, v := range usage {
		used[n] = v
	}
	return corev1.ResourceQuotaStatus{Hard: hard, Used: quotav1.Mask(used, quotav1.ResourceNames(hard))}, err
}
