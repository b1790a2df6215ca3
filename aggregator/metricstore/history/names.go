package history

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/lubberline/lubberline/aggregator/api/heapster"
	"github.com/lubberline/lubberline/catalog"
)

func equal(name, value string) *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchEqual, name, value)
}

func notEqual(name, value string) *labels.Matcher {
	return labels.MustNewMatcher(labels.MatchNotEqual, name, value)
}

// each calls fn with every series that has samples in the range.
func (h *History) each(ctx context.Context, start, end time.Time, fn func(labels.Labels), matchers ...*labels.Matcher) error {
	q, err := h.store.Querier(start.UnixMilli(), end.UnixMilli())
	if err != nil {
		return fmt.Errorf("read series since %s: %w", start.Format(time.RFC3339), err)
	}
	defer q.Close()
	hints := &storage.SelectHints{Start: start.UnixMilli(), End: end.UnixMilli(), Func: "series"}
	set := q.Select(ctx, false, hints, matchers...)
	for set.Next() {
		fn(set.At().Labels())
	}
	return set.Err()
}

// Names lists from the labels of series in the range. It implements
// heapster.History.
func (h *History) Names(ctx context.Context, what heapster.NameKind, of heapster.Object, start, end time.Time) ([]string, error) {
	if what == heapster.MetricNames {
		return h.metricNames(ctx, of, start, end)
	}
	matchers, label, err := h.nameMatchers(ctx, what, of, start, end)
	if err != nil || matchers == nil {
		return nil, err
	}
	seen := map[string]bool{}
	err = h.each(ctx, start, end, func(l labels.Labels) {
		if name := l.Get(label); name != "" && name != "/" {
			seen[strings.Clone(name)] = true
		}
	}, matchers...)
	var names []string
	for name := range seen {
		if what == heapster.SystemContainerNames {
			name = strings.TrimPrefix(name, "/")
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, err
}

// nameMatchers select the series whose label lists the names; nil when there
// can be none.
func (h *History) nameMatchers(ctx context.Context, what heapster.NameKind, of heapster.Object, start, end time.Time) ([]*labels.Matcher, string, error) {
	present := equal(model.MetricNameLabel, catalog.Presence)
	switch what {
	case heapster.NodeNames:
		return []*labels.Matcher{present}, "node", nil
	case heapster.NamespaceNames:
		return []*labels.Matcher{present, notEqual("pod", "")}, "namespace", nil
	case heapster.PodNames:
		return []*labels.Matcher{present, equal("namespace", of.Namespace)}, "pod", nil
	case heapster.SystemContainerNames:
		return []*labels.Matcher{present, equal("node", of.Node), equal("namespace", ""), equal("pod", "")}, "id", nil
	}
	namespace, pod, ok, err := h.pod(ctx, of, start, end)
	if !ok || err != nil {
		return nil, "", err
	}
	return []*labels.Matcher{present, equal("namespace", namespace), equal("pod", pod)}, "container", nil
}

// metricNames lists the plain figures that the object's series can give.
func (h *History) metricNames(ctx context.Context, of heapster.Object, start, end time.Time) ([]string, error) {
	selector, ok, err := h.selector(ctx, of, start, end)
	if !ok || err != nil {
		return nil, err
	}
	var matchers []*labels.Matcher
	for name, value := range selector {
		matchers = append(matchers, equal(name, value))
	}
	switch of.Kind {
	case catalog.SystemContainer:
		matchers = append(matchers, equal("pod", ""))
	case catalog.Cluster:
		matchers = append(matchers, notEqual("pod", ""))
	}
	if len(matchers) == 0 {
		matchers = append(matchers, notEqual(model.MetricNameLabel, ""))
	}
	have := map[string]bool{}
	err = h.each(ctx, start, end, func(l labels.Labels) { have[l.Get(model.MetricNameLabel)] = true }, matchers...)
	var names []string
	for _, m := range catalog.HeapsterMetrics() {
		if !m.Labeled() && given(m, of.Kind, have) {
			names = append(names, m.Name)
		}
	}
	slices.Sort(names)
	return names, err
}

// given reports whether one of the figure's derivations has its metrics.
func given(m *catalog.HeapsterMetric, kind catalog.ObjectKind, have map[string]bool) bool {
	for _, d := range m.For(kind) {
		switch d.How {
		case catalog.Zero:
			if have[catalog.Presence] {
				return true
			}
		case catalog.SumOf, catalog.Only:
			if given(m, catalog.PodContainer, have) {
				return true
			}
		case catalog.Share:
			above, _ := catalog.LookupHeapster(d.Metric)
			below, _ := catalog.LookupHeapster(d.Second)
			return given(above, kind, have) && given(below, kind, have)
		default:
			if have[d.Metric] && (d.Second == "" || have[d.Second]) {
				return true
			}
		}
	}
	return false
}
