package sampler

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/lubberline/lubberline/collector/reading"
)

// How the runtimes are asked.
const (
	askAtOnce    = 4 // questions at the same time
	askTimeout   = 10 * time.Second
	firstBackoff = time.Second
	maxBackoff   = time.Minute
)

// update is what became known of a container.
type update struct {
	id        string
	container *reading.Container // nil: whichever has the id
	identity  *reading.Identity
}

// resolving asks for the names of containers, beside the sampling.
type resolving struct {
	resolver Resolver
	metrics  *metrics
	logger   *slog.Logger
	slots    chan struct{}
	running  sync.WaitGroup
	first    time.Duration // the first back-off
}

func newResolving(r Resolver, m *metrics, l *slog.Logger) *resolving {
	return &resolving{resolver: r, metrics: m, logger: l, slots: make(chan struct{}, askAtOnce), first: firstBackoff}
}

// start asks for one container until the answer is final or life, the
// container's, ends. Answers go to updates.
func (r *resolving) start(life context.Context, c *reading.Container, updates chan<- update) {
	if r.resolver == nil {
		return
	}
	r.metrics.unresolved.Inc()
	r.running.Go(func() {
		defer r.metrics.unresolved.Dec()
		r.ask(life, c, updates)
	})
}

func (r *resolving) ask(life context.Context, c *reading.Container, updates chan<- update) {
	var known *reading.Identity
	for backoff := r.first; ; backoff = min(2*backoff, maxBackoff) {
		identity, final, err := r.once(life, c.ID)
		if err != nil && life.Err() == nil {
			r.metrics.resolveErrors.Inc()
			r.logger.Debug("cannot name a container yet", "id", c.ID, "error", err, "retry", backoff)
		}
		if identity != nil && identity != known {
			known = identity
			select {
			case updates <- update{c.ID, c, identity}:
			case <-life.Done():
				return
			}
		}
		if final || !sleep(life, backoff) {
			return
		}
	}
}

// once asks when there is room to.
func (r *resolving) once(life context.Context, id string) (*reading.Identity, bool, error) {
	select {
	case r.slots <- struct{}{}:
	case <-life.Done():
		return nil, false, life.Err()
	}
	defer func() { <-r.slots }()
	ctx, cancel := context.WithTimeout(life, askTimeout)
	defer cancel()
	return r.resolver.Identify(ctx, id)
}

func (r *resolving) wait() { r.running.Wait() }

// sleep waits; it returns false when ctx ended first.
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
