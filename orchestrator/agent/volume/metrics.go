package volume

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct{ failures, writes, tokens prometheus.Counter }

func newMetrics() *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_volume_" + name, Help: help})
	}
	return &metrics{
		failures: counter("failures_total", "Failed tries to make, update or take away volumes."),
		writes:   counter("writes_total", "Writings of the contents of ConfigMap, Secret, downward API and projected volumes."),
		tokens:   counter("tokens_total", "Service-account tokens got for pods."),
	}
}

func (m *metrics) register(r prometheus.Registerer) (ownmetrics.Set, error) {
	return ownmetrics.Register(r, m.failures, m.writes, m.tokens)
}
