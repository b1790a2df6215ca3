package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/lubberline/lubberline/aggregator/rollup"
)

// scratch is the decoder's memory.
type scratch struct {
	series  series
	symbols []string
	builder labels.ScratchBuilder
	labels  labels.Labels // overwritten for each series: never handed on
}

// write is one request on its way into the store.
type write struct {
	h       *Handler
	app     storage.Appender
	refs    storage.GetRef // nil when the store has none
	b       *buffer
	version protocol
	node    string // the only one whose series are taken; empty for any
	maxTime int64
	count   int   // series so far
	bad     error // first malformed series
	badN    int
	written written
}

// store1 stores one message and tells the observer.
func (h *Handler) store1(ctx context.Context, b *buffer, message []byte, version protocol, node string) (written, error) {
	w := &write{
		h: h, b: b, version: version, node: node, app: h.store.Appender(ctx),
		maxTime: h.now().Add(h.limits.Ahead).UnixMilli(),
	}
	w.refs, _ = w.app.(storage.GetRef)
	if err := w.decode(message); err != nil {
		return written{}, errors.Join(err, w.app.Rollback())
	}
	if err := w.app.Commit(); err != nil {
		return written{}, fail(http.StatusServiceUnavailable, "store %d samples: %w", w.written.samples, err)
	}
	h.metrics.samples.Add(float64(w.written.samples + w.written.histograms))
	if h.observer != nil && len(b.samples) > 0 {
		h.observer.Observe(b.samples)
	}
	if w.bad != nil {
		return w.written, fail(http.StatusBadRequest, "%d of %d series are malformed, the others are stored; the first: %w", w.badN, w.count, w.bad)
	}
	return w.written, nil
}

func (w *write) decode(message []byte) error {
	s := &w.b.scratch
	var err error
	if w.version == v2 {
		s.symbols, err = decodeV2(message, s.symbols, &s.series, w.take)
	} else {
		err = decodeV1(message, &s.series, w.take)
	}
	var f *failure
	if err == nil || errors.As(err, &f) {
		return err
	}
	return fail(http.StatusBadRequest, "decode message of %d bytes: %w", len(message), err)
}

// take appends one series. Errors end the request; a malformed series is only
// noted.
func (w *write) take(s *series) error {
	w.count++
	if w.count > w.h.limits.Series {
		return fail(http.StatusRequestEntityTooLarge, "more than %d series in one request", w.h.limits.Series)
	}
	ref, l, err := w.identify(s.labels)
	if err != nil {
		w.malformed(s, err)
		return nil
	}
	for _, p := range s.samples {
		if ref, err = w.append(ref, l, p); err != nil {
			return w.appendFailed(s, l, err)
		}
	}
	for _, raw := range s.histograms {
		if ref, err = w.appendHistogram(ref, l, raw); err != nil {
			return w.appendFailed(s, l, err)
		}
	}
	return nil
}

func (w *write) malformed(s *series, err error) {
	if w.bad == nil {
		w.bad = fmt.Errorf("series %d: %w", w.count-1, err)
	}
	w.badN++
	w.h.metrics.dropped[malformed].Add(float64(len(s.samples) + len(s.histograms)))
}

func (w *write) appendFailed(s *series, l labels.Labels, err error) error {
	var f *failure
	if errors.As(err, &f) && f.status == http.StatusBadRequest {
		w.malformed(s, err)
		return nil
	}
	return fail(http.StatusInternalServerError, "append to %s: %w", l, err)
}

// append offers one sample. A sample that can never be stored is counted.
func (w *write) append(ref storage.SeriesRef, l labels.Labels, p point) (storage.SeriesRef, error) {
	if p.t > w.maxTime {
		w.h.metrics.dropped[tooNew].Inc()
		return ref, nil
	}
	got, err := w.app.Append(ref, l, p.t, p.v)
	if err != nil {
		return ref, w.drop(err)
	}
	w.written.samples++
	w.b.samples = append(w.b.samples, rollup.Sample{Ref: got, Labels: l, T: p.t, V: p.v})
	return got, nil
}

// drop counts what the sender could never get stored and passes on the rest.
func (w *write) drop(err error) error {
	for _, known := range []struct {
		err    error
		reason string
	}{
		{storage.ErrOutOfOrderSample, outOfOrder},
		{storage.ErrTooOldSample, tooOld},
		{storage.ErrOutOfBounds, tooOld},
		{storage.ErrDuplicateSampleForTimestamp, duplicate},
	} {
		if errors.Is(err, known.err) {
			w.h.metrics.dropped[known.reason].Inc()
			return nil
		}
	}
	return err
}
