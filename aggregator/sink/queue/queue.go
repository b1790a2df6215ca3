// Package queue is what the sinks share: a queue on disk between Lubberline and
// a store that may be away, and the clock that tries again for ever. What a
// sink appends is fsynced before Append returns; entries leave the disk, in
// order, once the store has them. A full disk budget sheds the oldest (see
// package spool), nothing else does.
package queue

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/spool"
)

// Spool is the queue on disk; package spool has it.
type Spool interface {
	Append(entries ...[]byte) (uint64, error)
	Next(ctx context.Context) (spool.Entry, error)
	Ack(seq uint64) error
	Rewind()
	Stats() spool.Stats
	Close() error
}

// Job is a group of entries on its way into the store. Try is called again and
// again, with growing pauses, until it returns nil: then the store has
// everything, or the dead-letter file has what the store can never take. A job
// keeps what it has achieved between tries. Try is never called twice at once.
type Job interface {
	Try(ctx context.Context) error
}

// Options describe a queue.
type Options struct {
	// Sink names the sink in metrics and log records.
	Sink string
	// Dir is the spool's directory.
	Dir string
	// MaxBytes caps the spool, 1 GiB when 0.
	MaxBytes int64
	// Prepare makes a job of entries. It must take whatever bytes it gets.
	Prepare func(entries [][]byte) Job
	// GroupBytes is up to how many bytes of waiting entries are put into one
	// job; 0 means that each entry is a job.
	GroupBytes int
	// InFlight is how many jobs are tried at the same time, 1 when 0. Entries
	// are acknowledged in order whatever it is.
	InFlight int
	// MinDelay and MaxDelay bound the pause between tries: 0.5 s and 30 s when 0.
	MinDelay, MaxDelay time.Duration
	// Metrics may be nil. Close, or an Open that fails, unregisters them.
	Metrics *Metrics
	// Logger may be nil.
	Logger *slog.Logger
	// Registerer is for the spool's own metrics; it may be nil.
	Registerer prometheus.Registerer
}

func (o *Options) complete() error {
	if o.Prepare == nil {
		return errors.New("queue without a way to deliver")
	}
	if o.InFlight < 0 || o.GroupBytes < 0 || o.MinDelay < 0 || o.MaxDelay < 0 {
		return fmt.Errorf("queue of %s: negative option", o.Sink)
	}
	o.InFlight = max(o.InFlight, 1)
	if o.MinDelay == 0 {
		o.MinDelay = 500 * time.Millisecond
	}
	if o.MaxDelay == 0 {
		o.MaxDelay = 30 * time.Second
	}
	if o.MaxDelay < o.MinDelay {
		return fmt.Errorf("queue of %s: longest pause %s is below the shortest, %s", o.Sink, o.MaxDelay, o.MinDelay)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		m, err := NewMetrics(o.Sink, nil)
		o.Metrics = m
		return err
	}
	return nil
}

// Queue is an open queue. Run drains it.
type Queue struct {
	options Options
	spool   Spool
	clock   *clock
}

// Open opens the queue's spool. Close it after Run has returned.
func Open(o Options) (*Queue, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s, err := spool.Open(spool.Options{
		Dir: o.Dir, MaxBytes: o.MaxBytes, Name: "sink-" + o.Sink, Logger: o.Logger, Registerer: o.Registerer,
	})
	if err != nil {
		o.Metrics.set.Unregister()
		return nil, fmt.Errorf("open the queue of %s: %w", o.Sink, err)
	}
	return newQueue(o, s), nil
}

// newQueue takes complete options.
func newQueue(o Options, s Spool) *Queue {
	q := &Queue{options: o, spool: s, clock: newClock(o)}
	o.Metrics.watch(s.Stats)
	return q
}

// Append puts entries into the queue and returns when they are on disk. It does
// not wait for the store.
func (q *Queue) Append(entries ...[]byte) error {
	if len(entries) == 0 {
		return nil
	}
	if _, err := q.spool.Append(entries...); err != nil {
		return fmt.Errorf("queue for %s: %w", q.options.Sink, err)
	}
	return nil
}

// Pending is how many entries the store does not have yet.
func (q *Queue) Pending() uint64 { return q.spool.Stats().Entries }

// Close closes the spool; what is pending stays on disk.
func (q *Queue) Close() error {
	q.options.Metrics.set.Unregister()
	if err := q.spool.Close(); err != nil {
		return fmt.Errorf("close the queue of %s: %w", q.options.Sink, err)
	}
	return nil
}

// group is a job and the number of its last entry.
type group struct {
	job     Job
	lastSeq uint64
	done    chan struct{} // closed when the store has it
}

// Run delivers until ctx is done, then returns nil; entries whose delivery was
// not finished are delivered by the next Run. It returns the spool's error if
// that cannot be read.
func (q *Queue) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer q.spool.Rewind()

	var workers sync.WaitGroup
	entries := make(chan spool.Entry)
	var readErr error
	workers.Go(func() {
		defer close(entries)
		readErr = q.read(ctx, entries)
	})
	// The window holds the groups under way in the order of their entries, less
	// the one that is waited for.
	window := make(chan *group, q.options.InFlight-1)
	workers.Go(func() { q.acknowledge(ctx, window) })
	q.dispatch(ctx, entries, window, &workers)
	close(window)
	workers.Wait()
	return readErr
}

func (q *Queue) read(ctx context.Context, entries chan<- spool.Entry) error {
	for {
		e, err := q.spool.Next(ctx)
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // ended as it was told to
		case errors.Is(err, spool.ErrClosed):
			return fmt.Errorf("read the queue of %s: %w", q.options.Sink, err)
		case err != nil: // the disk's; it may come back
			q.clock.failed(ctx, fmt.Errorf("read the queue of %s: %w", q.options.Sink, err), 1)
			continue
		}
		select {
		case entries <- e:
		case <-ctx.Done():
			return nil
		}
	}
}

func (q *Queue) dispatch(ctx context.Context, entries <-chan spool.Entry, window chan<- *group, workers *sync.WaitGroup) {
	var held *spool.Entry // read, but too large for the group before it
	for {
		g := q.gather(entries, &held)
		if g == nil {
			return
		}
		select { // waits while as many as may be are under way
		case window <- g:
		case <-ctx.Done():
			return
		}
		workers.Go(func() {
			if q.clock.try(ctx, g.job) {
				close(g.done)
			}
		})
	}
}

// gatherWait is how long a group waits for one more entry: long enough for the
// reader to have the next one ready, too short to matter.
const gatherWait = 2 * time.Millisecond

// gather makes a group of the next entry and of those that wait behind it. It
// returns nil when there are no more.
func (q *Queue) gather(entries <-chan spool.Entry, held **spool.Entry) *group {
	var e spool.Entry
	if *held != nil {
		e, *held = **held, nil
	} else {
		var ok bool
		if e, ok = <-entries; !ok {
			return nil
		}
	}
	data, size, last := [][]byte{e.Data}, len(e.Data), e.Seq
	timer := time.NewTimer(gatherWait)
	defer timer.Stop()
	for size < q.options.GroupBytes {
		select {
		case e, ok := <-entries:
			if ok && size+len(e.Data) <= q.options.GroupBytes {
				data, size, last = append(data, e.Data), size+len(e.Data), e.Seq
				timer.Reset(gatherWait)
				continue
			}
			if ok {
				*held = &e
			}
		case <-timer.C:
		}
		break
	}
	return &group{job: q.options.Prepare(data), lastSeq: last, done: make(chan struct{})}
}

// acknowledge acknowledges groups in order, each when the store has it.
func (q *Queue) acknowledge(ctx context.Context, window <-chan *group) {
	for g := range window {
		select {
		case <-g.done:
		case <-ctx.Done():
			select {
			case <-g.done: // finished just before
			default:
				return
			}
		}
		if err := q.spool.Ack(g.lastSeq); err != nil {
			q.clock.report(fmt.Errorf("acknowledge %d: %w", g.lastSeq, err))
		}
	}
}
