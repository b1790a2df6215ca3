package host

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the package's own. Slices are by source.
type metrics struct {
	success, duration []prometheus.Gauge
}

func newMetrics(registerer prometheus.Registerer, sources []source) *metrics {
	success := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "lubberline_host_source_success",
		Help: "Whether the last reading of the source worked.",
	}, []string{"source"})
	duration := prometheus.NewGaugeVec(prometheus.GaugeOpts{
		Name: "lubberline_host_source_duration_seconds",
		Help: "How long the last reading of the source took.",
	}, []string{"source"})
	m := &metrics{}
	for _, s := range sources {
		m.success = append(m.success, success.WithLabelValues(s.name()))
		m.duration = append(m.duration, duration.WithLabelValues(s.name()))
		if f, ok := s.(*filesystems); ok && registerer != nil {
			registerer.MustRegister(f.stuck)
		}
	}
	if registerer != nil {
		registerer.MustRegister(success, duration)
	}
	return m
}

func (m *metrics) observe(source int, took time.Duration, ok bool) {
	m.duration[source].Set(took.Seconds())
	m.success[source].Set(0)
	if ok {
		m.success[source].Set(1)
	}
}
