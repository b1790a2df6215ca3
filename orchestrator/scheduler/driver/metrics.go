package driver

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/orchestrator/scheduler"
	"github.com/lubberline/lubberline/ownmetrics"
)

const (
	resultBound      = "bound"
	resultRejected   = "rejected"
	resultPreempting = "preempting"
)

type metrics struct {
	ownmetrics.Set
	decisions  *prometheus.CounterVec
	deciding   prometheus.Counter
	binding    prometheus.Histogram
	bindErrors prometheus.Counter
	victims    prometheus.Counter
	pods       *prometheus.GaugeVec
	nodes      prometheus.Gauge
}

func newMetrics(r prometheus.Registerer) (*metrics, error) {
	m := &metrics{
		decisions: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lubberline_scheduler_decisions_total", Help: "Decisions made for pods, by what was decided.",
		}, []string{"result"}),
		deciding: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_scheduler_deciding_seconds_total", Help: "Time spent on decisions.",
		}),
		binding: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lubberline_scheduler_binding_seconds", Help: "How long the API server took to accept a binding.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 14),
		}),
		bindErrors: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_scheduler_binding_errors_total", Help: "Bindings that the API server did not accept.",
		}),
		victims: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_scheduler_preempted_pods_total", Help: "Pods deleted to make room for pods of higher priority.",
		}),
		pods: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "lubberline_scheduler_pending_pods", Help: "Pods that are not on a node, by what they wait for.",
		}, []string{"queue"}),
		nodes: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_scheduler_nodes", Help: "Nodes known.",
		}),
	}
	for _, result := range []string{resultBound, resultRejected, resultPreempting} {
		m.decisions.WithLabelValues(result)
	}
	m.show(scheduler.Depths{}, 0)
	set, err := ownmetrics.Register(r, m.decisions, m.deciding, m.binding, m.bindErrors, m.victims, m.pods, m.nodes)
	m.Set = set
	return m, err
}

func (m *metrics) show(d scheduler.Depths, nodes int) {
	m.pods.WithLabelValues("active").Set(float64(d.Active))
	m.pods.WithLabelValues("backoff").Set(float64(d.Backoff))
	m.pods.WithLabelValues("unschedulable").Set(float64(d.Waiting))
	m.pods.WithLabelValues("gated").Set(float64(d.Gated))
	m.pods.WithLabelValues("binding").Set(float64(d.Binding))
	m.nodes.Set(float64(nodes))
}
