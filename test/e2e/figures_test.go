package e2e

import (
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/test/peers"
)

// figure is one figure of one object, by all the ways that lead to it.
type figure struct {
	metric string
	kind   catalog.ObjectKind
	path   string // below /api/v1/model and /api/v1/historical
	of     catalog.Selector
	tags   string // InfluxQL condition
}

// figures are what the four ways are compared in: gauges, counters and rates,
// of every kind of object.
func figures(node string) []figure {
	objects := []figure{
		{kind: catalog.PodContainer, path: "/namespaces/docker/pods/busy-0/containers/busy-0", of: catalog.Selector{"namespace": "docker", "pod": "busy-0", "container": "busy-0"}, tags: `"type"='pod_container' AND "pod_name"='busy-0'`},
		{kind: catalog.Pod, path: "/namespaces/docker/pods/logs-0", of: catalog.Selector{"namespace": "docker", "pod": "logs-0"}, tags: `"type"='pod' AND "pod_name"='logs-0'`},
		{kind: catalog.Namespace, path: "/namespaces/docker", of: catalog.Selector{"namespace": "docker"}, tags: `"type"='ns' AND "namespace_name"='docker'`},
		{kind: catalog.Node, path: "/nodes/" + node, of: catalog.Selector{"node": node}, tags: `"type"='node' AND "nodename"='` + node + `'`},
		{kind: catalog.Cluster, path: "", tags: `"type"='cluster'`},
	}
	var all []figure
	for _, metric := range []string{"cpu/usage_rate", "memory/usage", "memory/limit", "memory/working_set", "memory/rss", "cpu/usage", "network/rx_rate", "memory/page_faults_rate"} {
		known, _ := catalog.LookupHeapster(metric)
		for _, o := range objects {
			if len(known.For(o.kind)) > 0 {
				o.metric = metric
				all = append(all, o)
			}
		}
	}
	return all
}

// TestFiguresAreTheSameByEveryWay compares the model API, the export, PromQL,
// InfluxDB itself and the historical API at the same moments.
func TestFiguresAreTheSameByEveryWay(t *testing.T) {
	peers.RequireReal(t)
	docker, influx := peers.StartDocker(t), peers.InfluxDB1(t)
	fleet(t, docker)
	dir := dataDir(t)
	password := filepath.Join(dir, "password")
	require.NoError(t, os.WriteFile(password, []byte(influx.Password), 0o600))
	m := up(t, dir, dockerConfig(docker, "5s")+fmt.Sprintf("  node: here\naggregator:\n  historical: influxdb\n  influxdb: {url: %q, database: k8s, username: %q, password_file: %q}\n",
		influx.URL, influx.Username, password))

	compared := 0
	for _, f := range figures("here") {
		m.eventually(f.metric+" of "+string(f.kind), func() error {
			n, err := m.compare(f, influx)
			if err == nil {
				compared += n
			}
			return err
		})
	}
	t.Logf("%d points of %d figures agree by model, PromQL, InfluxDB and historical API", compared, len(figures("here")))
	m.eventually("export and model agree", m.compareExport)
}

// minPoints is how many moments each figure is compared at.
const minPoints = 4

// compare takes the moments of the model's series and asks the other ways for
// the same ones.
func (m *machine) compare(f figure, influx *peers.InfluxDB) (int, error) {
	model, err := m.modelSeries("/api/v1/model"+f.path+"/metrics/"+f.metric, "")
	if err != nil {
		return 0, err
	}
	if len(model) < minPoints {
		return 0, fmt.Errorf("the model has %d points", len(model))
	}
	from := url.QueryEscape(time.Now().Add(-10 * time.Minute).UTC().Format(time.RFC3339))
	historical, err := m.modelSeries("/api/v1/historical"+f.path+"/metrics/"+f.metric, "?start="+from)
	if err != nil {
		return 0, err
	}
	stored, err := influxSeries(influx, f)
	if err != nil {
		return 0, err
	}
	for at, want := range model {
		promql, err := m.promQL(f, at)
		if err != nil {
			return 0, err
		}
		for way, got := range map[string]map[int64]float64{"historical": historical, "influxdb": stored, "promql": promql} {
			if v, ok := got[at]; !ok || !near(want, v, f.addends()) {
				return 0, fmt.Errorf("%s of %s %s at %d: model %v, %s %v (there: %v)", f.metric, f.kind, f.path, at, want, way, v, ok)
			}
		}
	}
	return len(model), nil
}

// addends is how many integers a figure is the sum of, each of them rounded.
func (f figure) addends() float64 {
	if f.kind == catalog.Namespace || f.kind == catalog.Cluster {
		return 10 // the fleet
	}
	return 1
}

// near allows for the rounding of integer figures.
func near(a, b, addends float64) bool { return math.Abs(a-b) <= addends+1e-9*math.Abs(a) }

// modelSeries is a series in the shape that model and historical API share, by
// second.
func (m *machine) modelSeries(path, query string) (map[int64]float64, error) {
	var series struct {
		Metrics []struct {
			Timestamp  time.Time `json:"timestamp"`
			Value      float64   `json:"value"`
			FloatValue *float64  `json:"floatValue"`
		} `json:"metrics"`
	}
	if err := m.api.json(path+query, &series); err != nil {
		return nil, err
	}
	points := map[int64]float64{}
	for _, p := range series.Metrics {
		v := p.Value
		if p.FloatValue != nil {
			v = *p.FloatValue
		}
		points[p.Timestamp.Unix()] = v
	}
	return points, nil
}

func (m *machine) promQL(f figure, at int64) (map[int64]float64, error) {
	known, _ := catalog.LookupHeapster(f.metric)
	query, ok := known.PromQL(f.kind, f.of, "20s")
	if !ok {
		return nil, fmt.Errorf("no PromQL for %s of %s", f.metric, f.kind)
	}
	var answer struct {
		Data struct {
			Result []struct {
				Value [2]any `json:"value"`
			} `json:"result"`
		} `json:"data"`
	}
	if err := m.api.json(fmt.Sprintf("/api/v1/query?time=%d&query=%s", at, url.QueryEscape(query)), &answer); err != nil {
		return nil, err
	}
	if len(answer.Data.Result) != 1 {
		return nil, fmt.Errorf("%s: %d results", query, len(answer.Data.Result))
	}
	v, err := strconv.ParseFloat(answer.Data.Result[0].Value[1].(string), 64)
	return map[int64]float64{at: v}, err
}

// influxSeries reads InfluxDB as any client of it would.
func influxSeries(db *peers.InfluxDB, f figure) (map[int64]float64, error) {
	query := fmt.Sprintf(`SELECT "value" FROM "k8s"."default".%q WHERE %s`, f.metric, f.tags)
	values := url.Values{"db": {"k8s"}, "epoch": {"s"}, "q": {query}, "u": {db.Username}, "p": {db.Password}}
	resp, err := http.Get(db.URL + "/query?" + values.Encode())
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	var answer struct {
		Results []struct {
			Series []struct {
				Values [][2]float64 `json:"values"`
			} `json:"series"`
			Error string `json:"error"`
		} `json:"results"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return nil, err
	}
	if len(answer.Results) != 1 || len(answer.Results[0].Series) != 1 {
		return nil, fmt.Errorf("%s: %+v", query, answer)
	}
	points := map[int64]float64{}
	for _, v := range answer.Results[0].Series[0].Values {
		points[int64(v[0])] = v[1]
	}
	return points, nil
}

// compareExport holds the newest batch against the model at that moment.
func (m *machine) compareExport() error {
	var export []struct {
		Metrics map[string][]struct {
			End   time.Time `json:"end"`
			Value float64   `json:"value"`
		} `json:"metrics"`
		Labels map[string]string `json:"labels"`
	}
	if err := m.api.json("/api/v1/metric-export", &export); err != nil {
		return err
	}
	for _, o := range export {
		if o.Labels["container_name"] != "idle-0" {
			continue
		}
		for _, metric := range []string{"memory/usage", "memory/working_set", "memory/rss", "cpu/usage"} {
			points, err := m.modelSeries("/api/v1/model/namespaces/docker/pods/idle-0/containers/idle-0/metrics/"+metric, "")
			if err != nil {
				return err
			}
			got := o.Metrics[metric][0]
			if want, ok := points[got.End.Unix()]; !ok || !near(want, got.Value, 1) {
				return fmt.Errorf("%s at %s: export %v, model %v (there: %v)", metric, got.End, got.Value, want, ok)
			}
		}
		return nil
	}
	return fmt.Errorf("idle-0 is not exported")
}
