package rollup

import (
	"regexp"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"

	"github.com/lubberline/lubberline/catalog"
)

// plan is the catalog's table, turned round: from the name of a Prometheus
// metric to the slots that its series fill. A slot is one quantity that objects
// of one kind are measured by; figures are computed from slots.
type plan struct {
	figures []*catalog.HeapsterMetric // sorted by name; a figure's index names it
	index   map[*catalog.HeapsterMetric]int
	kinds   map[catalog.ObjectKind]*kindPlan
	feeds   map[string][]feed
}

// kindPlan is how one kind of object comes by its figures.
type kindPlan struct {
	figures []figurePlan // in the order in which they are computed
	slots   int
	start   int // slot of the start time, -1 where there is none
}

type figurePlan struct {
	figure int
	ways   []way // in the order of preference
}

func (f figurePlan) share() bool { return f.ways[0].How == catalog.Share }

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

type way struct {
	catalog.Derivation
	slot, second int // of Metric and Second; figures for Share
}

// feed is one slot that takes the series of a metric, if they match.
type feed struct {
	kind  catalog.ObjectKind
	scope catalog.Scope
	slot  int
	match []matcher
	from  []string // series labels that tell the values of a slot apart
	keys  []string // the figure's names for them
	// slow marks series that come at their sender's own, longer interval.
	slow bool
}

type matcher struct {
	catalog.Match
	regex *regexp.Regexp
}

func (f *feed) takes(l labels.Labels) bool {
	for _, m := range f.match {
		v := l.Get(m.Label)
		ok := v == m.Value
		if m.regex != nil {
			ok = m.regex.MatchString(v)
		}
		if ok == m.Not {
			return false
		}
	}
	return true
}

// kindsInOrder puts what is summed before the sums.
var kindsInOrder = []catalog.ObjectKind{
	catalog.PodContainer, catalog.SystemContainer, catalog.Pod, catalog.Namespace, catalog.Cluster, catalog.Node,
}

func newPlan() *plan {
	p := &plan{
		figures: catalog.HeapsterMetrics(),
		index:   map[*catalog.HeapsterMetric]int{},
		kinds:   map[catalog.ObjectKind]*kindPlan{},
		feeds:   map[string][]feed{},
	}
	slices.SortFunc(p.figures, func(a, b *catalog.HeapsterMetric) int { return strings.Compare(a.Name, b.Name) })
	for i, m := range p.figures {
		p.index[m] = i
	}
	for _, kind := range kindsInOrder {
		p.addKind(kind)
	}
	return p
}

func (p *plan) addKind(kind catalog.ObjectKind) {
	k := &kindPlan{start: -1}
	slots := map[string]int{}
	for i, m := range p.figures {
		var ways []way
		for _, d := range m.For(kind) {
			ways = append(ways, p.addWay(kind, k, slots, m, d))
		}
		if len(ways) > 0 {
			k.figures = append(k.figures, figurePlan{figure: i, ways: ways})
		}
	}
	// Shares need the figures that they divide.
	slices.SortStableFunc(k.figures, func(a, b figurePlan) int { return btoi(a.share()) - btoi(b.share()) })
	p.kinds[kind] = k
}

func (p *plan) addWay(kind catalog.ObjectKind, k *kindPlan, slots map[string]int, m *catalog.HeapsterMetric, d catalog.Derivation) way {
	w := way{Derivation: d, slot: -1, second: -1}
	switch d.How {
	case catalog.Last, catalog.Rate, catalog.Age:
		w.slot = p.addSlot(kind, k, slots, m, d, d.Metric)
		if d.Second != "" {
			w.second = p.addSlot(kind, k, slots, m, d, d.Second)
		}
		if d.How == catalog.Age {
			k.start = w.slot
		}
	case catalog.Share:
		above, _ := catalog.LookupHeapster(d.Metric)
		below, _ := catalog.LookupHeapster(d.Second)
		w.slot, w.second = p.index[above], p.index[below]
	}
	return w
}

// addSlot returns the slot of a quantity, the same one for figures that use the
// same series.
func (p *plan) addSlot(kind catalog.ObjectKind, k *kindPlan, slots map[string]int, m *catalog.HeapsterMetric, d catalog.Derivation, metric string) int {
	f := feed{kind: kind, scope: d.Scope, from: d.From, keys: m.Labels, slow: strings.HasPrefix(metric, "kube_")}
	var key strings.Builder
	key.WriteString(metric + "|" + string(d.Scope) + "|" + strings.Join(d.From, ","))
	for _, match := range d.Match {
		c := matcher{Match: match}
		if match.Regex {
			c.regex = regexp.MustCompile("^(?:" + match.Value + ")$")
		}
		f.match = append(f.match, c)
		key.WriteString("|" + match.String())
	}
	if slot, ok := slots[key.String()]; ok {
		return slot
	}
	f.slot = k.slots
	slots[key.String()] = f.slot
	k.slots++
	p.feeds[metric] = append(p.feeds[metric], f)
	return f.slot
}

// metrics are the names of all that the plan wants to see.
func (p *plan) metrics() []string {
	names := []string{containerInfo, nodeInfo}
	for name := range p.feeds {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
