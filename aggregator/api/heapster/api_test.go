package heapster_test

import (
	"compress/gzip"
	"compress/zlib"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/api/heapster"
	"github.com/lubberline/lubberline/aggregator/rollup"
)

// The paths of Heapster's specification. What stands in braces there is filled
// in here.
var modelPaths = map[string]string{
	"cluster-metrics":       "metrics/",
	"cluster-series":        "metrics/cpu/usage_rate",
	"nodes":                 "nodes/",
	"node-metrics":          "nodes/n1/metrics/",
	"node-series-float":     "nodes/n1/metrics/cpu/node_utilization",
	"freecontainers":        "nodes/n1/freecontainers/",
	"freecontainer-metrics": "nodes/n1/freecontainers/system.slice/ssh.service/metrics",
	"freecontainer-series":  "nodes/n1/freecontainers/system.slice/ssh.service/metrics/memory/usage",
	"namespaces":            "namespaces/",
	"namespace-metrics":     "namespaces/shop/metrics",
	"namespace-series":      "namespaces/shop/metrics/cpu/usage_rate",
	"pods":                  "namespaces/shop/pods/",
	"pod-metrics":           "namespaces/shop/pods/web-1/metrics",
	"pod-series":            "namespaces/shop/pods/web-1/metrics/network/rx",
	"containers":            "namespaces/shop/pods/web-1/containers",
	"container-metrics":     "namespaces/shop/pods/web-1/containers/nginx/metrics",
	"container-series":      "namespaces/shop/pods/web-1/containers/nginx/metrics/cpu/usage",
	"pod-list":              "namespaces/shop/pod-list/none,web-1/metrics/cpu/usage_rate",
	"allkeys":               "debug/allkeys",
	// variants
	"labeled":            "namespaces/shop/pods/web-1/containers/nginx/metrics/filesystem/usage?labels=resource_id:/dev/vdb",
	"labeled-without":    "namespaces/shop/pods/web-1/containers/nginx/metrics/filesystem/usage",
	"range-is-inclusive": "metrics/cpu/usage_rate?start=2026-11-24T12:00:05Z&end=2026-11-24T12:00:10Z",
	"alias":              "nodes/n1/metrics/memory-working",
}

func TestModelPaths(t *testing.T) {
	h := newServer(t, newModel(), nil)
	for name, path := range modelPaths {
		t.Run(name, func(t *testing.T) { golden(t, "model-"+name, get(h, "/api/v1/model/"+path)) })
	}
}

func TestSlashesOfListsAreOptionalAndNamesMayBeEscaped(t *testing.T) {
	h := newServer(t, newModel(), nil)
	for _, path := range []string{"nodes", "namespaces", "namespaces/shop/pods", "metrics", "nodes/n1/freecontainers"} {
		bare, slash := get(h, "/api/v1/model/"+path), get(h, "/api/v1/model/"+path+"/")
		require.Equal(t, http.StatusOK, bare.Code, path)
		require.Equal(t, bare.Body.String(), slash.Body.String())
	}
	w := get(h, "/api/v1/model/nodes/n1/freecontainers/system.slice%2Fssh.service/metrics/memory/usage")
	golden(t, "model-freecontainer-series", w)
}

func TestModelErrors(t *testing.T) {
	h := newServer(t, newModel(), nil)
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"nodes/none/metrics":                     {404, "node:none"},
		"nodes/none/metrics/cpu/usage_rate":      {404, "node:none"},
		"nodes/none/freecontainers":              {404, "node:none"},
		"namespaces/none/pods":                   {404, "namespace:none"},
		"namespaces/shop/pods/none/metrics":      {404, "pod:none"},
		"namespaces/shop/pods/none/containers":   {404, "pod:none"},
		"metrics/cpu/nope":                       {404, `"cpu/nope"`},
		"nowhere":                                {404, "Page Not Found"},
		"metrics/cpu/usage_rate?start=x":         {400, "timestamp argument cannot be parsed"},
		"metrics/cpu/usage_rate?labels=x":        {400, `invalid label pair "x"`},
		"namespaces/shop/pod-list/a/metrics/x/y": {404, `"x/y"`},
	} {
		w := get(h, "/api/v1/model/"+path)
		require.Equal(t, want.status, w.Code, path)
		require.Contains(t, w.Body.String(), want.says, path)
		require.Contains(t, w.Header().Get("Content-Type"), "text/plain")
	}
}

var pastObjects = []string{
	"", "nodes/n1/", "nodes/n1/freecontainers/system.slice/ssh.service/", "namespaces/shop/", "namespaces/shop/pods/web-1/",
	"namespaces/shop/pods/web-1/containers/nginx/", "pod-id/uid-1/", "pod-id/uid-1/containers/nginx/",
}

const pastRange = "?start=2026-11-24T11:00:00.5Z&end=2026-11-24T12:00:00Z"

func TestEveryHistoricalPathIsRouted(t *testing.T) {
	p := &past{}
	h := newServer(t, newModel(), p)
	for _, object := range pastObjects {
		for _, rest := range []string{
			"metrics", "metrics/", "metrics/cpu/usage_rate" + pastRange, "metrics-aggregated/average,max/memory/usage" + pastRange,
		} {
			p.asked = nil
			w := get(h, "/api/v1/historical/"+object+rest)
			require.Equal(t, http.StatusOK, w.Code, "%s%s: %s", object, rest, w.Body)
			require.Len(t, p.asked, 1)
			path := strings.TrimSuffix(object, "/")
			for _, part := range []string{p.asked[0].Container, p.asked[0].Pod, p.asked[0].PodID, p.asked[0].Node} {
				require.Contains(t, path, part)
			}
			require.True(t, strings.HasSuffix(path, p.asked[0].Container))
		}
	}
	for _, path := range []string{
		"nodes", "nodes/n1/freecontainers", "namespaces", "namespaces/shop/pods", "namespaces/shop/pods/web-1/containers",
		"pod-id/uid-1/containers", "namespaces/shop/pod-list/web-1,none/metrics/memory/usage" + pastRange,
		"namespaces/shop/pod-list/web-1/metrics-aggregated/count/memory/usage" + pastRange,
		"pod-id-list/uid-1,none/metrics/memory/usage" + pastRange, "pod-id-list/uid-1/metrics-aggregated/count/memory/usage" + pastRange,
	} {
		require.Equal(t, http.StatusOK, get(h, "/api/v1/historical/"+path).Code, path)
	}
}

func TestHistoricalShapes(t *testing.T) {
	h := newServer(t, newModel(), &past{})
	all := "metrics-aggregated/average,max,min,median,count,50-perc,95-perc,99-perc/"
	for name, path := range map[string]string{
		"names":               "nodes",
		"series":              "nodes/n1/metrics/memory/usage" + pastRange,
		"series-float":        "nodes/n1/metrics/cpu/node_utilization" + pastRange,
		"aggregated":          "nodes/n1/" + all + "memory/usage" + pastRange + "&bucket=30s",
		"aggregated-float":    "nodes/n1/metrics-aggregated/average/cpu/node_utilization" + pastRange,
		"pod-list":            "namespaces/shop/pod-list/web-1,none/metrics/memory/usage" + pastRange,
		"pod-list-aggregated": "pod-id-list/uid-1,none/metrics-aggregated/max/memory/usage" + pastRange,
	} {
		t.Run(name, func(t *testing.T) { golden(t, "historical-"+name, get(h, "/api/v1/historical/"+path)) })
	}
}

func TestHistoricalErrors(t *testing.T) {
	h := newServer(t, newModel(), &past{})
	for path, want := range map[string]struct {
		status int
		says   string
	}{
		"metrics/memory/usage":                                            {400, "no start time (or a start time of zero) provided"},
		"metrics/memory/usage?start=x":                                    {400, "cannot be parsed"},
		"metrics/nope/nope" + pastRange:                                   {404, "nope/nope"},
		"nodes/none/metrics/memory/usage" + pastRange:                     {404, `No results for metric "memory/usage" describing "(node)node:none"`},
		"metrics-aggregated/nope/memory/usage" + pastRange:                {400, `Unknown aggregation "nope"`},
		"metrics-aggregated/max/memory/usage" + pastRange + "&bucket=5":   {400, "bucket"},
		"metrics-aggregated/max/memory/usage" + pastRange + "&bucket=-5s": {400, "bucket"},
		"metrics-aggregated/max/memory/usage" + pastRange + "&bucket=1ms": {400, "11000"},
		"debug/allkeys": {404, "Not Found"},
	} {
		w := get(h, "/api/v1/historical/"+path)
		require.Equal(t, want.status, w.Code, path)
		require.Contains(t, w.Body.String(), want.says, path)
	}
	require.Equal(t, http.StatusNotFound, get(newServer(t, newModel(), nil), "/api/v1/historical/nodes").Code)
}

func TestExport(t *testing.T) {
	golden(t, "export", get(newServer(t, newModel(), nil), "/api/v1/metric-export"))
	golden(t, "schema", get(newServer(t, newModel(), nil), "/api/v1/metric-export-schema"))
	require.Equal(t, "null", get(newServer(t, &model{history: rollup.NewHistory(time.Second)}, nil), "/api/v1/metric-export").Body.String())
	require.Equal(t, "[]", get(newServer(t, &model{latest: &rollup.Batch{}}, nil), "/api/v1/metric-export").Body.String())
}

func TestExportedSchemaHasTwentyEightEntries(t *testing.T) {
	var s struct {
		Metrics []struct{ Name string } `json:"metrics"`
	}
	require.NoError(t, json.Unmarshal(get(newServer(t, newModel(), nil), "/api/v1/metric-export-schema").Body.Bytes(), &s))
	require.Len(t, s.Metrics, 28)
}

func TestAnswersArePackedWhenOffered(t *testing.T) {
	h := newServer(t, newModel(), nil)
	plain := get(h, "/api/v1/metric-export").Body.String()
	w := get(h, "/api/v1/metric-export", "Accept-Encoding", "gzip, deflate")
	require.Equal(t, "gzip", w.Header().Get("Content-Encoding"))
	r, err := gzip.NewReader(w.Body)
	require.NoError(t, err)
	got, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, plain, string(got))

	w = get(h, "/api/v1/metric-export", "Accept-Encoding", "deflate")
	z, err := zlib.NewReader(w.Body)
	require.NoError(t, err)
	got, err = io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, plain, string(got))
}

func TestModelIsNeeded(t *testing.T) {
	_, err := heapster.New(heapster.Options{})
	require.ErrorContains(t, err, "no model")
}
