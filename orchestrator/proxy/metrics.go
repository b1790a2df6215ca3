package proxy

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

// results of a transaction.
const (
	resultOK    = "ok"
	resultError = "error"
)

type metrics struct {
	set             ownmetrics.Set
	services, items prometheus.Gauge
	transactions    *prometheus.CounterVec
	duration        prometheus.Histogram
	latency         prometheus.Histogram
	programming     prometheus.Histogram
	repaired        prometheus.Counter
	flows           prometheus.Counter
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: "lubberline_proxy_" + name, Help: help})
	}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_proxy_" + name, Help: help})
	}
	histogram := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lubberline_proxy_" + name, Help: help, Buckets: []float64{.005, .01, .015, .025, .05, .1, .25, 1, 10},
		})
	}
	m := &metrics{
		services: gauge("services", "Services that are known."),
		items:    gauge("items", "Elements, chains and sets that services want in the kernel."),
		transactions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lubberline_proxy_transactions_total", Help: "Changes of the kernel's table by result: ok or error.",
		}, []string{"result"}),
		duration:    histogram("transaction_duration_seconds", "Time of one change of the kernel's table."),
		latency:     histogram("latency_seconds", "Time from seeing a service or its endpoints change to the kernel's having it."),
		programming: histogram("network_programming_duration_seconds", "Time from a pod's or a service's change to the kernel's having it."),
		repaired:    counter("repaired_items_total", "Items that the kernel held otherwise than they were left."),
		flows:       counter("removed_flows_total", "Remembered flows to endpoints that are gone: of UDP, and of TCP when nobody had answered."),
	}
	for _, result := range []string{resultOK, resultError} {
		m.transactions.WithLabelValues(result)
	}
	var err error
	m.set, err = ownmetrics.Register(r, m.services, m.items, m.transactions, m.duration, m.latency, m.programming, m.repaired, m.flows)
	return m, err
}
