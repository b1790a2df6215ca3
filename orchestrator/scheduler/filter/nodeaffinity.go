package filter

import "github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"

const (
	reasonNodeAffinity = iota
	reasonNotNamed
)

func checkNodeAffinity(t *snapshot.Template, n *snapshot.Node) Verdict {
	if MatchesNode(t, n) {
		return Verdict{}
	}
	v := Verdict{Rule: NodeAffinity, Final: true, Reasons: reasonNodeAffinity}
	if t.PinnedTo != nil && !t.PinnedTo[n.Name] {
		v.Reasons = reasonNotNamed
	}
	return v
}

// MatchesNode says whether the node has what the pod's node selector and
// affinity ask for. One that cannot be parsed matches nothing.
func MatchesNode(t *snapshot.Template, n *snapshot.Node) bool {
	if t.NodeAffinity == nil {
		return true
	}
	matches, _ := t.NodeAffinity.Match(n.Object)
	return matches
}
