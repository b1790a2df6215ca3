// Package registry says for every kind of the API how it is stored, checked
// and shown: one file a kind, and a generic frame around them.
package registry

import (
	"context"
	"fmt"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/generic"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
)

// Strategy is what a kind adds to the generic handling of its objects, or of
// their status. Any function may be nil. None but those named Prepare… and
// Canonicalize may change an object; none may keep one.
type Strategy[T runtime.Object] struct {
	// PrepareForCreate clears what a client may not set, before Validate.
	PrepareForCreate func(ctx context.Context, obj T)
	Validate         func(ctx context.Context, obj T) field.ErrorList
	// WarningsOnCreate are shown to the client, the object is stored.
	WarningsOnCreate func(ctx context.Context, obj T) []string
	// PrepareForUpdate takes from old what this way may not change, such as
	// the status, before ValidateUpdate.
	PrepareForUpdate func(ctx context.Context, obj, old T)
	ValidateUpdate   func(ctx context.Context, obj, old T) field.ErrorList
	WarningsOnUpdate func(ctx context.Context, obj, old T) []string
	Canonicalize     func(obj T)
	// MustHaveVersion refuses updates without metadata.resourceVersion.
	MustHaveVersion bool
	// CreateOnUpdate lets a PUT create the object.
	CreateOnUpdate bool
	// CheckGracefulDelete, when there is one, says whether an object is first
	// marked, and sets options.GracePeriodSeconds.
	CheckGracefulDelete func(ctx context.Context, obj T, options *metav1.DeleteOptions) bool
	// GarbageCollection is what happens to dependents when the client does not
	// say; empty is rest.DeleteDependents.
	GarbageCollection rest.GarbageCollectionPolicy
	// ResetFields are the paths ("status", "metadata.labels") that PrepareFor…
	// resets: nobody who applies them becomes their manager.
	ResetFields []string
}

// Definition is a kind: its names, its objects and its strategies.
type Definition[T runtime.Object] struct {
	Version schema.GroupVersion
	// Also are further groups that show the same stored objects.
	Also []schema.GroupVersion
	// Resource is the plural, Singular the kind in lower case.
	Resource, Singular     string
	Namespaced             bool
	ShortNames, Categories []string
	New                    func() T
	NewList                func() runtime.Object
	Main                   Strategy[T]
	// Status, when there is one, makes the /status subresource.
	Status *Strategy[T]
	// Fields are the selectable fields beside metadata.name and .namespace; the
	// scheme allows the same names (api's fieldLabels).
	Fields func(obj T) fields.Set
	// Index names the one of Fields by which watches and lists are indexed.
	Index string
	// Uncached objects are read from the store each time.
	Uncached bool
	// Customize changes the store before the subresources are made of it.
	Customize func(s *genericregistry.Store, e *Environment) error
	// Subresources are made last, when every kind's store is in e.Stores.
	Subresources map[string]func(s *genericregistry.Store, e *Environment) rest.Storage
	// Beside are further resources of the first version that act on this kind's
	// objects, such as "bindings".
	Beside map[string]func(s *genericregistry.Store, e *Environment) rest.Storage
	// Wrap replaces what is installed, for kinds whose verbs differ.
	Wrap func(r *REST, e *Environment) rest.Storage
}

func (d Definition[T]) groupResource() schema.GroupResource {
	return d.Version.WithResource(d.Resource).GroupResource()
}

// makeStore makes the store of the kind's objects.
func (d Definition[T]) makeStore(e *Environment) error {
	main := d.Main.erase(e.Scheme, d.Version, d.Namespaced)
	s := &genericregistry.Store{
		NewFunc:                   func() runtime.Object { return d.New() },
		NewListFunc:               d.NewList,
		DefaultQualifiedResource:  d.groupResource(),
		SingularQualifiedResource: d.Version.WithResource(d.Singular).GroupResource(),
		PredicateFunc:             d.predicate,
		CreateStrategy:            main, UpdateStrategy: main, DeleteStrategy: main, ResetFieldsStrategy: main,
		TableConvertor: e.Tables.For(d.groupResource()),
	}
	options := &generic.StoreOptions{RESTOptions: e.Options(!d.Uncached), AttrFunc: d.attributes}
	if d.Index != "" {
		options.TriggerFunc = storage.IndexerFuncs{d.Index: d.indexed}
		options.Indexers = storeIndexers(d.Index, d.indexed)
	}
	if d.Customize != nil {
		if err := d.Customize(s, e); err != nil {
			return fmt.Errorf("%s: %w", d.Resource, err)
		}
	}
	if err := s.CompleteWithOptions(options); err != nil {
		return fmt.Errorf("%s: %w", d.Resource, err)
	}
	e.Stores[d.groupResource()] = s
	return nil
}

// install adds the kind and its subresources to what is served.
func (d Definition[T]) install(e *Environment, served Served) {
	s := e.Stores[d.groupResource()]
	r := &REST{Store: s, shortNames: d.ShortNames, categories: d.Categories}
	storages := map[string]rest.Storage{d.Resource: r}
	if d.Wrap != nil {
		storages[d.Resource] = d.Wrap(r, e)
	}
	if d.Status != nil {
		storages[d.Resource+"/status"] = newStatusREST(s, d.Status.erase(e.Scheme, d.Version, d.Namespaced))
	}
	for name, make := range d.Subresources {
		storages[d.Resource+"/"+name] = make(s, e)
	}
	for name, make := range d.Beside {
		served.add(d.Version, map[string]rest.Storage{name: make(s, e)})
	}
	for _, version := range append([]schema.GroupVersion{d.Version}, d.Also...) {
		served.add(version, storages)
	}
}

// attributes are what selectors look at.
func (d Definition[T]) attributes(obj runtime.Object) (labels.Set, fields.Set, error) {
	typed, ok := obj.(T)
	if !ok {
		return nil, nil, fmt.Errorf("not of %s: %T", d.Resource, obj)
	}
	m, err := meta.Accessor(obj)
	if err != nil {
		return nil, nil, err
	}
	set := fields.Set{"metadata.name": m.GetName()}
	if d.Namespaced {
		set["metadata.namespace"] = m.GetNamespace()
	}
	if d.Fields != nil {
		for k, v := range d.Fields(typed) {
			set[k] = v
		}
	}
	return m.GetLabels(), set, nil
}

func (d Definition[T]) predicate(label labels.Selector, field fields.Selector) storage.SelectionPredicate {
	p := storage.SelectionPredicate{Label: label, Field: field, GetAttrs: d.attributes}
	if d.Index != "" {
		p.IndexFields = []string{d.Index}
	}
	return p
}

func (d Definition[T]) indexed(obj runtime.Object) string { return d.Fields(obj.(T))[d.Index] }
