package kubernetes

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct {
	set    ownmetrics.Set
	events prometheus.Counter
	relist prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_kubernetes_events_total", Help: "Kubernetes events and their repetitions stored as log records.",
		}),
		relist: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_kubernetes_event_lists_total", Help: "How often all events had to be listed, because the last position was not known any more.",
		}),
	}
	var err error
	m.set, err = ownmetrics.Register(r, m.events, m.relist)
	return m, err
}
