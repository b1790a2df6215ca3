package rollup

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
)

const (
	// warmLimit bounds the time that reading back may take.
	warmLimit = 10 * time.Second
	// manySeries is the number from which only the short history is read back.
	manySeries = 100_000
	// warmSpan is how much is read at once.
	warmSpan = time.Minute
)

// waiting is a stored sample on its way to an entry.
type waiting struct {
	point
	first int32
}

// warmUp makes the batches of the last minutes again, from the stored samples
// and with the code that made them first. They go into the history; no sink
// sees them.
func (r *Rollup) warmUp(ctx context.Context, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, warmLimit)
	defer cancel()
	last := now.Truncate(r.resolution)
	end := last.Add(-longHistory).Truncate(r.resolution)
	r.in.end = end.UnixMilli()
	span := max(warmSpan, r.resolution)
	for from := end.Add(-r.keep); from.Before(last); {
		to := from.Add(span).Truncate(r.resolution)
		if to.After(last) {
			to = last
		}
		samples, err := r.stored(ctx, from, to)
		if err != nil {
			return err
		}
		for ; !end.After(to); end = end.Add(r.resolution) {
			samples = r.replay(samples, end)
		}
		from = to
		if len(r.in.entries) > manySeries && last.Sub(from) > shortHistory+r.keep {
			from = last.Add(-shortHistory - r.keep)
			end = last.Add(-shortHistory).Truncate(r.resolution)
			r.in.open(end.UnixMilli())
		}
	}
	if b := r.Latest(); b != nil && last.Sub(b.Time) > r.keep {
		r.latest.Store(nil) // nothing has come for a while
	}
	r.log.Info("recent history read back", "objects", len(r.in.objects), "took", time.Since(now))
	return nil
}

// replay puts the samples up to end and makes the batch; it returns the rest.
func (r *Rollup) replay(samples []waiting, end time.Time) []waiting {
	n := 0
	for n < len(samples) && samples[n].t <= end.UnixMilli() {
		r.in.put(samples[n].first, samples[n].t, samples[n].v)
		n++
	}
	if b := r.Tick(end); len(b.Sets) > 0 {
		r.history.Add(b)
		r.latest.Store(b)
	}
	return samples[n:]
}

// stored reads the samples in (from, to] of all series that figures are made
// from, by time.
func (r *Rollup) stored(ctx context.Context, from, to time.Time) ([]waiting, error) {
	q, err := r.warm.Querier(from.UnixMilli()+1, to.UnixMilli())
	if err != nil {
		return nil, fmt.Errorf("read samples since %s: %w", from.Format(time.RFC3339), err)
	}
	defer q.Close()
	names, err := labels.NewMatcher(labels.MatchRegexp, model.MetricNameLabel, strings.Join(r.in.plan.metrics(), "|"))
	if err != nil {
		return nil, err
	}
	var samples []waiting
	set := q.Select(ctx, false, &storage.SelectHints{Start: from.UnixMilli() + 1, End: to.UnixMilli()}, names)
	var it chunkenc.Iterator
	for set.Next() {
		it = set.At().Iterator(it)
		samples = r.storedSeries(set.At().Labels(), it, samples)
	}
	if err := set.Err(); err != nil {
		return nil, fmt.Errorf("read samples since %s: %w", from.Format(time.RFC3339), err)
	}
	slices.SortStableFunc(samples, func(a, b waiting) int { return int(a.t - b.t) })
	return samples, nil
}

func (r *Rollup) storedSeries(l labels.Labels, it chunkenc.Iterator, samples []waiting) []waiting {
	first := ignoredRef
	for attached := false; it.Next() == chunkenc.ValFloat; {
		t, v := it.At()
		if !attached {
			first, attached = r.in.attach(0, l, t), true
		}
		if first == ignoredRef {
			return samples
		}
		samples = append(samples, waiting{point{t, v}, first})
	}
	return samples
}
