package kubernetes

import (
	"slices"
	"strings"
	"sync"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/lru"

	"github.com/lubberline/lubberline/aggregator/kubernetes/state"
)

// endedPods is how many pods are remembered after their end: the last lines of
// their logs arrive later.
const endedPods = 4096

// podKey names a pod.
type podKey struct{ namespace, name string }

// controller is the topmost owner of a pod; none is the zero value.
type controller struct{ kind, name string }

func (c controller) String() string {
	if c == (controller{}) {
		return ""
	}
	return c.kind + "/" + c.name
}

// controllers knows the topmost controller of every pod. It is an event handler
// of the pods' informer.
type controllers struct {
	sets cache.Store // ReplicaSets

	mu    sync.RWMutex
	live  map[podKey]controller
	ended *lru.Cache // podKey to controller
}

func newControllers(sets cache.Store) *controllers {
	return &controllers{sets: sets, live: map[podKey]controller{}, ended: lru.New(endedPods)}
}

// of returns the pod's controller; false for a pod that is not known.
func (c *controllers) of(namespace, pod string) (controller, bool) {
	key := podKey{namespace, pod}
	c.mu.RLock()
	found, ok := c.live[key]
	c.mu.RUnlock()
	if ok {
		return found, true
	}
	ended, ok := c.ended.Get(key)
	found, _ = ended.(controller)
	return found, ok
}

// find follows the pod's owner references: a Deployment owns its pods by way of
// a ReplicaSet.
func (c *controllers) find(p *v1.Pod) controller {
	owner := metav1.GetControllerOf(p)
	if owner == nil {
		return controller{}
	}
	if owner.Kind == "ReplicaSet" {
		if object, ok, err := c.sets.GetByKey(p.Namespace + "/" + owner.Name); ok && err == nil {
			if above := metav1.GetControllerOf(object.(metav1.Object)); above != nil {
				owner = above
			}
		}
	}
	return controller{owner.Kind, owner.Name}
}

// OnAdd implements cache.ResourceEventHandler.
func (c *controllers) OnAdd(object any, _ bool) { c.take(object) }

// OnUpdate implements cache.ResourceEventHandler.
func (c *controllers) OnUpdate(_, object any) { c.take(object) }

// OnDelete implements cache.ResourceEventHandler.
func (c *controllers) OnDelete(object any) {
	if gone, ok := object.(cache.DeletedFinalStateUnknown); ok {
		object = gone.Obj
	}
	p, ok := object.(*v1.Pod)
	if !ok {
		return
	}
	key := podKey{p.Namespace, p.Name}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended.Add(key, c.live[key])
	delete(c.live, key)
}

func (c *controllers) take(object any) {
	p, ok := object.(*v1.Pod)
	if !ok {
		return
	}
	found := c.find(p)
	c.mu.Lock()
	defer c.mu.Unlock()
	if known, ok := c.live[podKey{p.Namespace, p.Name}]; ok && known == found || found.kind == "ReplicaSet" && known.kind == "Deployment" {
		return // the set may go before its pods do
	}
	c.live[podKey{p.Namespace, p.Name}] = found
}

// emit writes what the pod is, for whoever shows its samples.
func (c *controllers) emit(emit state.Emit, p *v1.Pod) {
	c.take(p) // the ReplicaSet may have come after the pod
	found, _ := c.of(p.Namespace, p.Name)
	emit("lubberline_pod_info", 1, "namespace", p.Namespace, "pod", p.Name, "uid", string(p.UID), "node", p.Spec.NodeName,
		"controller_kind", found.kind, "controller", found.name, "labels", labelText(p.Labels))
}

// labelText is labels as lubberline_container_info has them: sorted key:value
// pairs joined by commas.
func labelText(labels map[string]string) string {
	pairs := make([]string, 0, len(labels))
	for name, value := range labels {
		pairs = append(pairs, name+":"+value)
	}
	slices.Sort(pairs)
	return strings.Join(pairs, ",")
}
