package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/klauspost/compress/s2"
	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/collector/series"
	"github.com/lubberline/lubberline/ownmetrics"
	"github.com/lubberline/lubberline/spool"
)

// Queue keeps requests until they are delivered; spool.Spool is one.
type Queue interface {
	// Append returns when the entries are durable, and does not keep them.
	Append(entries ...[]byte) (firstSeq uint64, err error)
	// Next waits for an entry it has not given yet.
	Next(ctx context.Context) (spool.Entry, error)
	// Ack lets go of an entry and all before it.
	Ack(seq uint64) error
	Stats() spool.Stats
}

// Options say where samples go.
type Options struct {
	// URL is the receiver: http, https, or unix:///path/of/socket, which may
	// have ?path=/api/v1/write (that is the default).
	URL string
	// Node is the value of the labels instance and node.
	Node string
	// Queue holds what is not delivered. The caller closes it, after Run.
	Queue Queue
	// DeadLetterDir is where refused requests go.
	DeadLetterDir string
	// DeadLetterBytes bounds them; 64 MiB when zero.
	DeadLetterBytes int64
	// TokenFile holds a bearer token; none is sent when empty.
	TokenFile string
	// CAFile holds the certificates that may sign the receiver's; the system's
	// when empty.
	CAFile string
	// CertFile and KeyFile are the certificate that is shown to the receiver and
	// its key; none is when empty. They may be replaced.
	CertFile, KeyFile string
	// Transport replaces the connection to the receiver. May be nil.
	Transport http.RoundTripper
	// Timeout is how long one request may take; 30 s when zero.
	Timeout time.Duration
	// MaxSamples is when a tick is cut into several requests; 4,000 when zero.
	MaxSamples int
	// MinBackoff and MaxBackoff bound the wait between tries; 100 ms and 30 s
	// when zero.
	MinBackoff, MaxBackoff time.Duration
	// Logger may be nil.
	Logger *slog.Logger
	// Registerer takes the own metrics. May be nil.
	Registerer prometheus.Registerer
	// Own are the process's own metrics, which are shipped as well. May be nil.
	Own prometheus.Gatherer
}

// Writer ships samples. Tick is for one goroutine, Run for another.
type Writer struct {
	options Options
	logger  *slog.Logger
	queue   Queue
	client  *client
	letters *deadLetters
	metrics *metrics

	encoder *encoder                            // owner: Tick
	own     atomic.Pointer[[]ownmetrics.Sample] // to go with the next tick; nil for none
	entries [][]byte                            // owner: spoolAll; compressed requests, reused
	wake    chan struct{}

	mu      sync.Mutex // guards what follows
	pending []*[]byte  // encoded requests that are not in the queue yet
	free    []*[]byte  // buffers to use again

	version version // owner: the sender; the one the receiver takes
	probeAt time.Time
}

// maxPending bounds the requests that wait for the disk: 200 containers fill
// about four a tick, of half a megabyte.
const maxPending = 64

// New checks the options and prepares the writer; Run starts it.
func New(o Options) (*Writer, error) {
	if o.Queue == nil {
		return nil, errors.New("remote write: no queue")
	}
	if o.Node == "" {
		return nil, errors.New("remote write: no node name")
	}
	setDefaults(&o)
	client, err := newClient(o)
	if err != nil {
		return nil, err
	}
	letters, err := newDeadLetters(o.DeadLetterDir, o.DeadLetterBytes)
	if err != nil {
		return nil, err
	}
	w := &Writer{
		options: o, logger: o.Logger, queue: o.Queue, client: client, letters: letters,
		metrics: newMetrics(o.Registerer, o.Queue), wake: make(chan struct{}, 1), version: v2,
	}
	w.encoder = newEncoder(o.Node, o.MaxSamples, w.hold)
	return w, nil
}

func setDefaults(o *Options) {
	if o.DeadLetterBytes == 0 {
		o.DeadLetterBytes = 64 << 20
	}
	if o.Timeout == 0 {
		o.Timeout = 30 * time.Second
	}
	if o.MaxSamples == 0 {
		o.MaxSamples = 4000
	}
	if o.MinBackoff == 0 {
		o.MinBackoff = 100 * time.Millisecond
	}
	if o.MaxBackoff == 0 {
		o.MaxBackoff = 30 * time.Second
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
}

// Tick encodes one tick and hands it over. It waits neither for the disk nor
// for the receiver, and keeps none of the samples; it is meant to be called
// inside the sampler's View. points are the machine's.
func (w *Writer) Tick(tick time.Time, containers []*reading.Container, points []series.Point) {
	samples := w.encoder.encode(tick, containers, points)
	if own := w.own.Swap(nil); own != nil {
		samples += w.encoder.encodeOwn(tick, *own)
	}
	w.metrics.samples.Add(float64(samples))
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// hold takes a copy of a request into the list of pending ones. When the disk
// has not kept up the oldest is dropped and counted.
func (w *Writer) hold(r *request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.pending) >= maxPending {
		w.free = append(w.free, w.pending[0])
		w.pending = append(w.pending[:0], w.pending[1:]...)
		w.metrics.dropped.Inc()
	}
	buffer := new([]byte)
	if n := len(w.free); n > 0 {
		buffer, w.free = w.free[n-1], w.free[:n-1]
	}
	*buffer = r.encode((*buffer)[:0])
	w.pending = append(w.pending, buffer)
}

// Run puts ticks into the queue and sends them until the context ends. What is
// pending then is still put into the queue. It returns nil.
func (w *Writer) Run(ctx context.Context) error {
	var group errgroup.Group
	group.Go(func() error { w.spoolAll(ctx); return nil })
	group.Go(func() error { w.sendAll(ctx); return nil })
	group.Go(func() error { w.collectOwn(ctx); return nil })
	return group.Wait()
}

// spoolAll moves pending requests into the queue.
func (w *Writer) spoolAll(ctx context.Context) {
	backoff := newBackoff(w.options)
	for {
		select {
		case <-w.wake:
		case <-ctx.Done():
			if err := w.spoolPending(); err != nil {
				w.logger.Error("samples of the last ticks are lost", "error", err)
			}
			return
		}
		for {
			err := w.spoolPending()
			if err == nil {
				backoff.reset()
				break
			}
			w.metrics.spoolErrors.Inc()
			if backoff.logs() {
				w.logger.Error("cannot spool samples; trying again", "error", err)
			}
			if !backoff.wait(ctx, 0) {
				break
			}
		}
	}
}

// spoolPending compresses and appends what is pending. On an error it is
// pending again.
func (w *Writer) spoolPending() error {
	w.mu.Lock()
	pending := w.pending
	w.pending = nil
	w.mu.Unlock()
	if len(pending) == 0 {
		return nil
	}
	_, err := w.queue.Append(w.compress(pending)...)

	w.mu.Lock()
	defer w.mu.Unlock()
	if err != nil {
		w.putBack(pending)
		return fmt.Errorf("append %d requests: %w", len(pending), err)
	}
	w.free = append(w.free, pending[:min(len(pending), maxFree-min(maxFree, len(w.free)))]...)
	return nil
}

// compress returns the requests as they are spooled and sent. The result is
// valid until the next call.
func (w *Writer) compress(requests []*[]byte) [][]byte {
	for len(w.entries) < len(requests) {
		w.entries = append(w.entries, nil)
	}
	for i, raw := range requests {
		buffer := w.entries[i]
		w.entries[i] = s2.EncodeSnappy(buffer[:cap(buffer)], *raw)
	}
	return w.entries[:len(requests)]
}

// maxFree is how many buffers are kept for use again.
const maxFree = 8

// putBack makes requests pending again, before those that came meanwhile, and
// drops the oldest over the bound. w.mu is held.
func (w *Writer) putBack(requests []*[]byte) {
	all := slices.Concat(requests, w.pending)
	if over := len(all) - maxPending; over > 0 {
		w.metrics.dropped.Add(float64(over))
		all = all[over:]
	}
	w.pending = all
}
