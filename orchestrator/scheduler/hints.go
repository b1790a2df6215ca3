package scheduler

import (
	"time"

	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// happening says whether something that happened could make pods of a template
// fit that failed by these rules.
type happening func(t *snapshot.Template, rules filter.Rules) bool

// wake retries the pods that the happening could help.
func (s *Scheduler) wake(now time.Time, helps happening) {
	for t, c := range s.queue.waiting {
		if !helps(t, c.rules) {
			continue
		}
		for _, it := range c.items {
			s.queue.retry(it, now)
		}
	}
}

// wakeNominated retries the pods that wait for room on the node: it may be
// there, or it may never be. The node may be nil.
func (s *Scheduler) wakeNominated(now time.Time, n *snapshot.Node) {
	if n == nil {
		return
	}
	for _, p := range n.Nominated {
		if it := s.queue.items[p.Object.UID]; it != nil && it.place == waiting {
			s.queue.retry(it, now)
		}
	}
}

// nodeCame: a node that is new, or changed.
func nodeCame(n *snapshot.Node, change snapshot.Change) happening {
	return func(t *snapshot.Template, rules filter.Rules) bool {
		if change&(snapshot.NodeAdded|snapshot.NodeLabels|snapshot.NodeTaints) != 0 && rules.Has(filter.Spread) {
			return true // another domain, or one less that counts
		}
		if rules.Has(filter.None) {
			return true // there were no nodes
		}
		// Which rules failed says nothing of a node that was not there, or
		// failed by what has changed: it counts whether it would do now.
		const shape = snapshot.NodeAdded | snapshot.NodeLabels | snapshot.NodeTaints | snapshot.NodeAllocatable
		var empty filter.Load
		return change&shape != 0 && filter.Static(t, n).OK() && empty.Check(t, n).OK()
	}
}

// nodeWent: its pods count no more.
func nodeWent() happening {
	return func(_ *snapshot.Template, rules filter.Rules) bool {
		return rules.Has(filter.Spread, filter.PodAffinity)
	}
}

// podWent: a pod of that template left the node, which is nil when it is not
// known.
func (s *Scheduler) podWent(of *snapshot.Template, n *snapshot.Node) happening {
	return func(t *snapshot.Template, rules filter.Rules) bool {
		if rules.Has(filter.Resources, filter.Ports) && n != nil && n.Object != nil && filter.Static(t, n).OK() {
			return true
		}
		return rules.Has(filter.Spread, filter.PodAffinity) && s.related(t, of)
	}
}

// podCame: a pod of that template is on a node.
func (s *Scheduler) podCame(of *snapshot.Template) happening {
	return func(t *snapshot.Template, rules filter.Rules) bool {
		return rules.Has(filter.Spread, filter.PodAffinity) && s.related(t, of)
	}
}

// volumesChanged: a claim or a volume.
func volumesChanged() happening {
	return func(_ *snapshot.Template, rules filter.Rules) bool { return rules.Has(filter.Volumes) }
}

// namespaceChanged: which pods are selected by the labels of their namespaces.
func namespaceChanged() happening {
	return func(_ *snapshot.Template, rules filter.Rules) bool { return rules.Has(filter.PodAffinity) }
}

// related says whether pods of the one template bear on where those of the
// other may be.
func (s *Scheduler) related(t, of *snapshot.Template) bool {
	snap := s.state.Snapshot()
	for i := range t.Affinity {
		if snap.Selects(&t.Affinity[i], of) {
			return true
		}
	}
	for i := range t.AntiAffinity {
		if snap.Selects(&t.AntiAffinity[i], of) {
			return true
		}
	}
	for i := range of.AntiAffinity {
		if snap.Selects(&of.AntiAffinity[i], t) {
			return true
		}
	}
	for i := range t.Spread {
		if c := &t.Spread[i]; c.Hard && t.Namespace == of.Namespace && c.Selector.Matches(of.Labels) {
			return true
		}
	}
	return false
}
