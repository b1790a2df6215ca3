package runtime

import (
	"errors"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics are the package's own.
type metrics struct{ requests *prometheus.CounterVec }

// outcomes count the questions put to one runtime.
type outcomes struct{ ok, unknown, failed prometheus.Counter }

func newMetrics(registerer prometheus.Registerer) *metrics {
	m := &metrics{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "lubberline_runtime_requests_total",
		Help: "Questions put to container runtimes, by what came of them: ok, unknown or failed.",
	}, []string{"runtime", "outcome"})}
	if registerer != nil {
		registerer.MustRegister(m.requests)
	}
	return m
}

func (m *metrics) of(runtime string) outcomes {
	return outcomes{
		ok:      m.requests.WithLabelValues(runtime, "ok"),
		unknown: m.requests.WithLabelValues(runtime, "unknown"),
		failed:  m.requests.WithLabelValues(runtime, "failed"),
	}
}

func (o outcomes) count(err error) {
	switch {
	case err == nil:
		o.ok.Inc()
	case errors.Is(err, errUnknown):
		o.unknown.Inc()
	default:
		o.failed.Inc()
	}
}
