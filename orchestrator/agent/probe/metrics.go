package probe

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct{ probes *prometheus.CounterVec }

func newMetrics() *metrics {
	m := &metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lubberline_probe_probes_total", Help: "Probes of containers by kind and result."}, []string{"kind", "result"})}
	for _, k := range []kind{liveness, readiness, startup} {
		for _, r := range []string{"successful", "failed", "unknown"} {
			m.probes.WithLabelValues(string(k), r)
		}
	}
	return m
}

func (m *metrics) register(r prometheus.Registerer) (ownmetrics.Set, error) {
	return ownmetrics.Register(r, m.probes)
}
