package network

import (
	"fmt"

	"github.com/prometheus/client_golang/prometheus"
)

type metrics struct {
	interfaces, namespaces, byFile prometheus.Gauge
	failures                       prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		interfaces: prometheus.NewGauge(prometheus.GaugeOpts{Name: "lubberline_network_interfaces",
			Help: "Interfaces whose counters are taken at once."}),
		namespaces: prometheus.NewGauge(prometheus.GaugeOpts{Name: "lubberline_network_namespaces",
			Help: "Network namespaces with containers in them."}),
		byFile: prometheus.NewGauge(prometheus.GaugeOpts{Name: "lubberline_network_namespaces_by_file",
			Help: "Network namespaces that are read by themselves, as their interfaces have no far end here."}),
		failures: prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_network_failures_total",
			Help: "Times that counters or a container's namespace could not be read."}),
	}
	if r == nil {
		return m, nil
	}
	for _, c := range []prometheus.Collector{m.interfaces, m.namespaces, m.byFile, m.failures} {
		if err := r.Register(c); err != nil {
			return nil, fmt.Errorf("register metrics of the network: %w", err)
		}
	}
	return m, nil
}
