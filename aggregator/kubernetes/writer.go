package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"

	"github.com/lubberline/lubberline/aggregator/kubernetes/state"
	"github.com/lubberline/lubberline/aggregator/rollup"
)

// Labels that all series of this package have.
const (
	jobLabel = "job"
	jobName  = "kubernetes"
)

// writer stores series and ends those that do not come any more. It is for one
// goroutine.
type writer struct {
	store    storage.Appendable
	observer Observer
	builder  *labels.Builder
	written  map[uint64]*series // by hash of the labels
	round    uint64
	batch    []rollup.Sample
}

type series struct {
	labels labels.Labels
	ref    storage.SeriesRef
	round  uint64
}

func newWriter(store storage.Appendable, observer Observer) *writer {
	return &writer{store: store, observer: observer, builder: labels.NewBuilder(labels.EmptyLabels()), written: map[uint64]*series{}}
}

// write stores what emitAll emits as samples of that time, and marks the series
// of the last writing that are not among it as ended.
func (w *writer) write(ctx context.Context, now time.Time, emitAll func(state.Emit)) error {
	w.round++
	w.batch = w.batch[:0]
	t := now.UnixMilli()
	app := w.store.Appender(ctx)
	var failed error
	put := func(s *series, v float64) {
		ref, err := app.Append(s.ref, s.labels, t, v)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", s.labels, err))
			return
		}
		s.ref = ref
		w.batch = append(w.batch, rollup.Sample{Ref: ref, Labels: s.labels, T: t, V: v})
	}
	emitAll(func(metric string, v float64, pairs ...string) {
		if s := w.series(metric, pairs); s.round != w.round { // else it was emitted twice
			s.round = w.round
			put(s, v)
		}
	})
	for hash, s := range w.written {
		if s.round != w.round {
			put(s, math.Float64frombits(value.StaleNaN))
			delete(w.written, hash)
		}
	}
	if err := app.Commit(); err != nil {
		return errors.Join(failed, err)
	}
	if w.observer != nil {
		w.observer.Observe(w.batch)
	}
	return failed
}

func (w *writer) series(metric string, pairs []string) *series {
	w.builder.Reset(labels.EmptyLabels())
	w.builder.Set(model.MetricNameLabel, metric)
	w.builder.Set(jobLabel, jobName)
	for i := 0; i+1 < len(pairs); i += 2 {
		w.builder.Set(pairs[i], pairs[i+1]) // an empty value leaves it out
	}
	l := w.builder.Labels()
	hash := l.Hash()
	s := w.written[hash]
	if s == nil || !labels.Equal(s.labels, l) {
		s = &series{labels: l}
		w.written[hash] = s
	}
	return s
}
