// Package history answers Heapster's historical paths from the embedded metric
// store, with the PromQL that the catalog gives for each figure.
package history

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"

	"github.com/lubberline/lubberline/aggregator/api/heapster"
	"github.com/lubberline/lubberline/catalog"
)

// Options are what the history needs.
type Options struct {
	Engine promql.QueryEngine
	Store  storage.Queryable
	// Resolution is the distance of points, that of the rollup: 5 s.
	Resolution time.Duration
}

// History is a heapster.History. Safe for concurrent use.
type History struct {
	engine     promql.QueryEngine
	store      storage.Queryable
	resolution time.Duration
	lookback   time.Duration
}

const (
	// maxPoints bounds one series; longer ranges are read at a wider distance.
	maxPoints = 11_000
	// Values count for as long as the rollup lets them.
	keepIntervals = 4
	keepLeast     = 20 * time.Second
)

// New makes a history.
func New(o Options) (*History, error) {
	if o.Engine == nil || o.Store == nil {
		return nil, errors.New("history: engine and store are needed")
	}
	if o.Resolution <= 0 {
		o.Resolution = 5 * time.Second
	}
	return &History{
		engine: o.Engine, store: o.Store, resolution: o.Resolution,
		lookback: max(keepLeast, keepIntervals*o.Resolution),
	}, nil
}

// Series evaluates the figure on the rollup's grid. It implements
// heapster.History.
func (h *History) Series(ctx context.Context, of heapster.Object, f heapster.Figure, start, end time.Time) ([]heapster.Point, error) {
	metric, ok := catalog.LookupHeapster(f.Metric)
	if !ok {
		return nil, fmt.Errorf("%w: %q", heapster.ErrUnknownMetric, f.Metric)
	}
	step := h.step(start, end)
	first := start.Truncate(step).Add(step)
	last := end.Add(-time.Nanosecond).Truncate(step)
	if last.Before(first) {
		return nil, nil
	}
	selector, ok, err := h.selector(ctx, of, start, end)
	if !ok || err != nil {
		return nil, err
	}
	if ok := narrow(selector, metric, of.Kind, f.Labels); !ok {
		return nil, nil
	}
	expr, ok := metric.PromQL(of.Kind, selector, promDuration(h.lookback))
	if !ok {
		return nil, nil
	}
	matrix, err := h.matrix(ctx, expr, first, last, step)
	if err != nil {
		return nil, fmt.Errorf("figure %q of %s: %w", f.Metric, of, err)
	}
	return points(metric, matrix), nil
}

func (h *History) step(start, end time.Time) time.Duration {
	n := end.Sub(start)/(maxPoints*h.resolution) + 1
	return n * h.resolution
}

func promDuration(d time.Duration) string { return fmt.Sprintf("%dms", d.Milliseconds()) }

// matrix runs the expression over the range.
func (h *History) matrix(ctx context.Context, expr string, first, last time.Time, step time.Duration) (promql.Matrix, error) {
	opts := promql.NewPrometheusQueryOpts(false, h.lookback, nil)
	q, err := h.engine.NewRangeQuery(ctx, h.store, opts, expr, first, last, step)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", expr, err)
	}
	defer q.Close()
	r := q.Exec(ctx)
	if r.Err != nil {
		return nil, fmt.Errorf("query %s: %w", expr, r.Err)
	}
	matrix, err := r.Matrix()
	if err != nil {
		return nil, err
	}
	return copied(matrix), nil
}

// copied keeps the points after the query is closed.
func copied(m promql.Matrix) promql.Matrix {
	kept := make(promql.Matrix, 0, len(m))
	for _, s := range m {
		kept = append(kept, promql.Series{Floats: append([]promql.FPoint(nil), s.Floats...)})
	}
	return kept
}

// points are those of the one object asked for. Alternatives of the same figure
// may come as several series, one after another in time.
func points(m *catalog.HeapsterMetric, matrix promql.Matrix) []heapster.Point {
	var all []heapster.Point
	for _, s := range matrix {
		for _, p := range s.Floats {
			if math.IsNaN(p.F) || math.IsInf(p.F, 0) {
				continue
			}
			n := heapster.Number{IsFloat: true, Float: p.F}
			if m.ValueType == catalog.Int64 {
				n = heapster.Number{Int: int64(math.Round(p.F))}
			}
			all = append(all, heapster.Point{Time: time.UnixMilli(p.T).UTC(), Value: n})
		}
	}
	return ordered(all)
}

// selector names the object in PromQL's labels. False: there is no such pod.
func (h *History) selector(ctx context.Context, of heapster.Object, start, end time.Time) (catalog.Selector, bool, error) {
	s := catalog.Selector{}
	switch of.Kind {
	case catalog.Node:
		s["node"] = of.Node
	case catalog.SystemContainer:
		s["node"], s["id"] = of.Node, "/"+of.Container
	case catalog.Namespace:
		s["namespace"] = of.Namespace
	case catalog.Pod, catalog.PodContainer:
		namespace, pod, ok, err := h.pod(ctx, of, start, end)
		if !ok || err != nil {
			return nil, false, err
		}
		s["namespace"], s["pod"] = namespace, pod
		if of.Kind == catalog.PodContainer {
			s["container"] = of.Container
		}
	}
	return s, true, nil
}

// narrow adds the labels that points of a labelled figure must have; all of them
// must be given.
func narrow(s catalog.Selector, m *catalog.HeapsterMetric, kind catalog.ObjectKind, given map[string]string) bool {
	if len(given) != len(m.Labels) {
		return false
	}
	if !m.Labeled() {
		return true
	}
	from := fromLabels(m, kind)
	for i, name := range m.Labels {
		value, ok := given[name]
		if !ok || len(from) == 0 {
			return false
		}
		s[from[i]] = value
	}
	return true
}

// fromLabels are the series labels of a labelled figure; sums have those of the
// containers.
func fromLabels(m *catalog.HeapsterMetric, kind catalog.ObjectKind) []string {
	for _, k := range []catalog.ObjectKind{kind, catalog.PodContainer} {
		for _, d := range m.For(k) {
			if len(d.From) > 0 {
				return d.From
			}
		}
	}
	return nil
}

// pod finds the pod by its id where that is what was given.
func (h *History) pod(ctx context.Context, of heapster.Object, start, end time.Time) (namespace, pod string, ok bool, err error) {
	if of.PodID == "" {
		return of.Namespace, of.Pod, true, nil
	}
	err = h.each(ctx, start, end, func(l labels.Labels) {
		namespace, pod, ok = l.Get("namespace"), l.Get("pod"), true
	}, equal(model.MetricNameLabel, "lubberline_container_info"), equal("pod_uid", of.PodID))
	return namespace, pod, ok, err
}
