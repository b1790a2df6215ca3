package render

import (
	"strconv"

	"github.com/lubberline/lubberline/dashboards/model"
)

// The defaults of how many records and values are shown.
const (
	logLines   = 500
	termsShown = 20
)

// TimeField is the field of log records with the time they were written.
const TimeField = "@timestamp"

// Elasticsearch returns the metrics and the bucket aggregations of a target of
// Grafana's Elasticsearch data source, for the aggregator's log store and for a
// real Elasticsearch alike.
func Elasticsearch(l *model.Logs) (metrics, buckets []map[string]any) {
	switch {
	case len(l.Rows) > 0:
		for i, field := range l.Rows {
			buckets = append(buckets, terms(i+2, field, l.Limit))
		}
		return count(), buckets
	case l.CountBy != "":
		return count(), []map[string]any{terms(2, l.CountBy, l.Limit), histogram(3)}
	case l.Total:
		return count(), []map[string]any{histogram(2)}
	}
	limit := logLines
	if l.Limit > 0 {
		limit = l.Limit
	}
	return []map[string]any{{"id": "1", "type": "logs", "settings": map[string]any{"limit": strconv.Itoa(limit)}}}, []map[string]any{}
}

func count() []map[string]any { return []map[string]any{{"id": "1", "type": "count"}} }

func terms(id int, field string, limit int) map[string]any {
	if limit == 0 {
		limit = termsShown
	}
	return map[string]any{"id": strconv.Itoa(id), "type": "terms", "field": field, "settings": map[string]any{
		"min_doc_count": "1", "order": "desc", "orderBy": "_count", "size": strconv.Itoa(limit), "missing": "none"}}
}

func histogram(id int) map[string]any {
	return map[string]any{"id": strconv.Itoa(id), "type": "date_histogram", "field": TimeField, "settings": map[string]any{
		"interval": "auto", "min_doc_count": "0", "trimEdges": "0"}}
}
