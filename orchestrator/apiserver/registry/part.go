package registry

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// partREST reads an object and updates one part of it.
type partREST struct {
	store *genericregistry.Store
	part  map[fieldpath.APIVersion]fieldpath.Filter
}

var (
	_ rest.Patcher                   = &partREST{}
	_ rest.ResetFieldsFilterStrategy = &partREST{}
)

// partOf makes the subresource that changes only the fields below paths; a path
// element may be fieldpath.MatchAnyPathElement().
func partOf[T runtime.Object](d Definition[T], strategy Strategy[T], paths ...[]any) func(*genericregistry.Store, *Environment) rest.Storage {
	return func(s *genericregistry.Store, e *Environment) rest.Storage {
		part := *s
		part.UpdateStrategy = strategy.erase(e.Scheme, d.Version, d.Namespaced)
		part.ResetFieldsStrategy = nil
		var matchers []*fieldpath.SetMatcher
		for _, path := range paths {
			matchers = append(matchers, fieldpath.MakePrefixMatcherOrDie(path...))
		}
		return &partREST{store: &part, part: map[fieldpath.APIVersion]fieldpath.Filter{
			fieldpath.APIVersion(d.Version.String()): fieldpath.NewIncludeMatcherFilter(matchers...),
		}}
	}
}

// New is an empty object.
func (r *partREST) New() runtime.Object { return r.store.New() }

// Destroy does nothing: the kind's store is the one to close.
func (r *partREST) Destroy() {}

// Get is what a patch starts from.
func (r *partREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, options)
}

// Update never creates.
func (r *partREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, _ rest.ValidateObjectFunc,
	validate rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions,
) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, info, rest.ValidateAllObjectFunc, validate, false, options)
}

// GetResetFieldsFilter leaves a client the management of the part only.
func (r *partREST) GetResetFieldsFilter() map[fieldpath.APIVersion]fieldpath.Filter { return r.part }
