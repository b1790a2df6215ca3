package registry

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	genericregistry "k8s.io/apiserver/pkg/registry/generic/registry"
	"k8s.io/apiserver/pkg/registry/rest"
	"k8s.io/apiserver/pkg/storage"
	storeerr "k8s.io/apiserver/pkg/storage/errors"
	"k8s.io/apiserver/pkg/util/dryrun"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/lubberline/lubberline/orchestrator/api/validation"
)

// namespaceVerbs are all verbs of a kind but the deletion of many at once.
type namespaceVerbs interface {
	rest.Storage
	rest.Scoper
	rest.SingularNameProvider
	rest.ShortNamesProvider
	rest.StorageVersionProvider
	rest.ResetFieldsStrategy
	rest.Getter
	rest.Lister
	rest.Watcher
	rest.CreaterUpdater
}

// namespaceREST deletes in two steps: first a namespace is marked, so that its
// content is deleted, and when nobody holds it any more it goes.
type namespaceREST struct {
	namespaceVerbs
	store *genericregistry.Store
}

var _ rest.GracefulDeleter = &namespaceREST{}

// Delete marks a namespace or, when it is empty, removes it.
func (r *namespaceREST) Delete(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, bool, error) {
	obj, err := r.store.Get(ctx, name, &metav1.GetOptions{})
	if err != nil {
		return nil, false, err
	}
	n := obj.(*corev1.Namespace)
	if options == nil {
		options = metav1.NewDeleteOptions(0)
	}
	if options.Preconditions == nil {
		options.Preconditions = &metav1.Preconditions{}
	}
	if err := checkNamespace(n, options.Preconditions); err != nil {
		return nil, false, err
	}
	options.Preconditions.UID = &n.UID
	if n.DeletionTimestamp.IsZero() {
		marked, err := r.mark(ctx, name, validate, options)
		return marked, false, err
	}
	if len(n.Spec.Finalizers) > 0 {
		return n, false, nil
	}
	return r.store.Delete(ctx, name, validate, options)
}

func checkNamespace(n *corev1.Namespace, p *metav1.Preconditions) error {
	var what string
	var want, have any
	switch {
	case p.UID != nil && *p.UID != n.UID:
		what, want, have = "UID", *p.UID, n.UID
	case p.ResourceVersion != nil && *p.ResourceVersion != n.ResourceVersion:
		what, want, have = "ResourceVersion", *p.ResourceVersion, n.ResourceVersion
	default:
		return nil
	}
	return apierrors.NewConflict(corev1.Resource("namespaces"), n.Name,
		fmt.Errorf("Precondition failed: %s in precondition: %v, %s in object meta: %v", what, want, what, have)) //nolint:staticcheck // Kubernetes' words
}

// mark sets the time of deletion, the phase and the finalizers that the client
// asks for.
func (r *namespaceREST) mark(ctx context.Context, name string, validate rest.ValidateObjectFunc, options *metav1.DeleteOptions) (runtime.Object, error) {
	key, err := r.store.KeyFunc(ctx, name)
	if err != nil {
		return nil, err
	}
	out := r.store.NewFunc()
	preconditions := storage.Preconditions{UID: options.Preconditions.UID, ResourceVersion: options.Preconditions.ResourceVersion}
	err = r.store.Storage.GuaranteedUpdate(ctx, key, out, false, &preconditions, storage.SimpleUpdate(
		func(existing runtime.Object) (runtime.Object, error) {
			n := existing.(*corev1.Namespace)
			if err := validate(ctx, n); err != nil {
				return nil, err
			}
			if n.DeletionTimestamp.IsZero() {
				now := metav1.Now()
				n.DeletionTimestamp = &now
			}
			n.Status.Phase = corev1.NamespaceTerminating
			setDependentsFinalizers(n, options)
			return n, nil
		}), dryrun.IsDryRun(options.DryRun), nil)
	if err != nil {
		err = storeerr.InterpretUpdateError(storeerr.InterpretGetError(err, corev1.Resource("namespaces"), name), corev1.Resource("namespaces"), name)
		if _, known := err.(apierrors.APIStatus); !known { //nolint:errorlint // as it is, wrapped ones get a status too
			err = apierrors.NewInternalError(err)
		}
		return nil, err
	}
	return out, nil
}

// setDependentsFinalizers adds or takes away what orphans dependents or waits
// for them. What the client does not say stays.
func setDependentsFinalizers(n *corev1.Namespace, options *metav1.DeleteOptions) {
	set := func(finalizer string, want bool) {
		n.Finalizers = slices.DeleteFunc(n.Finalizers, func(f string) bool { return f == finalizer })
		if want {
			n.Finalizers = append(n.Finalizers, finalizer)
		}
	}
	switch orphan, policy := options.OrphanDependents, options.PropagationPolicy; { //nolint:staticcheck // old clients send it
	case orphan != nil:
		set(metav1.FinalizerOrphanDependents, *orphan)
		set(metav1.FinalizerDeleteDependents, !*orphan)
	case policy != nil:
		set(metav1.FinalizerOrphanDependents, *policy == metav1.DeletePropagationOrphan)
		set(metav1.FinalizerDeleteDependents, *policy == metav1.DeletePropagationForeground)
	}
}

// finalizeREST takes finalizers off a namespace.
type finalizeREST struct {
	store *genericregistry.Store
	reset rest.ResetFieldsStrategy
}

func newFinalizeREST(s *genericregistry.Store, e *Environment) rest.Storage {
	strategy := Strategy[*corev1.Namespace]{
		PrepareForUpdate: func(_ context.Context, n, old *corev1.Namespace) { n.Status = old.Status },
		ValidateUpdate:   checkedUpdate(validation.ValidateNamespaceFinalizeUpdate),
		Canonicalize:     labelNamespace,
		ResetFields:      []string{"status"},
	}.erase(e.Scheme, corev1.SchemeGroupVersion, false)
	finalize := *s
	finalize.UpdateStrategy, finalize.ResetFieldsStrategy = strategy, strategy
	return &finalizeREST{store: &finalize, reset: strategy}
}

// New is an empty namespace.
func (r *finalizeREST) New() runtime.Object { return r.store.New() }

// Destroy does nothing: the kind's store is the one to close.
func (r *finalizeREST) Destroy() {}

// Update never creates. It removes a deleted namespace that nobody holds.
func (r *finalizeREST) Update(ctx context.Context, name string, info rest.UpdatedObjectInfo, _ rest.ValidateObjectFunc,
	validate rest.ValidateObjectUpdateFunc, _ bool, options *metav1.UpdateOptions,
) (runtime.Object, bool, error) {
	return r.store.Update(ctx, name, info, rest.ValidateAllObjectFunc, validate, false, options)
}

// GetResetFields are those that finalizing does not change.
func (r *finalizeREST) GetResetFields() map[fieldpath.APIVersion]*fieldpath.Set {
	return r.reset.GetResetFields()
}
