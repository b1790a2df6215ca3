package probe

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct {
	probes *prometheus.CounterVec
	// byContainer is what kubelets show at /metrics/probes.
	byContainer *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lubberline_probe_probes_total", Help: "Probes of containers by kind and result."}, []string{"kind", "result"}),
		byContainer: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "prober_probe_total", Help: "Cumulative number of a liveness, readiness or startup probe for a container by result."},
			[]string{"probe_type", "result", "container", "pod", "namespace", "pod_uid"}),
	}
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

func (m *metrics) count(t target, k kind, outcome string) {
	m.probes.WithLabelValues(string(k), outcome).Inc()
	m.byContainer.WithLabelValues(string(k), outcome, t.container.Name, t.pod.Name, t.pod.Namespace, string(t.pod.UID)).Inc()
}

// Collector has the results by container, as kubelets show them at
// /metrics/probes. It is registered nowhere else.
func (p *Prober) Collector() prometheus.Collector { return p.metrics.byContainer }
