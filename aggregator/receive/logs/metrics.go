package logs

import "github.com/prometheus/client_golang/prometheus"

// metrics are the receiver's own metrics.
type metrics struct {
	registerer prometheus.Registerer
	all        []prometheus.Collector

	chunks, records, bytes, badEvents, badTimes prometheus.Counter
	otherSignals, repeats, commitErrors         prometheus.Counter
	commitSeconds                               prometheus.Histogram
}

func newMetrics(registerer prometheus.Registerer, r *Receiver) (*metrics, error) {
	m := &metrics{registerer: registerer}
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_receive_logs_" + name, Help: help})
		m.all = append(m.all, c)
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
	m.all = append(m.all, m.commitSeconds, waiting)
	if registerer == nil {
		return m, nil
	}
	for _, c := range m.all {
		if err := registerer.Register(c); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *metrics) unregister() {
	if m.registerer == nil {
		return
	}
	for _, c := range m.all {
		m.registerer.Unregister(c)
	}
}
