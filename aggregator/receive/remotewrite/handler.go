// Package remotewrite receives Prometheus remote write 1.0 and 2.0. A request
// is answered with success only when its samples are committed. What a sender
// could never get stored (samples too old, twice, or out of order) is counted
// and left out without an error, so that it does not hold up what follows.
package remotewrite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"golang.org/x/time/rate"

	"github.com/lubberline/lubberline/aggregator/rollup"
)

// NodeHeader names the node that a request is from, where who passes it on knows
// that: series of other nodes are refused.
const NodeHeader = "X-Lubberline-Node"

// Appendable is the store.
type Appendable interface {
	Appender(context.Context) storage.Appender
}

// Observer is told of samples after they were committed. It must not keep the
// slice.
type Observer interface {
	Observe([]rollup.Sample)
}

// Options are what can be set. Zero values take the defaults named with each.
type Options struct {
	Store Appendable
	// Observer may be nil.
	Observer   Observer
	Limits     Limits
	Logger     *slog.Logger
	Registerer prometheus.Registerer
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Limits bound what one request may cost.
type Limits struct {
	BodyBytes    int64 // compressed: 16 MiB
	DecodedBytes int   // declared by the snappy header: 64 MiB
	Series       int   // 500,000
	Labels       int   // of one series: 64
	NameBytes    int   // of one label name: 512
	ValueBytes   int   // of one label value: 32 KiB
	InFlight     int   // requests at once; more wait: 8
	// Ahead is how far in the future a sample may lie: 10 minutes. Beyond it one
	// wrong clock would make everyone else's samples too old.
	Ahead time.Duration
}

func (l Limits) withDefaults() Limits {
	set(&l.BodyBytes, 16<<20)
	set(&l.DecodedBytes, 64<<20)
	set(&l.Series, 500_000)
	set(&l.Labels, 64)
	set(&l.NameBytes, 512)
	set(&l.ValueBytes, 32<<10)
	set(&l.InFlight, 8)
	set(&l.Ahead, 10*time.Minute)
	return l
}

func set[T int | int64 | time.Duration](field *T, value T) {
	if *field <= 0 {
		*field = value
	}
}

// Handler answers POST /api/v1/write. Safe for concurrent use.
type Handler struct {
	store    Appendable
	observer Observer
	limits   Limits
	log      *slog.Logger
	metrics  *metrics
	now      func() time.Time
	inFlight chan struct{}
	logLimit *rate.Limiter
}

// New makes a handler.
func New(o Options) (*Handler, error) {
	if o.Store == nil {
		return nil, errors.New("remote write: no store given")
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	limits := o.Limits.withDefaults()
	return &Handler{
		store: o.Store, observer: o.Observer, limits: limits, log: o.Logger, now: o.Now,
		metrics:  newMetrics(o.Registerer),
		inFlight: make(chan struct{}, limits.InFlight),
		logLimit: rate.NewLimiter(rate.Every(10*time.Second), 3),
	}, nil
}

// failure is an error that knows its HTTP status.
type failure struct {
	status int
	err    error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func fail(status int, format string, args ...any) *failure {
	return &failure{status: status, err: fmt.Errorf(format, args...)}
}

// ServeHTTP takes one request. Answers: 204 stored; 400 malformed, or some
// series were (the others are stored); 405, 413, 415; 500 or 503 when the store
// could not take it, and the sender should try again.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	version, err := negotiate(r)
	if err == nil {
		err = h.acquire(r.Context())
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	defer func() { <-h.inFlight }()
	written, err := h.take(w, r, version)
	if version == v2 {
		written.headers(w.Header())
	}
	if err != nil {
		h.refuse(w, r, err)
		return
	}
	h.metrics.requests[version][http.StatusNoContent/100].Inc()
	w.WriteHeader(http.StatusNoContent)
}

func (h *Handler) acquire(ctx context.Context) error {
	select {
	case h.inFlight <- struct{}{}:
		return nil
	case <-ctx.Done():
		return fail(http.StatusServiceUnavailable, "waited in vain for earlier requests: %w", context.Cause(ctx))
	}
}

func (h *Handler) take(w http.ResponseWriter, r *http.Request, version protocol) (written, error) {
	b := buffers.Get().(*buffer)
	defer b.release()
	message, err := b.read(w, r, h.limits)
	if err != nil {
		return written{}, err
	}
	return h.store1(r.Context(), b, message, version, r.Header.Get(NodeHeader))
}

func (h *Handler) refuse(w http.ResponseWriter, r *http.Request, err error) {
	status := http.StatusInternalServerError
	var f *failure
	if errors.As(err, &f) {
		status = f.status
	}
	h.metrics.refused(status)
	if h.logLimit.Allow() {
		h.log.Warn("remote write refused", "from", r.RemoteAddr, "status", status, "err", err)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "5")
	}
	http.Error(w, err.Error(), status)
}

// written counts what a request stored.
type written struct{ samples, histograms int }

func (n written) headers(h http.Header) {
	h.Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(n.samples))
	h.Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(n.histograms))
	h.Set("X-Prometheus-Remote-Write-Exemplars-Written", "0")
}
