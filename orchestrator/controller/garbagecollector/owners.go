package garbagecollector

import (
	"context"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
)

// errNamespacedOwner: an object without a namespace cannot have an owner in
// one, so such an owner can be neither found nor ruled out.
var errNamespacedOwner = errors.New("cluster-scoped objects cannot refer to namespaced owners")

// identity is an object as a reference gives it. Nothing comes into being under
// an identity that once was found not to exist.
type identity struct {
	apiVersion, kind, namespace, name string
	uid                               types.UID
}

func (n *node) identity() identity {
	return identity{n.kind.APIVersion(), n.kind.Kind, n.namespace, n.name, n.uid}
}

// standing is what an owner does for its dependent.
type standing int

const (
	solid    standing = iota // it is there, and the dependent stays with it
	dangling                 // it does not exist
	waiting                  // it waits for the dependent to go before it
)

// owners are an object's owners by standing.
type owners struct {
	by map[standing][]types.UID
	// unseen: one exists that the watch has not told of.
	unseen bool
}

// checkOwners deletes an object that has no owner left that stays, or takes
// from it the references that no longer hold. The graph may lag behind, so the
// object itself is read first, and the change is refused if it has moved on.
func (c *Controller) checkOwners(ctx context.Context, n *node) error {
	live, err := c.client(n).Get(ctx, n.name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && (live.UID != n.uid || live.DeletionTimestamp != nil) {
		return nil // the watch will tell
	}
	if err != nil {
		return err
	}
	found, err := c.classify(ctx, n, live.OwnerReferences)
	if errors.Is(err, errNamespacedOwner) {
		c.log.Warn("owner of an object without a namespace is in one", "kind", n.kind.Kind, "name", n.name)
		return nil
	}
	if err != nil {
		return err
	}
	switch {
	case len(live.OwnerReferences) == 0:
		return nil
	case len(found.by[solid]) > 0:
		if found.unseen {
			c.loop.AddAfter(string(n.uid), unseenAgain)
		}
		return c.removeRefs(ctx, n, slices.Concat(found.by[dangling], found.by[waiting]))
	case len(found.by[waiting]) > 0:
		return c.deleteWithOwner(ctx, n, live)
	}
	return c.delete(ctx, n, live, ownPolicy(live))
}

func (c *Controller) classify(ctx context.Context, n *node, refs []metav1.OwnerReference) (owners, error) {
	found := owners{by: map[standing][]types.UID{}}
	for _, ref := range refs {
		s, seen, err := c.standing(ctx, n, ref)
		if err != nil {
			return found, err
		}
		found.by[s] = append(found.by[s], ref.UID)
		found.unseen = found.unseen || !seen
	}
	return found, nil
}

// standing trusts the graph that an owner is there, but asks before it believes
// that one is not.
func (c *Controller) standing(ctx context.Context, n *node, ref metav1.OwnerReference) (s standing, seen bool, err error) {
	owner := c.graph.get(ref.UID)
	switch {
	case owner != nil && owner.is(ref, n.namespace) && owner.foreground:
		return waiting, true, nil
	case owner != nil && owner.is(ref, n.namespace):
		return solid, true, nil
	case owner != nil && owner.namespace != "" && owner.namespace != n.namespace:
		c.warnNamespace(n, ref)
	}
	live, err := c.lookUp(ctx, n, ref)
	switch {
	case err != nil:
		return dangling, true, err
	case live == nil:
		return dangling, true, nil
	case live.DeletionTimestamp != nil && slices.Contains(live.Finalizers, metav1.FinalizerDeleteDependents):
		return waiting, false, nil
	}
	return solid, false, nil
}

// lookUp asks the API for an owner; nil without an error when it does not
// exist.
func (c *Controller) lookUp(ctx context.Context, n *node, ref metav1.OwnerReference) (*metav1.PartialObjectMetadata, error) {
	kind, known := c.objects.Lookup(schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind))
	if !known {
		return nil, fmt.Errorf("unable to get REST mapping for %s/%s", ref.APIVersion, ref.Kind)
	}
	id := identity{ref.APIVersion, ref.Kind, "", ref.Name, ref.UID}
	if kind.Namespaced {
		if n.namespace == "" {
			return nil, errNamespacedOwner
		}
		id.namespace = n.namespace
	}
	if _, absent := c.absent.Get(id); absent {
		return nil, nil
	}
	live, err := c.metadata.Resource(kind.Resource).Namespace(id.namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) || err == nil && live.UID != ref.UID {
		c.absent.Add(id, struct{}{})
		return nil, nil
	}
	return live, err
}

// deleteWithOwner deletes an object for which an owner waits. If it has
// dependents of its own, it waits for them in turn; unless one of them already
// waits too, for then they may wait for each other in a circle, which is
// opened by blocking its owners no more.
func (c *Controller) deleteWithOwner(ctx context.Context, n *node, live *metav1.PartialObjectMetadata) error {
	dependents := c.graph.dependentsOf(n.uid)
	if len(dependents) == 0 {
		return c.delete(ctx, n, live, ownPolicy(live))
	}
	if slices.ContainsFunc(dependents, func(d *node) bool { return d.foreground }) {
		unblocked, err := c.unblock(ctx, n, live)
		if err != nil {
			return err
		}
		live = unblocked
	}
	return c.delete(ctx, n, live, metav1.DeletePropagationForeground)
}

// ownPolicy honours what the object's finalizers already say.
func ownPolicy(o *metav1.PartialObjectMetadata) metav1.DeletionPropagation {
	switch {
	case slices.Contains(o.Finalizers, metav1.FinalizerOrphanDependents):
		return metav1.DeletePropagationOrphan
	case slices.Contains(o.Finalizers, metav1.FinalizerDeleteDependents):
		return metav1.DeletePropagationForeground
	}
	return metav1.DeletePropagationBackground
}
