package logseries

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct {
	set               ownmetrics.Set
	definitions       prometheus.Gauge
	failures, dropped prometheus.Counter
	seconds           prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		definitions: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_logseries_definitions", Help: "Kinds of log lines that are counted each minute.",
		}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_logseries_failures_total", Help: "Counts of a minute's log lines that failed.",
		}),
		dropped: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_logseries_dropped_groups_total", Help: "Groups of log lines that got no series, because their definition has too many.",
		}),
		seconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lubberline_logseries_evaluation_seconds", Help: "Time to count a minute's log lines for all definitions.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 8),
		}),
	}
	var err error
	m.set, err = ownmetrics.Register(r, m.definitions, m.failures, m.dropped, m.seconds)
	return m, err
}
