// Package reconcile is the loop that every controller has: keys go in, each
// is brought to its wanted state by one function, and what fails is tried again
// later and later.
package reconcile

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/bits"
	"runtime/debug"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"
)

// The distance of the first and of the last tries of a key that fails.
const (
	defaultMinDelay = 5 * time.Millisecond
	defaultMaxDelay = time.Minute
	defaultWorkers  = 5
)

const (
	resultOK       = "ok"
	resultConflict = "conflict"
	resultWaiting  = "waiting"
	resultError    = "error"
)

// Options is what a loop is made of.
type Options struct {
	// Name is the controller's, in the log and as a label of the metrics.
	Name string
	// Reconcile brings the object of this key to its wanted state. It is never
	// called for one key twice at the same time. An error, or a panic, means
	// that the key is tried again.
	Reconcile func(ctx context.Context, key string) error
	// Workers is how many keys are worked on at the same time; 0 is 5.
	Workers int
	// Caches, the informers, must be filled before the first key.
	Caches []Cache
	// MinDelay and MaxDelay bound the back-off of a key that fails; it starts
	// with the first and doubles. 0 is 5 ms and 1 min.
	MinDelay, MaxDelay time.Duration

	Logger     *slog.Logger
	Registerer prometheus.Registerer // may be nil
	Clock      clock.Clock           // nil is the real one
}

// Cache is what tells when it is filled: any informer.
type Cache interface{ HasSyncedChecker() cache.DoneChecker }

// Loop is a queue of keys and the workers that empty it.
type Loop struct {
	o       Options
	queue   *queue
	metrics *metrics
}

// New makes a loop; nothing runs before Run.
func New(o Options) (*Loop, error) {
	if o.Name == "" || o.Reconcile == nil {
		return nil, errors.New("reconcile: a loop needs a name and a function")
	}
	if o.Workers == 0 {
		o.Workers = defaultWorkers
	}
	if o.MinDelay == 0 {
		o.MinDelay = defaultMinDelay
	}
	if o.MaxDelay == 0 {
		o.MaxDelay = defaultMaxDelay
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	l := &Loop{o: o, queue: newQueue(o.Clock)}
	var err error
	l.metrics, err = newMetrics(o.Registerer, o.Name, func() float64 { return float64(l.queue.depth()) })
	if err != nil {
		return nil, fmt.Errorf("reconcile %s: %w", o.Name, err)
	}
	return l, nil
}

// Name is the controller's.
func (l *Loop) Name() string { return l.o.Name }

// Add asks for a key to be reconciled. It never blocks; event handlers call it.
func (l *Loop) Add(key string) { l.queue.add(key) }

// AddAfter asks for it when d has passed, or earlier if that was asked before.
func (l *Loop) AddAfter(key string, d time.Duration) { l.queue.addAfter(key, d) }

// Run waits for the caches and works until ctx ends. It may be called once.
func (l *Loop) Run(ctx context.Context) error {
	defer l.metrics.set.Unregister()
	defer l.queue.close()
	if !l.awaitCaches(ctx) {
		return ctx.Err()
	}
	var workers sync.WaitGroup
	for range l.o.Workers {
		workers.Go(func() { l.work(ctx) })
	}
	l.keepTime(ctx)
	l.queue.close()
	workers.Wait()
	return ctx.Err()
}

func (l *Loop) awaitCaches(ctx context.Context) bool {
	for _, c := range l.o.Caches {
		select {
		case <-c.HasSyncedChecker().Done():
		case <-ctx.Done():
			return false
		}
	}
	return true
}

func (l *Loop) work(ctx context.Context) {
	for {
		key, open := l.queue.get()
		if !open {
			return
		}
		l.reconcile(ctx, key)
	}
}

// keepTime makes delayed keys ready when they are due. With none it sleeps.
func (l *Loop) keepTime(ctx context.Context) {
	for {
		next, any := l.queue.promote()
		var due <-chan time.Time
		stop := func() bool { return false }
		if any {
			timer := l.o.Clock.NewTimer(next.Sub(l.o.Clock.Now()))
			due, stop = timer.C(), timer.Stop
		}
		select {
		case <-ctx.Done():
			stop()
			return
		case <-due:
		case <-l.queue.earlier:
			stop()
		}
	}
}

// Step reconciles one key in the caller's goroutine, for simulations: Run must
// not be running. pick chooses among n ready keys; nil takes the first. False
// when none is ready at the clock's time.
func (l *Loop) Step(ctx context.Context, pick func(n int) int) (key string, worked bool) {
	l.queue.promote()
	if pick == nil {
		pick = func(int) int { return 0 }
	}
	key, worked = l.queue.tryGet(pick)
	if worked {
		l.reconcile(ctx, key)
	}
	return key, worked
}

// Ready is how many keys wait for a worker, those due now included.
func (l *Loop) Ready() int {
	l.queue.promote()
	return l.queue.depth()
}

// NextDue is when the earliest delayed key becomes ready; false without any.
func (l *Loop) NextDue() (time.Time, bool) { return l.queue.promote() }

func (l *Loop) reconcile(ctx context.Context, key string) {
	defer l.queue.done(key)
	start := l.o.Clock.Now()
	err := l.call(ctx, key)
	l.metrics.duration.Observe(l.o.Clock.Since(start).Seconds())
	if err == nil {
		l.queue.succeeded(key)
		l.metrics.results.WithLabelValues(resultOK).Inc()
		return
	}
	if ctx.Err() != nil {
		return // the program ends; the next one starts from the API
	}
	failures := l.queue.failed(key)
	delay := l.backoff(failures)
	l.report(key, failures, delay, err)
	l.queue.addAfter(key, delay)
}

// call turns a panic into an error: one object that cannot be understood must
// not end the control of all others.
func (l *Loop) call(ctx context.Context, key string) (err error) {
	defer func() {
		if p := recover(); p != nil {
			l.metrics.panics.Inc()
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return l.o.Reconcile(ctx, key)
}

func (l *Loop) backoff(failures int) time.Duration {
	doublings := min(failures-1, 30)
	return min(l.o.MinDelay<<doublings, l.o.MaxDelay)
}

// ErrWaiting is wrapped by errors that only say that something else takes its
// time, so that the key is to be looked at again with back-off.
var ErrWaiting = errors.New("waiting")

// report logs a key's first failure and then each time their number doubles. A
// conflict is the normal fate of an old cache and no error.
func (l *Loop) report(key string, failures int, delay time.Duration, err error) {
	args := []any{"key", key, "failures", failures, "retry_in", delay, "error", err}
	if apierrors.IsConflict(err) {
		l.metrics.results.WithLabelValues(resultConflict).Inc()
		l.o.Logger.Debug("reconcile again after a conflict", args...)
		return
	}
	if errors.Is(err, ErrWaiting) {
		l.metrics.results.WithLabelValues(resultWaiting).Inc()
		l.o.Logger.Debug("reconcile again later", args...)
		return
	}
	l.metrics.results.WithLabelValues(resultError).Inc()
	if bits.OnesCount(uint(failures)) == 1 {
		l.o.Logger.Warn("cannot reconcile", args...)
	}
}
