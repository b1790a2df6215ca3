package registry

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage/names"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// erased is a Strategy as the library wants it, whatever its objects' type.
type erased interface {
	rest.RESTCreateUpdateStrategy
	rest.RESTDeleteStrategy
	rest.ResetFieldsStrategy
}

func (s Strategy[T]) erase(scheme *runtime.Scheme, version schema.GroupVersion, namespaced bool) erased {
	a := adapter[T]{ObjectTyper: scheme, NameGenerator: names.SimpleNameGenerator, s: s, version: version, namespaced: namespaced}
	if s.CheckGracefulDelete != nil {
		return graceful[T]{a}
	}
	return a
}

type adapter[T runtime.Object] struct {
	runtime.ObjectTyper
	names.NameGenerator
	s          Strategy[T]
	version    schema.GroupVersion
	namespaced bool
}

func (a adapter[T]) NamespaceScoped() bool { return a.namespaced }

func (a adapter[T]) AllowCreateOnUpdate(context.Context) bool { return a.s.CreateOnUpdate }

func (a adapter[T]) AllowUnconditionalUpdate(context.Context) bool { return !a.s.MustHaveVersion }

func (a adapter[T]) PrepareForCreate(ctx context.Context, obj runtime.Object) {
	if a.s.PrepareForCreate != nil {
		a.s.PrepareForCreate(ctx, obj.(T))
	}
}

func (a adapter[T]) Validate(ctx context.Context, obj runtime.Object) field.ErrorList {
	if a.s.Validate == nil {
		return nil
	}
	return a.s.Validate(ctx, obj.(T))
}

func (a adapter[T]) WarningsOnCreate(ctx context.Context, obj runtime.Object) []string {
	if a.s.WarningsOnCreate == nil {
		return nil
	}
	return a.s.WarningsOnCreate(ctx, obj.(T))
}

func (a adapter[T]) PrepareForUpdate(ctx context.Context, obj, old runtime.Object) {
	if a.s.PrepareForUpdate != nil {
		a.s.PrepareForUpdate(ctx, obj.(T), old.(T))
	}
}

func (a adapter[T]) ValidateUpdate(ctx context.Context, obj, old runtime.Object) field.ErrorList {
	if a.s.ValidateUpdate == nil {
		return nil
	}
	return a.s.ValidateUpdate(ctx, obj.(T), old.(T))
}

func (a adapter[T]) WarningsOnUpdate(ctx context.Context, obj, old runtime.Object) []string {
	if a.s.WarningsOnUpdate == nil {
		return nil
	}
	return a.s.WarningsOnUpdate(ctx, obj.(T), old.(T))
}

func (a adapter[T]) Canonicalize(obj runtime.Object) {
	if a.s.Canonicalize != nil {
		a.s.Canonicalize(obj.(T))
	}
}

func (a adapter[T]) DefaultGarbageCollectionPolicy(context.Context) rest.GarbageCollectionPolicy {
	if a.s.GarbageCollection == "" {
		return rest.DeleteDependents
	}
	return a.s.GarbageCollection
}

func (a adapter[T]) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	if len(a.s.ResetFields) == 0 {
		return nil
	}
	set := fieldpath.NewSet()
	for _, path := range a.s.ResetFields {
		set.Insert(fieldPath(path))
	}
	return map[fieldpath.APIVersion]*fieldpath.Set{fieldpath.APIVersion(a.version.String()): set}
}

// graceful is an adapter of objects that are marked before they go.
type graceful[T runtime.Object] struct {
	adapter[T]
}

func (g graceful[T]) CheckGracefulDelete(ctx context.Context, obj runtime.Object, options *metav1.DeleteOptions) bool {
	return g.s.CheckGracefulDelete(ctx, obj.(T), options)
}
