package registry

import (
	"context"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	"k8s.io/client-go/tools/cache"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// REST is a kind's store with the names that clients abbreviate it by.
type REST struct {
	*genericregistry.Store
	shortNames, categories []string
}

// ShortNames are such as "po" of pods.
func (r *REST) ShortNames() []string { return r.shortNames }

// Categories are such as "all".
func (r *REST) Categories() []string { return r.categories }

// StatusREST reads and updates an object's status only.
type StatusREST struct {
	store *genericregistry.Store
	reset rest.ResetFieldsStrategy
}

func newStatusREST(s *genericregistry.Store, strategy erased) *StatusREST {
	status := *s
	status.UpdateStrategy, status.ResetFieldsStrategy = strategy, strategy
	return &StatusREST{store: &status, reset: strategy}
}

// New is an empty object.
func (r *StatusREST) New() runtime.Object { return r.store.New() }

// Destroy does nothing: the kind's store is the one to close.
func (r *StatusREST) Destroy() {}

// Get is what a patch of the status starts from.
func (r *StatusREST) Get(ctx context.Context, name string, options *metav1.GetOptions) (runtime.Object, error) {
	return r.store.Get(ctx, name, options)
}

// Update never creates.
func (r *StatusREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, _ rest.ValidateObjectFunc,
	validate rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions,
) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, info, rest.ValidateAllObjectFunc, validate, false, options)
}

// GetResetFields are those that an update of the status does not change.
func (r *StatusREST) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return r.reset.GetResetFields()
}

// ConvertToTable shows the object as its kind does.
func (r *StatusREST) ConvertToTable(ctx context.Context, obj, options runtime.Object) (*metav1.Table, error) {
	return r.store.ConvertToTable(ctx, obj, options)
}

// fieldPath turns "metadata.labels" into a path.
func fieldPath(dotted string) fieldpath.Path {
	parts := strings.Split(dotted, ".")
	anys := make([]any, len(parts))
	for i, part := range parts {
		anys[i] = part
	}
	return fieldpath.MakePathOrDie(anys...)
}

func storeIndexers(field string, value func(runtime.Object) string) *cache.Indexers {
	return &cache.Indexers{storage.FieldIndex(field): func(obj any) ([]string, error) {
		return []string{value(obj.(runtime.Object))}, nil
	}}
}
