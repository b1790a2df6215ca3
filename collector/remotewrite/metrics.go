package remotewrite

import "github.com/prometheus/client_golang/prometheus"

// metrics are the package's own.
type metrics struct {
	samples, sent, failed, retried, deadLettered, dropped, spoolErrors prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer, queue Queue) *metrics {
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_remotewrite_" + name, Help: help})
		if registerer != nil {
			registerer.MustRegister(c)
		}
		return c
	}
	if registerer != nil {
		registerer.MustRegister(queueGauge("lag_seconds", "Age of the oldest request that is not delivered.",
			func() float64 { return queue.Stats().OldestAge.Seconds() }))
		registerer.MustRegister(queueGauge("spool_bytes", "Bytes of requests on disk.",
			func() float64 { return float64(queue.Stats().Bytes) }))
	}
	return &metrics{
		samples:      counter("samples_total", "Samples encoded, stale markers included."),
		sent:         counter("requests_sent_total", "Requests delivered."),
		failed:       counter("requests_failed_total", "Tries that failed and are repeated."),
		retried:      counter("requests_retried_total", "Tries beyond the first of a request."),
		deadLettered: counter("requests_dead_lettered_total", "Requests that the receiver refused for good."),
		dropped:      counter("requests_dropped_total", "Requests lost because the disk did not take them in time."),
		spoolErrors:  counter("spool_errors_total", "Failures to write or read the spool."),
	}
}

func queueGauge(name, help string, value func() float64) prometheus.Collector {
	return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "lubberline_remotewrite_" + name, Help: help}, value)
}
