// Package logs receives log records by the forward protocol, turns them into
// logrecord.Batch and has stores commit them in groups before a chunk is
// acknowledged.
//
// The strings of a record refer to the memory of the frame that it came in,
// which nobody writes to again: a store may keep them, at the price of keeping
// the whole frame. Sources and labels are shared between records and chunks and
// must not be changed.
package logs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/logrecord"
)

const (
	defaultMaxDelay = 50 * time.Millisecond
	// defaultMaxRecords is a little over 122,880, the rows of a DuckDB row group:
	// such a transaction is written as compressed columns at once, and not first
	// into the write-ahead log. That is half the writing under load.
	defaultMaxRecords = 123_000
	// waitingGroups is how many full groups may wait for a commit before
	// connections are not read any more.
	waitingGroups = 1
)

// Store keeps records. Append returns nil once all batches are durable; one
// whose ChunkID it holds already changes nothing.
type Store interface {
	Append(ctx context.Context, batches []logrecord.Batch) error
}

// Controllers knows the topmost controller of pods, as "KIND/NAME", empty for a
// pod without one. known is false for a pod that is not there (yet). It is
// asked from several goroutines, and must not block.
type Controllers interface {
	Controller(namespace, pod string) (controller string, known bool)
}

// Options describe a receiver.
type Options struct {
	// Stores must all have committed a chunk before it is acknowledged.
	Stores []Store
	// Controllers tells the pods' controllers; nil where no cluster is watched.
	Controllers Controllers
	// MaxDelay is how long a group waits for more chunks, 50 ms when 0.
	MaxDelay time.Duration
	// MaxRecords ends the wait, 123,000 when 0.
	MaxRecords int
	// Now is time.Now when nil.
	Now func() time.Time
	// Logger and Registerer may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

// Receiver is a forward.Handler in front of stores.
type Receiver struct {
	options Options
	log     *slog.Logger
	metrics *metrics
	decoder *decoder

	mu      sync.Mutex
	taken   sync.Cond // signalled when the committer took the group
	group   []*item   // waits for a commit
	records int       // in group
	inHand  map[string]*item
	closed  bool

	arrived  chan struct{} // holds a token when group is not empty
	full     chan struct{} // holds a token when group is long enough
	done     chan struct{} // closed by Close
	finished chan struct{} // closed by the committer

	badEvents, storeErrors, otherSignals rate.Sometimes
}

// item is a chunk, or a piece of one, that waits. Receiver.mu guards dones.
type item struct {
	batch logrecord.Batch
	dones []func(error)
}

// ErrClosed is what chunks get that come after Close.
var ErrClosed = errors.New("log receiver is closed")

// New makes a receiver and starts its committer; Close ends it.
func New(o Options) (*Receiver, error) {
	if len(o.Stores) == 0 {
		return nil, errors.New("log receiver without a store")
	}
	if o.MaxDelay <= 0 {
		o.MaxDelay = defaultMaxDelay
	}
	if o.MaxRecords <= 0 {
		o.MaxRecords = defaultMaxRecords
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	r := &Receiver{
		options: o, log: o.Logger, decoder: newDecoder(o.Controllers),
		inHand:  make(map[string]*item),
		arrived: make(chan struct{}, 1), full: make(chan struct{}, 1),
		done: make(chan struct{}), finished: make(chan struct{}),
		badEvents:    rate.Sometimes{First: 5, Interval: 10 * time.Second},
		storeErrors:  rate.Sometimes{First: 5, Interval: 10 * time.Second},
		otherSignals: rate.Sometimes{First: 5, Interval: 10 * time.Second},
	}
	r.taken.L = &r.mu
	var err error
	if r.metrics, err = newMetrics(o.Registerer, r); err != nil {
		return nil, fmt.Errorf("log receiver: register metrics: %w", err)
	}
	go r.commitLoop()
	return r, nil
}

// Close commits what is in hand and refuses the rest. Close the forward server
// before it.
func (r *Receiver) Close() error {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil
	}
	r.closed = true
	r.mu.Unlock()
	close(r.done)
	r.taken.Broadcast()
	<-r.finished
	r.metrics.Unregister()
	return nil
}

// Handle implements forward.Handler. Decoding is done by the caller, so that
// connections are decoded in parallel.
func (r *Receiver) Handle(ctx context.Context, c *forward.Chunk, done func(error)) {
	r.metrics.chunks.Inc()
	if c.Signal != forward.SignalLogs {
		r.metrics.otherSignals.Inc()
		r.otherSignals.Do(func() {
			r.log.Warn("forward chunk holds no logs, passing over it", "remote", c.Remote, "tag", c.Tag, "signal", c.Signal)
		})
		done(nil)
		return
	}
	r.take(c, done)
}

func (r *Receiver) account(c *forward.Chunk, records int, result result) {
	r.metrics.records.Add(float64(records))
	r.metrics.bytes.Add(float64(len(c.Entries)))
	r.metrics.badTimes.Add(float64(result.badTimes))
	if result.bad == 0 {
		return
	}
	r.metrics.badEvents.Add(float64(result.bad))
	r.badEvents.Do(func() {
		r.log.Warn("passed over bad events of a forward chunk", "remote", c.Remote, "tag", c.Tag,
			"chunk", c.FrameOptions.Chunk, "bad", result.bad, "good", records, "error", result.reason)
	})
}

// enqueue waits while enough is waiting already. A chunk that is in hand under
// the same id shares the other's fate.
func (r *Receiver) enqueue(it *item) {
	r.mu.Lock()
	for r.records >= waitingGroups*r.options.MaxRecords && !r.closed {
		r.taken.Wait()
	}
	if r.closed {
		r.mu.Unlock()
		it.finish(ErrClosed)
		return
	}
	defer r.mu.Unlock()
	if id := it.batch.ChunkID; id != "" {
		if other := r.inHand[id]; other != nil {
			other.dones = append(other.dones, it.dones...)
			r.metrics.repeats.Inc()
			return
		}
		r.inHand[id] = it
	}
	r.group = append(r.group, it)
	r.records += len(it.batch.Records)
	poke(r.arrived)
	if r.records >= r.options.MaxRecords {
		poke(r.full)
	}
}

func (it *item) finish(err error) {
	for _, done := range it.dones {
		done(err)
	}
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// commitLoop commits one group after the other.
func (r *Receiver) commitLoop() {
	defer close(r.finished)
	delay := time.NewTimer(time.Hour)
	defer delay.Stop()
	for {
		select {
		case <-r.arrived:
		case <-r.done:
			r.commit()
			return
		}
		delay.Reset(r.options.MaxDelay)
		select {
		case <-delay.C:
		case <-r.full:
		case <-r.done:
		}
		r.commit()
	}
}

// commit hands the waiting group to the stores.
func (r *Receiver) commit() {
	r.mu.Lock()
	group := r.group
	r.group, r.records = nil, 0
	select {
	case <-r.full:
	default:
	}
	r.mu.Unlock()
	r.taken.Broadcast()
	if len(group) == 0 {
		return
	}
	err := r.store(group)
	r.mu.Lock()
	for _, it := range group {
		delete(r.inHand, it.batch.ChunkID)
	}
	r.mu.Unlock()
	for _, it := range group { // nobody adds to dones any more
		it.finish(err)
	}
}

func (r *Receiver) store(group []*item) error {
	batches := make([]logrecord.Batch, len(group))
	n := 0
	for i, it := range group {
		batches[i] = it.batch
		n += len(it.batch.Records)
	}
	begin := time.Now()
	all, ctx := errgroup.WithContext(context.Background())
	for _, s := range r.options.Stores {
		all.Go(func() error { return s.Append(ctx, batches) })
	}
	err := all.Wait()
	r.metrics.commitSeconds.Observe(time.Since(begin).Seconds())
	if err == nil {
		return nil
	}
	r.metrics.commitErrors.Inc()
	r.storeErrors.Do(func() {
		r.log.Error("log store did not take a group, its chunks are not acknowledged", "chunks", len(group), "records", n, "error", err)
	})
	return fmt.Errorf("store logs: %w", err)
}

// waiting is the number of records that wait for a commit.
func (r *Receiver) waiting() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.records
}
