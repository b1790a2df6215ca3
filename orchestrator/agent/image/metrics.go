package image

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

type metrics struct {
	pulls   *prometheus.CounterVec
	pulling prometheus.Gauge
	removed prometheus.Counter
}

func newMetrics() *metrics {
	m := &metrics{
		pulls:   prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lubberline_image_pulls_total", Help: "Pulls of images by result."}, []string{"result"}),
		pulling: prometheus.NewGauge(prometheus.GaugeOpts{Name: "lubberline_image_pulling", Help: "Images that are being pulled now."}),
		removed: prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_image_removed_total", Help: "Unused images removed to free the disk."}),
	}
	m.pulls.WithLabelValues("successful")
	m.pulls.WithLabelValues("failed")
	return m
}

func (m *metrics) register(r prometheus.Registerer) (ownmetrics.Set, error) {
	return ownmetrics.Register(r, m.pulls, m.pulling, m.removed)
}
