package elasticsearch

import (
	"encoding/json"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
)

func value(t testing.TB, name string, v float64) rollup.Value {
	t.Helper()
	m, ok := catalog.LookupHeapster(name)
	require.True(t, ok, name)
	if m.ValueType == catalog.Int64 {
		return rollup.Value{Metric: m, Int: int64(v)}
	}
	return rollup.Value{Metric: m, Float: v}
}

// metricBatch is a node and some containers.
func metricBatch(t testing.TB, at time.Time, containers int) *rollup.Batch {
	t.Helper()
	b := &rollup.Batch{Time: at, Sets: []*rollup.MetricSet{{
		Key: "node:a", Kind: catalog.Node, Labels: map[string]string{"type": "node", "nodename": "a", "host_id": "ID"},
		Values: []rollup.Value{value(t, "cpu/usage", 384386584877), value(t, "cpu/usage_rate", 1500),
			value(t, "memory/page_faults_rate", 0.4286), value(t, "memory/usage", 5), value(t, "network/rx_rate", math.NaN()), value(t, "uptime", 77)},
		Labeled: []rollup.LabeledValue{
			{Value: value(t, "filesystem/limit", 9), Labels: map[string]string{"resource_id": "/"}},
			{Value: value(t, "filesystem/limit", 8), Labels: map[string]string{"resource_id": "logs"}},
			{Value: value(t, "filesystem/usage", 2), Labels: map[string]string{"resource_id": "/"}},
		},
	}}}
	for i := range containers {
		name := string(rune('a' + i%26))
		b.Sets = append(b.Sets, &rollup.MetricSet{
			Key: "namespace:docker/pod:" + name + "/container:" + name, Kind: catalog.PodContainer,
			Labels: map[string]string{"type": "pod_container", "namespace_name": "docker", "pod_name": name, "container_name": name},
			Values: []rollup.Value{value(t, "cpu/usage_rate", float64(i)), value(t, "memory/usage", float64(i))},
		})
	}
	return b
}

func newMetrics(t *testing.T, o MetricsOptions) (*testing.T, *Metrics, error) {
	s, err := NewMetrics(o)
	return t, s, err
}

func TestMetricDocuments(t *testing.T) {
	fake, o := newFake(t)
	s := run(newMetrics(t, MetricsOptions{Options: o}))
	b := metricBatch(t, time.Date(2026, 11, 24, 18, 24, 10, 0, time.UTC), 1)
	require.NoError(t, s.Export(t.Context(), b))
	require.NoError(t, s.Export(t.Context(), b)) // the same moment again changes nothing
	drained(t, s, 10*time.Second)
	fake.mu.Lock()
	defer fake.mu.Unlock()
	require.EqualValues(t, 7, testutil.ToFloat64(s.sink.metrics.Duplicates))
	require.Equal(t, 1, fake.templates)
	var got []string
	for key, source := range fake.docs {
		require.Regexp(t, `^heapster-2026\.11\.24/[A-Za-z0-9_-]{20}$`, key)
		require.True(t, json.Valid([]byte(source)), source)
		got = append(got, source)
	}
	slices.Sort(got)
	const at = `MetricsTimestamp":"2026-11-24T18:24:10Z",`
	const node = `"MetricsTags":{"cluster_name":"default","host_id":"ID","nodename":"a","type":"node"}}`
	const container = `"MetricsTags":{"cluster_name":"default","container_name":"a","namespace_name":"docker","pod_name":"a","type":"pod_container"}}`
	const disk = `"MetricsTags":{"cluster_name":"default","host_id":"ID","nodename":"a","type":"node","resource_id":`
	require.Equal(t, []string{
		`{"Cpu` + at + `"Metrics":{"cpu/usage":{"value":384386584877},"cpu/usage_rate":{"value":1500}},` + node,
		`{"Cpu` + at + `"Metrics":{"cpu/usage_rate":{"value":0}},` + container,
		`{"Filesystem` + at + `"Metrics":{"filesystem/limit":{"value":8}},` + disk + `"logs"}}`,
		`{"Filesystem` + at + `"Metrics":{"filesystem/limit":{"value":9},"filesystem/usage":{"value":2}},` + disk + `"/"}}`,
		`{"General` + at + `"MetricsName":"uptime","MetricsValue":{"value":77},` + node,
		`{"Memory` + at + `"Metrics":{"memory/page_faults_rate":{"value":0.4286},"memory/usage":{"value":5}},` + node,
		`{"Memory` + at + `"Metrics":{"memory/usage":{"value":0}},` + container,
	}, got)
}
