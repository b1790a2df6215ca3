package resourcemetrics_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/api/resourcemetrics"
	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

type model struct{ batch *rollup.Batch }

func (m model) Latest() *rollup.Batch     { return m.batch }
func (m model) Resolution() time.Duration { return 5 * time.Second }

func set(kind catalog.ObjectKind, labels map[string]string, figures map[string]int64) *rollup.MetricSet {
	s := &rollup.MetricSet{Kind: kind, Labels: labels}
	for name, v := range figures {
		m, _ := catalog.LookupHeapster(name)
		s.Values = append(s.Values, rollup.Value{Metric: m, Int: v})
	}
	return s
}

func fixture() model {
	both := map[string]int64{"cpu/usage_rate": 1500, "memory/working_set": 80 << 20}
	pod := func(ns, name, labels string) *rollup.MetricSet {
		return set(catalog.Pod, map[string]string{"namespace_name": ns, "pod_name": name, "labels": labels}, nil)
	}
	container := func(ns, pod, name string, f map[string]int64) *rollup.MetricSet {
		return set(catalog.PodContainer, map[string]string{"namespace_name": ns, "pod_name": pod, "container_name": name}, f)
	}
	return model{&rollup.Batch{Time: noon, Sets: []*rollup.MetricSet{
		pod("other", "x", "app:x"), container("other", "x", "c", both),
		pod("shop", "db", "app:db"), container("shop", "db", "pg", both), container("shop", "db", "new", nil), container("shop", "db", "z", both),
		pod("shop", "web", "app:web,tier:1"), container("shop", "web", "nginx", both),
		container("shop", "web", "log", map[string]int64{"cpu/usage_rate": 1, "memory/working_set": 2576980377}),
		set(catalog.Node, map[string]string{"nodename": "n1", "hostname": "box"}, both),
	}}}
}

func get(t *testing.T, m model, path string) (int, map[string]any) {
	t.Helper()
	gin.SetMode(gin.TestMode)
	api, err := resourcemetrics.New(resourcemetrics.Options{Model: m, Now: func() time.Time { return noon }})
	require.NoError(t, err)
	engine := gin.New()
	api.Register(engine)
	w := httptest.NewRecorder()
	engine.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	var v map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v), w.Body)
	return w.Code, v
}

func names(t *testing.T, v map[string]any) []string {
	t.Helper()
	all := []string{}
	for _, item := range v["items"].([]any) {
		all = append(all, item.(map[string]any)["metadata"].(map[string]any)["name"].(string))
	}
	return all
}

func TestPodAndNode(t *testing.T) {
	for _, version := range []string{"v1beta1", "v1alpha1"} {
		base := "/apis/metrics.k8s.io/" + version
		code, v := get(t, fixture(), base+"/namespaces/shop/pods/web")
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, map[string]any{
			"kind": "PodMetrics", "apiVersion": "metrics.k8s.io/" + version, "timestamp": "2026-11-24T12:00:00Z", "window": "5s",
			"metadata": map[string]any{
				"name": "web", "namespace": "shop", "creationTimestamp": "2026-11-24T12:00:00Z",
				"labels": map[string]any{"app": "web", "tier": "1"},
			},
			"containers": []any{
				map[string]any{"name": "nginx", "usage": map[string]any{"cpu": "1500m", "memory": "80Mi"}},
				map[string]any{"name": "log", "usage": map[string]any{"cpu": "1m", "memory": "2576980377"}},
			},
		}, v)
		code, v = get(t, fixture(), base+"/nodes/n1")
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, "NodeMetrics", v["kind"])
		require.Equal(t, map[string]any{"cpu": "1500m", "memory": "80Mi"}, v["usage"])
	}
}

func TestLists(t *testing.T) {
	const base = "/apis/metrics.k8s.io/v1beta1"
	for path, want := range map[string][]string{
		"/nodes":                            {"n1"},
		"/nodes?labelSelector=a%3Db":        {},
		"/pods":                             {"x", "web"}, // db is not whole yet
		"/namespaces/shop/pods":             {"web"},
		"/pods?labelSelector=app+in+(x,db)": {"x"},
		"/namespaces/shop/pods?labelSelector=app%3Dweb,tier": {"web"},
		"/namespaces/shop/pods?labelSelector=!tier":          {},
		"/namespaces/none/pods":                              {},
	} {
		code, v := get(t, fixture(), base+path)
		require.Equal(t, http.StatusOK, code, path)
		require.Equal(t, want, names(t, v), path)
		require.Equal(t, "metrics.k8s.io/v1beta1", v["apiVersion"])
	}
	_, v := get(t, model{}, base+"/pods")
	require.Empty(t, names(t, v))
}

func TestErrors(t *testing.T) {
	const base = "/apis/metrics.k8s.io/v1beta1"
	for path, want := range map[string]int{
		"/nodes/none": 404, "/namespaces/shop/pods/none": 404, "/namespaces/shop/pods/db": 404,
		"/pods?labelSelector=%3D%3D": 400, "/nodes?labelSelector=a+in": 400,
	} {
		code, v := get(t, fixture(), base+path)
		require.Equal(t, want, code, path)
		require.Equal(t, "Status", v["kind"], path)
		require.EqualValues(t, want, v["code"], path)
	}
}

func TestDiscovery(t *testing.T) {
	for path, kind := range map[string]string{
		"/api": "APIVersions", "/apis": "APIGroupList", "/apis/metrics.k8s.io": "APIGroup",
		"/apis/metrics.k8s.io/v1beta1": "APIResourceList", "/apis/metrics.k8s.io/v1alpha1": "APIResourceList",
	} {
		code, v := get(t, fixture(), path)
		require.Equal(t, http.StatusOK, code, path)
		require.Equal(t, kind, v["kind"], path)
	}
	_, v := get(t, fixture(), "/version")
	require.Equal(t, "1", v["major"])
}
