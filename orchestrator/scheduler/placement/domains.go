package placement

import (
	v1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

const hostname = v1.LabelHostname

// domain returns the domain that the node is in; of a local term always 0, for
// it is the only node in its own.
func (t *term) domain(n *snapshot.Node) int32 {
	value, has := n.Object.Labels[t.key]
	switch {
	case !has:
		return noDomain
	case t.local:
		return 0
	}
	d, known := t.domains[value]
	if !known {
		d = int32(len(t.counts))
		t.domains[value] = d
		t.counts = append(t.counts, 0)
		t.members = append(t.members, 0)
	}
	return d
}

// includes says whether the node's pods count for the term.
func (t *term) includes(of *snapshot.Template, n *snapshot.Node) bool {
	if t.honorAffinity && !filter.MatchesNode(of, n) {
		return false
	}
	return !t.honorTaints || !filter.Repelled(of.Tolerations, n.Object.Spec.Taints)
}

// join counts a node, which has no pods yet.
func (t *term) join(domain int32) {
	switch {
	case t.kind != hardSpread:
	case t.local:
		t.spread.change(0, 1)
	default:
		if t.members[domain]++; t.members[domain] == 1 {
			t.spread.change(t.counts[domain], 1)
		}
	}
}

// quit undoes join, after the node's pods have been moved out.
func (t *term) quit(domain int32) {
	switch {
	case t.kind != hardSpread:
	case t.local:
		t.spread.change(0, -1)
	default:
		if t.members[domain]--; t.members[domain] == 0 {
			t.spread.change(t.counts[domain], -1)
		}
	}
}

// move changes what one node adds to its domain.
func (t *term) move(domain, from, to int32) {
	t.sum += int64(to - from)
	if t.local {
		if t.kind == hardSpread && from != to {
			t.spread.change(from, -1)
			t.spread.change(to, 1)
		}
		return
	}
	before := t.counts[domain]
	t.counts[domain] += to - from
	if t.kind == hardSpread && from != to {
		t.spread.change(before, -1)
		t.spread.change(t.counts[domain], 1)
	}
}
