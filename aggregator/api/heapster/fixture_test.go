package heapster_test

import (
	"context"
	"encoding/json"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/api/heapster"
	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// model is three batches at a distance of 5 s.
type model struct {
	latest  *rollup.Batch
	history *rollup.History
}

func (m *model) Latest() *rollup.Batch    { return m.latest }
func (m *model) History() *rollup.History { return m.history }

func newModel() *model {
	m := &model{history: rollup.NewHistory(5 * time.Second)}
	for n := range 3 {
		m.latest = batch(n)
		m.history.Add(m.latest)
	}
	return m
}

func metric(name string) *catalog.HeapsterMetric {
	m, ok := catalog.LookupHeapster(name)
	if !ok {
		panic(name)
	}
	return m
}

// set makes a metric set from plain figures; those that end in @DEVICE are
// labelled.
func set(kind catalog.ObjectKind, key string, labels map[string]string, figures map[string]float64) *rollup.MetricSet {
	s := &rollup.MetricSet{Kind: kind, Key: key, Labels: labels}
	labels["type"] = string(kind)
	if kind != catalog.Namespace && kind != catalog.Cluster {
		s.CollectionStart = noon.Add(-time.Hour)
	}
	for name, f := range figures {
		name, device, labeled := strings.Cut(name, "@")
		v := rollup.Value{Metric: metric(name), Int: int64(f)}
		if v.Metric.ValueType == catalog.Double {
			v.Int, v.Float = 0, f
		}
		if labeled {
			s.Labeled = append(s.Labeled, rollup.LabeledValue{Value: v, Labels: map[string]string{"resource_id": device}})
			continue
		}
		s.Values = append(s.Values, v)
	}
	slices.SortFunc(s.Values, func(a, b rollup.Value) int { return strings.Compare(a.Metric.Name, b.Metric.Name) })
	slices.SortFunc(s.Labeled, func(a, b rollup.LabeledValue) int {
		return strings.Compare(a.Metric.Name+a.Labels["resource_id"], b.Metric.Name+b.Labels["resource_id"])
	})
	return s
}

func batch(n int) *rollup.Batch {
	f := float64(n)
	b := &rollup.Batch{Time: noon.Add(time.Duration(n) * 5 * time.Second)}
	pod := map[string]string{"namespace_name": "shop", "pod_name": "web-1", "pod_id": "uid-1", "nodename": "n1", "hostname": "box", "host_id": "m1", "labels": "app:web,tier:1"}
	nginx := map[string]string{"container_name": "nginx", "container_base_image": "nginx:1", "namespace_name": "shop", "pod_name": "web-1", "pod_id": "uid-1", "nodename": "n1", "labels": "app:web,tier:1"}
	b.Sets = []*rollup.MetricSet{
		set(catalog.Cluster, "cluster", map[string]string{}, map[string]float64{"cpu/usage_rate": 100 + f, "memory/usage": 2000}),
		set(catalog.Namespace, "namespace:shop", map[string]string{"namespace_name": "shop"}, map[string]float64{"cpu/usage_rate": 100 + f}),
		set(catalog.Pod, "namespace:shop/pod:web-1", pod, map[string]float64{"cpu/usage_rate": 100 + f, "network/rx": 500 * f, "network/rx_rate": 100.25}),
		set(catalog.PodContainer, "namespace:shop/pod:web-1/container:nginx", nginx, map[string]float64{
			"cpu/usage": 1e9 * f, "cpu/usage_rate": 100 + f, "memory/usage": 2000, "memory/working_set": 1500, "memory/page_faults_rate": 0.5,
			"cpu/limit": 500, "filesystem/usage@/dev/vda": 10, "filesystem/usage@/dev/vdb": 20 + f, "disk/io_read_bytes@/dev/vda": 4096,
		}),
		set(catalog.Node, "node:n1", map[string]string{"nodename": "n1", "hostname": "box", "host_id": "m1"}, map[string]float64{
			"cpu/usage_rate": 1500, "cpu/node_utilization": 0.375, "memory/usage": 9000, "memory/working_set": 8000, "uptime": 3600000,
		}),
		set(catalog.SystemContainer, "node:n1/container:system.slice/ssh.service",
			map[string]string{"nodename": "n1", "container_name": "system.slice/ssh.service"}, map[string]float64{"memory/usage": 300}),
	}
	return b
}

// past is a history that knows pod web-1 (uid-1), node n1 and nothing else.
type past struct{ asked []heapster.Object }

func (p *past) knows(of heapster.Object) bool {
	p.asked = append(p.asked, of)
	return of.Pod != "none" && of.Node != "none" && of.PodID != "none"
}

func (p *past) Names(_ context.Context, what heapster.NameKind, of heapster.Object, _, _ time.Time) ([]string, error) {
	if !p.knows(of) {
		return nil, nil
	}
	return []string{string(what) + "-a", string(what) + "-b"}, nil
}

func (p *past) Series(_ context.Context, of heapster.Object, f heapster.Figure, start, end time.Time) ([]heapster.Point, error) {
	if !p.knows(of) {
		return nil, nil
	}
	if metric(f.Metric).ValueType == catalog.Double {
		return []heapster.Point{{Time: start.Add(time.Second), Value: heapster.Number{IsFloat: true, Float: 0.4286}}}, nil
	}
	return []heapster.Point{{Time: start.Add(time.Second), Value: heapster.Number{Int: 7}}, {Time: end.Add(-time.Second), Value: heapster.Number{Int: 8}}}, nil
}

func (p *past) Aggregated(_ context.Context, of heapster.Object, f heapster.Figure, q heapster.Aggregation) ([]heapster.Bucket, error) {
	if !p.knows(of) {
		return nil, nil
	}
	b := heapster.Bucket{Time: q.Start, Values: map[heapster.AggregationKind]heapster.Number{}}
	for _, kind := range q.Want {
		if kind == heapster.Count {
			n := uint64(3)
			b.Count = &n
			continue
		}
		b.Values[kind] = heapster.Number{Int: 1500}
		if metric(f.Metric).ValueType == catalog.Double {
			b.Values[kind] = heapster.Number{IsFloat: true, Float: 0.4286}
		}
	}
	return []heapster.Bucket{b}, nil
}

func newServer(t testing.TB, m heapster.Model, h heapster.History) http.Handler {
	t.Helper()
	gin.SetMode(gin.TestMode)
	api, err := heapster.New(heapster.Options{Model: m, Historical: h, Now: func() time.Time { return noon.Add(time.Minute) }})
	require.NoError(t, err)
	engine := gin.New()
	api.Register(engine)
	return engine
}

func get(h http.Handler, path string, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, path, nil)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// golden compares an answer with testdata/NAME.json, byte by byte.
func golden(t *testing.T, name string, w *httptest.ResponseRecorder) {
	t.Helper()
	require.Equal(t, http.StatusOK, w.Code, w.Body)
	require.Equal(t, "application/json", w.Header().Get("Content-Type"))
	require.True(t, json.Valid(w.Body.Bytes()), w.Body)
	file := filepath.Join("testdata", name+".json")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, w.Body.Bytes(), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), w.Body.String())
}
