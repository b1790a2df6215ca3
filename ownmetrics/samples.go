package ownmetrics

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// Sample is one value of a metric.
type Sample struct {
	Name string
	// Labels are names and values in turn, sorted by name.
	Labels  []string
	Value   float64
	Counter bool
}

// kept begins the names of the metrics that are stored: ours, the process's, and
// those of the parts that are libraries.
var kept = []string{
	"lubberline_", "process_", "go_goroutines", "go_memstats_heap_", "go_memstats_alloc_", "prometheus_rule_", "alertmanager_",
}

// Samples are the present values of the metrics that a process keeps of itself,
// as a scrape would store them. Metrics that cannot be collected are left out,
// and told by the error.
func Samples(g prometheus.Gatherer) ([]Sample, error) {
	families, err := g.Gather()
	var all []Sample
	for _, f := range families {
		if !slices.ContainsFunc(kept, func(p string) bool { return strings.HasPrefix(f.GetName(), p) }) {
			continue
		}
		for _, m := range f.Metric {
			all = appendMetric(all, f, m)
		}
	}
	return all, err
}

func appendMetric(all []Sample, f *dto.MetricFamily, m *dto.Metric) []Sample {
	var labels []string
	for _, l := range m.Label { // sorted by the registry
		labels = append(labels, l.GetName(), l.GetValue())
	}
	add := func(suffix string, v float64, counter bool, more ...string) {
		all = append(all, Sample{Name: f.GetName() + suffix, Labels: with(labels, more), Value: v, Counter: counter})
	}
	switch f.GetType() {
	case dto.MetricType_COUNTER:
		add("", m.Counter.GetValue(), true)
	case dto.MetricType_GAUGE:
		add("", m.Gauge.GetValue(), false)
	case dto.MetricType_UNTYPED:
		add("", m.Untyped.GetValue(), false)
	case dto.MetricType_SUMMARY:
		add("_sum", m.Summary.GetSampleSum(), true)
		add("_count", float64(m.Summary.GetSampleCount()), true)
	case dto.MetricType_HISTOGRAM:
		add("_sum", m.Histogram.GetSampleSum(), true)
		add("_count", float64(m.Histogram.GetSampleCount()), true)
		for _, b := range m.Histogram.Bucket {
			if !math.IsInf(b.GetUpperBound(), 1) {
				add("_bucket", float64(b.GetCumulativeCount()), true, "le", strconv.FormatFloat(b.GetUpperBound(), 'g', -1, 64))
			}
		}
		add("_bucket", float64(m.Histogram.GetSampleCount()), true, "le", "+Inf")
	}
	return all
}

// with adds a label at its place.
func with(labels, more []string) []string {
	if len(more) == 0 {
		return labels
	}
	at := len(labels)
	for i := 0; i < len(labels); i += 2 {
		if labels[i] > more[0] {
			at = i
			break
		}
	}
	return slices.Concat(labels[:at], more, labels[at:])
}
