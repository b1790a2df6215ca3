package node

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct {
	set    ownmetrics.Set
	ready  prometheus.Gauge
	writes prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		ready: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_agent_node_ready", Help: "1 when this node told the API that pods can run on it.",
		}),
		writes: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_agent_node_status_writes_total", Help: "Times that the node's status was written to the API.",
		}),
	}
	var err error
	m.set, err = ownmetrics.Register(r, m.ready, m.writes)
	return m, err
}
