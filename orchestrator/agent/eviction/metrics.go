package eviction

import (
	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct {
	evictions *prometheus.CounterVec
	pressure  *prometheus.GaugeVec
}

func newMetrics() *metrics {
	m := &metrics{
		evictions: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lubberline_eviction_evictions_total", Help: "Evicted pods by what they or the node were short of."}, []string{"signal"}),
		pressure:  prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lubberline_eviction_pressure", Help: "Whether the node is in the condition."}, []string{"condition"}),
	}
	for _, s := range []Signal{MemoryAvailable, NodeFSAvailable, NodeFSInodesFree, ImageFSAvailable, ImageFSInodesFree, PIDAvailable} {
		m.evictions.WithLabelValues(string(s))
	}
	m.show(nil)
	return m
}

func (m *metrics) show(active map[corev1.NodeConditionType]bool) {
	for _, c := range []corev1.NodeConditionType{corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure} {
		value := 0.0
		if active[c] {
			value = 1
		}
		m.pressure.WithLabelValues(string(c)).Set(value)
	}
}

func (m *metrics) register(r prometheus.Registerer) (ownmetrics.Set, error) {
	return ownmetrics.Register(r, m.evictions, m.pressure)
}
