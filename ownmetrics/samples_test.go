package ownmetrics

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/stretchr/testify/require"
)

func TestSamplesAreWhatAScrapeWouldStore(t *testing.T) {
	r := prometheus.NewRegistry()
	c := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "lubberline_x_total"}, []string{"b", "a"})
	h := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "lubberline_y_seconds", Buckets: []float64{.5, 1}}, []string{"kind", "zone"})
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: "foreign"})
	r.MustRegister(c, h, g)
	c.WithLabelValues("2", "1").Add(7)
	h.WithLabelValues("k", "z").Observe(0.7)
	samples, err := Samples(r)
	require.NoError(t, err)
	require.Equal(t, []Sample{
		{"lubberline_x_total", []string{"a", "1", "b", "2"}, 7, true},
		{"lubberline_y_seconds_sum", []string{"kind", "k", "zone", "z"}, 0.7, true},
		{"lubberline_y_seconds_count", []string{"kind", "k", "zone", "z"}, 1, true},
		{"lubberline_y_seconds_bucket", []string{"kind", "k", "le", "0.5", "zone", "z"}, 0, true},
		{"lubberline_y_seconds_bucket", []string{"kind", "k", "le", "1", "zone", "z"}, 1, true},
		{"lubberline_y_seconds_bucket", []string{"kind", "k", "le", "+Inf", "zone", "z"}, 1, true},
	}, samples)
}
