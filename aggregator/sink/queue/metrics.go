package queue

import (
	"fmt"
	"sync"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/ownmetrics"
	"github.com/lubberline/lubberline/spool"
)

// Metrics are a sink's own metrics, named lubberline_sink_… with the label sink.
type Metrics struct {
	// Written counts points or documents that the store took.
	Written prometheus.Counter
	// Retried counts points or documents that were sent again.
	Retried prometheus.Counter
	// Duplicates counts documents that the store had already.
	Duplicates prometheus.Counter
	// Expired counts points that were older than the store keeps.
	Expired prometheus.Counter
	// DeadLettered counts points or documents that the store can never take.
	DeadLettered prometheus.Counter

	outcomes *prometheus.CounterVec
	set      ownmetrics.Set

	mu    sync.Mutex
	stats func() spool.Stats // nil until a queue is open
}

// NewMetrics makes the metrics of a sink and registers them until its queue is
// closed. reg may be nil.
func NewMetrics(sink string, reg prometheus.Registerer) (*Metrics, error) {
	labels := prometheus.Labels{"sink": sink}
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help, ConstLabels: labels})
	}
	m := &Metrics{
		Written:      counter("lubberline_sink_written_total", "Points or documents that the store took."),
		Retried:      counter("lubberline_sink_retried_total", "Points or documents that were sent again."),
		Duplicates:   counter("lubberline_sink_duplicates_total", "Documents that the store had already."),
		Expired:      counter("lubberline_sink_expired_total", "Points that were older than the store keeps when they got there."),
		DeadLettered: counter("lubberline_sink_dead_lettered_total", "Points or documents that the store can never take."),
		outcomes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "lubberline_sink_tries_total", Help: "Tries to deliver, by their outcome.", ConstLabels: labels,
		}, []string{"outcome"}),
	}
	m.requests("ok")
	m.requests("failed")
	all := []prometheus.Collector{m.Written, m.Retried, m.Duplicates, m.Expired, m.DeadLettered, m.outcomes}
	var err error
	if m.set, err = ownmetrics.Register(reg, append(all, m.gauges(labels)...)...); err != nil {
		return nil, fmt.Errorf("metrics of sink %s: %w", sink, err)
	}
	return m, nil
}

func (m *Metrics) gauges(labels prometheus.Labels) []prometheus.Collector {
	gauge := func(name, help string, value func(spool.Stats) float64) prometheus.Collector {
		return prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels},
			func() float64 { return value(m.current()) })
	}
	return []prometheus.Collector{
		gauge("lubberline_sink_spool_bytes", "Size of the sink's spool on disk.",
			func(s spool.Stats) float64 { return float64(s.Bytes) }),
		gauge("lubberline_sink_spool_entries", "Entries that the store does not have yet.",
			func(s spool.Stats) float64 { return float64(s.Entries) }),
		gauge("lubberline_sink_oldest_age_seconds", "How long the oldest entry has waited for the store.",
			func(s spool.Stats) float64 { return s.OldestAge.Seconds() }),
	}
}

func (m *Metrics) requests(outcome string) prometheus.Counter {
	return m.outcomes.WithLabelValues(outcome)
}

func (m *Metrics) watch(stats func() spool.Stats) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.stats = stats
}

func (m *Metrics) current() spool.Stats {
	m.mu.Lock()
	stats := m.stats
	m.mu.Unlock()
	if stats == nil {
		return spool.Stats{}
	}
	return stats()
}
