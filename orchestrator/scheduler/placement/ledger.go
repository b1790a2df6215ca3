// Package placement finds the best node for a pod. The work is shared by all
// pods of one template, and done again only for nodes that changed.
package placement

import (
	"encoding/binary"
	"slices"

	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/score"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// Ledger has the verdict on every node for one template, and its score. Nodes
// are in groups that no rule over topology domains tells apart: choosing looks
// at the best node of each group, and at the domains' counts as they are.
type Ledger struct {
	Template *snapshot.Template

	snap       *snapshot.Snapshot
	seed       uint64
	terms      []term
	entries    []*entry // by slot
	groups     map[string]*group
	order      []*group // as they were made
	key        []byte
	seen       uint64 // generation
	membership uint64
	epoch      uint64
	unique     bool // hostnames
	built      bool
}

// entry is one node.
type entry struct {
	node     *snapshot.Node
	seen     uint64 // generation
	shape    uint64
	static   filter.Verdict
	local    filter.Verdict // static, or of what is on the node
	volumes  filter.Verdict
	base     int64 // score by shape
	score    int64
	tie      uint64
	group    *group
	position int // in the group's heap; -1: not in it
	domains  []int32
	counts   []int32 // what the node adds to each term's domain
	outside  []bool  // by term: the node does not count
}

// noDomain is of a node without the label.
const noDomain = -1

// NewLedger returns a ledger that will be filled when it is first asked. The
// seed decides between nodes that are equally good.
func NewLedger(s *snapshot.Snapshot, t *snapshot.Template, seed uint64) *Ledger {
	return &Ledger{Template: t, snap: s, seed: seed}
}

// Close gives back what the ledger holds of the snapshot.
func (l *Ledger) Close() {
	for i := range l.terms {
		l.snap.ReleaseCounter(l.terms[i].counter)
	}
	l.terms = nil
	l.built = false
}

// Pick returns the best node, or nil when there is none.
func (l *Ledger) Pick() *snapshot.Node {
	l.Refresh()
	first := l.first()
	var best *entry
	var bestScore int64
	for _, g := range l.order {
		if len(g.heap) == 0 || !l.judge(g, first).OK() {
			continue
		}
		top := g.heap[0]
		total := top.score + l.groupScore(g)
		if best == nil || total > bestScore || total == bestScore && top.tie > best.tie {
			best, bestScore = top, total
		}
	}
	if best == nil {
		return nil
	}
	return best.node
}

// Verdict is what keeps the pod off the node, if anything does.
func (l *Ledger) Verdict(n *snapshot.Node) filter.Verdict {
	l.Refresh()
	e := l.entries[n.Slot]
	return l.verdict(e, l.first())
}

func (l *Ledger) verdict(e *entry, first bool) filter.Verdict {
	if !e.local.OK() {
		return e.local
	}
	return l.judge(e.group, first)
}

// Each calls f with the verdict on every node.
func (l *Ledger) Each(f func(*snapshot.Node, filter.Verdict)) {
	l.Refresh()
	first := l.first()
	for _, e := range l.entries {
		if e != nil {
			f(e.node, l.verdict(e, first))
		}
	}
}

// first says that the required terms ask for pods that nowhere are, and that
// the pod itself would be one: it may then be the first.
func (l *Ledger) first() bool {
	for i := range l.terms {
		if t := &l.terms[i]; t.kind == required && (t.sum > 0 || t.self == 0) {
			return false
		}
	}
	return true
}

// judge is the verdict of the rules over domains.
func (l *Ledger) judge(g *group, first bool) filter.Verdict {
	for i := range l.terms {
		t := &l.terms[i]
		if !t.hard() {
			break // hard ones come first
		}
		if g.domains[i] == noDomain {
			if v := t.missing(); !v.OK() {
				return v
			}
			continue
		}
		lowest := int32(0)
		if t.kind == hardSpread {
			lowest = t.lowest()
		}
		if v := t.check(l.count(g, i), lowest, first); !v.OK() {
			return v
		}
	}
	return filter.Verdict{}
}

// count is the number of pods in the group's domain.
func (l *Ledger) count(g *group, i int) int32 {
	if l.terms[i].local {
		return g.domains[i]
	}
	return l.terms[i].counts[g.domains[i]]
}

func (l *Ledger) groupScore(g *group) int64 {
	var sum int64
	for i := range l.terms {
		switch t := &l.terms[i]; {
		case t.hard() || t.local:
		case g.domains[i] == noDomain:
			sum += t.scoreMissing()
		default:
			sum += t.score(t.counts[g.domains[i]])
		}
	}
	return sum
}

// Refresh takes in what changed in the snapshot.
func (l *Ledger) Refresh() {
	s := l.snap
	if l.built && l.seen == s.Generation() && l.epoch == s.Epoch() && l.membership == s.Membership() {
		return
	}
	if l.stale() {
		l.build()
		return
	}
	l.epoch = s.Epoch()
	for n := s.Newest(); n != nil && n.Generation > l.seen; n = n.Next() {
		if n.Object != nil {
			l.update(l.entries[n.Slot])
		}
	}
	l.seen = s.Generation()
}

// stale says that looking at the changed nodes is not enough.
func (l *Ledger) stale() bool {
	s := l.snap
	if !l.built || l.membership != s.Membership() || l.unique != s.UniqueHosts() {
		return true
	}
	if l.epoch == s.Epoch() {
		return false
	}
	plans := plansOf(s, l.Template)
	return len(l.Template.Claims) > 0 ||
		!slices.EqualFunc(plans, l.terms, func(p plan, t term) bool { return p.kind == t.kind && p.key == t.key && p.id == t.id })
}

func (l *Ledger) build() {
	s := l.snap
	plans := plansOf(s, l.Template)
	before := l.terms
	l.terms = make([]term, len(plans))
	l.unique = s.UniqueHosts()
	for i := range plans {
		l.terms[i] = plans[i].term
		t := &l.terms[i]
		t.counter = s.Acquire(t.id, plans[i].live, plans[i].match)
		t.local = t.key == hostname && l.unique
		t.domains = map[string]int32{}
	}
	for i := range before {
		s.ReleaseCounter(before[i].counter)
	}
	l.groups, l.order = map[string]*group{}, nil
	l.entries = make([]*entry, len(s.Slots()))
	l.membership, l.epoch, l.built = s.Membership(), s.Epoch(), true
	block := make([]entry, s.Len())
	numbers := make([]int32, 2*len(l.terms)*s.Len())
	outside := make([]bool, len(l.terms)*s.Len())
	for slot, n := range s.Slots() {
		if n == nil || n.Object == nil {
			continue
		}
		e := &block[0]
		block = block[1:]
		*e = entry{node: n, tie: l.tie(n.Name), position: -1}
		e.domains, e.counts, numbers = numbers[:len(l.terms)], numbers[len(l.terms):2*len(l.terms)], numbers[2*len(l.terms):]
		e.outside, outside = outside[:len(l.terms)], outside[len(l.terms):]
		l.entries[slot] = e
		l.locate(e)
	}
	for _, e := range l.entries {
		if e != nil {
			l.occupy(e)
		}
	}
	l.seen = s.Generation()
}

// tie spreads equally good nodes in an order that only depends on the seed.
func (l *Ledger) tie(name string) uint64 {
	const prime = 1099511628211
	hash := uint64(14695981039346656037) ^ l.seed*prime
	for i := range len(name) {
		hash = (hash ^ uint64(name[i])) * prime
	}
	hash ^= hash >> 29
	return hash * 0xbf58476d1ce4e5b9
}

func (l *Ledger) update(e *entry) {
	if e.seen == e.node.Generation {
		return
	}
	if e.shape != e.node.Shape {
		l.leave(e)
		l.locate(e)
	}
	l.occupy(e)
}

// locate finds what depends on the node's shape: its domains, and the verdict
// that its pods cannot change.
func (l *Ledger) locate(e *entry) {
	n, t := e.node, l.Template
	e.shape = n.Shape
	e.static = filter.Static(t, n)
	if len(t.Claims) > 0 {
		e.volumes = filter.CheckVolumes(l.snap, t, n)
	}
	e.base = score.Static(l.snap, t, n)
	hard, soft := l.hasLabels(n)
	for i := range l.terms {
		term := &l.terms[i]
		e.counts[i] = 0
		e.domains[i] = term.domain(n)
		e.outside[i] = e.domains[i] == noDomain || !term.includes(t, n) ||
			term.kind == hardSpread && !hard || term.kind == softSpread && !term.optional && !soft
		if !e.outside[i] {
			term.join(e.domains[i])
		}
	}
}

// hasLabels says whether the node has the labels of all spreads, hard or soft:
// without one it counts for none.
func (l *Ledger) hasLabels(n *snapshot.Node) (hard, soft bool) {
	hard, soft = true, true
	for i := range l.terms {
		_, has := n.Object.Labels[l.terms[i].key]
		hard = hard && (has || l.terms[i].kind != hardSpread)
		soft = soft && (has || l.terms[i].kind != softSpread)
	}
	return hard, soft
}

// leave takes the node out of its domains.
func (l *Ledger) leave(e *entry) {
	for i := range l.terms {
		if !e.outside[i] {
			l.terms[i].move(e.domains[i], e.counts[i], 0)
			l.terms[i].quit(e.domains[i])
			e.counts[i] = 0
		}
	}
}

// occupy takes in what is on the node.
func (l *Ledger) occupy(e *entry) {
	n, t := e.node, l.Template
	e.seen = n.Generation
	for i := range l.terms {
		if e.outside[i] {
			continue
		}
		if count := l.terms[i].counter.On(n); count != e.counts[i] {
			l.terms[i].move(e.domains[i], e.counts[i], count)
			e.counts[i] = count
		}
	}
	e.local = e.static
	if e.local.OK() {
		e.local = filter.Occupancy(t, n, nil)
	}
	if e.local.OK() {
		e.local = e.volumes
	}
	e.score = e.base + score.Occupancy(t, n) + l.localScore(e)
	l.settle(e)
}

func (l *Ledger) localScore(e *entry) int64 {
	var sum int64
	for i := range l.terms {
		switch t := &l.terms[i]; {
		case t.hard() || !t.local:
		case e.domains[i] == noDomain:
			sum += t.scoreMissing()
		default:
			sum += t.score(e.counts[i])
		}
	}
	return sum
}

// settle puts the node into its group, and into or out of the group's heap.
func (l *Ledger) settle(e *entry) {
	g := l.groupOf(e)
	if e.group != g && e.position >= 0 {
		e.group.remove(e)
	}
	e.group = g
	switch {
	case !e.local.OK() && e.position >= 0:
		g.remove(e)
	case e.local.OK() && e.position < 0:
		g.push(e)
	case e.local.OK():
		g.fix(e.position)
	}
}

// groupOf finds the group by the domains of the terms over more than one node,
// and by the counts of the hard ones that are the node's own.
func (l *Ledger) groupOf(e *entry) *group {
	l.key = l.key[:0]
	for i := range l.terms {
		l.key = binary.LittleEndian.AppendUint32(l.key, uint32(l.state(e, i)))
	}
	if g := l.groups[string(l.key)]; g != nil {
		return g
	}
	g := &group{domains: make([]int32, len(l.terms))}
	for i := range l.terms {
		g.domains[i] = l.state(e, i)
	}
	l.groups[string(l.key)] = g
	l.order = append(l.order, g)
	return g
}

func (l *Ledger) state(e *entry, i int) int32 {
	t := &l.terms[i]
	switch {
	case e.domains[i] == noDomain:
		return noDomain
	case !t.local:
		return e.domains[i]
	case t.kind == hardSpread:
		return e.counts[i]
	case t.hard():
		return min(e.counts[i], 1)
	}
	return 0
}
