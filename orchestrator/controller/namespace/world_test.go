package namespace

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/metadata"
	clienttesting "k8s.io/client-go/testing"
	clocktesting "k8s.io/utils/clock/testing"
)

// world is an API server in memory: namespaces with their finalizers, and
// objects of some kinds in them, of which pods stop gracefully and others may
// be held by finalizers.
type world struct {
	rng        *rand.Rand
	clock      *clocktesting.FakeClock
	namespaces map[string]*corev1.Namespace
	told       map[string]*corev1.Namespace // as the informer has them
	objects    map[string]*metav1.PartialObjectMetadata
	version    int
	failing    float64
	// onDelete is told what the controller deletes.
	onDelete func(resource, namespace string)
	podGone  func(namespace string)
}

func newWorld(rng *rand.Rand, clock *clocktesting.FakeClock) *world {
	return &world{
		rng: rng, clock: clock, namespaces: map[string]*corev1.Namespace{}, told: map[string]*corev1.Namespace{},
		objects: map[string]*metav1.PartialObjectMetadata{},
	}
}

func objectKey(resource, namespace, name string) string {
	return resource + "/" + namespace + "/" + name
}

func (w *world) fails() error {
	if w.rng.Float64() < w.failing {
		return apierrors.NewInternalError(errors.New("injected"))
	}
	return nil
}

func (w *world) stamp(o metav1.Object) {
	w.version++
	o.SetResourceVersion(fmt.Sprint(w.version))
}

// Discovery: now and then a group does not answer.
func (w *world) ServerPreferredNamespacedResources() ([]*metav1.APIResourceList, error) {
	verbs := metav1.Verbs{"list", "delete", "deletecollection"}
	lists := []*metav1.APIResourceList{
		{GroupVersion: "v1", APIResources: []metav1.APIResource{
			{Name: "configmaps", Namespaced: true, Verbs: verbs}, {Name: "pods", Namespaced: true, Verbs: verbs},
			{Name: "bindings", Namespaced: true, Verbs: metav1.Verbs{"create"}},
		}},
		{GroupVersion: "apps/v1", APIResources: []metav1.APIResource{{Name: "replicasets", Namespaced: true, Verbs: metav1.Verbs{"list", "delete"}}}},
	}
	if w.fails() != nil {
		return lists[:1], errors.New("unable to retrieve the complete list of server APIs: apps/v1")
	}
	return lists, nil
}

func (w *world) create(resource, namespace, name string, finalizers ...string) {
	o := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Finalizers: finalizers}}
	w.stamp(o)
	w.objects[objectKey(resource, namespace, name)] = o
}

func (w *world) in(resource, namespace string) []string {
	prefix := objectKey(resource, namespace, "")
	return slices.DeleteFunc(slices.Sorted(maps.Keys(w.objects)), func(k string) bool { return len(k) <= len(prefix) || k[:len(prefix)] != prefix })
}

// delete marks an object, for half a minute if it is a pod, and removes it when
// nothing holds it.
func (w *world) delete(resource, key string) {
	o := w.objects[key]
	if o.DeletionTimestamp == nil {
		at := metav1.NewTime(w.clock.Now())
		if resource == "pods" {
			at = metav1.NewTime(w.clock.Now().Add(time.Duration(w.rng.IntN(3)) * 15 * time.Second))
		}
		o.DeletionTimestamp = &at
		w.stamp(o)
	}
	if len(o.Finalizers) == 0 && !o.DeletionTimestamp.After(w.clock.Now()) {
		w.remove(key)
	}
}

func (w *world) remove(key string) {
	o := w.objects[key]
	delete(w.objects, key)
	if key == objectKey("pods", o.Namespace, o.Name) {
		w.podGone(o.Namespace)
	}
}

// metadata client

func (w *world) Resource(gvr schema.GroupVersionResource) metadata.Getter {
	return worldClient{world: w, resource: gvr.Resource}
}

type worldClient struct {
	metadata.ResourceInterface // nil: nothing else is used
	world                      *world
	resource, namespace        string
}

func (c worldClient) Namespace(ns string) metadata.ResourceInterface {
	c.namespace = ns
	return c
}

func (c worldClient) List(context.Context, metav1.ListOptions) (*metav1.PartialObjectMetadataList, error) {
	list := &metav1.PartialObjectMetadataList{}
	for _, key := range c.world.in(c.resource, c.namespace) {
		list.Items = append(list.Items, *c.world.objects[key].DeepCopy())
	}
	return list, c.world.fails()
}

func (c worldClient) DeleteCollection(context.Context, metav1.DeleteOptions, metav1.ListOptions) error {
	if err := c.world.fails(); err != nil {
		return err
	}
	c.world.onDelete(c.resource, c.namespace)
	for _, key := range c.world.in(c.resource, c.namespace) {
		if err := c.world.fails(); err != nil {
			return err // in the midst
		}
		c.world.delete(c.resource, key)
	}
	return nil
}

func (c worldClient) Delete(_ context.Context, name string, _ metav1.DeleteOptions, _ ...string) error {
	key := objectKey(c.resource, c.namespace, name)
	if _, ok := c.world.objects[key]; !ok {
		return apierrors.NewNotFound(schema.GroupResource{Resource: c.resource}, name)
	}
	c.world.onDelete(c.resource, c.namespace)
	if err := c.world.fails(); err != nil {
		return err
	}
	c.world.delete(c.resource, key)
	return nil
}

// client of the namespaces

var namespacesResource = schema.GroupResource{Resource: "namespaces"}

func (w *world) client() *fake.Clientset {
	c := fake.NewClientset()
	c.PrependReactor("*", "namespaces", func(a clienttesting.Action) (bool, runtime.Object, error) {
		o, err := w.request(a)
		return true, o, err
	})
	return c
}

func (w *world) request(a clienttesting.Action) (runtime.Object, error) {
	if err := w.fails(); err != nil {
		return nil, err
	}
	if get, ok := a.(clienttesting.GetAction); ok && a.GetVerb() == "get" {
		ns, ok := w.namespaces[get.GetName()]
		if !ok {
			return nil, apierrors.NewNotFound(namespacesResource, get.GetName())
		}
		return ns.DeepCopy(), nil
	}
	var changed *corev1.Namespace
	switch action := a.(type) {
	case clienttesting.UpdateAction: // an UpdateAction is also a CreateAction
		changed = action.GetObject().(*corev1.Namespace)
	default:
		return nil, fmt.Errorf("unexpected request %v", a)
	}
	stored, ok := w.namespaces[changed.Name]
	switch {
	case !ok:
		return nil, apierrors.NewNotFound(namespacesResource, changed.Name)
	case stored.ResourceVersion != changed.ResourceVersion:
		return nil, apierrors.NewConflict(namespacesResource, changed.Name, errors.New("modified"))
	}
	updated := stored.DeepCopy()
	switch a.GetSubresource() {
	case "status":
		updated.Status = changed.Status
	case "finalize":
		updated.Spec.Finalizers = changed.Spec.Finalizers
	}
	w.put(updated)
	return updated.DeepCopy(), w.fails()
}

func (w *world) put(ns *corev1.Namespace) {
	w.stamp(ns)
	w.namespaces[ns.Name] = ns
	if ns.DeletionTimestamp != nil && len(ns.Spec.Finalizers) == 0 {
		delete(w.namespaces, ns.Name)
	}
}

func (w *world) createNamespace(name string, finalizers ...corev1.FinalizerName) {
	if _, exists := w.namespaces[name]; exists {
		return
	}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: corev1.NamespaceSpec{Finalizers: append(finalizers, corev1.FinalizerKubernetes)}}
	ns.Status.Phase = corev1.NamespaceActive
	ns.UID = types.UID(fmt.Sprint("uid-", w.version))
	w.put(ns)
}

func (w *world) deleteNamespace(name string) {
	ns, ok := w.namespaces[name]
	if !ok || ns.DeletionTimestamp != nil {
		return
	}
	ns = ns.DeepCopy()
	now := metav1.NewTime(w.clock.Now())
	ns.DeletionTimestamp = &now
	if w.rng.IntN(2) == 0 {
		ns.Status.Phase = corev1.NamespaceTerminating
	}
	w.put(ns)
}

// lister of the namespaces as they have been told

func (w *world) List(labels.Selector) ([]*corev1.Namespace, error) {
	return slices.Collect(maps.Values(w.told)), nil
}

func (w *world) Get(name string) (*corev1.Namespace, error) {
	ns, ok := w.told[name]
	if !ok {
		return nil, apierrors.NewNotFound(namespacesResource, name)
	}
	return ns, nil
}
