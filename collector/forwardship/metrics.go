package forwardship

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

// metrics are the shipper's own metrics, with the label "output".
type metrics struct {
	ownmetrics.Set

	chunks, records, bytes, acks prometheus.Counter
	strangeAcks, retries, bad    prometheus.Counter
	connected                    prometheus.Gauge
	ackSeconds                   prometheus.Histogram
}

func newMetrics(registerer prometheus.Registerer, s *Shipper) (*metrics, error) {
	const prefix = "lubberline_forwardship_"
	m := &metrics{}
	var all []prometheus.Collector
	labels := prometheus.Labels{"output": s.options.Name}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help, ConstLabels: labels})
		all = append(all, c)
		return c
	}
	gauge := func(name, help string, value func() float64) {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help, ConstLabels: labels}, value))
	}
	m.chunks = counter("chunks_total", "Chunks sent, repetitions included.")
	m.records = counter("records_total", "Records sent, repetitions included.")
	m.bytes = counter("bytes_total", "Bytes sent, repetitions included.")
	m.acks = counter("acks_total", "Chunks acknowledged.")
	m.strangeAcks = counter("strange_acks_total", "Acknowledgements of chunks that are not in flight.")
	m.retries = counter("retries_total", "Connections that failed, after which the unacknowledged chunks are sent again.")
	m.bad = counter("bad_chunks_total", "Entries of the spool that are no chunks.")
	gauge("in_flight_chunks", "Chunks sent and not acknowledged.", func() float64 { n, _ := s.window.inFlight(); return float64(n) })
	gauge("in_flight_bytes", "Bytes sent and not acknowledged.", func() float64 { _, n := s.window.inFlight(); return float64(n) })
	gauge("lag_seconds", "Age of the oldest chunk that is not acknowledged.", func() float64 { return s.options.Queue.Stats().OldestAge.Seconds() })
	m.connected = prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "connected", Help: "1 while there is a connection.", ConstLabels: labels})
	m.ackSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: prefix + "ack_seconds", Help: "Time from sending a chunk to its acknowledgement.", ConstLabels: labels,
		Buckets: prometheus.ExponentialBuckets(0.001, 4, 10),
	})
	all = append(all, m.connected, m.ackSeconds)
	var err error
	m.Set, err = ownmetrics.Register(registerer, all...)
	return m, err
}
