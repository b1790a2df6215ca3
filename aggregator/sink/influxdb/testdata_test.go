package influxdb

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
)

var testTime = time.Date(2026, 11, 24, 18, 24, 10, 0, time.UTC)

func intValue(t testing.TB, name string, v int64) rollup.Value {
	t.Helper()
	m, ok := catalog.LookupHeapster(name)
	require.True(t, ok, name)
	require.Equal(t, catalog.Int64, m.ValueType, name)
	return rollup.Value{Metric: m, Int: v}
}

func floatValue(t testing.TB, name string, v float64) rollup.Value {
	t.Helper()
	m, ok := catalog.LookupHeapster(name)
	require.True(t, ok, name)
	require.Equal(t, catalog.Double, m.ValueType, name)
	return rollup.Value{Metric: m, Float: v}
}

// testBatch has one object of each kind, but for pods containers: as many as
// asked for. Every value follows from n, the number of the batch.
func testBatch(t testing.TB, at time.Time, containers int, n int64) *rollup.Batch {
	t.Helper()
	set := func(key string, kind catalog.ObjectKind, labels map[string]string, values ...rollup.Value) *rollup.MetricSet {
		labels["type"] = string(kind)
		return &rollup.MetricSet{Key: key, Kind: kind, Labels: labels, CollectionStart: at, ScrapeTime: at, Values: values}
	}
	node := set("node:a", catalog.Node, map[string]string{"nodename": "a", "hostname": "a", "host_id": "ID"},
		intValue(t, "cpu/usage_rate", 1500+n), intValue(t, "memory/usage", 1<<30),
		floatValue(t, "memory/page_faults_rate", 0.4286), floatValue(t, "network/rx_rate", 2))
	node.Labeled = []rollup.LabeledValue{
		{Value: intValue(t, "filesystem/limit", 1000), Labels: map[string]string{"resource_id": "/"}},
		{Value: intValue(t, "filesystem/usage", 100+n), Labels: map[string]string{"resource_id": "/"}},
		{Value: intValue(t, "filesystem/usage", 7), Labels: map[string]string{"resource_id": "logs"}},
	}
	b := &rollup.Batch{Time: at, Sets: []*rollup.MetricSet{
		set("cluster", catalog.Cluster, map[string]string{}, intValue(t, "memory/usage", 5)),
		set("namespace:docker", catalog.Namespace, map[string]string{"namespace_name": "docker"}, intValue(t, "memory/usage", 5)),
		node,
		set("node:a/container:ssh", catalog.SystemContainer, map[string]string{"nodename": "a", "container_name": "system.slice/ssh"}, intValue(t, "memory/usage", 5)),
	}}
	for i := range containers {
		pod := map[string]string{"namespace_name": "docker", "pod_name": fmt.Sprintf("p%d", i), "pod_id": fmt.Sprintf("uid-%d", i), "nodename": "a"}
		container := map[string]string{"namespace_name": "docker", "pod_name": fmt.Sprintf("p%d", i), "pod_id": fmt.Sprintf("uid-%d", i),
			"nodename": "a", "container_name": "c", "container_base_image": "repo/x:1", "labels": "app:a b,tier:=1"}
		b.Sets = append(b.Sets,
			set("namespace:docker/pod:p", catalog.Pod, pod, intValue(t, "cpu/usage_rate", n), intValue(t, "memory/usage", int64(i))),
			set("namespace:docker/pod:p/container:c", catalog.PodContainer, container,
				intValue(t, "cpu/usage", 1000*n), intValue(t, "cpu/usage_rate", n), intValue(t, "memory/usage", int64(i))))
	}
	return b
}

func testOptions(t testing.TB, url string) Options {
	t.Helper()
	return Options{
		URL: url, Database: "k8s", Dir: t.TempDir(),
		MinDelay: 10 * time.Millisecond, MaxDelay: 200 * time.Millisecond,
	}
}

func counterValue(t testing.TB, c prometheus.Counter) float64 {
	t.Helper()
	return testutil.ToFloat64(c)
}
