package metricstore

import "github.com/prometheus/client_golang/prometheus"

// metrics are the store's own; the TSDB adds its prometheus_tsdb_… ones.
type metrics struct {
	commitFailures prometheus.Counter
	quarantined    prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		commitFailures: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_metricstore_commit_failures_total",
			Help: "Writes that could not be committed.",
		}),
		quarantined: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_metricstore_quarantined_total",
			Help: "Damaged blocks and logs set aside at the start.",
		}),
	}
	if reg != nil {
		reg.MustRegister(m.commitFailures, m.quarantined)
	}
	return m
}

// guarded lets the TSDB be opened a second time after a failure with the same
// registry: what is registered already stays.
func (*metrics) guarded(reg prometheus.Registerer) prometheus.Registerer {
	if reg == nil {
		return nil
	}
	return again{reg}
}

// again replaces a collector that is there already.
type again struct{ prometheus.Registerer }

// Register registers c in place of its like.
func (a again) Register(c prometheus.Collector) error {
	a.Registerer.Unregister(c)
	return a.Registerer.Register(c)
}

// MustRegister registers all of cs in place of their likes.
func (a again) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		a.Registerer.Unregister(c)
	}
	a.Registerer.MustRegister(cs...)
}
