package filesystem

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	walk     prometheus.Histogram
	failures prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		walk: prometheus.NewHistogram(prometheus.HistogramOpts{Name: "lubberline_filesystem_walk_seconds",
			Help: "Time to measure one container's files.", Buckets: []float64{.001, .01, .1, .5, 1, 5, 30, 120}}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_filesystem_failures_total",
			Help: "Layers and filesystems that could not be measured."}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.walk, m.failures} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of filesystems: %w", err)
		}
	}
	return m, nil
}
