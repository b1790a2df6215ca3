package garbagecollector

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/ptr"
)

func (c *Controller) client(n *node) metadata.ResourceInterface {
	return c.metadata.Resource(n.kind.Resource).Namespace(n.namespace)
}

// delete deletes the object unless it has changed since it was read, since its
// owners may have.
func (c *Controller) delete(ctx context.Context, n *node, live *metav1.PartialObjectMetadata, policy metav1.DeletionPropagation) error {
	err := c.client(n).Delete(ctx, n.name, metav1.DeleteOptions{
		Preconditions:     &metav1.Preconditions{UID: &n.uid, ResourceVersion: &live.ResourceVersion},
		PropagationPolicy: &policy,
	})
	if apierrors.IsNotFound(err) {
		return nil
	}
	c.log.Debug("deleted with its owners", "kind", n.kind.Kind, "namespace", n.namespace, "name", n.name, "policy", policy, "error", err)
	return err
}

// orphanDependents lets the dependents of an object go, and then the object.
func (c *Controller) orphanDependents(ctx context.Context, n *node) error {
	dependents := c.graph.dependentsOf(n.uid)
	var mu sync.Mutex
	var errs []error
	workqueue.ParallelizeUntil(ctx, c.parallel, len(dependents), func(i int) {
		d := dependents[i]
		if err := c.removeRefs(ctx, d, []types.UID{n.uid}); err != nil && !apierrors.IsNotFound(err) {
			mu.Lock()
			defer mu.Unlock()
			errs = append(errs, fmt.Errorf("orphan %s %s/%s: %w", d.kind.Kind, d.namespace, d.name, err))
		}
	})
	if err := errors.Join(append(errs, ctx.Err())...); err != nil {
		return err
	}
	return c.removeFinalizer(ctx, n, metav1.FinalizerOrphanDependents)
}

// patch is the part of an object that is changed. The UID makes it fail on
// another object of the same name.
type patch struct {
	Metadata patchMetadata `json:"metadata"`
}

type patchMetadata struct {
	UID             types.UID `json:"uid,omitempty"`
	ResourceVersion string    `json:"resourceVersion,omitempty"`
	OwnerReferences []any     `json:"ownerReferences,omitempty"`
	// Finalizers replace those of the object; nil leaves them as they are.
	Finalizers *[]string `json:"finalizers,omitempty"`
}

func (c *Controller) apply(ctx context.Context, n *node, t types.PatchType, m patchMetadata) (*metav1.PartialObjectMetadata, error) {
	body, err := json.Marshal(patch{m})
	if err != nil {
		return nil, err
	}
	return c.client(n).Patch(ctx, n.name, t, body, metav1.PatchOptions{})
}

// removeRefs takes the references to these owners from an object. Those that it
// does not have are no error.
func (c *Controller) removeRefs(ctx context.Context, n *node, uids []types.UID) error {
	if len(uids) == 0 {
		return nil
	}
	m := patchMetadata{UID: n.uid}
	for _, uid := range uids {
		m.OwnerReferences = append(m.OwnerReferences, map[string]any{"$patch": "delete", "uid": uid})
	}
	_, err := c.apply(ctx, n, types.StrategicMergePatchType, m)
	return err
}

// unblock keeps an object's references but lets its owners go before it.
func (c *Controller) unblock(ctx context.Context, n *node) error {
	m := patchMetadata{UID: n.uid}
	for _, ref := range n.owners {
		if isBlocking(ref) {
			ref.BlockOwnerDeletion = ptr.To(false)
			m.OwnerReferences = append(m.OwnerReferences, ref)
		}
	}
	if len(m.OwnerReferences) == 0 {
		return nil
	}
	_, err := c.apply(ctx, n, types.StrategicMergePatchType, m)
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// removeFinalizer is the last thing done for an object; with it the API server
// removes it, unless others hold it.
func (c *Controller) removeFinalizer(ctx context.Context, n *node, finalizer string) error {
	live, err := c.client(n).Get(ctx, n.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && (live.UID != n.uid || !slices.Contains(live.Finalizers, finalizer)) {
		return nil
	}
	if err != nil {
		return err
	}
	rest := slices.DeleteFunc(live.Finalizers, func(f string) bool { return f == finalizer })
	_, err = c.apply(ctx, n, types.MergePatchType, patchMetadata{ResourceVersion: live.ResourceVersion, Finalizers: &rest})
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
