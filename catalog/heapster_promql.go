package catalog

import (
	"slices"
	"strconv"
	"strings"
)

// Selector narrows a PromQL expression to one object: label name to value, of
// the identity labels of its kind (node; node and id; namespace; namespace and
// pod; and container). Empty selects every object of the kind.
type Selector map[string]string

// IdentityOf returns the labels that tell objects of a kind apart on the series
// that PromQL returns for them.
func IdentityOf(kind ObjectKind) []string {
	switch kind {
	case Node:
		return []string{"node"}
	case SystemContainer:
		return []string{"node", "id"}
	case Namespace:
		return []string{"namespace"}
	case Pod:
		return []string{"namespace", "pod"}
	case PodContainer:
		return []string{"namespace", "pod", "container"}
	default:
		return nil
	}
}

// PromQL returns an expression with the figure's value for every object of the
// kind that the selector leaves, one series each (for labelled figures one per
// label set, with the labels named in Derivation.From). Rates are irate over
// the window ("30s"): they equal the figure of the rollup where the sample
// interval is the resolution. False means that objects of that kind do not have
// the figure.
func (m *HeapsterMetric) PromQL(kind ObjectKind, of Selector, window string) (string, bool) {
	e := expression{metric: m, kind: kind, of: of, window: window, by: IdentityOf(kind)}
	var alternatives []string
	for _, d := range m.For(kind) {
		if s, ok := e.derive(d); ok {
			alternatives = append(alternatives, s)
		}
	}
	return strings.Join(alternatives, " or "), len(alternatives) > 0
}

// expression writes PromQL for one figure. by are the labels that its result
// keeps, besides those of labelled figures; of restricts the series.
type expression struct {
	metric *HeapsterMetric
	kind   ObjectKind
	of     Selector
	window string
	by     []string
}

func (e expression) derive(d Derivation) (string, bool) {
	switch d.How {
	case Last:
		return scaled(d.Scale, e.lastOf(d)), true
	case Rate:
		return scaled(d.Scale, e.aggregate("sum", d, "irate("+e.series(d.Metric, d)+"["+e.window+"])")), true
	case Age:
		return scaled(d.Scale, "(time() - "+e.aggregate("min", d, e.series(d.Metric, d))+")"), true
	case Zero:
		return "0 * group by (" + strings.Join(e.by, ",") + ") (" + e.series(Presence, d) + ")", true
	case SumOf, Only:
		return e.below(d)
	case Share:
		return e.share(d)
	}
	return "", false
}

func (e expression) lastOf(d Derivation) string {
	how := "sum"
	if d.Max {
		how = "max"
	}
	first := e.aggregate(how, d, e.series(d.Metric, d))
	if d.Second == "" {
		return first
	}
	return "(" + first + " " + string(d.Op) + " " + e.aggregate(how, d, e.series(d.Second, d)) + ")"
}

// below sums the same figure of the objects that make this one up: always of
// containers, as pods are sums of them already. All alternatives of a container
// must be tried before the sum is taken.
func (e expression) below(d Derivation) (string, bool) {
	inner := e
	inner.kind, inner.by = PodContainer, append([]string{"node"}, IdentityOf(PodContainer)...)
	var alternatives []string
	for _, c := range e.metric.For(PodContainer) {
		if s, ok := inner.derive(c); ok {
			alternatives = append(alternatives, s)
		}
	}
	how := "sum"
	if d.Max {
		how = "max"
	}
	labels := slices.Concat(e.by, e.from(PodContainer))
	return how + " by (" + strings.Join(labels, ",") + ") (" + strings.Join(alternatives, " or ") + ")", len(alternatives) > 0
}

func (e expression) from(kind ObjectKind) []string {
	for _, d := range e.metric.For(kind) {
		if len(d.From) > 0 {
			return d.From
		}
	}
	return nil
}

func (e expression) share(d Derivation) (string, bool) {
	above, ok := heapsterByName[d.Metric].PromQL(e.kind, e.of, e.window)
	below, ok2 := heapsterByName[d.Second].PromQL(e.kind, e.of, e.window)
	return "(" + above + ") / (" + below + ")", ok && ok2
}

func (e expression) aggregate(how string, d Derivation, series string) string {
	labels := slices.Concat(e.by, d.From)
	return how + " by (" + strings.Join(labels, ",") + ") (" + series + ")"
}

// series is the vector selector for the metric's series of the object.
func (e expression) series(metric string, d Derivation) string {
	matchers := scopeMatchers(e.kind, d.Scope, metric)
	for _, m := range d.Match {
		matchers = append(matchers, m.String())
	}
	for _, label := range slices.Sorted(mapKeys(e.of)) {
		matchers = append(matchers, label+"="+strconv.Quote(e.of[label]))
	}
	selector := metric + "{" + strings.Join(matchers, ",") + "}"
	if strings.HasPrefix(metric, "kube_") {
		return "last_over_time(" + selector + "[" + kubeWindow + "])"
	}
	return selector
}

// kubeWindow is how long values sent by kube-state-metrics count: its senders
// have intervals of their own.
const kubeWindow = "5m"

func mapKeys(of Selector) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range of {
			if !yield(k) {
				return
			}
		}
	}
}

// scopeMatchers tell the series of one kind of object from those of others.
// Only container series need it.
func scopeMatchers(kind ObjectKind, scope Scope, metric string) []string {
	if !strings.HasPrefix(metric, "container_") {
		return nil
	}
	switch {
	case kind == Node:
		return []string{`id="/"`}
	case kind == SystemContainer:
		return []string{`id!="/"`, `namespace=""`, `pod=""`}
	case kind == PodContainer:
		return []string{`pod!=""`, `container!=""`}
	case scope == AnyOfPod:
		return []string{`pod!=""`}
	default:
		return []string{`pod!=""`, `container=""`, `image=""`}
	}
}

// String writes the match as PromQL does.
func (m Match) String() string {
	op := "="
	switch {
	case m.Regex && m.Not:
		op = "!~"
	case m.Regex:
		op = "=~"
	case m.Not:
		op = "!="
	}
	return m.Label + op + strconv.Quote(m.Value)
}

func scaled(scale float64, expr string) string {
	if scale == 1 {
		return expr
	}
	return strconv.FormatFloat(scale, 'g', -1, 64) + " * " + expr
}
