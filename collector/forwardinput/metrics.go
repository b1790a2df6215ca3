package forwardinput

import (
	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
)

// metrics are the input's own metrics.
type metrics struct {
	ownmetrics.Set

	chunks, records, badEvents, otherSignals prometheus.Counter
	repeats, spoolErrors, lost               prometheus.Counter
}

func newMetrics(registerer prometheus.Registerer, in *Input) (*metrics, error) {
	const prefix = "lubberline_forwardinput_"
	m := &metrics{}
	var all []prometheus.Collector
	counter := func(name, help string) prometheus.Counter {
		c := prometheus.NewCounter(prometheus.CounterOpts{Name: prefix + name, Help: help})
		all = append(all, c)
		return c
	}
	gauge := func(name, help string, value func() float64) {
		all = append(all, prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + name, Help: help}, value))
	}
	m.chunks = counter("chunks_total", "Chunks received, repeated ones included.")
	m.records = counter("records_total", "Events received, parts of lines included.")
	m.badEvents = counter("bad_events_total", "Events passed over because they are no [time, map] or too long.")
	m.otherSignals = counter("other_signals_total", "Chunks of metrics or traces, passed over.")
	m.repeats = counter("repeats_total", "Chunks recognised as sent before.")
	m.spoolErrors = counter("spool_errors_total", "Groups that the spool did not take.")
	m.lost = counter("lost_chunks_total", "Chunks without an id that could not be spooled before the end.")
	gauge("unfinished_lines", "Lines of which parts are missing.", func() float64 {
		in.joiner.mu.Lock()
		defer in.joiner.mu.Unlock()
		return float64(len(in.joiner.lines))
	})
	gauge("waiting_bytes", "Bytes that wait for the spool.", func() float64 {
		in.mu.Lock()
		defer in.mu.Unlock()
		return float64(in.bytes)
	})
	var err error
	m.Set, err = ownmetrics.Register(registerer, all...)
	return m, err
}
