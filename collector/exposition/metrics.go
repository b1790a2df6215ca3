package exposition

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the package's own.
type metrics struct{ seconds *prometheus.SummaryVec }

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{seconds: prometheus.NewSummaryVec(prometheus.SummaryOpts{
		Name: "lubberline_exposition_request_duration_seconds",
		Help: "How long answers took, by path.",
	}, []string{"path"})}
	if registerer != nil {
		registerer.MustRegister(m.seconds)
	}
	return m
}

// request returns what takes the durations of one path's requests.
func (m *metrics) request(path string) func(time.Duration) {
	observer := m.seconds.WithLabelValues(path)
	return func(took time.Duration) { observer.Observe(took.Seconds()) }
}
