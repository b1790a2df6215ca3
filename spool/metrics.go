package spool

import (
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
)

// metrics counts, and reads the gauges from the spool when scraped.
type metrics struct {
	spool *Spool

	appendedEntries, appendedBytes, appendErrors, syncs atomic.Uint64
	readEntries, shedEntries, shedBytes                 atomic.Uint64
	quarantinedEntries                                  atomic.Uint64

	counters []counter
	gauges   []gauge
}

type counter struct {
	desc  *prometheus.Desc
	value *atomic.Uint64
}

type gauge struct {
	desc  *prometheus.Desc
	value func(Stats) float64
}

func newMetrics(s *Spool) *metrics {
	m := &metrics{spool: s}
	desc := func(name, help string) *prometheus.Desc {
		return prometheus.NewDesc("lubberline_spool_"+name, help, nil, prometheus.Labels{"spool": s.options.Name})
	}
	m.counters = []counter{
		{desc("appended_entries_total", "Entries made durable."), &m.appendedEntries},
		{desc("appended_bytes_total", "Bytes made durable, headers included."), &m.appendedBytes},
		{desc("append_errors_total", "Appends that failed; the producer repeats them."), &m.appendErrors},
		{desc("syncs_total", "Calls of fdatasync for appends."), &m.syncs},
		{desc("read_entries_total", "Entries read, repeated reads included."), &m.readEntries},
		{desc("shed_entries_total", "Unacknowledged entries deleted because of the size cap."), &m.shedEntries},
		{desc("shed_bytes_total", "Bytes of segments deleted because of the size cap."), &m.shedBytes},
		{desc("quarantined_entries_total", "Entries lost to corruption on disk."), &m.quarantinedEntries},
	}
	m.gauges = []gauge{
		{desc("entries", "Entries that wait to be acknowledged."), func(st Stats) float64 { return float64(st.Entries) }},
		{desc("bytes", "Bytes of all segments on disk."), func(st Stats) float64 { return float64(st.Bytes) }},
		{desc("oldest_entry_age_seconds", "How long the oldest unacknowledged entry has waited."), func(st Stats) float64 { return st.OldestAge.Seconds() }},
		{desc("max_bytes", "The size cap."), func(Stats) float64 { return float64(s.options.MaxBytes) }},
	}
	return m
}

func (m *metrics) register(r prometheus.Registerer) error {
	if r == nil {
		return nil
	}
	return r.Register(m)
}

func (m *metrics) unregister(r prometheus.Registerer) {
	if r != nil {
		r.Unregister(m)
	}
}

// Describe implements prometheus.Collector.
func (m *metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, c := range m.counters {
		ch <- c.desc
	}
	for _, g := range m.gauges {
		ch <- g.desc
	}
}

// Collect implements prometheus.Collector.
func (m *metrics) Collect(ch chan<- prometheus.Metric) {
	for _, c := range m.counters {
		ch <- prometheus.MustNewConstMetric(c.desc, prometheus.CounterValue, float64(c.value.Load()))
	}
	stats := m.spool.Stats()
	for _, g := range m.gauges {
		ch <- prometheus.MustNewConstMetric(g.desc, prometheus.GaugeValue, g.value(stats))
	}
}
