package grafana

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards"
	"github.com/lubberline/lubberline/dashboards/model"
	"github.com/lubberline/lubberline/dashboards/render"
	"github.com/lubberline/lubberline/test/peers"
)

// influx is a database of Heapster's figures in an InfluxDB 1.8, which speaks
// both languages, or 2.7, which is asked in Flux.
type influx struct {
	*peers.InfluxDB
	bucket     string
	start, end time.Time
	window     string            // of one point of a graph
	chosen     map[string]string // values of variables; of the others all
}

// newInflux returns one with figures of five minutes.
func newInflux(t *testing.T, server *peers.InfluxDB, bucket string) *influx {
	end := time.Now().UTC().Truncate(time.Minute)
	db := &influx{InfluxDB: server, bucket: bucket, start: end.Add(-5 * time.Minute), end: end, window: "30s"}
	if db.Token == "" {
		db.post(t, "/query", url.Values{"q": {`CREATE DATABASE "k8s"`}}, "")
	}
	db.fill(t)
	return db
}

// TestEveryInfluxQueryAnswers runs each query of each panel in Flux and in
// InfluxQL over figures that do not change, and compares what they give.
func TestEveryInfluxQueryAnswers(t *testing.T) {
	peers.RequireReal(t)
	db := newInflux(t, peers.InfluxDB1(t), "k8s/autogen")
	compared := 0
	for _, d := range dashboards.All() {
		for _, row := range d.Rows {
			for i := range row.Panels {
				for j := range row.Panels[i].Targets {
					compared += db.try(t, d.Name+": "+row.Panels[i].Title, &row.Panels[i], &row.Panels[i].Targets[j])
				}
			}
		}
		for i := range d.Variables {
			db.tryValues(t, d.Name+": "+d.Variables[i].Name, &d.Variables[i].Values)
		}
	}
	require.Greater(t, compared, 60)
	t.Logf("%d queries gave the same in Flux and InfluxQL", compared)
}

// TestEveryFluxQueryAnswersInInfluxDB2 runs each query and each variable in Flux
// on an InfluxDB 2, whose Flux is newer than that of 1.8.
func TestEveryFluxQueryAnswersInInfluxDB2(t *testing.T) {
	peers.RequireReal(t)
	peers.RequireInfluxDB2(t)
	db := newInflux(t, peers.InfluxDB2(t), "first")
	asked := 0
	eachTarget(func(name string, p *model.Panel, target *model.Target) {
		column := ""
		if p.Kind == model.Table {
			column = target.Legend
		}
		query, ok := render.Influx(model.Flux, &target.Query, column)
		if target.Logs != nil || !ok {
			return
		}
		require.NotEmpty(t, db.flux(t, name, query, column), "%s\n%s", name, query)
		asked++
	})
	for _, d := range dashboards.All() {
		for _, v := range d.Variables {
			query, ok := render.InfluxValues(model.Flux, &v.Values)
			if v.Values.Metric == "" || !ok {
				continue
			}
			require.NotEmpty(t, db.rows(t, d.Name+": "+v.Name, query), query)
			asked++
		}
	}
	require.Greater(t, asked, 60)
}

func (db *influx) try(t *testing.T, name string, p *model.Panel, target *model.Target) int {
	if target.Logs != nil {
		return 0
	}
	column := ""
	if p.Kind == model.Table {
		column = target.Legend
	}
	flux, ok := render.Influx(model.Flux, &target.Query, column)
	if !ok {
		return 0
	}
	fromFlux := db.flux(t, name, flux, column)
	require.NotEmpty(t, fromFlux, "%s\n%s", name, flux)
	ql, ok := render.Influx(model.InfluxQL, &target.Query, column)
	if !ok {
		return 0
	}
	fromQL := db.influxQL(t, name, ql)
	require.Len(t, fromFlux, len(fromQL), "%s\n%s\n%s", name, flux, ql)
	for i := range fromQL {
		require.InEpsilon(t, fromQL[i]+1, fromFlux[i]+1, 1e-6, "%s\n%s\n%s", name, flux, ql)
	}
	return 1
}

func (db *influx) tryValues(t *testing.T, name string, v *model.Values) {
	if v.Metric == "" {
		return
	}
	flux, ok := render.InfluxValues(model.Flux, v)
	if !ok {
		return
	}
	ql, _ := render.InfluxValues(model.InfluxQL, v)
	a := db.rows(t, name, flux)
	require.NotEmpty(t, a, "%s\n%s", name, flux)
	var values []any
	for _, s := range db.series(t, name, ql) {
		for _, row := range s.Values {
			values = append(values, row[1])
		}
	}
	require.Len(t, values, len(a), "%s\n%s\n%s", name, flux, ql)
}

// fill writes every figure of every kind of object, each with a value of its
// own that does not change, every ten seconds.
func (db *influx) fill(t *testing.T) {
	objects := map[catalog.ObjectKind][]string{catalog.Cluster: {""}}
	for n := range 2 {
		objects[catalog.Node] = append(objects[catalog.Node], fmt.Sprintf(",nodename=n%d", n))
		objects[catalog.Namespace] = append(objects[catalog.Namespace], fmt.Sprintf(",namespace_name=s%d", n))
		for p := range 2 {
			of := fmt.Sprintf(",nodename=n%d,namespace_name=s%d,pod_name=p%d", p, n, p)
			objects[catalog.Pod] = append(objects[catalog.Pod], of)
			for c := range 2 {
				objects[catalog.PodContainer] = append(objects[catalog.PodContainer], fmt.Sprintf("%s,container_name=c%d", of, c))
			}
		}
	}
	var b strings.Builder
	value := 1000
	for _, m := range catalog.HeapsterMetrics() {
		for _, kind := range []catalog.ObjectKind{catalog.Cluster, catalog.Namespace, catalog.Node, catalog.Pod, catalog.PodContainer} {
			if len(m.For(kind)) == 0 {
				continue
			}
			for _, of := range objects[kind] {
				value += 7
				resource := ""
				if m.Labeled() {
					resource = ",resource_id=/dev/sda"
				}
				for at := db.start; at.Before(db.end); at = at.Add(10 * time.Second) {
					fmt.Fprintf(&b, "%s,type=%s%s%s value=%d %d\n", m.Name, kind, of, resource, value, at.UnixNano())
				}
			}
		}
	}
	if db.Token != "" {
		db.post(t, "/api/v2/write", url.Values{"bucket": {db.bucket}}, b.String())
		return
	}
	db.post(t, "/write", url.Values{"db": {"k8s"}}, b.String())
}

func (db *influx) post(t *testing.T, path string, q url.Values, body string) []byte {
	t.Helper()
	if db.Token != "" {
		q = url.Values{"org": {db.Org}, "bucket": q["bucket"]}
	}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, db.URL+path+"?"+q.Encode(), strings.NewReader(body))
	require.NoError(t, err)
	r.SetBasicAuth(db.Username, db.Password)
	if db.Token != "" {
		r.Header.Set("Authorization", "Token "+db.Token)
	}
	if path == "/api/v2/query" {
		r.Header.Set("Content-Type", "application/vnd.flux")
	}
	res, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Less(t, res.StatusCode, 300, "%s: %s\n%s", path, text, body)
	return text
}

var chosenValue = regexp.MustCompile(`\$\{(\w+):regex\}`)

// choose puts the values of variables into a query.
func (db *influx) choose(query string) string {
	return chosenValue.ReplaceAllStringFunc(query, func(s string) string {
		if v, ok := db.chosen[chosenValue.FindStringSubmatch(s)[1]]; ok {
			return v
		}
		return ".*"
	})
}

// flux returns the newest value of each line, sorted.
func (db *influx) flux(t *testing.T, name, query, column string) []float64 {
	rows := db.rows(t, name, query)
	if column == "" {
		column = "_value"
	}
	newest := map[string]map[string]string{}
	for _, r := range rows {
		key := r["table"]
		if column != "_value" {
			key = fmt.Sprint(r)
		}
		newest[key] = r
	}
	return sortedValues(t, name+"\n"+query, newest, column)
}

func sortedValues(t *testing.T, name string, rows map[string]map[string]string, column string) []float64 {
	all := []float64{}
	for _, r := range rows {
		v, err := strconv.ParseFloat(r[column], 64)
		require.NoError(t, err, "%s: %v", name, r)
		all = append(all, v)
	}
	slices.Sort(all)
	return all
}

// rows runs the query as Grafana does and returns the rows of its answer.
func (db *influx) rows(t *testing.T, name, query string) []map[string]string {
	query = db.choose(query)
	query = strings.NewReplacer("v.defaultBucket", strconv.Quote(db.bucket), "v.windowPeriod", db.window,
		"v.timeRangeStart", db.start.Format(time.RFC3339), "v.timeRangeStop", db.end.Format(time.RFC3339)).Replace(query)
	text := db.post(t, "/api/v2/query", nil, query)
	var all []map[string]string
	var header []string
	for block := range bytes.SplitSeq(bytes.ReplaceAll(text, []byte("\r"), nil), []byte("\n\n")) {
		if len(bytes.TrimSpace(block)) == 0 {
			continue
		}
		r := csv.NewReader(bytes.NewReader(block))
		r.FieldsPerRecord = -1
		lines, err := r.ReadAll()
		require.NoError(t, err, name)
		lines = slices.DeleteFunc(lines, func(line []string) bool { return strings.HasPrefix(line[0], "#") })
		header = lines[0]
		require.NotContains(t, header, "error", "%s: %s\n%s", name, block, query)
		for _, line := range lines[1:] {
			row := map[string]string{}
			for i, v := range line {
				row[header[i]] = v
			}
			all = append(all, row)
		}
	}
	return all
}

type qlSeries struct {
	Columns []string
	Tags    map[string]string
	Values  [][]any
}

func (db *influx) series(t *testing.T, name, query string) []qlSeries {
	query = db.choose(query)
	query = strings.NewReplacer("$__interval", db.window,
		"$timeFilter", fmt.Sprintf("time >= %dms and time <= %dms", db.start.UnixMilli(), db.end.UnixMilli())).Replace(query)
	var answer struct {
		Results []struct {
			Error  string
			Series []qlSeries
		}
	}
	text := db.post(t, "/query", url.Values{"db": {"k8s"}, "q": {query}}, "")
	require.NoError(t, json.Unmarshal(text, &answer))
	require.Len(t, answer.Results, 1, name)
	require.Empty(t, answer.Results[0].Error, "%s\n%s", name, query)
	return answer.Results[0].Series
}

// influxQL returns the newest value of each line, sorted.
func (db *influx) influxQL(t *testing.T, name, query string) []float64 {
	all := []float64{}
	for _, s := range db.series(t, name, query) {
		last := s.Values[len(s.Values)-1]
		v, ok := last[1].(float64)
		require.True(t, ok, "%s: %v", name, last)
		all = append(all, v)
	}
	slices.Sort(all)
	return all
}
