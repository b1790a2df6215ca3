package rollup

import "github.com/prometheus/client_golang/prometheus"

// metrics of the rollup.
type metrics struct {
	batches   prometheus.Counter
	duration  prometheus.Histogram
	objects   prometheus.Gauge
	series    prometheus.Gauge
	lag       prometheus.Gauge
	failed    *prometheus.CounterVec
	dropped   *prometheus.CounterVec
	delivered *prometheus.CounterVec
}

func newMetrics(reg prometheus.Registerer) *metrics {
	counter := func(name, help string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{"sink"})
	}
	m := &metrics{
		batches: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_rollup_batches_total", Help: "Batches published.",
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lubberline_rollup_duration_seconds", Help: "Time to compute a batch.",
			Buckets: []float64{.0001, .001, .003, .01, .03, .1, .3, 1, 3},
		}),
		objects: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_rollup_objects", Help: "Objects in the newest batch.",
		}),
		series: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_rollup_series", Help: "Series that figures are made from.",
		}),
		lag: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: "lubberline_rollup_lag_seconds", Help: "Time from the end of the newest window to its batch.",
		}),
		delivered: counter("lubberline_rollup_sink_batches_total", "Batches that a sink took."),
		failed:    counter("lubberline_rollup_sink_failures_total", "Batches that a sink failed to take."),
		dropped:   counter("lubberline_rollup_sink_dropped_total", "Batches dropped because a sink did not keep up."),
	}
	if reg != nil {
		reg.MustRegister(m.batches, m.duration, m.objects, m.series, m.lag, m.delivered, m.failed, m.dropped)
	}
	return m
}

func (m *metrics) sink(name string) {
	for _, v := range []*prometheus.CounterVec{m.delivered, m.failed, m.dropped} {
		v.WithLabelValues(name)
	}
}
