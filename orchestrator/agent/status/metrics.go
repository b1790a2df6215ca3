package status

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct {
	set      ownmetrics.Set
	writes   prometheus.Histogram
	failures prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		writes: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "lubberline_agent_status_write_seconds",
			Help:    "Time taken to write one pod's status to the API.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_agent_status_write_failures_total",
			Help: "Writes of a pod's status that failed and were tried again.",
		}),
	}
	var err error
	m.set, err = ownmetrics.Register(r, m.writes, m.failures)
	return m, err
}
