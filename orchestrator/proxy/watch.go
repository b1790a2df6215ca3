package proxy

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
	"github.com/lubberline/lubberline/orchestrator/controller/sliceindex"
)

// watch asks for the informers and marks services when something of theirs
// changes.
func (p *Proxy) watch() error {
	services, endpoints := p.o.Informers.Core().V1().Services(), p.o.Informers.Discovery().V1().EndpointSlices().Informer()
	p.services = services.Lister()
	var err error
	if p.slices, err = sliceindex.Of(endpoints); err != nil {
		return err
	}
	s, err := services.Informer().AddEventHandler(reconcile.Handler(func(old, current *corev1.Service) {
		if old == nil {
			old = current
		}
		p.mark(reconcile.Key(old), time.Time{})
	}))
	if err != nil {
		return err
	}
	e, err := endpoints.AddEventHandler(reconcile.Handler(p.sliceChanged))
	p.synced = []cache.InformerSynced{s.HasSynced, e.HasSynced}
	return err
}

func (p *Proxy) sliceChanged(old, current *discoveryv1.EndpointSlice) {
	if old != nil && (current == nil || sliceindex.Service(old) != sliceindex.Service(current)) {
		p.mark(sliceindex.Service(old), time.Time{})
	}
	if current != nil {
		p.mark(sliceindex.Service(current), triggered(old, current))
	}
}

// triggered is when the change that the slice tells of happened, zero when it
// does not tell a new one.
func triggered(old, current *discoveryv1.EndpointSlice) time.Time {
	text := current.Annotations[corev1.EndpointsLastChangeTriggerTime]
	if old != nil && old.Annotations[corev1.EndpointsLastChangeTriggerTime] == text {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return time.Time{}
	}
	return at
}

// mark has a service planned anew; slices of none name none.
func (p *Proxy) mark(service string, caused time.Time) {
	if service == "" {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	m, known := p.dirty[service]
	if !known {
		m.seen = p.o.Clock.Now()
	}
	if m.caused.IsZero() {
		m.caused = caused
	}
	p.dirty[service] = m
	select {
	case p.changed <- struct{}{}:
	default:
	}
}

// markAll has every service planned.
func (p *Proxy) markAll() {
	for _, o := range p.o.Informers.Core().V1().Services().Informer().GetStore().List() {
		if s, ok := o.(*corev1.Service); ok {
			p.mark(reconcile.Key(s), time.Time{})
		}
	}
}

// takeDirty are the services that have changed since the last call.
func (p *Proxy) takeDirty() map[string]mark {
	p.mu.Lock()
	defer p.mu.Unlock()
	taken := p.dirty
	p.dirty = map[string]mark{}
	return taken
}
