package rollup

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"

	"github.com/lubberline/lubberline/catalog"
)

// Options are what can be set. Zero values take the defaults named with each.
type Options struct {
	// Resolution is the distance of batches, aligned to the wall clock: 5 s.
	Resolution time.Duration
	// Grace is how long after the end of a window late nodes are waited for: 1 s,
	// but never more than half the resolution. When all nodes have delivered the
	// batch is published earlier.
	Grace time.Duration
	// Sinks get every batch.
	Sinks []Sink
	// Warm is the store that the last minutes are read back from at the start;
	// nil starts empty.
	Warm       storage.Queryable
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	minResolution = 10 * time.Millisecond
	// keepIntervals is for how many resolutions an object that no longer delivers
	// stays in the batches, but at least keepLeast.
	keepIntervals = 4
	keepLeast     = 20 * time.Second
	keepSlow      = 5 * time.Minute // for series that others send at their own pace
	settle        = 50 * time.Millisecond
)

// Rollup keeps the newest samples of every object and makes a batch of figures
// from them at each point of the grid. Observe, Latest, Series and Names may be
// called from any goroutine; Run once.
type Rollup struct {
	resolution, grace, keep time.Duration
	log                     *slog.Logger
	metrics                 *metrics
	runners                 []*runner
	warm                    storage.Queryable
	history                 *History
	latest                  atomic.Pointer[Batch]
	arrived                 chan struct{} // a token after each Observe

	mu      sync.Mutex // guards what follows
	in      *intake
	compute *computation
}

// New makes a rollup; with Options.Warm it reads the last minutes back.
func New(ctx context.Context, o Options) (*Rollup, error) {
	if o.Resolution == 0 {
		o.Resolution = 5 * time.Second
	}
	if o.Resolution < minResolution {
		return nil, fmt.Errorf("rollup: resolution %s: at least %s", o.Resolution, minResolution)
	}
	if o.Grace <= 0 {
		o.Grace = time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	in := newIntake(newPlan())
	r := &Rollup{
		resolution: o.Resolution, grace: min(o.Grace, o.Resolution/2),
		keep: max(keepLeast, keepIntervals*o.Resolution),
		log:  o.Logger, metrics: newMetrics(o.Registerer), warm: o.Warm,
		history: NewHistory(o.Resolution), arrived: make(chan struct{}, 1),
		in: in, compute: newComputation(in),
	}
	for _, s := range o.Sinks {
		r.runners = append(r.runners, newRunner(s, o.Logger, r.metrics))
	}
	now := time.Now()
	in.end = now.Truncate(o.Resolution).Add(o.Resolution).UnixMilli()
	if o.Warm != nil {
		if err := r.warmUp(ctx, now); err != nil {
			o.Logger.Warn("recent history cannot be read back; it fills anew", "err", err)
		}
	}
	return r, nil
}

// Resolution is the distance of batches.
func (r *Rollup) Resolution() time.Duration { return r.resolution }

// Latest is the newest batch, nil before the first.
func (r *Rollup) Latest() *Batch { return r.latest.Load() }

// History is the recent past of every figure.
func (r *Rollup) History() *History { return r.history }

// ErrStale is wrapped by Healthy's error when batches have stopped coming.
var ErrStale = errors.New("no recent batch")

// staleAfter is the age from which the newest batch means trouble.
const staleAfter = 3 * time.Minute

// Healthy returns an error while there is no batch yet, the newest is older
// than three minutes, or it is empty.
func (r *Rollup) Healthy() error {
	b := r.Latest()
	switch {
	case b == nil:
		return fmt.Errorf("%w: none was made yet", ErrStale)
	case time.Since(b.Time) > staleAfter:
		return fmt.Errorf("%w: the newest is of %s", ErrStale, b.Time.Format(time.RFC3339))
	case len(b.Sets) == 0:
		return fmt.Errorf("%w: the newest is empty", ErrStale)
	}
	return nil
}

// Observe takes committed samples. It does not keep the slice.
func (r *Rollup) Observe(samples []Sample) {
	r.mu.Lock()
	for i := range samples {
		r.in.take(&samples[i])
	}
	r.mu.Unlock()
	select {
	case r.arrived <- struct{}{}:
	default:
	}
}

// Run makes batches until ctx ends.
func (r *Rollup) Run(ctx context.Context) error {
	var sinks sync.WaitGroup
	defer sinks.Wait()
	for _, s := range r.runners {
		sinks.Go(func() { s.run(ctx) })
	}
	if !r.preview(ctx) {
		return nil
	}
	for {
		end := time.Now().Truncate(r.resolution).Add(r.resolution)
		r.window(end)
		if !sleep(ctx, time.Until(end)) {
			return nil
		}
		if !r.await(ctx, end) {
			return nil
		}
		r.publish(r.Tick(end))
		r.metrics.lag.Set(time.Since(end).Seconds())
	}
}

// startStep is the distance of the batches before the first of the grid.
const startStep = time.Second

// preview shows figures each second until the first point of the grid, so that
// whoever starts Lubberline need not wait a whole resolution to see something.
// These batches are for Latest alone: history and sinks keep to the grid.
func (r *Rollup) preview(ctx context.Context) bool {
	for r.resolution > startStep {
		now := time.Now()
		end := now.Truncate(startStep).Add(startStep)
		if !end.Before(now.Truncate(r.resolution).Add(r.resolution)) {
			return true
		}
		r.window(end)
		if !sleep(ctx, time.Until(end)) || !r.await(ctx, end) {
			return false
		}
		if b := r.Tick(end); len(b.Sets) > 0 {
			r.latest.Store(b)
		}
	}
	return true
}

// window sets the end of the window under way. The clock may have been stepped.
func (r *Rollup) window(end time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in.open(end.UnixMilli())
}

func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// await returns when all nodes have delivered up to the end of the window and
// nothing more came for a moment, or when the grace is over.
func (r *Rollup) await(ctx context.Context, end time.Time) bool {
	late := time.NewTimer(time.Until(end.Add(r.grace)))
	defer late.Stop()
	quiet := time.NewTimer(settle)
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-late.C:
			return true
		case <-r.arrived:
			quiet.Reset(settle)
		case <-quiet.C:
			if r.complete(end.UnixMilli()) {
				return true
			}
		}
	}
}

// complete reports whether every node has delivered a sample of the window's
// end or later. Without any node there is nothing to wait for.
func (r *Rollup) complete(end int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range r.in.objects {
		if o.kind == catalog.Node && o.newest < end && o.newest >= end-r.keep.Milliseconds() {
			return false
		}
	}
	return true
}

// Tick computes the batch of the window that ends at end, without publishing
// it. Run calls it; tests may.
func (r *Rollup) Tick(end time.Time) *Batch {
	defer func(began time.Time) { r.metrics.duration.Observe(time.Since(began).Seconds()) }(time.Now())
	r.mu.Lock()
	defer r.mu.Unlock()
	r.in.open(end.UnixMilli())
	b := r.compute.batch(end.UnixMilli(), r.keep, keepSlow)
	r.in.close(end.Add(r.resolution).UnixMilli(), r.compute.oldest, r.compute.oldestSlow)
	r.metrics.series.Set(float64(len(r.in.entries) - len(r.in.free)))
	return b
}

func (r *Rollup) publish(b *Batch) {
	r.history.Add(b)
	r.latest.Store(b)
	r.metrics.batches.Inc()
	r.metrics.objects.Set(float64(len(b.Sets)))
	for _, s := range r.runners {
		s.offer(b)
	}
}
