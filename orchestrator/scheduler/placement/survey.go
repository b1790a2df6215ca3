package placement

import (
	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/score"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// sample is how many nodes that would do are compared for a pod that is the
// only one of its kind.
const sample = 100

// Survey finds a good node for one pod without keeping anything: the best of
// a sample, looked for from the offset on. It returns how many nodes were
// looked at; and no node when none of all would do, or when a rule over
// topology domains applies, for which a Ledger is needed.
func Survey(s *snapshot.Snapshot, t *snapshot.Template, seed, offset uint64) (best *snapshot.Node, looked int) {
	var soft []plan
	for _, p := range plansOf(s, t) {
		switch {
		case p.hard():
			return nil, 0
		case p.key == hostname:
			soft = append(soft, p)
		}
	}
	slots, found := s.Slots(), 0
	tie := Ledger{seed: seed}
	var bestScore int64
	var bestTie uint64
	for ; looked < len(slots) && found < sample; looked++ {
		n := slots[(offset+uint64(looked))%uint64(len(slots))]
		if n == nil || n.Object == nil || !fits(s, t, n) {
			continue
		}
		found++
		total := score.Static(s, t, n) + score.Occupancy(t, n) + scoreAlone(soft, n)
		if order := tie.tie(n.Name); best == nil || total > bestScore || total == bestScore && order > bestTie {
			best, bestScore, bestTie = n, total, order
		}
	}
	return best, looked
}

func fits(s *snapshot.Snapshot, t *snapshot.Template, n *snapshot.Node) bool {
	return filter.Static(t, n).OK() && filter.Occupancy(t, n, nil).OK() && filter.CheckVolumes(s, t, n).OK()
}

// scoreAlone scores the node by its own pods, as a domain of its own.
func scoreAlone(soft []plan, n *snapshot.Node) int64 {
	var sum int64
	for i := range soft {
		p := &soft[i]
		if _, has := n.Object.Labels[p.key]; !has {
			sum += p.scoreMissing()
			continue
		}
		var count int32
		for _, other := range n.Pods {
			if (!p.live || !other.Terminating) && p.match(other.Template) {
				count++
			}
		}
		sum += p.score(count)
	}
	return sum
}
