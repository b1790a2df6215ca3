package daemonset

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// pair is the pods of a node, of the old and of the new template; excess when
// there are several of one.
type pair struct {
	node         string
	old, updated *corev1.Pod
	excess       bool
}

// pairs has every node that has a pod or should have one.
func (s *state) pairs() []pair {
	names := map[string]bool{}
	for name := range s.pods {
		names[name] = true
	}
	for name, runs := range s.runs {
		if runs {
			names[name] = true
		}
	}
	var all []pair
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, s.pairOn(name))
	}
	return all
}

func (s *state) pairOn(node string) pair {
	p := pair{node: node}
	for _, pod := range notDeleting(s.pods[node]) {
		slot := &p.old
		if s.isUpdated(pod) {
			slot = &p.updated
		}
		p.excess = p.excess || *slot != nil
		*slot = pod
	}
	return p
}

// update replaces pods of an old template, as many as may be replaced now.
func (s *state) update() plan {
	surge, unavailable := s.bounds(s.wanted())
	if surge > 0 {
		return s.updateWithSurge(surge)
	}
	return s.updateInPlace(unavailable)
}

// updateInPlace deletes old pods; manage makes the new ones when they are gone.
func (s *state) updateInPlace(maxUnavailable int) plan {
	var down int
	var broken, candidates []*corev1.Pod
	for _, p := range s.pairs() {
		switch {
		case p.excess, p.old == nil && !s.isAvailable(p.updated), p.old != nil && p.updated != nil:
			down++
		case p.old == nil:
		case !s.isAvailable(p.old):
			down++
			broken = append(broken, p.old)
		default:
			candidates = append(candidates, p.old)
		}
	}
	room := min(max(maxUnavailable-down, 0), len(candidates))
	return plan{remove: append(broken, candidates[:room]...)}
}

// updateWithSurge makes new pods beside the old ones, and deletes an old one
// when the new one is available.
func (s *state) updateWithSurge(maxSurge int) plan {
	var p plan
	var candidates []string
	var misplaced []*corev1.Pod
	var second, available int
	for _, pods := range s.pairs() {
		if !pods.excess && (s.isAvailable(pods.old) || pods.old == nil && s.isAvailable(pods.updated)) {
			available++
		}
		switch {
		case pods.excess, pods.old != nil && pods.updated != nil && !s.isAvailable(pods.updated):
			second++
		case pods.old == nil:
		case pods.updated != nil:
			p.remove = append(p.remove, pods.old)
		case !s.runs[pods.node] && !s.isAvailable(pods.old):
			p.remove = append(p.remove, pods.old)
		case !s.runs[pods.node]:
			misplaced = append(misplaced, pods.old)
		case !s.isAvailable(pods.old):
			p.create = append(p.create, pods.node)
		default:
			candidates = append(candidates, pods.node)
		}
	}
	p.remove = append(p.remove, misplaced[:min(max(available-s.wanted(), 0), len(misplaced))]...)
	p.create = append(p.create, candidates[:min(max(maxSurge-second, 0), len(candidates))]...)
	return p
}
