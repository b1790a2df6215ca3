// Package forwardinput takes log records by the forward protocol into the
// collector's spool: a chunk is acknowledged when it is fsynced there.
//
// A chunk's id, with the sender's host before it, becomes the id under which it
// is shipped. A sender that repeats a chunk because the acknowledgement was lost
// is recognised here as long as the id is remembered, and by the aggregator
// after a restart. Chunks without an id are gathered into larger ones.
//
// Records of Docker's fluentd log driver are turned into what the tailer makes
// of a container's log file, see docker.go. Docker sends a line over 16 KiB in
// parts, and with acknowledgements sends a part only when the one before it is
// acknowledged. So a part is acknowledged before its line is whole; to be safe
// it goes into a journal of its own until then (Options.Parts). Without a
// journal a crash costs the acknowledged parts of unfinished lines.
package forwardinput

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/logrecord"
	"github.com/lubberline/lubberline/spool"
)

const (
	defaultMaxDelay     = 20 * time.Millisecond
	defaultRemembered   = 50_000
	defaultMaxWaiting   = 32 << 20
	defaultPartTime     = 10 * time.Second
	defaultMaxLine      = 1 << 20
	defaultMaxPartBytes = 32 << 20
	spoolRetry          = time.Second
)

// Appender is where chunks go; *spool.Spool is one.
type Appender interface {
	Append(entries ...[]byte) (uint64, error)
}

// Journal keeps the parts of unfinished lines; *spool.Spool is one.
type Journal interface {
	Appender
	Scan(f func(spool.Entry) error) error
	Ack(seq uint64) error
	Stats() spool.Stats
}

// Containers tells what is known of a container, nil for nothing. It is asked
// for each record and must not wait. What it returns must not be changed.
type Containers interface {
	Lookup(containerID string) *logrecord.Source
}

// Options describe an input.
type Options struct {
	Spool Appender
	// Parts keeps acknowledged parts of lines safe; may be nil.
	Parts Journal
	// Containers may be nil.
	Containers Containers
	// Node is this machine's name.
	Node string
	// MaxDelay is how long chunks without an id wait for others, 20 ms when 0.
	MaxDelay time.Duration
	// MaxWaitingBytes is how much may wait for the spool before connections are
	// not read, 32 MiB when 0.
	MaxWaitingBytes int
	// Remembered is how many ids of chunks are remembered, 50,000 when 0.
	Remembered int
	// MaxLine bounds a line joined of parts, 1 MiB when 0; PartTime how long the
	// next part may take, 10 s when 0; MaxPartBytes all unfinished lines, 32
	// MiB when 0. Beyond them lines come in pieces.
	MaxLine      int
	PartTime     time.Duration
	MaxPartBytes int
	// Logger and Registerer may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (o *Options) complete() error {
	if o.Spool == nil {
		return errors.New("forward input without a spool")
	}
	for value, otherwise := range map[*int]int{
		&o.MaxWaitingBytes: defaultMaxWaiting, &o.Remembered: defaultRemembered, &o.MaxLine: defaultMaxLine, &o.MaxPartBytes: defaultMaxPartBytes,
	} {
		if *value <= 0 {
			*value = otherwise
		}
	}
	if o.MaxDelay <= 0 {
		o.MaxDelay = defaultMaxDelay
	}
	if o.PartTime <= 0 {
		o.PartTime = defaultPartTime
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Input is a forward.Handler in front of a spool.
type Input struct {
	options Options
	log     *slog.Logger
	metrics *metrics
	commons *commons
	joiner  *joiner

	mu     sync.Mutex
	taken  sync.Cond // signalled when the committer took the waiting items
	queue  []*item
	bytes  int              // of the queue
	inHand map[string]*item // by id, until committed
	recent *recent          // ids that are committed
	closed bool

	arrived  chan struct{} // holds a token when the queue is not empty
	hurry    chan struct{} // holds a token when somebody waits for an acknowledgement
	done     chan struct{} // closed by Close
	finished sync.WaitGroup

	badEvents, spoolErrors rate.Sometimes
}

// item is what one chunk became. Input.mu guards dones.
type item struct {
	id     string // empty: may be merged with others
	pieces []piece
	bytes  int
	dones  []func(error)
	after  func(error) // called before dones; may be nil
}

// ErrClosed is what chunks get that come after Close.
var ErrClosed = errors.New("forward input is closed")

// New makes an input, takes up the parts in the journal, and starts. Close ends
// it.
func New(o Options) (*Input, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	in := &Input{
		options: o, log: o.Logger,
		commons: newCommons(o.Containers, o.Node),
		inHand:  make(map[string]*item), recent: newRecent(o.Remembered),
		arrived: make(chan struct{}, 1), hurry: make(chan struct{}, 1), done: make(chan struct{}),
		badEvents:   rate.Sometimes{First: 5, Interval: 10 * time.Second},
		spoolErrors: rate.Sometimes{First: 5, Interval: 10 * time.Second},
	}
	in.taken.L = &in.mu
	in.joiner = newJoiner(&in.options, func(p piece, after func(error)) {
		in.enqueue(&item{pieces: []piece{p}, after: after})
	})
	var err error
	if in.metrics, err = newMetrics(o.Registerer, in); err != nil {
		return nil, fmt.Errorf("forward input: register metrics: %w", err)
	}
	in.finished.Add(2)
	go in.commitLoop()
	go in.expireLoop()
	if err := in.joiner.restore(); err != nil {
		in.Close()
		return nil, fmt.Errorf("forward input: read the journal of parts: %w", err)
	}
	return in, nil
}

// Close commits what waits. Shut the forward server down before it. Parts in
// the journal stay there; others are committed as they are.
func (in *Input) Close() error {
	in.mu.Lock()
	if in.closed {
		in.mu.Unlock()
		return nil
	}
	in.mu.Unlock()
	in.joiner.flush()
	in.mu.Lock()
	in.closed = true
	in.mu.Unlock()
	close(in.done)
	in.taken.Broadcast()
	in.finished.Wait()
	in.metrics.Unregister()
	return nil
}

// Handle implements forward.Handler.
func (in *Input) Handle(_ context.Context, c *forward.Chunk, done func(error)) {
	in.metrics.chunks.Inc()
	if c.Signal != forward.SignalLogs {
		in.metrics.otherSignals.Inc()
		done(nil)
		return
	}
	id := in.outgoingID(c)
	if id != "" && in.repeated(id, done) {
		in.metrics.repeats.Inc()
		return
	}
	s := in.split(c)
	in.account(c, s)
	after, pieces, err := in.joiner.take(s.parts, id != "")
	if err != nil {
		done(fmt.Errorf("journal of partial lines: %w", err))
		return
	}
	pieces = append(s.pieces, pieces...)
	if len(pieces) == 0 {
		in.remember(id)
		done(nil)
		return
	}
	in.enqueue(&item{id: id, pieces: pieces, dones: []func(error){done}, after: after})
}

// outgoingID makes a chunk's id unique among senders; empty when it has none.
func (in *Input) outgoingID(c *forward.Chunk) string {
	id := c.FrameOptions.Chunk
	if id == "" {
		return ""
	}
	host, _, err := net.SplitHostPort(c.Remote)
	if err != nil {
		host = "local"
	}
	return in.options.Node + "/" + host + "/" + id
}

func (in *Input) account(c *forward.Chunk, s *split) {
	in.metrics.records.Add(float64(s.records))
	if s.bad == 0 {
		return
	}
	in.metrics.badEvents.Add(float64(s.bad))
	in.badEvents.Do(func() {
		in.log.Warn("passed over bad events of a forward chunk", "remote", c.Remote, "tag", c.Tag,
			"chunk", c.FrameOptions.Chunk, "bad", s.bad, "good", s.records, "error", s.reason)
	})
}

// repeated tells whether the chunk is known, and sees to done then.
func (in *Input) repeated(id string, done func(error)) bool {
	in.mu.Lock()
	if other := in.inHand[id]; other != nil {
		other.dones = append(other.dones, done)
		in.mu.Unlock()
		return true
	}
	known := in.recent.has(id)
	in.mu.Unlock()
	if known {
		done(nil)
	}
	return known
}

func (in *Input) remember(id string) {
	if id == "" {
		return
	}
	in.mu.Lock()
	in.recent.add(id)
	in.mu.Unlock()
}

// enqueue waits while enough is waiting.
func (in *Input) enqueue(it *item) {
	for _, p := range it.pieces {
		it.bytes += len(p.entries)
	}
	in.mu.Lock()
	for in.bytes > in.options.MaxWaitingBytes && !in.closed {
		in.taken.Wait()
	}
	if in.closed {
		in.mu.Unlock()
		it.finish(ErrClosed)
		return
	}
	defer in.mu.Unlock()
	in.queue = append(in.queue, it)
	in.bytes += it.bytes
	if it.id != "" {
		in.inHand[it.id] = it
		poke(in.hurry)
	}
	poke(in.arrived)
}

func (it *item) finish(err error) {
	if it.after != nil {
		it.after(err)
	}
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

// expireLoop ends lines whose next part does not come.
func (in *Input) expireLoop() {
	defer in.finished.Done()
	tick := time.NewTicker(max(in.options.PartTime/4, time.Millisecond))
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			in.joiner.expire(now)
		case <-in.done:
			return
		}
	}
}
