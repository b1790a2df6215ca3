package probe

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
)

type kind string

const (
	liveness  kind = "Liveness"
	readiness kind = "Readiness"
	startup   kind = "Startup"
)

// tries is how often a probe that could not be made is made again at once.
const tries = 3

// run makes the container's probes: startup first, then the other two.
func (p *Prober) run(c *container) {
	if c.spec.StartupProbe != nil && !p.isStarted(c) {
		p.loop(c.restarts, c, startup, c.spec.StartupProbe)
		if !p.isStarted(c) {
			return
		}
	}
	var both sync.WaitGroup
	if c.spec.LivenessProbe != nil {
		both.Go(func() { p.loop(c.restarts, c, liveness, c.spec.LivenessProbe) })
	}
	if c.spec.ReadinessProbe != nil {
		both.Go(func() { p.loop(c.ctx, c, readiness, c.spec.ReadinessProbe) })
	}
	both.Wait()
}

func (p *Prober) isStarted(c *container) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return c.started != nil && *c.started
}

// loop makes one probe each period until ctx ends or nothing more is to be
// asked: a startup probe that succeeded, or a container that is to be restarted.
func (p *Prober) loop(ctx context.Context, c *container, k kind, spec *corev1.Probe) {
	period := max(time.Second, time.Duration(spec.PeriodSeconds)*time.Second)
	timer := time.NewTimer(p.firstDelay(c, spec, period))
	defer timer.Stop()
	run := runLength{}
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		timer.Reset(period) // first, so that slow probes do not stretch it
		ok, err := p.attempt(ctx, c, k, spec)
		if ctx.Err() != nil {
			return
		}
		if err == nil && run.add(ok) >= threshold(spec, ok) && p.decide(ctx, c, k, ok) {
			return
		}
	}
}

// firstDelay is what is left of the initial delay. Containers of before the
// agent's start are not all asked in the same moment.
func (p *Prober) firstDelay(c *container, spec *corev1.Probe, period time.Duration) time.Duration {
	delay := time.Until(c.startedAt.Add(time.Duration(spec.InitialDelaySeconds) * time.Second))
	if c.startedAt.Before(p.start) && time.Since(p.start) < period {
		delay = max(delay, rand.N(period))
	}
	return max(0, delay)
}

// runLength counts equal results in a row.
type runLength struct {
	last bool
	n    int32
}

func (r *runLength) add(ok bool) int32 {
	if r.n > 0 && r.last != ok {
		r.n = 0
	}
	r.last = ok
	r.n++
	return r.n
}

func threshold(spec *corev1.Probe, ok bool) int32 {
	if ok {
		return max(1, spec.SuccessThreshold)
	}
	if spec.FailureThreshold == 0 {
		return 3
	}
	return spec.FailureThreshold
}

// decide notes the verdict and says whether the probe is over.
func (p *Prober) decide(ctx context.Context, c *container, k kind, ok bool) (over bool) {
	p.mu.Lock()
	changed := false
	switch {
	case k == readiness:
		changed = set(&c.ready, ok)
	case k == startup && ok:
		changed, over = set(&c.started, true), true
	case !ok:
		changed, over = c.failed == "", true
		c.failed = map[kind]string{liveness: "liveness", startup: "startup"}[k]
	}
	p.mu.Unlock()
	if changed {
		select {
		case p.changed <- c.uid:
		case <-ctx.Done():
		}
	}
	return over
}

func set(verdict **bool, value bool) (changed bool) {
	changed = *verdict == nil || **verdict != value
	*verdict = &value
	return changed
}

// attempt makes the probe once and sends the events. An error is a probe that
// could not be made at all: it counts neither way.
func (p *Prober) attempt(ctx context.Context, c *container, k kind, spec *corev1.Probe) (ok bool, err error) {
	p.mu.Lock()
	t := target{pod: c.pod, container: c.spec, id: c.id, ip: c.ip}
	p.mu.Unlock()
	var r result
	for range tries {
		if r, err = p.check(ctx, t, spec); err == nil || ctx.Err() != nil {
			break
		}
	}
	if ctx.Err() != nil {
		return false, ctx.Err()
	}
	p.report(t, k, r, err)
	return r.ok, err
}

func (p *Prober) report(t target, k kind, r result, err error) {
	outcome := "successful"
	switch {
	case err != nil:
		outcome = "unknown"
		p.o.Events.Eventf(t.reference(), corev1.EventTypeWarning, "Unhealthy", "%s probe errored and resulted in unknown state: %v", k, err)
	case !r.ok:
		outcome = "failed"
		p.o.Events.Eventf(t.reference(), corev1.EventTypeWarning, "Unhealthy", "%s probe failed: %s", k, r.output)
	case r.warning:
		p.o.Events.Eventf(t.reference(), corev1.EventTypeWarning, "ProbeWarning", "%s probe warning: %s", k, r.output)
	}
	p.metrics.count(t, k, outcome)
}
