package filter

import (
	"maps"
	"slices"

	v1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// Bits of what a node has too little of; from firstExtended on there is one
// for each extended resource of the pod, in order of their names.
const (
	tooManyPods = iota
	noCPU
	noMemory
	noEphemeral
	firstExtended
)

// Load is what is taken of a node, as it is or as it would be.
type Load struct {
	Pods      int
	Requested snapshot.Resource
	Ports     snapshot.Ports
	shared    bool // the maps are the node's
}

// LoadOf returns the load of the node as it is.
func LoadOf(n *snapshot.Node) Load {
	return Load{Pods: len(n.Pods), Requested: n.Requested, Ports: n.Ports, shared: true}
}

// Add counts one pod more.
func (l *Load) Add(t *snapshot.Template) { l.change(t, 1) }

// Remove counts one pod less.
func (l *Load) Remove(t *snapshot.Template) { l.change(t, -1) }

func (l *Load) change(t *snapshot.Template, sign int) {
	if l.shared && (len(t.Ports) > 0 || len(t.Requests.Extended) > 0) {
		l.shared = false
		l.Requested = l.Requested.Clone()
		l.Ports = maps.Clone(l.Ports)
	}
	l.Pods += sign
	l.Requested.Add(&t.Requests, int64(sign))
	for _, p := range t.Ports {
		l.Ports[p] += sign
	}
}

// Check says whether one more pod of t fits on the node beside the load.
func (l *Load) Check(t *snapshot.Template, n *snapshot.Node) Verdict {
	if l.Ports.Taken(t.Ports) {
		return Verdict{Rule: Ports}
	}
	bits, final := l.insufficient(t, n)
	if bits == 0 {
		return Verdict{}
	}
	return Verdict{Rule: Resources, Final: final, Reasons: bits}
}

// insufficient returns what the node has too little of, and whether it would
// have so even when empty.
func (l *Load) insufficient(t *snapshot.Template, n *snapshot.Node) (bits uint64, final bool) {
	if l.Pods+1 > n.AllowedPods {
		bits |= 1 << tooManyPods
	}
	check := func(bit int, want, used, capacity int64) {
		if want > 0 && want > capacity-used {
			bits |= 1 << bit
			final = final || want > capacity
		}
	}
	want, used, capacity := &t.Requests, &l.Requested, &n.Allocatable
	check(noCPU, want.MilliCPU, used.MilliCPU, capacity.MilliCPU)
	check(noMemory, want.Memory, used.Memory, capacity.Memory)
	check(noEphemeral, want.Ephemeral, used.Ephemeral, capacity.Ephemeral)
	if len(want.Extended) > 0 {
		for i, name := range extendedNames(t) {
			check(firstExtended+i, want.Extended[name], used.Extended[name], capacity.Extended[name])
		}
	}
	return bits, final
}

// extendedNames is as many as there are bits for.
func extendedNames(t *snapshot.Template) []v1.ResourceName {
	names := slices.Sorted(maps.Keys(t.Requests.Extended))
	return names[:min(len(names), 64-firstExtended)]
}

func eachInsufficient(bits uint64, t *snapshot.Template, f func(string)) {
	texts := []string{
		tooManyPods: "Too many pods", noCPU: "Insufficient cpu", noMemory: "Insufficient memory", noEphemeral: "Insufficient ephemeral-storage",
	}
	for _, name := range extendedNames(t) {
		texts = append(texts, "Insufficient "+string(name))
	}
	for i, text := range texts {
		if bits&(1<<i) != 0 {
			f(text)
		}
	}
}
