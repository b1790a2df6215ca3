package garbagecollector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"

	"github.com/lubberline/lubberline/orchestrator/controller/objectwatch"
)

// world is an API server in memory, as much of it as garbage collection needs:
// deletion with finalizers and graceful deletion, preconditions, and a watch
// that tells each kind's changes in order but late.
type world struct {
	rng      *rand.Rand
	kinds    map[string]*objectwatch.Kind // by Kind
	objects  map[objectKey]*metav1.PartialObjectMetadata
	graceful map[types.UID]bool // something must stop before these can go
	version  int
	pending  map[string][]change // by Kind, not told yet
	told     map[objectKey]*metav1.PartialObjectMetadata
	observe  objectwatch.Handler
	failing  float64 // how likely a request fails
	// onDelete is called for each deletion that the collector asks for.
	onDelete func(o *metav1.PartialObjectMetadata)
	// onRelease is called for each finalizer that the collector takes away.
	onRelease func(o *metav1.PartialObjectMetadata, finalizer string)
}

type objectKey struct{ kind, namespace, name string }

type change struct {
	key     objectKey
	current *metav1.PartialObjectMetadata // nil: gone
}

func newWorld(rng *rand.Rand) *world {
	w := &world{
		rng: rng, kinds: map[string]*objectwatch.Kind{}, objects: map[objectKey]*metav1.PartialObjectMetadata{},
		graceful: map[types.UID]bool{}, pending: map[string][]change{}, told: map[objectKey]*metav1.PartialObjectMetadata{},
	}
	for kind, namespaced := range map[string]bool{"Pod": true, "ReplicationController": true, "Node": false} {
		gvr := schema.GroupVersionResource{Version: "v1", Resource: kind}
		w.kinds[kind] = &objectwatch.Kind{Resource: gvr, Kind: kind, Namespaced: namespaced}
	}
	return w
}

func (w *world) Lookup(gvk schema.GroupVersionKind) (objectwatch.Kind, bool) {
	k, ok := w.kinds[gvk.Kind]
	if !ok || gvk.GroupVersion() != (schema.GroupVersion{Version: "v1"}) {
		return objectwatch.Kind{}, false
	}
	return *k, true
}

func (w *world) store(k objectKey, o *metav1.PartialObjectMetadata) {
	w.version++
	o.ResourceVersion = fmt.Sprint(w.version)
	w.objects[k] = o
	w.pending[k.kind] = append(w.pending[k.kind], change{k, o.DeepCopy()})
}

func (w *world) create(kind, namespace, name string, owners ...metav1.OwnerReference) *metav1.PartialObjectMetadata {
	k := objectKey{kind, namespace, name}
	if _, exists := w.objects[k]; exists {
		return nil
	}
	o := &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{
		Namespace: namespace, Name: name, UID: types.UID(fmt.Sprintf("%s-%d", name, w.version+1)), OwnerReferences: owners,
	}}
	w.store(k, o)
	return o
}

func (w *world) ref(kind string, o *metav1.PartialObjectMetadata, blocking bool) metav1.OwnerReference {
	return metav1.OwnerReference{APIVersion: "v1", Kind: kind, Name: o.Name, UID: o.UID, BlockOwnerDeletion: &blocking}
}

// settle removes an object that is being deleted and that nothing holds.
func (w *world) settle(k objectKey) {
	o := w.objects[k]
	if o == nil || o.DeletionTimestamp == nil || len(o.Finalizers) > 0 || w.graceful[o.UID] {
		return
	}
	delete(w.objects, k)
	w.pending[k.kind] = append(w.pending[k.kind], change{k, nil})
}

// stop ends the graceful deletion of an object.
func (w *world) stop(k objectKey) {
	delete(w.graceful, w.objects[k].UID)
	w.settle(k)
}

func (w *world) delete(k objectKey, policy metav1.DeletionPropagation) {
	o := w.objects[k].DeepCopy()
	o.Finalizers = slices.DeleteFunc(o.Finalizers, func(f string) bool {
		return f == metav1.FinalizerOrphanDependents || f == metav1.FinalizerDeleteDependents
	})
	switch policy {
	case metav1.DeletePropagationOrphan:
		o.Finalizers = append(o.Finalizers, metav1.FinalizerOrphanDependents)
	case metav1.DeletePropagationForeground:
		o.Finalizers = append(o.Finalizers, metav1.FinalizerDeleteDependents)
	}
	if o.DeletionTimestamp == nil {
		now := metav1.NewTime(time.Unix(1, 0))
		o.DeletionTimestamp = &now
		if k.kind == "Pod" && w.rng.IntN(2) == 0 {
			w.graceful[o.UID] = true
		}
	}
	w.store(k, o)
	w.settle(k)
}

// tellOne delivers the oldest change of a kind to the collector.
func (w *world) tellOne(kind string) {
	c := w.pending[kind][0]
	w.pending[kind] = w.pending[kind][1:]
	if c.current != nil && w.rng.IntN(20) == 0 {
		// a watch that broke: what happened to the object meanwhile is not told
		for len(w.pending[kind]) > 0 && w.pending[kind][0].key == c.key && w.pending[kind][0].current != nil {
			c = w.pending[kind][0]
			w.pending[kind] = w.pending[kind][1:]
		}
	}
	old, current := metav1.Object(nil), metav1.Object(nil)
	if o := w.told[c.key]; o != nil {
		old = o
	}
	if c.current != nil {
		current = c.current
		w.told[c.key] = c.current
	} else {
		delete(w.told, c.key)
	}
	if old != nil || current != nil {
		w.observe(w.kinds[c.key.kind], old, current)
	}
}

func (w *world) late() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(w.pending)), func(k string) bool { return len(w.pending[k]) == 0 })
}

// truth is where an owner really stands.
func (w *world) truth(namespace string, ref metav1.OwnerReference) standing {
	kind := w.kinds[ref.Kind]
	if kind == nil {
		return solid // nobody can know
	}
	if !kind.Namespaced {
		namespace = ""
	}
	o := w.objects[objectKey{ref.Kind, namespace, ref.Name}]
	switch {
	case o == nil || o.UID != ref.UID:
		return dangling
	case o.DeletionTimestamp != nil && slices.Contains(o.Finalizers, metav1.FinalizerDeleteDependents):
		return waiting
	}
	return solid
}

var errInjected = apierrors.NewInternalError(errors.New("injected"))

func (w *world) fails() error {
	if w.rng.Float64() < w.failing {
		return errInjected
	}
	return nil
}

// Resource and Namespace make the world a metadata client.
func (w *world) Resource(gvr schema.GroupVersionResource) metadata.Getter {
	return worldClient{world: w, kind: gvr.Resource}
}

type worldClient struct {
	metadata.ResourceInterface // nil: nothing else is used
	world                      *world
	kind, namespace            string
}

func (c worldClient) Namespace(ns string) metadata.ResourceInterface {
	c.namespace = ns
	return c
}

func (c worldClient) key(name string) objectKey { return objectKey{c.kind, c.namespace, name} }

func (c worldClient) find(name string) (*metav1.PartialObjectMetadata, error) {
	o := c.world.objects[c.key(name)]
	if o == nil {
		return nil, apierrors.NewNotFound(schema.GroupResource{Resource: c.kind}, name)
	}
	return o, c.world.fails()
}

func (c worldClient) Get(_ context.Context, name string, _ metav1.GetOptions, _ ...string) (*metav1.PartialObjectMetadata, error) {
	o, err := c.find(name)
	return o.DeepCopy(), err
}

func (c worldClient) conflict(name string) error {
	return apierrors.NewConflict(schema.GroupResource{Resource: c.kind}, name, errors.New("precondition failed"))
}

func (c worldClient) Delete(_ context.Context, name string, o metav1.DeleteOptions, _ ...string) error {
	stored, err := c.find(name)
	if err != nil {
		return err
	}
	if p := o.Preconditions; *p.UID != stored.UID || *p.ResourceVersion != stored.ResourceVersion {
		return c.conflict(name)
	}
	c.world.onDelete(stored)
	c.world.delete(c.key(name), *o.PropagationPolicy)
	return c.world.fails() // done, but the answer is lost
}

func (c worldClient) Patch(_ context.Context, name string, t types.PatchType, data []byte, _ metav1.PatchOptions, _ ...string) (*metav1.PartialObjectMetadata, error) {
	stored, err := c.find(name)
	if err != nil {
		return nil, err
	}
	var p struct {
		Metadata struct {
			UID             types.UID
			ResourceVersion string
			OwnerReferences []map[string]any
			Finalizers      *[]string
		}
	}
	if err := json.Unmarshal(data, &p); err != nil {
		return nil, err
	}
	m := p.Metadata
	if m.UID != "" && m.UID != stored.UID || m.ResourceVersion != "" && m.ResourceVersion != stored.ResourceVersion {
		return nil, c.conflict(name)
	}
	o := stored.DeepCopy()
	for _, r := range m.OwnerReferences {
		same := func(ref metav1.OwnerReference) bool { return string(ref.UID) == r["uid"] }
		if r["$patch"] == "delete" {
			o.OwnerReferences = slices.DeleteFunc(o.OwnerReferences, same)
			continue
		}
		block, _ := r["blockOwnerDeletion"].(bool)
		o.OwnerReferences[slices.IndexFunc(o.OwnerReferences, same)].BlockOwnerDeletion = &block
	}
	if m.Finalizers != nil {
		for _, f := range stored.Finalizers {
			if !slices.Contains(*m.Finalizers, f) {
				c.world.onRelease(stored, f)
			}
		}
		o.Finalizers = *m.Finalizers
	}
	if t == types.MergePatchType && m.OwnerReferences != nil {
		return nil, errors.New("owner references are merged strategically")
	}
	c.world.store(c.key(name), o)
	c.world.settle(c.key(name))
	return o.DeepCopy(), c.world.fails()
}
