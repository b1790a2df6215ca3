package grafana

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/api/elastic"
	"github.com/lubberline/lubberline/aggregator/logstore"
	"github.com/lubberline/lubberline/dashboards"
	"github.com/lubberline/lubberline/dashboards/model"
	"github.com/lubberline/lubberline/dashboards/render"
	"github.com/lubberline/lubberline/logrecord"
)

// eachTarget calls f for every query of every panel.
func eachTarget(f func(name string, p *model.Panel, t *model.Target)) {
	for _, d := range dashboards.All() {
		eachOf(d, f)
	}
}

// eachOf calls f for the queries of one dashboard.
func eachOf(d *model.Dashboard, f func(name string, p *model.Panel, t *model.Target)) {
	for _, row := range d.Rows {
		for i := range row.Panels {
			p := &row.Panels[i]
			for j := range p.Targets {
				f(d.Name+": "+p.Title, p, &p.Targets[j])
			}
		}
	}
}

// TestEveryPromQLIsOne parses every expression, and wants each label that a
// legend or a table shows to be kept by the query.
func TestEveryPromQLIsOne(t *testing.T) {
	n := 0
	label := regexp.MustCompile(`\{\{(\w+)\}\}`)
	eachTarget(func(name string, p *model.Panel, target *model.Target) {
		if target.Logs != nil {
			return
		}
		n++
		text := strings.ReplaceAll(render.PromQL(&target.Query), "$__rate_interval", "1m")
		_, err := parser.NewParser(parser.Options{}).ParseExpr(text)
		require.NoError(t, err, "%s: %s", name, text)
		if target.Query.Expr != "" {
			return
		}
		for _, m := range label.FindAllStringSubmatch(target.Legend, -1) {
			require.Contains(t, target.Query.By, m[1], "%s: the legend %q", name, target.Legend)
		}
		for _, c := range p.Columns {
			require.Contains(t, target.Query.By, c.Label, "%s: the column %q", name, c.Title)
		}
		if target.Query.Over != nil && target.Query.Over.Expr == "" {
			require.Equal(t, target.Query.By, target.Query.Over.By, name)
		}
	})
	require.Greater(t, n, 200)
}

// TestEveryLogQueryAnswers runs each query of log records against the
// aggregator's log store, as Grafana puts it.
func TestEveryLogQueryAnswers(t *testing.T) {
	w := logServer(t)
	n := 0
	eachTarget(func(name string, _ *model.Panel, target *model.Target) {
		if target.Logs == nil {
			return
		}
		n++
		metrics, buckets := render.Elasticsearch(target.Logs)
		answer := search(t, w, name, target.Logs.Lucene, metrics, buckets)
		total := answer["hits"].(Object)["total"].(Object)["value"].(float64)
		require.Positive(t, total, "%s: %s", name, target.Logs.Lucene)
		if len(buckets) > 0 {
			require.NotEmpty(t, answer["aggregations"].(Object)[buckets[0]["id"].(string)].(Object)["buckets"], name)
		}
	})
	require.Greater(t, n, 10)
	for _, d := range dashboards.All() {
		for _, a := range d.Annotations {
			search(t, w, d.Name+": "+a.Name, a.Query.Lucene, []map[string]any{{"type": "logs", "settings": map[string]any{"limit": "100"}}}, nil)
		}
		for _, v := range d.Variables {
			if v.Values.Field == "" {
				continue
			}
			answer := search(t, w, d.Name+": "+v.Name, v.Values.Lucene, nil, []map[string]any{
				{"id": "1", "type": "terms", "field": v.Values.Field, "settings": map[string]any{"size": "1000"}}})
			require.NotEmpty(t, answer["aggregations"].(Object)["1"].(Object)["buckets"], "%s: %s", d.Name, v.Name)
		}
	}
}

// TestAllMeansRecordsWithoutTheField: a record of a container without a pod is
// there while all is chosen, and is not once a namespace is.
func TestAllMeansRecordsWithoutTheField(t *testing.T) {
	w := logServer(t)
	var lucene string
	eachTarget(func(name string, _ *model.Panel, target *model.Target) {
		if name == "logs: Records" {
			lucene = target.Logs.Lucene
		}
	})
	count := func(namespace string) float64 {
		chosen := strings.ReplaceAll(lucene, "${namespace:regex}", namespace)
		answer := search(t, w, namespace, chosen, nil, nil)
		return answer["hits"].(Object)["total"].(Object)["value"].(float64)
	}
	require.EqualValues(t, 2, count(".*"))
	require.EqualValues(t, 1, count("shop"))
	require.EqualValues(t, 1, count("(shop|data)"))
	require.EqualValues(t, 0, count("data"))
}

// logServer has a record of a pod, one of a container without a pod, and an
// event.
func logServer(t *testing.T) window {
	now := time.Now().UTC()
	store, err := logstore.Open(logstore.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	at := func(ago time.Duration) int64 { return now.Add(-ago).UnixNano() }
	events := []string{
		`{"level":"warn","type":"Warning","reason":"BackOff","count":3,"object_kind":"Pod","object_namespace":"shop","object_name":"web"}`,
		`{"level":"info","type":"Normal","reason":"SuccessfulCreate","count":1,"object_kind":"ReplicationController","object_namespace":"shop","object_name":"web"}`,
	}
	records := []logrecord.Record{
		{Time: at(time.Minute), Tag: "kubernetes.shop.web", Stream: "stdout", Log: "[ERROR] no money",
			Source: &logrecord.Source{Namespace: "shop", Pod: "web", Container: "app", Host: "n1"}},
		{Time: at(2 * time.Minute), Tag: "docker.web", Stream: "stderr", Log: "hello", Source: &logrecord.Source{Container: "web", ContainerID: "abc", Host: "n1"}},
	}
	for _, fields := range events {
		records = append(records, logrecord.Record{Time: at(time.Minute), Tag: "kubernetes.events", Stream: "event", Log: "BackOff: again", Fields: fields,
			Source: &logrecord.Source{Namespace: "shop", Pod: "web", Host: "n1"}})
	}
	require.NoError(t, store.Append(t.Context(), []logrecord.Batch{{Records: records}}))
	gin.SetMode(gin.TestMode)
	engine := gin.New()
	elastic.Register(engine.Group("/elastic"), store)
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	return window{server.URL + "/elastic", "x", now.Add(-time.Hour), now}
}

var everyVariable = regexp.MustCompile(`\$\{(\w+):(regex|raw)\}`)

// window is where records are searched, and the time of them.
type window struct {
	base, index string
	from, to    time.Time
}

// search is Grafana's request for the query, with all of everything chosen.
func search(t *testing.T, w window, name, lucene string, metrics, buckets []map[string]any) Object {
	t.Helper()
	lucene = everyVariable.ReplaceAllStringFunc(lucene, func(v string) string {
		if strings.HasSuffix(v, "raw}") {
			return "*"
		}
		return ".*"
	})
	from, to := w.from.UnixMilli(), w.to.UnixMilli()
	body := Object{"size": 0, "query": Object{"bool": Object{"filter": []any{
		Object{"range": Object{"@timestamp": Object{"gte": from, "lte": to, "format": "epoch_millis"}}},
		Object{"query_string": Object{"analyze_wildcard": true, "query": lucene}}}}}}
	if aggs := aggregations(buckets, from, to); aggs != nil {
		body["aggs"] = aggs
	} else if len(metrics) > 0 {
		limit, err := strconv.Atoi(metrics[0]["settings"].(map[string]any)["limit"].(string))
		require.NoError(t, err)
		body["size"], body["sort"] = limit, []any{Object{"@timestamp": Object{"order": "desc", "unmapped_type": "boolean"}}}
	}
	text, err := json.Marshal(body)
	require.NoError(t, err)
	res, err := http.Post(w.base+"/_msearch", "application/x-ndjson", strings.NewReader("{\"index\":\""+w.index+"\"}\n"+string(text)+"\n"))
	require.NoError(t, err)
	defer res.Body.Close()
	var answer struct{ Responses []Object }
	require.NoError(t, json.NewDecoder(res.Body).Decode(&answer))
	require.Len(t, answer.Responses, 1)
	require.Nil(t, answer.Responses[0]["error"], "%s: %s: %v", name, lucene, answer.Responses[0]["error"])
	return answer.Responses[0]
}

// aggregations nests the buckets as Grafana does: the first is the outermost.
func aggregations(buckets []map[string]any, from, to int64) Object {
	var inner Object
	for _, b := range slices.Backward(buckets) {
		settings := b["settings"].(map[string]any)
		agg := Object{}
		if b["type"] == "date_histogram" {
			agg["date_histogram"] = Object{"field": b["field"], "fixed_interval": "30s", "min_doc_count": 0,
				"extended_bounds": Object{"min": from, "max": to}, "format": "epoch_millis"}
		} else {
			terms := Object{"field": b["field"]}
			maps.Copy(terms, settings)
			if order, by := terms["order"], terms["orderBy"]; by != nil {
				terms["order"] = Object{by.(string): order}
				delete(terms, "orderBy")
			}
			agg["terms"] = terms
		}
		if inner != nil {
			agg["aggs"] = inner
		}
		inner = Object{b["id"].(string): agg}
	}
	return inner
}
