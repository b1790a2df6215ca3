// Package scheduler decides on which node each pod is to run. It is pure: it
// is told what happens, with the time at which it does, and answers through a
// Planner; it has no clock, no client and no goroutine, and is for one
// goroutine at a time. The driver package joins it with the API.
package scheduler

import (
	"time"

	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/placement"
	"github.com/lubberline/lubberline/orchestrator/scheduler/preempt"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// State is what decisions are made on.
type State interface {
	// Snapshot is the cluster as known, with the scheduler's own decisions in
	// it. It is always the same one; only the scheduler changes it.
	Snapshot() *snapshot.Snapshot
	// Budgets lists the pod disruption budgets.
	Budgets() []preempt.Budget
}

// Planner is told the decisions. It must not call the scheduler back from
// within; the pods' objects must not be changed.
type Planner interface {
	// Bind: the pod is to run on the node. The scheduler takes it to be there
	// until it hears of Failed or sees the pod elsewhere.
	Bind(p *snapshot.Pod, node string)
	// Reject: the pod cannot be placed now.
	Reject(Rejection)
	// Preempt: the victims are to be ended so that the pod, which was rejected
	// before, can run on the node.
	Preempt(p *snapshot.Pod, node string, victims []*snapshot.Pod)
}

// Rejection says why a pod cannot be placed.
type Rejection struct {
	Pod     *snapshot.Pod
	Message string       // in Kubernetes' words
	Rules   filter.Rules // that failed on any node
	Node    string       // the nominated one, where the pod waits for room
}

// Options of a Scheduler.
type Options struct {
	Name  string // pods with another spec.schedulerName are left alone; empty is default-scheduler
	Seed  uint64 // decides between equally good nodes
	State State
	Plan  Planner
}

// Scheduler has the pods that wait and what was found out about them.
type Scheduler struct {
	name    string
	seed    uint64
	state   State
	plan    Planner
	queue   *queue
	ledgers ledgers
	failed  map[*snapshot.Template]failure
	checked time.Time // when those that wait for long were last looked at
	offset  uint64    // where preemption begins to look
}

// failure is why a template could not be placed, and holds as long as nothing
// has changed.
type failure struct {
	generation, epoch, membership uint64
	message                       string
	rules                         filter.Rules
}

// New returns a scheduler without pods.
func New(o Options) *Scheduler {
	if o.Name == "" {
		o.Name = DefaultName
	}
	return &Scheduler{
		name: o.Name, seed: o.Seed, state: o.State, plan: o.Plan,
		queue: newQueue(), failed: map[*snapshot.Template]failure{}, ledgers: ledgers{of: map[*snapshot.Template]*lease{}},
	}
}

// DefaultName is what spec.schedulerName is when nothing else was asked for.
const DefaultName = "default-scheduler"

// checkEvery is how often those that wait for long are looked at.
const checkEvery = 30 * time.Second

// Step decides for at most limit pods and returns for how many it did.
func (s *Scheduler) Step(now time.Time, limit int) int {
	if now.Sub(s.checked) >= checkEvery {
		s.checked = now
		s.queue.retryOld(now)
	}
	for n := range limit {
		it := s.queue.pop(now)
		if it == nil {
			return n
		}
		s.decide(it, now)
	}
	return limit
}

// Next is when Step is due again if nothing happens until then; false: not
// before something does.
func (s *Scheduler) Next(now time.Time) (time.Time, bool) {
	s.queue.flush(now)
	if s.queue.active.Len() > 0 {
		return now, true
	}
	at, due := s.queue.next()
	if len(s.queue.waiting) > 0 {
		if check := s.checked.Add(checkEvery); !due || check.Before(at) {
			return check, true
		}
	}
	return at, due
}

// Depths is how many pods are in each part of the queue.
type Depths struct{ Active, Backoff, Waiting, Gated, Binding int }

// Depths counts the pods that are not on a node for certain.
func (s *Scheduler) Depths() Depths {
	c := &s.queue.counts
	return Depths{Active: c[active], Backoff: c[backoff], Waiting: c[waiting], Gated: c[gated], Binding: c[nowhere]}
}

func (s *Scheduler) decide(it *item, now time.Time) {
	snap, p := s.state.Snapshot(), it.pod
	if n := p.Nominated(); n != nil && s.fitsAlone(p, n) {
		s.bind(it, n, now)
		return
	}
	nominated := p.Nominated()
	if nominated == nil {
		if f, known := s.failed[p.Template]; known && f.generation == snap.Generation() && f.epoch == snap.Epoch() && f.membership == snap.Membership() {
			s.reject(it, f.message, f.rules)
			return
		}
	} else {
		snap.Unnominate(p)
	}
	if message, rules := impossible(snap, p.Template); message != "" {
		s.reject(it, message, rules)
		return
	}
	if nominated == nil {
		if n := s.survey(p.Template); n != nil {
			s.bind(it, n, now)
			return
		}
	}
	ledger := s.ledgers.get(snap, p.Template, s.seed)
	if n := ledger.Pick(); n != nil {
		s.bind(it, n, now)
	} else {
		s.makeRoom(it, ledger, nominated, now)
	}
	if nominated != nil && p.Nominated() != nominated {
		s.wake(now, s.podWent(p.Template, nominated)) // what was reserved is free
	}
}

// survey finds a node for a pod that is the only one of its kind, for which a
// ledger of all nodes would be too much work; nil when it takes one.
func (s *Scheduler) survey(t *snapshot.Template) *snapshot.Node {
	if t.Known() > 1 || s.ledgers.has(t) {
		return nil
	}
	n, looked := placement.Survey(s.state.Snapshot(), t, s.seed, s.offset)
	s.offset += uint64(looked)
	return n
}

// fitsAlone says whether the pod fits on the node that it was nominated to,
// its own nomination left out.
func (s *Scheduler) fitsAlone(p *snapshot.Pod, n *snapshot.Node) bool {
	snap := s.state.Snapshot()
	if message, _ := impossible(snap, p.Template); message != "" {
		return false
	}
	snap.Unnominate(p)
	fits := s.ledgers.get(snap, p.Template, s.seed).Verdict(n).OK()
	snap.Nominate(p, n)
	return fits
}

// impossible is what no node can help.
func impossible(snap *snapshot.Snapshot, t *snapshot.Template) (string, filter.Rules) {
	if t.Err != nil {
		return t.Err.Error(), 0
	}
	if snap.Len() == 0 {
		return noNodes, filter.Rules(0).With(filter.None)
	}
	if message := filter.ClaimsReady(snap, t); message != "" {
		all := map[string]int{"Preemption is not helpful for scheduling": snap.Len()}
		return unavailable(snap.Len(), nil) + " " + message + ". preemption: " + unavailable(snap.Len(), all), filter.Rules(0).With(filter.Volumes)
	}
	return "", 0
}

func (s *Scheduler) bind(it *item, n *snapshot.Node, now time.Time) {
	s.state.Snapshot().Assume(it.pod, n)
	s.plan.Bind(it.pod, n.Name)
	s.wake(now, s.podCame(it.pod.Template))
}

// makeRoom looks for pods to preempt, and rejects the pod for now in any case.
func (s *Scheduler) makeRoom(it *item, ledger *placement.Ledger, nominated *snapshot.Node, now time.Time) {
	snap, p := s.state.Snapshot(), it.pod
	message, rules := explain(snap, ledger)
	if p.Template.NeverPreempts {
		s.fail(it, message+" preemption: not eligible due to preemptionPolicy=Never.", rules, true)
		return
	}
	if nominated != nil && nominated.Object != nil && !ledger.Verdict(nominated).Final && victimsEnding(p, nominated) {
		snap.Nominate(p, nominated)
		s.fail(it, message+" preemption: not eligible due to a terminating pod on the nominated node.", rules, false)
		return
	}
	s.offset++
	choice, refusal := preempt.Find(snap, ledger, s.state.Budgets(), s.offset)
	if choice == nil {
		s.fail(it, message+" preemption: "+unavailable(snap.Len(), refusal.Reasons), rules|refusal.Rules, nominated == nil)
		return
	}
	s.nominate(it, choice, message, rules, now)
}

func (s *Scheduler) nominate(it *item, choice *preempt.Choice, message string, rules filter.Rules, now time.Time) {
	snap, p := s.state.Snapshot(), it.pod
	s.yieldNominations(p, choice.Node, now)
	snap.Nominate(p, choice.Node)
	node := choice.Node.Name
	s.reject(it, message, rules)
	for _, victim := range choice.Victims {
		snap.MarkTerminating(victim)
		s.wake(now, s.podCame(victim.Template)) // for spreading it is gone
	}
	s.plan.Preempt(p, node, choice.Victims)
}

// yieldNominations ends the claims of less important pods on the node.
func (s *Scheduler) yieldNominations(p *snapshot.Pod, n *snapshot.Node, now time.Time) {
	var lower []*snapshot.Pod
	for _, other := range n.Nominated {
		if other.Template.Priority < p.Template.Priority {
			lower = append(lower, other)
		}
	}
	for _, other := range lower {
		s.state.Snapshot().Unnominate(other)
		if it := s.queue.items[other.Object.UID]; it != nil && it.place == waiting {
			s.queue.retry(it, now)
		}
		s.wake(now, s.podWent(other.Template, n))
	}
}

// victimsEnding says whether a pod that is to make room for p still ends.
func victimsEnding(p *snapshot.Pod, n *snapshot.Node) bool {
	for _, v := range n.Pods {
		if v.Terminating && v.Template.Priority < p.Template.Priority {
			return true
		}
	}
	return false
}

// fail rejects the pod; shared says that the same holds for others like it.
func (s *Scheduler) fail(it *item, message string, rules filter.Rules, shared bool) {
	if shared {
		snap := s.state.Snapshot()
		s.failed[it.pod.Template] = failure{snap.Generation(), snap.Epoch(), snap.Membership(), message, rules}
		s.pruneFailures()
	}
	s.reject(it, message, rules)
}

// pruneFailures keeps no more than can be of use.
func (s *Scheduler) pruneFailures() {
	if len(s.failed) <= 1024 {
		return
	}
	generation := s.state.Snapshot().Generation()
	for t, f := range s.failed {
		if f.generation != generation {
			delete(s.failed, t)
		}
	}
}

func (s *Scheduler) reject(it *item, message string, rules filter.Rules) {
	it.rules = rules
	s.queue.move(it, waiting)
	r := Rejection{Pod: it.pod, Message: message, Rules: rules}
	if n := it.pod.Nominated(); n != nil {
		r.Node = n.Name
	}
	s.plan.Reject(r)
}

// explain counts the reasons, and names the rules, that keep the pod off the
// nodes.
func explain(snap *snapshot.Snapshot, ledger *placement.Ledger) (string, filter.Rules) {
	reasons := map[string]int{}
	verdicts := map[filter.Verdict]int{}
	var rules filter.Rules
	ledger.Each(func(_ *snapshot.Node, v filter.Verdict) { verdicts[v]++ })
	for v, n := range verdicts {
		if v.OK() {
			continue
		}
		rules = rules.With(v.Rule)
		v.Each(ledger.Template, func(reason string) { reasons[reason] += n })
	}
	return unavailable(snap.Len(), reasons), rules
}
