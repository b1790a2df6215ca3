package placement

import (
	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// Trial asks whether a pod would fit on a node if some of the node's pods were
// gone.
type Trial struct {
	ledger *Ledger
	entry  *entry
	load   filter.Load
	gone   []int32 // by term
}

// Try begins with all pods in place, and those counted that are nominated to
// the node with the same priority or a higher one.
func (l *Ledger) Try(n *snapshot.Node) *Trial {
	l.Refresh()
	t := &Trial{ledger: l, entry: l.entries[n.Slot], load: filter.LoadOf(n), gone: make([]int32, len(l.terms))}
	for _, p := range n.Nominated {
		if p.Template.Priority >= l.Template.Priority {
			t.load.Add(p.Template)
		}
	}
	return t
}

// Remove takes a pod away.
func (t *Trial) Remove(p *snapshot.Pod) {
	t.load.Remove(p.Template)
	t.count(p, 1)
}

// Restore puts it back.
func (t *Trial) Restore(p *snapshot.Pod) {
	t.load.Add(p.Template)
	t.count(p, -1)
}

func (t *Trial) count(p *snapshot.Pod, delta int32) {
	for i := range t.ledger.terms {
		if !t.entry.outside[i] && t.ledger.terms[i].counter.Counts(p) {
			t.gone[i] += delta
		}
	}
}

// Check says whether the pod would fit.
func (t *Trial) Check() filter.Verdict {
	l, e := t.ledger, t.entry
	if !e.static.OK() {
		return e.static
	}
	if v := t.load.Check(l.Template, e.node); !v.OK() {
		return v
	}
	if !e.volumes.OK() {
		return e.volumes
	}
	first := t.first()
	for i := range l.terms {
		term := &l.terms[i]
		if !term.hard() {
			break
		}
		if e.domains[i] == noDomain {
			if v := term.missing(); !v.OK() {
				return v
			}
			continue
		}
		count, lowest := t.domain(i), int32(0)
		if term.kind == hardSpread {
			lowest = t.lowest(i, count)
		}
		if v := term.check(count, lowest, first); !v.OK() {
			return v
		}
	}
	return filter.Verdict{}
}

// domain is what the node's domain would count.
func (t *Trial) domain(i int) int32 {
	term := &t.ledger.terms[i]
	switch {
	case t.entry.outside[i] && term.local:
		return 0
	case term.local:
		return t.entry.counts[i] - t.gone[i]
	}
	return term.counts[t.entry.domains[i]] - t.gone[i]
}

// lowest is what the emptiest domain would count: the node's own may become
// it.
func (t *Trial) lowest(i int, count int32) int32 {
	term := &t.ledger.terms[i]
	if t.entry.outside[i] || int32(term.spread.total) < term.minDomains {
		return term.lowest()
	}
	return min(term.lowest(), count)
}

func (t *Trial) first() bool {
	for i := range t.ledger.terms {
		if term := &t.ledger.terms[i]; term.kind == required && (term.sum > int64(t.gone[i]) || term.self == 0) {
			return false
		}
	}
	return true
}
