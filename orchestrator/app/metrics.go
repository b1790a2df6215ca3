package app

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

// metrics of a control host among others.
type metrics struct {
	set     ownmetrics.Set
	leading prometheus.Gauge
	terms   prometheus.Counter
	servers prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (m *metrics, err error) {
	m = &metrics{
		leading: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_orchestrator_leading", Help: "Whether this control host's scheduler and controllers work: 1 or 0.",
		}),
		terms: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_orchestrator_terms_total", Help: "How often this control host has become the leader.",
		}),
		servers: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_orchestrator_servers", Help: "Control hosts of the same etcd that serve the API, this one among them; 0 with the embedded store.",
		}),
	}
	m.set, err = ownmetrics.Register(r, m.leading, m.terms, m.servers)
	return m, err
}
