package rollup

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/time/rate"
)

// Sink takes every batch. Export should only hand the batch to the sink's own
// spool: it is called in a goroutine of the sink's own, one batch at a time, and
// what does not fit into its queue is dropped and counted.
type Sink interface {
	// Name is the value of the label sink in metrics and logs.
	Name() string
	Export(context.Context, *Batch) error
}

// sinkQueue is how many batches wait for a sink that is busy.
const sinkQueue = 16

// runner feeds one sink.
type runner struct {
	sink    Sink
	queue   chan *Batch
	log     *slog.Logger
	metrics *metrics
	limit   *rate.Limiter
}

func newRunner(s Sink, log *slog.Logger, m *metrics) *runner {
	m.sink(s.Name())
	return &runner{
		sink: s, queue: make(chan *Batch, sinkQueue), metrics: m,
		log: log.With("sink", s.Name()), limit: rate.NewLimiter(rate.Every(30*time.Second), 1),
	}
}

// offer never blocks: the oldest batch gives way. Only the ticking goroutine
// calls it.
func (r *runner) offer(b *Batch) {
	for {
		select {
		case r.queue <- b:
			return
		default:
		}
		select {
		case old := <-r.queue:
			r.metrics.dropped.WithLabelValues(r.sink.Name()).Inc()
			if r.limit.Allow() {
				r.log.Error("sink does not keep up: batch dropped", "batch", old.Time)
			}
		default:
		}
	}
}

// run exports until ctx ends, and then what is queued.
func (r *runner) run(ctx context.Context) {
	for {
		select {
		case b := <-r.queue:
			r.export(ctx, b)
		case <-ctx.Done():
			r.drain(context.WithoutCancel(ctx))
			return
		}
	}
}

// drainTime bounds the exports after the end.
const drainTime = 2 * time.Second

func (r *runner) drain(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, drainTime)
	defer cancel()
	for ctx.Err() == nil {
		select {
		case b := <-r.queue:
			r.export(ctx, b)
		default:
			return
		}
	}
}

func (r *runner) export(ctx context.Context, b *Batch) {
	if err := r.sink.Export(ctx, b); err != nil {
		r.metrics.failed.WithLabelValues(r.sink.Name()).Inc()
		if r.limit.Allow() {
			r.log.Error("sink failed to take a batch", "batch", b.Time, "err", err)
		}
		return
	}
	r.metrics.delivered.WithLabelValues(r.sink.Name()).Inc()
}
