// Package preempt chooses which pods of lower priority have to go so that a
// pod can be placed.
package preempt

import (
	"cmp"
	"math"
	"slices"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/placement"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// Of all nodes where pods could be removed, so many are looked at until that
// many candidates are found: a tenth, but not fewer than this.
const (
	minCandidates     = 100
	candidateFraction = 10
)

const (
	notHelpful = "Preemption is not helpful for scheduling"
	noVictims  = "No preemption victims found for incoming pod"
)

// Budget is a pod disruption budget.
type Budget struct {
	Namespace string
	Selector  labels.Selector
	Allowed   int32                  // disruptions that are still allowed
	Disrupted map[string]metav1.Time // pods that have been counted already, by name
}

// Choice is the node to make room on, and the pods to remove from it, the most
// important first.
type Choice struct {
	Node       *snapshot.Node
	Victims    []*snapshot.Pod
	violations int
}

// Refusal is why no node can be made fit.
type Refusal struct {
	Reasons map[string]int // in Kubernetes' words, with the number of nodes
	Rules   filter.Rules   // that fail even without the pods of lower priority
}

// Find returns the choice that does least harm, or nil and why there is none.
// Offset says at which node to begin.
func Find(s *snapshot.Snapshot, l *placement.Ledger, budgets []Budget, offset uint64) (*Choice, Refusal) {
	refusal := Refusal{Reasons: map[string]int{}}
	var nodes []*snapshot.Node
	l.Each(func(n *snapshot.Node, v filter.Verdict) {
		if !v.OK() && !v.Final {
			nodes = append(nodes, n)
		}
	})
	if rest := s.Len() - len(nodes); rest > 0 {
		refusal.Reasons[notHelpful] = rest
	}
	enough := max(minCandidates, len(nodes)/candidateFraction)
	var candidates []*Choice
	for i := range nodes {
		n := nodes[(uint64(i)+offset)%uint64(len(nodes))]
		choice, v := victimsOn(l, n, budgets)
		if choice == nil {
			refusal.add(l.Template, v)
			continue
		}
		if candidates = append(candidates, choice); len(candidates) >= enough {
			break
		}
	}
	if len(candidates) == 0 {
		return nil, refusal
	}
	return slices.MinFunc(candidates, compare), Refusal{}
}

func (r *Refusal) add(t *snapshot.Template, v filter.Verdict) {
	if v.OK() {
		r.Reasons[noVictims]++
		return
	}
	r.Rules = r.Rules.With(v.Rule)
	v.Each(t, func(reason string) { r.Reasons[reason]++ })
}

// victimsOn finds the smallest harm on one node: all pods of lower priority
// are taken away, and then put back, the most important first, as far as the
// pod still fits. Without a choice, the verdict says why the pod would not fit
// at all; when it says nothing, there are no pods of lower priority.
func victimsOn(l *placement.Ledger, n *snapshot.Node, budgets []Budget) (*Choice, filter.Verdict) {
	var potential []*snapshot.Pod
	for _, p := range n.Pods {
		if p.Template.Priority < l.Template.Priority {
			potential = append(potential, p)
		}
	}
	if len(potential) == 0 {
		return nil, filter.Verdict{}
	}
	trial := l.Try(n)
	for _, p := range potential {
		trial.Remove(p)
	}
	if v := trial.Check(); !v.OK() {
		return nil, v
	}
	slices.SortFunc(potential, moreImportant)
	choice := &Choice{Node: n}
	violating, others := split(potential, budgets)
	for i, p := range slices.Concat(violating, others) {
		trial.Restore(p)
		if trial.Check().OK() {
			continue
		}
		trial.Remove(p)
		choice.Victims = append(choice.Victims, p)
		if i < len(violating) {
			choice.violations++
		}
	}
	slices.SortFunc(choice.Victims, moreImportant)
	return choice, filter.Verdict{}
}

// moreImportant: the higher priority, then the one that has run longer.
func moreImportant(a, b *snapshot.Pod) int {
	return cmp.Or(
		cmp.Compare(b.Template.Priority, a.Template.Priority),
		started(a).Compare(started(b).Time),
		cmp.Compare(a.Object.UID, b.Object.UID),
	)
}

// started is later than any start for a pod that has not started.
func started(p *snapshot.Pod) metav1.Time {
	if t := p.Object.Status.StartTime; t != nil {
		return *t
	}
	return metav1.Unix(math.MaxInt32, 0)
}

// split says which pods' removal would break a budget, given that those before
// them are removed too.
func split(pods []*snapshot.Pod, budgets []Budget) (violating, others []*snapshot.Pod) {
	allowed := make([]int32, len(budgets))
	for i := range budgets {
		allowed[i] = budgets[i].Allowed
	}
	for _, p := range pods {
		breaks := false
		for i := range budgets {
			if budgets[i].covers(p.Object) {
				allowed[i]--
				breaks = breaks || allowed[i] < 0
			}
		}
		if breaks {
			violating = append(violating, p)
		} else {
			others = append(others, p)
		}
	}
	return violating, others
}

func (b *Budget) covers(pod *v1.Pod) bool {
	if b.Namespace != pod.Namespace || len(pod.Labels) == 0 || b.Selector.Empty() || !b.Selector.Matches(labels.Set(pod.Labels)) {
		return false
	}
	_, counted := b.Disrupted[pod.Name]
	return !counted
}

// compare orders choices by harm: fewest budgets broken, lowest highest
// priority, lowest sum of priorities, fewest pods, latest start of the most
// important.
func compare(a, b *Choice) int {
	return cmp.Or(
		cmp.Compare(a.violations, b.violations),
		cmp.Compare(a.highest(), b.highest()),
		cmp.Compare(a.sum(), b.sum()),
		cmp.Compare(len(a.Victims), len(b.Victims)),
		b.earliest().Compare(a.earliest().Time),
	)
}

func (c *Choice) highest() int32 {
	if len(c.Victims) == 0 {
		return math.MinInt32
	}
	return c.Victims[0].Template.Priority
}

// sum has every priority above zero, so that few pods weigh less than many.
func (c *Choice) sum() int64 {
	var sum int64
	for _, p := range c.Victims {
		sum += int64(p.Template.Priority) + math.MaxInt32 + 1
	}
	return sum
}

// earliest is the first start among the victims of the highest priority.
func (c *Choice) earliest() metav1.Time {
	first := metav1.Unix(math.MaxInt32, 0)
	for _, p := range c.Victims {
		if at := started(p); p.Template.Priority == c.highest() && at.Before(&first) {
			first = at
		}
	}
	return first
}
