// Package ownership settles which objects belong to a controller: what matches
// its selector and has no controller is adopted, what matches no longer is
// released, and what belongs to another is left alone.
package ownership

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Claimer is a controller that settles its dependents.
type Claimer struct {
	Owner    metav1.Object
	Kind     schema.GroupVersionKind
	Selector labels.Selector
	// Fresh reads the owner from the API, past the cache. It is called at most
	// once, before the first adoption: an owner that is being deleted must not
	// adopt what its deletion has just orphaned.
	Fresh func(ctx context.Context) (metav1.Object, error)
	// Patch sends a strategic merge patch to a dependent.
	Patch func(ctx context.Context, name string, patch []byte) error
}

// Reference is the reference to a controller that its dependents carry.
func Reference(owner metav1.Object, kind schema.GroupVersionKind) metav1.OwnerReference {
	return *metav1.NewControllerRef(owner, kind)
}

// Claim returns the objects that the claimer owns, after adoptions and releases.
// With an error, some of those are missing.
func Claim[T metav1.Object](ctx context.Context, c Claimer, objects []T) ([]T, error) {
	var owned []T
	var errs []error
	check := c.checker()
	for _, o := range objects {
		mine, err := c.claim(ctx, o, check)
		if err != nil {
			errs = append(errs, err)
		}
		if mine {
			owned = append(owned, o)
		}
	}
	return owned, errors.Join(errs...)
}

func (c *Claimer) claim(ctx context.Context, o metav1.Object, check func(context.Context) error) (bool, error) {
	controller := metav1.GetControllerOfNoCopy(o)
	matches := c.Selector.Matches(labels.Set(o.GetLabels()))
	deleting := c.Owner.GetDeletionTimestamp() != nil
	switch {
	case controller != nil && controller.UID != c.Owner.GetUID():
		return false, nil
	case controller != nil && matches:
		return true, nil
	case deleting:
		return false, nil
	case controller != nil:
		return false, c.release(ctx, o)
	case matches && o.GetDeletionTimestamp() == nil && o.GetNamespace() == c.Owner.GetNamespace():
		return c.adopt(ctx, o, check)
	}
	return false, nil
}

func (c *Claimer) adopt(ctx context.Context, o metav1.Object, check func(context.Context) error) (bool, error) {
	if err := check(ctx); err != nil {
		return false, fmt.Errorf("can't adopt %s/%s: %w", o.GetNamespace(), o.GetName(), err)
	}
	patch := metadataPatch(o, Reference(c.Owner, c.Kind))
	if err := c.Patch(ctx, o.GetName(), patch); err != nil {
		return false, ignoreNotFound(err)
	}
	return true, nil
}

// release ignores that the object is gone, or is another of the same name.
func (c *Claimer) release(ctx context.Context, o metav1.Object) error {
	patch := metadataPatch(o, map[string]any{"$patch": "delete", "uid": c.Owner.GetUID()})
	err := c.Patch(ctx, o.GetName(), patch)
	if apierrors.IsInvalid(err) {
		return nil
	}
	return ignoreNotFound(err)
}

// metadataPatch applies only to the state that was seen: its labels may have
// changed since, and with them whose it is.
func metadataPatch(o metav1.Object, reference any) []byte {
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid": o.GetUID(), "resourceVersion": o.GetResourceVersion(), "ownerReferences": []any{reference},
	}})
	if err != nil { // plain strings
		panic(err)
	}
	return patch
}

// checker asks Fresh once and keeps the answer.
func (c *Claimer) checker() func(context.Context) error {
	asked := false
	var answer error
	return func(ctx context.Context) error {
		if !asked {
			asked, answer = true, c.mayAdopt(ctx)
		}
		return answer
	}
}

func (c *Claimer) mayAdopt(ctx context.Context) error {
	fresh, err := c.Fresh(ctx)
	switch {
	case err != nil:
		return err
	case fresh.GetUID() != c.Owner.GetUID():
		return fmt.Errorf("original %s %s/%s is gone: got uid %s, wanted %s",
			c.Kind.Kind, c.Owner.GetNamespace(), c.Owner.GetName(), fresh.GetUID(), c.Owner.GetUID())
	case fresh.GetDeletionTimestamp() != nil:
		return fmt.Errorf("%s/%s has just been deleted at %s", fresh.GetNamespace(), fresh.GetName(), fresh.GetDeletionTimestamp())
	}
	return nil
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
