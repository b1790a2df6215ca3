package logs

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

// metrics are the receiver's own metrics.
type metrics struct {
	ownmetrics.Set

	chunks, records, bytes, badEvents, badTimes prometheus.Counter
	otherSignals, repeats, commitErrors         prometheus.Counter
	commitSeconds                               prometheus.Histogram
}

func newMetrics(registerer prometheus.Registerer, r *Receiver) (*metrics, error) {
	m := &metrics{}
	var all []prometheus.Collector
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_receive_logs_" + name, Help: help})
		all = append(all, c)
		return c
	}
	m.chunks = counter("chunks_total", "Chunks received, repeated ones included.")
	m.records = counter("records_total", "Records decoded, repeated ones included.")
	m.bytes = counter("bytes_total", "Bytes of entries, decompressed.")
	m.badEvents = counter("bad_events_total", "Events passed over because they are no [time, map].")
	m.badTimes = counter("bad_times_total", "Records that got the time of arrival because theirs is of no use.")
	m.otherSignals = counter("other_signals_total", "Chunks of metrics or traces, passed over.")
	m.repeats = counter("repeated_in_hand_total", "Chunks that came again while the same was being committed.")
	m.commitErrors = counter("commit_errors_total", "Groups that a store did not take.")
	m.commitSeconds = prometheus.NewHistogram(prometheus.HistogramOpts{
		Name: "lubberline_receive_logs_commit_seconds", Help: "Time that all stores take for a group.",
		Buckets: prometheus.ExponentialBuckets(0.001, 2, 14),
	})
	waiting := prometheus.NewGaugeFunc(prometheus.GaugeOpts{
		Name: "lubberline_receive_logs_waiting_records", Help: "Records that wait for a commit.",
	}, func() float64 { return float64(r.waiting()) })
	all = append(all, m.commitSeconds, waiting)
	var err error
	m.Set, err = ownmetrics.Register(registerer, all...)
	return m, err
}
