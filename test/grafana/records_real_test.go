package grafana

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/dashboards"
	"github.com/lubberline/lubberline/dashboards/model"
	"github.com/lubberline/lubberline/dashboards/render"
)

// sameRecords puts each query of log records, each annotation and each variable
// to the aggregator and to a real Elasticsearch, and compares what they count.
func (l *live) sameRecords(t *testing.T) {
	queries, records := 0, 0.0
	for _, d := range dashboards.All() {
		eachOf(d, func(name string, p *model.Panel, target *model.Target) {
			if target.Logs == nil {
				return
			}
			metrics, buckets := render.Elasticsearch(target.Logs)
			n := l.same(t, name, target.Logs.Lucene, metrics, buckets)
			if n == 0 {
				require.NotEmpty(t, p.Empty, "%s: nothing and no reason", name)
			}
			queries, records = queries+1, records+n
		})
		for _, a := range d.Annotations {
			l.same(t, d.Name+": "+a.Name, a.Query.Lucene, []map[string]any{{"type": "logs", "settings": map[string]any{"limit": "100"}}}, nil)
			queries++
		}
		for _, v := range d.Variables {
			if v.Values.Field == "" {
				continue
			}
			l.same(t, d.Name+": "+v.Name, v.Values.Lucene, nil, []map[string]any{
				{"id": "1", "type": "terms", "field": v.Values.Field, "settings": map[string]any{"size": "1000"}}})
			queries++
		}
	}
	require.Greater(t, records, 500.0)
	t.Logf("%d queries of log records counted the same in Elasticsearch and in the aggregator, %v records in all", queries, records)
}

// same asks both until they agree: Elasticsearch shows what it got only after a
// while. Both count records; those of levels are of the aggregator alone, which
// finds them in the text.
func (l *live) same(t *testing.T, name, lucene string, metrics, buckets []map[string]any) float64 {
	t.Helper()
	levels := false
	for _, b := range buckets {
		levels = levels || b["field"] == "level"
	}
	var total float64
	var ours, theirs string
	require.Eventually(t, func() bool {
		a := search(t, window{l.HTTP + "/elastic", "x", l.from.Add(-time.Hour), l.to}, name, lucene, metrics, buckets)
		b := search(t, window{l.elastic.URL, "logs-lubberline-default", l.from.Add(-time.Hour), l.to}, name, lucene, metrics, buckets)
		total = hits(a)
		ours, theirs = fmt.Sprint(hits(a)), fmt.Sprint(hits(b))
		if len(buckets) > 0 && !levels {
			id := buckets[0]["id"].(string)
			ours, theirs = ours+counts(a, id), theirs+counts(b, id)
		}
		return ours == theirs
	}, 20*time.Second, time.Second, "%s: %s\nthe aggregator: %v\nElasticsearch: %v", name, lucene, &ours, &theirs)
	return total
}

func hits(answer Object) float64 {
	return answer["hits"].(Object)["total"].(Object)["value"].(float64)
}

// counts are the records by the outermost bucket that have any.
func counts(answer Object, id string) string {
	all := map[string]float64{}
	for _, b := range answer["aggregations"].(Object)[id].(Object)["buckets"].([]any) {
		if n := b.(Object)["doc_count"].(float64); n > 0 {
			all[fmt.Sprint(b.(Object)["key"])] = n
		}
	}
	return fmt.Sprint(all)
}
