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
	case len(found.by[waiting]) > 0 && len(c.graph.dependentsOf(n.uid)) > 0:
		// what an owner waits for waits for its own dependents in turn
		return c.delete(ctx, n, live, metav1.DeletePropagationForeground)
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

// standing trusts the graph that an owner stays, since the dependent is looked
// at again when that changes, but asks before it believes anything else.
func (c *Controller) standing(ctx context.Context, n *node, ref metav1.OwnerReference) (s standing, seen bool, err error) {
	owner := c.graph.get(ref.UID)
	seen = owner != nil && owner.is(ref, n.namespace)
	if seen && !owner.foreground {
		return solid, true, nil
	}
	if owner != nil && owner.namespace != "" && owner.namespace != n.namespace {
		c.warnNamespace(n, ref)
	}
	live, err := c.lookUp(ctx, n, ref)
	switch {
	case err != nil || live == nil:
		return dangling, true, err
	case live.DeletionTimestamp != nil && slices.Contains(live.Finalizers, metav1.FinalizerDeleteDependents):
		return waiting, seen, nil
	}
	return solid, seen, nil
}

// lookUp asks the API for an owner; nil without an error when it does not
// exist.
func (c *Controller) lookUp(ctx context.Context, n *node, ref metav1.OwnerReference) (*metav1.PartialObjectMetadata, error) {
	kind, known := c.kinds.Lookup(schema.FromAPIVersionAndKind(ref.APIVersion, ref.Kind))
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
