// Package filter has the rules that say whether a pod may be placed on a node.
// There is a file for each; all of them only read.
package filter

import (
	"strings"

	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// Rule names a filter.
type Rule uint8

// The rules, in the order in which they are tried: the first that fails gives
// the reasons.
const (
	None Rule = iota
	Unschedulable
	Taints
	NodeAffinity
	Ports
	Resources
	Volumes
	Spread
	PodAffinity
)

// Rules is a set of rules.
type Rules uint16

// With adds a rule.
func (r Rules) With(rule Rule) Rules { return r | 1<<rule }

// Has says whether any of the rules is in the set.
func (r Rules) Has(rules ...Rule) bool {
	for _, rule := range rules {
		if r&(1<<rule) != 0 {
			return true
		}
	}
	return false
}

// String lists the rules' names.
func (r Rules) String() string {
	var names []string
	for rule, name := range ruleNames {
		if r.Has(Rule(rule)) {
			names = append(names, name)
		}
	}
	return strings.Join(names, ",")
}

var ruleNames = [...]string{
	None: "none", Unschedulable: "unschedulable", Taints: "taints", NodeAffinity: "node_affinity", Ports: "ports",
	Resources: "resources", Volumes: "volumes", Spread: "spread", PodAffinity: "pod_affinity",
}

// Verdict says why a pod may not be placed on a node; the zero value is that
// it may. Final: removing pods from the node would not help.
type Verdict struct {
	Rule    Rule
	Final   bool
	Reasons uint64 // bits whose meaning is the rule's
}

// OK says that the pod may be placed.
func (v Verdict) OK() bool { return v.Rule == None }

// Each calls f with each reason in Kubernetes' words.
func (v Verdict) Each(t *snapshot.Template, f func(string)) {
	switch v.Rule {
	case None:
	case Resources:
		eachInsufficient(v.Reasons, t, f)
	default:
		f(reasonTexts[v.Rule][v.Reasons])
	}
}

// reasonTexts gives the words for each rule's reasons.
var reasonTexts = map[Rule][]string{
	Unschedulable: {"node(s) were unschedulable"},
	Taints:        {"node(s) had untolerated taint(s)"},
	NodeAffinity: {
		reasonNodeAffinity: "node(s) didn't match Pod's node affinity/selector",
		reasonNotNamed:     "node(s) didn't satisfy plugin(s) [NodeAffinity]",
	},
	Ports: {"node(s) didn't have free ports for the requested pod ports"},
	Volumes: {
		reasonVolumeNode:    "node(s) didn't match PersistentVolume's node affinity",
		reasonVolumeMissing: "node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)",
		reasonVolumeBind:    "node(s) didn't find available persistent volumes to bind",
	},
	Spread: {
		reasonSkew:         "node(s) didn't match pod topology spread constraints",
		reasonMissingLabel: "node(s) didn't match pod topology spread constraints (missing required label)",
	},
	PodAffinity: {
		reasonAffinity: "node(s) didn't match pod affinity rules",
		reasonAnti:     "node(s) didn't match pod anti-affinity rules",
		reasonExisting: "node(s) didn't satisfy existing pods anti-affinity rules",
	},
}

// Static checks what only depends on the node itself: it need not be asked
// again before the node's Shape changes.
func Static(t *snapshot.Template, n *snapshot.Node) Verdict {
	if v := checkUnschedulable(t, n); !v.OK() {
		return v
	}
	if v := checkTaints(t, n); !v.OK() {
		return v
	}
	return checkNodeAffinity(t, n)
}

// Occupancy checks the node against what is on it, counting pods of the same
// or a higher priority that are nominated to it, except the one given.
func Occupancy(t *snapshot.Template, n *snapshot.Node, except *snapshot.Pod) Verdict {
	load := LoadOf(n)
	for _, p := range n.Nominated {
		if p != except && p.Template.Priority >= t.Priority {
			load.Add(p.Template)
		}
	}
	return load.Check(t, n)
}
