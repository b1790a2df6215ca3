// Package reviews answers the questions of authentication.k8s.io and
// authorization.k8s.io: who a token is, what a user may do. Nothing is stored.
package reviews

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apiserver/pkg/registry/rest"
)

// review is a kind that is only created: the answer is the object with its
// status.
type review[T runtime.Object] struct {
	singular   string
	namespaced bool
	empty      func() T
	// answer fills in the status.
	answer func(ctx context.Context, obj T) error
}

// New is an empty review.
func (r review[T]) New() runtime.Object { return r.empty() }

// Destroy does nothing.
func (r review[T]) Destroy() {}

// NamespaceScoped says whether it is about one namespace by its path.
func (r review[T]) NamespaceScoped() bool { return r.namespaced }

// GetSingularName is the kind in lower case.
func (r review[T]) GetSingularName() string { return r.singular }

// Create answers the question.
func (r review[T]) Create(ctx context.Context, obj runtime.Object, validate rest.ValidateObjectFunc, _ *metav1.CreateOptions) (runtime.Object, error) {
	typed, ok := obj.(T)
	if !ok {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("not a %s: %T", r.singular, obj))
	}
	if validate != nil {
		if err := validate(ctx, obj.DeepCopyObject()); err != nil {
			return nil, err
		}
	}
	if err := r.answer(ctx, typed); err != nil {
		return nil, err
	}
	return typed, nil
}
