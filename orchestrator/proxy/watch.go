package proxy

import (
	"time"

	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/client-go/tools/cache"

	"github.com/lubberline/lubberline/orchestrator/controller/reconcile"
)

// byService finds the slices of a service.
const byService = "lubberline.proxy/service"

// watch asks for the informers and marks services when something of theirs
// changes.
func (p *Proxy) watch() error {
	services, endpoints := p.o.Informers.Core().V1().Services(), p.o.Informers.Discovery().V1().EndpointSlices().Informer()
	p.services, p.slices = services.Lister(), endpoints.GetIndexer()
	if err := endpoints.AddIndexers(cache.Indexers{byService: func(o any) ([]string, error) {
		if slice, ok := o.(*discoveryv1.EndpointSlice); ok {
			return []string{serviceOf(slice)}, nil
		}
		return nil, nil
	}}); err != nil {
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

func serviceOf(slice *discoveryv1.EndpointSlice) string {
	return slice.Namespace + "/" + slice.Labels[discoveryv1.LabelServiceName]
}

func (p *Proxy) sliceChanged(old, current *discoveryv1.EndpointSlice) {
	if old != nil && (current == nil || serviceOf(old) != serviceOf(current)) {
		p.mark(serviceOf(old), time.Time{})
	}
	if current != nil {
		p.mark(serviceOf(current), triggered(old, current))
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

// mark has a service planned anew.
func (p *Proxy) mark(service string, caused time.Time) {
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
