package pki

import (
	"iter"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

var expiry = prometheus.NewDesc("lubberline_certificate_expiry_timestamp_seconds",
	"When a certificate of ours ends.", []string{"certificate"}, nil)

// Expiry is a metric of when certificates end: it asks for their names and ends
// when it is collected.
type Expiry func() iter.Seq2[string, time.Time]

// Describe implements prometheus.Collector.
func (e Expiry) Describe(ch chan<- *prometheus.Desc) { ch <- expiry }

// Collect implements prometheus.Collector.
func (e Expiry) Collect(ch chan<- prometheus.Metric) {
	for name, end := range e() {
		ch <- prometheus.MustNewConstMetric(expiry, prometheus.GaugeValue, float64(end.Unix()), name)
	}
}

// Ends are the names of the authority and of what it has issued for this
// process, and when each ends.
func (p *PKI) Ends() iter.Seq2[string, time.Time] {
	return func(yield func(string, time.Time) bool) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if !yield("ca", p.authority.NotAfter) {
			return
		}
		for name, pair := range p.pairs {
			if !yield(name, pair.end()) {
				return
			}
		}
	}
}
