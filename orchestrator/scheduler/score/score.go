// Package score says how good a node is for a pod that may be placed on it.
// All scores are absolute, not relative to the other nodes, so that one node's
// change leaves those of the others as they are.
package score

import (
	"math"

	v1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// Scores are in thousandths of a point; a rule that is fully met gives 100
// points times its weight.
const (
	point = 1000
	full  = 100 * point
)

// The rules' weights, in Kubernetes' proportions.
const (
	weightTaints    = 3
	weightNodes     = 2
	weightPods      = 2
	weightSpread    = 2
	furtherTaints   = 10 // each taint after the first weighs this much less
	minImage        = 23 << 20
	maxPerContainer = 1000 << 20
)

// Static scores what only changes with the node's Shape: preferences of nodes,
// taints to be avoided, images that are there.
func Static(s *snapshot.Snapshot, t *snapshot.Template, n *snapshot.Node) int64 {
	return weightTaints*taints(t, n) + weightNodes*nodePreference(t, n) + images(s, t, n)
}

// Occupancy scores how much room there is and how evenly it is used.
func Occupancy(t *snapshot.Template, n *snapshot.Node) int64 {
	cpu := fraction(n.NonZero.MilliCPU+t.NonZero.MilliCPU, n.Allocatable.MilliCPU)
	memory := fraction(n.NonZero.Memory+t.NonZero.Memory, n.Allocatable.Memory)
	least := full - (cpu+memory)/2
	usedCPU := fraction(n.Requested.MilliCPU+t.Requests.MilliCPU, n.Allocatable.MilliCPU)
	usedMemory := fraction(n.Requested.Memory+t.Requests.Memory, n.Allocatable.Memory)
	balanced := full - abs(usedCPU-usedMemory)/2
	return least + balanced
}

// fraction is the part that is used, in the unit of scores.
func fraction(used, capacity int64) int64 {
	if capacity <= 0 || used >= capacity {
		return full
	}
	if used > math.MaxInt64/full {
		return used / (capacity / full)
	}
	return used * full / capacity
}

func abs(n int64) int64 { return max(n, -n) }

// taints is what a node loses by taints that the pod would rather avoid.
func taints(t *snapshot.Template, n *snapshot.Node) int64 {
	var avoid int64
	for i := range n.Object.Spec.Taints {
		taint := &n.Object.Spec.Taints[i]
		if taint.Effect == v1.TaintEffectPreferNoSchedule && !filter.Tolerates(t.Tolerations, taint) {
			avoid++
		}
	}
	if avoid == 0 {
		return 0
	}
	return -full - (avoid-1)*full/furtherTaints
}

// nodePreference is the sum of the weights that match, each 1 to 100.
func nodePreference(t *snapshot.Template, n *snapshot.Node) int64 {
	if t.PreferNodes == nil {
		return 0
	}
	return t.PreferNodes.Score(n.Object) * point
}

// images favours nodes that have the images, the large ones more, and less
// when only few nodes have them, lest all pods go there.
func images(s *snapshot.Snapshot, t *snapshot.Template, n *snapshot.Node) int64 {
	var sum int64
	for _, image := range t.Images {
		if size := n.Image(image); size > 0 {
			sum += size * int64(s.NodesWithImage(image)) / int64(max(1, s.Len()))
		}
	}
	most := int64(maxPerContainer) * int64(max(1, len(t.Images)))
	sum = min(max(sum, minImage), most)
	return (sum - minImage) * full / (most - minImage)
}

// Spread is what a domain loses by the pods of the same kind that it has.
func Spread(count, maxSkew int32) int64 {
	return -weightSpread * int64(count) * full / (2 * int64(max(1, maxSkew)))
}

// NoTopology is what a node without the label to spread over loses.
func NoTopology() int64 { return -weightSpread * full }

// Pods is what a domain gains by pods that this one would like to be near:
// most by the first; below zero what it loses by each that it would like to be
// away from.
func Pods(count, weight int32) int64 {
	if weight < 0 {
		return weightPods * int64(weight) * point * int64(count)
	}
	return weightPods * int64(weight) * point * int64(count) / int64(count+1)
}
