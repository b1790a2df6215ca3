package garbagecollector

import (
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/controller/objectwatch"
)

// node is one object as last seen. It is never changed, only replaced.
type node struct {
	kind            *objectwatch.Kind
	namespace, name string
	uid             types.UID
	owners          []metav1.OwnerReference
	// deleting: the object is on its way out, and no longer ours to delete.
	deleting bool
	// foreground: it waits for its dependents to be deleted before it.
	foreground bool
	// orphaning: it waits for its dependents to be let go.
	orphaning bool
}

func newNode(k *objectwatch.Kind, o metav1.Object) *node {
	deleting := o.GetDeletionTimestamp() != nil
	return &node{
		kind: k, namespace: o.GetNamespace(), name: o.GetName(), uid: o.GetUID(), owners: o.GetOwnerReferences(),
		deleting:   deleting,
		foreground: deleting && slices.Contains(o.GetFinalizers(), metav1.FinalizerDeleteDependents),
		orphaning:  deleting && slices.Contains(o.GetFinalizers(), metav1.FinalizerOrphanDependents),
	}
}

// is reports whether a reference of a dependent means this object: the name
// must be right as well as the UID, and a namespaced owner is one only for its
// own namespace.
func (n *node) is(ref metav1.OwnerReference, namespace string) bool {
	return n.kind.APIVersion() == ref.APIVersion && n.kind.Kind == ref.Kind && n.name == ref.Name &&
		(n.namespace == "" || n.namespace == namespace)
}

func (n *node) refTo(owner types.UID) (metav1.OwnerReference, bool) {
	i := slices.IndexFunc(n.owners, func(r metav1.OwnerReference) bool { return r.UID == owner })
	if i < 0 {
		return metav1.OwnerReference{}, false
	}
	return n.owners[i], true
}

// blocks reports whether the owner must outlive this object in a deletion in
// the foreground.
func (n *node) blocks(owner types.UID) bool {
	ref, ok := n.refTo(owner)
	return ok && isBlocking(ref)
}

func isBlocking(r metav1.OwnerReference) bool {
	return r.BlockOwnerDeletion != nil && *r.BlockOwnerDeletion
}

// graph is all objects and who owns whom. An owner that has dependents but no
// node has not been seen: it may not exist.
type graph struct {
	mu         sync.RWMutex
	nodes      map[types.UID]*node
	dependents map[types.UID]map[types.UID]struct{}
}

func newGraph() *graph {
	return &graph{nodes: map[types.UID]*node{}, dependents: map[types.UID]map[types.UID]struct{}{}}
}

func (g *graph) get(uid types.UID) *node {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.nodes[uid]
}

func (g *graph) dependentsOf(uid types.UID) []*node {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.dependentsLocked(uid)
}

func (g *graph) dependentsLocked(uid types.UID) []*node {
	var all []*node
	for d := range g.dependents[uid] {
		all = append(all, g.nodes[d])
	}
	slices.SortFunc(all, func(a, b *node) int { return strings.Compare(string(a.uid), string(b.uid)) })
	return all
}

// put stores an object's new state and returns those that must be looked at.
func (g *graph) put(n *node) []types.UID {
	g.mu.Lock()
	defer g.mu.Unlock()
	var work []types.UID
	old := g.nodes[n.uid]
	if old == nil {
		old = &node{uid: n.uid}
		work = g.strangers(n)
	}
	g.nodes[n.uid] = n
	work = append(work, g.relink(old, n)...)
	if n.orphaning && !old.orphaning {
		work = append(work, n.uid)
	}
	if n.foreground && !old.foreground {
		work = append(work, n.uid)
		for d := range g.dependents[n.uid] {
			work = append(work, d)
		}
	}
	return work
}

// strangers are the dependents that mean another object by this UID.
func (g *graph) strangers(owner *node) []types.UID {
	var work []types.UID
	for _, d := range g.dependentsLocked(owner.uid) {
		if ref, ok := d.refTo(owner.uid); ok && !owner.is(ref, d.namespace) {
			work = append(work, d.uid)
		}
	}
	return work
}

// relink moves an object to its new owners. It must be looked at when an owner
// is unknown, is another object than meant, or wants it deleted; and owners
// that it no longer blocks must be.
func (g *graph) relink(old, n *node) []types.UID {
	if slices.EqualFunc(old.owners, n.owners, sameRef) {
		return nil
	}
	var work []types.UID
	for _, ref := range old.owners {
		if !n.blocks(ref.UID) && isBlocking(ref) {
			work = append(work, ref.UID)
		}
		if _, still := n.refTo(ref.UID); !still {
			g.unlink(n.uid, ref.UID)
		}
	}
	for _, ref := range n.owners {
		if g.dependents[ref.UID] == nil {
			g.dependents[ref.UID] = map[types.UID]struct{}{}
		}
		g.dependents[ref.UID][n.uid] = struct{}{}
		owner := g.nodes[ref.UID]
		if owner == nil || owner.foreground || !owner.is(ref, n.namespace) {
			work = append(work, n.uid)
		}
	}
	return work
}

func (g *graph) unlink(dependent, owner types.UID) {
	delete(g.dependents[owner], dependent)
	if len(g.dependents[owner]) == 0 {
		delete(g.dependents, owner)
	}
}

// remove forgets an object that is gone. Its dependents must be looked at, and
// owners that have waited for it.
func (g *graph) remove(uid types.UID) (removed *node, work []types.UID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	n := g.nodes[uid]
	if n == nil {
		return nil, nil
	}
	delete(g.nodes, uid)
	for _, ref := range n.owners {
		g.unlink(uid, ref.UID)
		if owner := g.nodes[ref.UID]; owner != nil && owner.foreground {
			work = append(work, owner.uid)
		}
	}
	for d := range g.dependents[uid] {
		work = append(work, d)
	}
	return n, work
}

func sameRef(a, b metav1.OwnerReference) bool {
	return a.UID == b.UID && a.Name == b.Name && a.Kind == b.Kind && a.APIVersion == b.APIVersion && isBlocking(a) == isBlocking(b)
}

// inCircle reports whether an object waits for itself, by way of dependents
// that wait too.
func (g *graph) inCircle(uid types.UID) bool {
	g.mu.RLock()
	defer g.mu.RUnlock()
	seen := map[types.UID]bool{}
	next := []types.UID{uid}
	for len(next) > 0 {
		owner := next[len(next)-1]
		next = next[:len(next)-1]
		for d := range g.dependents[owner] {
			n := g.nodes[d]
			if !n.foreground || !n.blocks(owner) || seen[d] {
				continue
			}
			if d == uid {
				return true
			}
			seen[d] = true
			next = append(next, d)
		}
	}
	return false
}
