package proxy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/proxy/plan"
)

// plan takes what has changed into the wanted table, and says what it was.
func (p *Proxy) plan() map[string]mark {
	dirty := p.takeDirty()
	for service := range dirty {
		p.planService(service)
	}
	p.metrics.services.Set(float64(len(p.wanted.Plans())))
	p.metrics.items.Set(float64(len(p.wanted.Values())))
	return dirty
}

func (p *Proxy) planService(key string) {
	namespace, name := reconcile.SplitKey(key)
	before := p.wanted.Plan(key)
	s, err := p.services.Services(namespace).Get(name)
	if err != nil {
		if !apierrors.IsNotFound(err) {
			p.log.Error("service cannot be read", "service", key, "error", err)
		}
		p.wanted.Set(key, nil, p.changes)
		p.flows.changed(before, nil)
		p.health.set(key, nil)
		delete(p.warned, key)
		return
	}
	now := p.facts.Of(s, p.slices.OfService(key))
	p.wanted.Set(key, now, p.changes)
	p.flows.changed(before, now)
	p.health.set(key, now.Health)
	p.warn(s, now)
}

// warn tells the service's owner what is not served, once.
func (p *Proxy) warn(s *corev1.Service, now *plan.Plan) {
	key := reconcile.Key(s)
	problems := slices.Clone(now.Problems)
	for frontend, owner := range p.wanted.Clashes(key) {
		problems = append(problems, fmt.Sprintf("%s is taken by service %s", strings.ReplaceAll(frontend, " . ", " "), owner))
	}
	slices.Sort(problems)
	text := strings.Join(slices.Compact(problems), "; ")
	if text == p.warned[key] {
		return
	}
	if text == "" {
		delete(p.warned, key)
		return
	}
	p.warned[key] = text
	p.log.Warn("part of a service is not served", "service", key, "reason", text)
	if p.o.Events != nil {
		p.o.Events.Event(s, corev1.EventTypeWarning, "NotServed", text)
	}
}

// apply brings what has changed into the kernel.
func (p *Proxy) apply(ctx context.Context) {
	dirty := p.plan()
	if !p.write(ctx) {
		return
	}
	p.observe(dirty)
	p.flows.settle()
}

// transactionBound ends a program nft that hangs. The kernel takes all of a
// transaction or nothing.
const transactionBound = time.Minute

// write has the kernel hold what is wanted: by the changes alone, or where that
// fails by comparing all.
func (p *Proxy) write(ctx context.Context) bool {
	if p.broken {
		return p.repair(ctx, "the last repair failed")
	}
	if len(p.changes) == 0 {
		return true
	}
	started := p.o.Clock.Now()
	ctx, cancel := context.WithTimeout(ctx, transactionBound)
	defer cancel()
	if err := p.rules.Apply(ctx, p.changes, p.wanted); err != nil {
		p.metrics.transactions.WithLabelValues(resultError).Inc()
		p.log.Warn("the kernel's table is not as it was left, it is repaired", "error", err)
		return p.repair(ctx, "a change failed")
	}
	clear(p.changes)
	p.metrics.transactions.WithLabelValues(resultOK).Inc()
	p.metrics.duration.Observe(p.o.Clock.Since(started).Seconds())
	return true
}

func (p *Proxy) observe(dirty map[string]mark) {
	now := p.o.Clock.Now()
	for _, m := range dirty {
		p.metrics.latency.Observe(now.Sub(m.seen).Seconds())
		if !m.caused.IsZero() {
			p.metrics.programming.Observe(now.Sub(m.caused).Seconds())
		}
	}
}
