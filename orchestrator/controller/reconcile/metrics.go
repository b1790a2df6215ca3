package reconcile

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

// metrics of one loop; every series has the label controller.
type metrics struct {
	set      ownmetrics.Set
	results  *prometheus.CounterVec
	panics   prometheus.Counter
	duration prometheus.Histogram
}

func newMetrics(r prometheus.Registerer, name string, depth func() float64) (*metrics, error) {
	labels := prometheus.Labels{"controller": name}
	m := &metrics{
		results: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lubberline_reconcile_total", Help: "Reconciliations by result: ok, conflict or error.", ConstLabels: labels,
		}, []string{"result"}),
		panics: prometheus.NewCounter(prometheus.CounterOpts{
			Name: "lubberline_reconcile_panics_total", Help: "Reconciliations that panicked.", ConstLabels: labels,
		}),
		duration: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "lubberline_reconcile_duration_seconds", Help: "Time of one reconciliation.", ConstLabels: labels,
			Buckets: []float64{.001, .01, .1, 1, 10},
		}),
	}
	queued := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lubberline_reconcile_queue_depth", Help: "Keys that wait for a worker.", ConstLabels: labels,
	}, depth)
	for _, result := range []string{resultOK, resultConflict, resultWaiting, resultError} {
		m.results.WithLabelValues(result)
	}
	var err error
	m.set, err = ownmetrics.Register(r, m.results, m.panics, m.duration, queued)
	return m, err
}
