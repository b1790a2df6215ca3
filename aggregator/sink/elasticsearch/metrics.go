package elasticsearch

import (
	"context"

	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
)

const metricsName = "elasticsearch-metrics"

// MetricsOptions describe a sink for Heapster's metric documents.
type MetricsOptions struct {
	Options
	// Index is the first part of the names of the daily indices
	// (Index-YYYY.MM.DD) and of the aliases (Index-cpu …), "heapster" when
	// empty.
	Index string
	// ClusterName is the tag "cluster_name", "default" when empty.
	ClusterName string
}

func (o *MetricsOptions) complete() error {
	if err := o.Options.complete(); err != nil {
		return err
	}
	if o.Index == "" {
		o.Index = "heapster"
	}
	if o.ClusterName == "" {
		o.ClusterName = "default"
	}
	return checkIndexName(o.Index)
}

// Metrics is a sink for the figures of the model.
type Metrics struct {
	options MetricsOptions
	sink    *sink
}

// NewMetrics opens the sink's queue; it does not talk to the server yet. Run
// sends.
func NewMetrics(o MetricsOptions) (*Metrics, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	s, err := newSink(metricsName, &o.Options, o.template())
	if err != nil {
		return nil, err
	}
	return &Metrics{options: o, sink: s}, nil
}

// Name is the sink's name in metrics and log records.
func (m *Metrics) Name() string { return "elasticsearch" }

// Export puts the batch's documents into the queue and returns when they are on
// disk.
func (m *Metrics) Export(_ context.Context, batch *rollup.Batch) error {
	b := builder{}
	e := metricEncoder{options: &m.options, builder: &b, at: batch.Time.UTC()}
	for _, set := range batch.Sets {
		e.set(set)
	}
	b.flush()
	return m.sink.queue.Append(b.entries...)
}

// Run sends what is in the queue until ctx is done.
func (m *Metrics) Run(ctx context.Context) error { return m.sink.queue.Run(ctx) }

// Pending is how many entries of the queue the server does not have yet.
func (m *Metrics) Pending() uint64 { return m.sink.queue.Pending() }

// Close closes the queue, after Run has returned. What is pending is kept.
func (m *Metrics) Close() error { return m.sink.close() }

// template is that of the daily indices. It makes the aliases too, each of
// which shows the documents of its family only.
func (o *MetricsOptions) template() *template {
	aliases := map[string]any{}
	for _, f := range families {
		aliases[o.Index+"-"+f.alias] = map[string]any{
			"filter": map[string]any{"exists": map[string]any{"field": f.timestamp()}},
		}
	}
	return &template{name: o.Index, body: map[string]any{
		"index_patterns": []string{o.Index + "-*"},
		"priority":       250,
		"template": map[string]any{
			"settings": o.settings(map[string]any{"index.mapping.total_fields.limit": 2000}),
			"mappings": metricMappings(),
			"aliases":  aliases,
		},
	}}
}

func metricMappings() map[string]any {
	figures := map[string]any{}
	for _, m := range catalog.HeapsterMetrics() {
		value := double
		if m.ValueType == catalog.Int64 {
			value = long
		}
		figures[m.Name] = object(map[string]any{"value": value})
	}
	properties := map[string]any{
		"Metrics":      object(figures),
		"MetricsName":  keyword,
		"MetricsValue": object(map[string]any{"value": double}),
	}
	for _, f := range families {
		properties[f.timestamp()] = date
	}
	return map[string]any{
		"dynamic_templates": []any{stringsAreKeywords},
		"properties":        properties,
	}
}
