package reference

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct {
	watches                      prometheus.Gauge
	changes, failures, rewatches prometheus.Counter
}

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_reference_" + name, Help: help})
	}
	return &metrics{
		watches:   prometheus.NewGauge(prometheus.GaugeOpts{Name: "lubberline_reference_objects", Help: "ConfigMaps and Secrets that the node's pods refer to."}),
		changes:   counter("changes_total", "Changes seen in referenced ConfigMaps and Secrets."),
		failures:  counter("failures_total", "Failed tries to read or watch a referenced object."),
		rewatches: counter("rewatches_total", "Watches of referenced objects that the server ended and that were opened again."),
	}
}

func (m *metrics) register(r prometheus.Registerer) (ownmetrics.Set, error) {
	return ownmetrics.Register(r, m.watches, m.changes, m.failures, m.rewatches)
}
