package simtest

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"

	appsv1 "k8s.io/api/apps/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// Object is what the API holds.
type Object interface {
	metav1.Object
	runtime.Object
}

type resourceKind struct {
	resource  schema.GroupVersionResource
	kind      schema.GroupVersionKind
	prototype Object
}

func kindOf(gv schema.GroupVersion, resource, kind string, prototype Object) resourceKind {
	return resourceKind{gv.WithResource(resource), gv.WithKind(kind), prototype}
}

var kinds = []resourceKind{
	kindOf(corev1.SchemeGroupVersion, "pods", "Pod", &corev1.Pod{}),
	kindOf(corev1.SchemeGroupVersion, "replicationcontrollers", "ReplicationController", &corev1.ReplicationController{}),
	kindOf(corev1.SchemeGroupVersion, "nodes", "Node", &corev1.Node{}),
	kindOf(corev1.SchemeGroupVersion, "services", "Service", &corev1.Service{}),
	kindOf(corev1.SchemeGroupVersion, "endpoints", "Endpoints", &corev1.Endpoints{}),
	kindOf(appsv1.SchemeGroupVersion, "replicasets", "ReplicaSet", &appsv1.ReplicaSet{}),
	kindOf(appsv1.SchemeGroupVersion, "deployments", "Deployment", &appsv1.Deployment{}),
	kindOf(appsv1.SchemeGroupVersion, "daemonsets", "DaemonSet", &appsv1.DaemonSet{}),
	kindOf(appsv1.SchemeGroupVersion, "controllerrevisions", "ControllerRevision", &appsv1.ControllerRevision{}),
	kindOf(discoveryv1.SchemeGroupVersion, "endpointslices", "EndpointSlice", &discoveryv1.EndpointSlice{}),
	kindOf(coordinationv1.SchemeGroupVersion, "leases", "Lease", &coordinationv1.Lease{}),
	kindOf(policyv1.SchemeGroupVersion, "poddisruptionbudgets", "PodDisruptionBudget", &policyv1.PodDisruptionBudget{}),
	kindOf(corev1.SchemeGroupVersion, "persistentvolumes", "PersistentVolume", &corev1.PersistentVolume{}),
	kindOf(corev1.SchemeGroupVersion, "persistentvolumeclaims", "PersistentVolumeClaim", &corev1.PersistentVolumeClaim{}),
	kindOf(storagev1.SchemeGroupVersion, "storageclasses", "StorageClass", &storagev1.StorageClass{}),
}

// Write is one change of the API: old is nil for what is new, current for what
// is gone. The objects are shared: not to be changed.
type Write struct {
	Old, Current Object
	// ByController says whether it was requested through the World's client.
	ByController bool
}

// API holds the objects as the API server would, with its rules about versions,
// owners, finalizers and graceful deletion.
type API struct {
	rand    *rand.Rand
	clock   clock.PassiveClock
	objects map[reflect.Type]map[string]Object
	log     map[reflect.Type][]Write // for the caches
	version int
	uids    int
	// requested is true while a controller's request is carried out.
	requested bool
	// OnWrite is told every change, to check invariants; may be nil.
	OnWrite func(Write)
}

func newAPI(r *rand.Rand, c clock.PassiveClock) *API {
	a := &API{rand: r, clock: c, objects: map[reflect.Type]map[string]Object{}, log: map[reflect.Type][]Write{}}
	for i := range kinds {
		a.objects[reflect.TypeOf(kinds[i].prototype)] = map[string]Object{}
	}
	return a
}

func keyOf(namespace, name string) string {
	return cache.ObjectName{Namespace: namespace, Name: name}.String()
}

func (a *API) kind(o Object) *resourceKind {
	i := slices.IndexFunc(kinds, func(k resourceKind) bool { return reflect.TypeOf(k.prototype) == reflect.TypeOf(o) })
	return &kinds[i]
}

// List returns all objects of a type in the order of their keys; shared.
func List[T Object](a *API) []T {
	var none T
	objects := a.objects[reflect.TypeOf(none)]
	all := make([]T, 0, len(objects))
	for _, key := range slices.Sorted(maps.Keys(objects)) {
		all = append(all, objects[key].(T))
	}
	return all
}

// Get returns a copy of an object, or the type's zero value without one.
func Get[T Object](a *API, namespace, name string) T {
	var none T
	if o, ok := a.objects[reflect.TypeOf(none)][keyOf(namespace, name)]; ok {
		return o.DeepCopyObject().(T)
	}
	return none
}

func (a *API) get(k *resourceKind, namespace, name string) (Object, error) {
	o, ok := a.objects[reflect.TypeOf(k.prototype)][keyOf(namespace, name)]
	if !ok {
		return nil, apierrors.NewNotFound(k.resource.GroupResource(), name)
	}
	return o, nil
}

// Create adds an object as a user would, who never meets a fault.
func (a *API) Create(o Object) (Object, error) {
	k := a.kind(o)
	o = o.DeepCopyObject().(Object)
	if o.GetName() == "" {
		o.SetName(o.GetGenerateName() + a.suffix())
	}
	if _, err := a.get(k, o.GetNamespace(), o.GetName()); err == nil {
		return nil, apierrors.NewAlreadyExists(k.resource.GroupResource(), o.GetName())
	}
	if err := checkOwners(k, o); err != nil {
		return nil, err
	}
	a.uids++
	o.SetUID(types.UID(fmt.Sprintf("uid-%d", a.uids)))
	o.SetCreationTimestamp(metav1.NewTime(a.clock.Now()))
	o.SetGeneration(1)
	return a.put(nil, o), nil
}

func (a *API) suffix() string {
	const letters = "bcdfghjklmnpqrstvwxz2456789"
	text := make([]byte, 5)
	for i := range text {
		text[i] = letters[a.rand.IntN(len(letters))]
	}
	return string(text)
}

func checkOwners(k *resourceKind, o Object) error {
	controllers := 0
	for _, r := range o.GetOwnerReferences() {
		if r.Controller != nil && *r.Controller {
			controllers++
		}
	}
	if controllers > 1 {
		return apierrors.NewInvalid(k.kind.GroupKind(), o.GetName(), nil)
	}
	return nil
}

// Update replaces an object, or its status only, or all but its status.
func (a *API) Update(o Object, subresource string) (Object, error) {
	k := a.kind(o)
	old, err := a.get(k, o.GetNamespace(), o.GetName())
	if err != nil {
		return nil, err
	}
	if o.GetUID() != "" && o.GetUID() != old.GetUID() || o.GetResourceVersion() != "" && o.GetResourceVersion() != old.GetResourceVersion() {
		return nil, apierrors.NewConflict(k.resource.GroupResource(), o.GetName(), fmt.Errorf("the object has been modified; please apply your changes to the latest version and try again"))
	}
	updated := o.DeepCopyObject().(Object)
	if subresource == "status" {
		updated = old.DeepCopyObject().(Object)
		copyField(updated, o.DeepCopyObject().(Object), "Status")
		if _, ok := o.(*appsv1.Deployment); ok { // whose revision is written with its status
			updated.SetAnnotations(maps.Clone(o.GetAnnotations()))
		}
	} else if k.resource.Resource != "nodes" { // of which tests change both at once
		copyField(updated, old, "Status")
	}
	if err := checkOwners(k, updated); err != nil {
		return nil, err
	}
	return a.store(old, updated), nil
}

func (a *API) store(old, updated Object) Object {
	updated.SetUID(old.GetUID())
	updated.SetCreationTimestamp(old.GetCreationTimestamp())
	updated.SetDeletionTimestamp(old.GetDeletionTimestamp())
	updated.SetGeneration(old.GetGeneration())
	updated.SetResourceVersion(old.GetResourceVersion())
	if equality.Semantic.DeepEqual(old, updated) {
		return old
	}
	if !equality.Semantic.DeepEqual(field(old, "Spec"), field(updated, "Spec")) {
		updated.SetGeneration(old.GetGeneration() + 1)
	}
	if updated.GetDeletionTimestamp() != nil && len(updated.GetFinalizers()) == 0 && !isGraceful(old) {
		a.remove(old)
		return updated
	}
	return a.put(old, updated)
}

// Change updates an object by a function, as a user would.
func Change[T Object](a *API, namespace, name string, change func(T)) T {
	o := Get[T](a, namespace, name)
	if reflect.ValueOf(o).IsNil() {
		return o
	}
	old := a.objects[reflect.TypeOf(o)][keyOf(namespace, name)]
	change(o)
	return a.store(old, o).(T)
}

// Delete removes an object: at once, or when its finalizers are gone and, for a
// pod that a node has, when the node has ended it (End).
func (a *API) Delete(o Object, preconditions *metav1.Preconditions) error {
	k := a.kind(o)
	old, err := a.get(k, o.GetNamespace(), o.GetName())
	if err != nil {
		return err
	}
	if preconditions != nil && preconditions.UID != nil && *preconditions.UID != old.GetUID() {
		return apierrors.NewConflict(k.resource.GroupResource(), o.GetName(), fmt.Errorf("the UID in the precondition does not match"))
	}
	if old.GetDeletionTimestamp() != nil {
		return nil
	}
	if len(old.GetFinalizers()) == 0 && !isGraceful(old) {
		a.remove(old)
		return nil
	}
	updated := old.DeepCopyObject().(Object)
	now := metav1.NewTime(a.clock.Now())
	updated.SetDeletionTimestamp(&now)
	a.put(old, updated)
	return nil
}

func isGraceful(o Object) bool {
	pod, ok := o.(*corev1.Pod)
	return ok && pod.Spec.NodeName != "" && pod.Status.Phase != corev1.PodFailed && pod.Status.Phase != corev1.PodSucceeded
}

// End removes an object whatever it has.
func (a *API) End(o Object) {
	if old, err := a.get(a.kind(o), o.GetNamespace(), o.GetName()); err == nil {
		a.remove(old)
	}
}

func (a *API) put(old, current Object) Object {
	a.version++
	current.SetResourceVersion(strconv.Itoa(a.version))
	a.objects[reflect.TypeOf(current)][keyOf(current.GetNamespace(), current.GetName())] = current
	a.tell(Write{Old: old, Current: current})
	return current
}

func (a *API) remove(old Object) {
	a.version++
	delete(a.objects[reflect.TypeOf(old)], keyOf(old.GetNamespace(), old.GetName()))
	a.tell(Write{Old: old})
}

func (a *API) tell(w Write) {
	t := reflect.TypeOf(w.Old)
	if w.Old == nil {
		t = reflect.TypeOf(w.Current)
	}
	a.log[t] = append(a.log[t], w)
	w.ByController = a.requested
	if a.OnWrite != nil {
		a.OnWrite(w)
	}
}

func copyField(to, from Object, name string) {
	target := reflect.ValueOf(to).Elem().FieldByName(name)
	if target.IsValid() {
		target.Set(reflect.ValueOf(from).Elem().FieldByName(name))
	}
}

func field(o Object, name string) any {
	f := reflect.ValueOf(o).Elem().FieldByName(name)
	if !f.IsValid() {
		return nil
	}
	return f.Interface()
}
