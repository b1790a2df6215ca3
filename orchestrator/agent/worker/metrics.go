package worker

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct {
	set              ownmetrics.Set
	pods             prometheus.Gauge
	started          prometheus.Counter
	events, relists  prometheus.Counter
	sandboxSeconds   prometheus.Histogram
	containerSeconds prometheus.Histogram
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	buckets := prometheus.ExponentialBuckets(0.02, 2, 10)
	m := &metrics{
		pods: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_agent_pods", Help: "Pods that this node keeps, ended ones included.",
		}),
		started: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_agent_containers_started_total", Help: "Containers that were started.",
		}),
		events: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_agent_runtime_events_total", Help: "Events that the container runtime sent.",
		}),
		relists: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_agent_runtime_relists_total", Help: "Times that everything in the container runtime was listed.",
		}),
		sandboxSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lubberline_agent_sandbox_start_seconds", Help: "Time that the runtime took to make a sandbox.", Buckets: buckets,
		}),
		containerSeconds: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lubberline_agent_container_start_seconds", Help: "Time that the runtime took to create and start a container.", Buckets: buckets,
		}),
	}
	var err error
	m.set, err = ownmetrics.Register(r, m.pods, m.started, m.events, m.relists, m.sandboxSeconds, m.containerSeconds)
	return m, err
}
