// Package forwardship carries log chunks from the spool to an aggregator, or to
// any other receiver of the forward protocol that acknowledges.
//
// Chunks are sent in the spool's order, many at a time; the spool keeps them
// until they are acknowledged. After a lost connection everything that is not
// acknowledged is sent again under the same ids, for ever. Towards receivers
// that know ids, such as Lubberline's aggregator, that makes each record arrive
// once; towards others at least once.
package forwardship

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/spool"
)

const (
	defaultWindowBytes  = 32 << 20
	defaultWindowChunks = 256
	defaultAckTime      = 60 * time.Second
	defaultRetryMin     = 100 * time.Millisecond
	defaultRetryMax     = 30 * time.Second
	defaultDrainTime    = 2 * time.Second
)

// Queue is where chunks wait; *spool.Spool is one.
type Queue interface {
	Next(ctx context.Context) (spool.Entry, error)
	TryNext() (spool.Entry, bool, error)
	Ack(seq uint64) error
	Rewind()
	ID() string
	Stats() spool.Stats
}

// Options describe a shipper.
type Options struct {
	// Name is the label "output" of the metrics.
	Name string
	// Queue holds entries of package chunk.
	Queue Queue
	// Client says where to, and with which TLS and shared key.
	Client forward.ClientOptions
	// InlineCommon writes what a chunk's records have in common into each of
	// them, for receivers other than Lubberline.
	InlineCommon bool
	// WindowBytes and WindowChunks bound what is sent and not acknowledged, 32
	// MiB and 256 when 0, which is more than an aggregator commits at a time. One
	// chunk always passes.
	WindowBytes  int
	WindowChunks int
	// AckTime is the longest that an acknowledgement may take, 60 s when 0.
	AckTime time.Duration
	// RetryMin and RetryMax bound the wait between attempts, which doubles, 100
	// ms and 30 s when 0. Up to half of it is taken off at random.
	RetryMin, RetryMax time.Duration
	// DrainTime is how long Run waits for acknowledgements at its end, 2 s
	// when 0.
	DrainTime time.Duration
	// Logger and Registerer may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

func (o *Options) complete() error {
	if o.Queue == nil || o.Client.Address == "" {
		return errors.New("log shipper without a queue or an address")
	}
	for _, d := range []struct {
		value     *time.Duration
		otherwise time.Duration
	}{{&o.AckTime, defaultAckTime}, {&o.RetryMin, defaultRetryMin}, {&o.RetryMax, defaultRetryMax}, {&o.DrainTime, defaultDrainTime}} {
		if *d.value <= 0 {
			*d.value = d.otherwise
		}
	}
	if o.WindowBytes <= 0 {
		o.WindowBytes = defaultWindowBytes
	}
	if o.WindowChunks <= 0 {
		o.WindowChunks = defaultWindowChunks
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Shipper sends chunks while Run runs.
type Shipper struct {
	options Options
	log     *slog.Logger
	metrics *metrics
	window  *window
	trouble rate.Sometimes
	badOnes rate.Sometimes
}

// New makes a shipper.
func New(o Options) (*Shipper, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &Shipper{
		options: o,
		log:     o.Logger.With("address", o.Client.Address),
		window:  newWindow(o.WindowBytes, o.WindowChunks),
		trouble: rate.Sometimes{First: 3, Interval: 30 * time.Second},
		badOnes: rate.Sometimes{First: 3, Interval: 30 * time.Second},
	}
	var err error
	if s.metrics, err = newMetrics(o.Registerer, s); err != nil {
		return nil, fmt.Errorf("log shipper: register metrics: %w", err)
	}
	return s, nil
}

// Run ships until ctx ends or the queue is closed. Errors of the network and of
// the receiver are logged and tried again.
func (s *Shipper) Run(ctx context.Context) error {
	defer s.metrics.Unregister()
	wait := s.options.RetryMin
	for {
		acknowledged, err := s.session(ctx)
		if ctx.Err() != nil || errors.Is(err, spool.ErrClosed) {
			return nil
		}
		if acknowledged {
			wait = s.options.RetryMin
		}
		s.metrics.retries.Inc()
		s.trouble.Do(func() {
			s.log.Warn("cannot ship logs, they stay in the spool", "error", err, "waiting", s.options.Queue.Stats().Entries)
		})
		select {
		case <-time.After(wait - rand.N(wait/2+1)):
		case <-ctx.Done():
			return nil
		}
		wait = min(2*wait, s.options.RetryMax)
	}
}
