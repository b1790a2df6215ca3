// Package ownmetrics registers the metrics that a component keeps of itself,
// for as long as the component lives.
package ownmetrics

import "github.com/prometheus/client_golang/prometheus"

// Set is metrics that are registered. The zero value is none.
type Set struct {
	registerer prometheus.Registerer
	registered []prometheus.Collector
}

// Register registers all of the metrics, or after an error none. A nil
// registerer keeps them private.
func Register(r prometheus.Registerer, metrics ...prometheus.Collector) (Set, error) {
	s := Set{registerer: r}
	if r == nil {
		return s, nil
	}
	for _, m := range metrics {
		if err := r.Register(m); err != nil {
			s.Unregister()
			return s, err
		}
		s.registered = append(s.registered, m)
	}
	return s, nil
}

// Unregister takes them out again, so that another component of the same kind
// can take their place. It may be called more than once.
func (s *Set) Unregister() {
	for _, m := range s.registered {
		s.registerer.Unregister(m)
	}
	s.registered = nil
}
