package history_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/api/heapster"
	"github.com/lubberline/lubberline/aggregator/metricstore"
	"github.com/lubberline/lubberline/aggregator/metricstore/history"
	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
)

const (
	step  = 5 * time.Second
	ticks = 20
)

// scene is a store and a rollup that got the same samples.
type scene struct {
	t       *testing.T
	store   *metricstore.Store
	rollup  *rollup.Rollup
	history *history.History
	first   time.Time
}

func newScene(t *testing.T) *scene {
	t.Helper()
	store, err := metricstore.Open(metricstore.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	r, err := rollup.New(context.Background(), rollup.Options{Resolution: step})
	require.NoError(t, err)
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e6, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	h, err := history.New(history.Options{Engine: engine, Store: store, Resolution: step})
	require.NoError(t, err)
	s := &scene{t: t, store: store, rollup: r, history: h}
	s.first = time.Now().Truncate(time.Minute).Add(-5 * time.Minute)
	for n := range ticks {
		s.tick(n)
	}
	return s
}

func (s *scene) at(n int) time.Time { return s.first.Add(time.Duration(n) * step) }

// tick writes one sample of every series.
func (s *scene) tick(n int) {
	app := s.store.Appender(context.Background())
	var samples []rollup.Sample
	put := func(v float64, kv ...string) {
		l := labels.FromStrings(kv...)
		ref, err := app.Append(0, l, s.at(n).UnixMilli(), v)
		require.NoError(s.t, err)
		samples = append(samples, rollup.Sample{Ref: ref, Labels: l, T: s.at(n).UnixMilli(), V: v})
	}
	for _, node := range []string{"n1", "n2"} {
		machine(put, node, float64(n), float64(s.first.Unix()))
	}
	require.NoError(s.t, app.Commit())
	s.rollup.Observe(samples)
}

type putter func(v float64, kv ...string)

// machine is a node with a Kubernetes pod of two containers, a plain Docker
// container and a system service.
func machine(put putter, node string, n, start float64) {
	host := func(name string, v float64, kv ...string) {
		put(v, append([]string{"__name__", name, "node", node}, kv...)...)
	}
	host("machine_cpu_cores", 4)
	host("machine_memory_bytes", 8<<30)
	host("node_boot_time_seconds", start-1000)
	host("node_procs_running", 3)
	host("node_vmstat_pgfault", 1000+n*17)
	for _, nic := range []string{"eth0", "eth1", "lo"} {
		host("node_network_receive_bytes_total", n*333, "device", nic)
	}
	for _, mount := range []string{"/", "/mnt"} {
		host("node_filesystem_size_bytes", 1000, "device", "/dev/vda", "fstype", "ext4", "mountpoint", mount)
		host("node_filesystem_free_bytes", 700-n, "device", "/dev/vda", "fstype", "ext4", "mountpoint", mount)
	}
	cgroup(put, n, start, node, "id", "/")
	cgroup(put, n, start, node, "id", "/system.slice/ssh.service")
	web := []string{"namespace", "shop", "pod", "web-" + node}
	cgroup(put, n, start, node, append(web, "id", "/kubepods/"+node)...)
	cgroup(put, n, start-5, node, append(web, "id", "/kubepods/"+node+"/pause", "image", "pause")...)
	put(7+n*100, append([]string{"__name__", "container_network_receive_bytes_total", "node", node, "interface", "eth0",
		"id", "/kubepods/" + node + "/pause", "image", "pause"}, web...)...)
	for i, name := range []string{"app", "log"} {
		cgroup(put, n*float64(i+1), start+float64(i), node, append(web, "container", name, "id", "/kubepods/"+node+"/"+name, "image", name)...)
	}
	put(0.5, append([]string{"__name__", catalog.KubeLimits, "node", node, "container", "app", "resource", "cpu"}, web...)...)
	db := []string{"namespace", "docker", "pod", "db-" + node, "container", "db-" + node, "id", "/docker/" + node, "image", "db"}
	cgroup(put, n*3, start, node, db...)
	put(n*50, append([]string{"__name__", "container_network_transmit_bytes_total", "node", node, "interface", "eth0"}, db...)...)
	put(150_000, append([]string{"__name__", "container_spec_cpu_quota", "node", node}, db...)...)
	put(100_000, append([]string{"__name__", "container_spec_cpu_period", "node", node}, db...)...)
	put(1, append([]string{"__name__", "lubberline_container_info", "node", node, "pod_uid", "uid-" + node}, db...)...)
}

func cgroup(put putter, n, start float64, node string, kv ...string) {
	series := func(name string, v float64, more ...string) {
		put(v, slices.Concat([]string{"__name__", name, "node", node}, kv, more)...)
	}
	series(catalog.Presence, start+n)
	series("container_start_time_seconds", start)
	series("container_cpu_usage_seconds_total", 10+n*0.31)
	series("container_memory_usage_bytes", 1e6+n*4096)
	series("container_memory_working_set_bytes", 9e5+n*4096)
	series("container_memory_rss", 5e5)
	series("container_memory_failures_total", 100+n*3, "failure_type", "pgfault", "scope", "container")
	series("container_fs_reads_bytes_total", n*512, "device", "/dev/vda")
	series("container_fs_usage_bytes", 100+n, "device", "/dev/vda")
	if start != float64(int64(start/60)*60) { // some have logs
		series("container_fs_logs_bytes", 5+n)
	}
}

// object is the historical API's name for a metric set.
func object(set *rollup.MetricSet) heapster.Object {
	o := heapster.Object{Kind: set.Kind, Namespace: set.Labels["namespace_name"], Pod: set.Labels["pod_name"], Container: set.Labels["container_name"]}
	if set.Kind == catalog.Node || set.Kind == catalog.SystemContainer {
		o.Node = set.Labels["nodename"]
	}
	return o
}

func TestRollupAndPromQLAgreeOnEveryFigure(t *testing.T) {
	s := newScene(t)
	last := s.at(ticks - 1)
	// A second rollup is given the last two windows in order.
	var b *rollup.Batch
	r, err := rollup.New(context.Background(), rollup.Options{Resolution: step})
	require.NoError(t, err)
	s.rollup = r
	for n := ticks - 2; n < ticks; n++ {
		s.tick(n)
		b = r.Tick(s.at(n))
	}
	require.NotEmpty(t, b.Sets)
	compared := map[string]bool{}
	check := func(set *rollup.MetricSet, v rollup.Value, l map[string]string) {
		name := fmt.Sprintf("%s %s%v", set.Key, v.Metric.Name, l)
		got, err := s.history.Series(context.Background(), object(set), heapster.Figure{Metric: v.Metric.Name, Labels: l}, last.Add(-time.Second), last.Add(time.Second))
		require.NoError(t, err, name)
		require.Len(t, got, 1, name)
		require.True(t, last.Equal(got[0].Time), name)
		require.InDelta(t, v.Int, got[0].Value.Int, 1, name)
		require.InDelta(t, v.Float, got[0].Value.Float, 1e-9*max(1, v.Float), name)
		compared[string(set.Kind)+" "+v.Metric.Name] = true
	}
	for _, set := range b.Sets {
		for _, v := range set.Values {
			check(set, v, nil)
		}
		for _, v := range set.Labeled {
			check(set, v.Value, v.Labels)
		}
	}
	require.Greater(t, len(compared), 75)
	for _, must := range []string{
		"pod network/rx_rate", "pod network/tx", "pod cpu/usage", "pod_container cpu/limit", "cluster cpu/usage_rate",
		"node cpu/node_utilization", "node filesystem/usage", "pod disk/io_read_bytes_rate", "sys_container uptime",
	} {
		require.True(t, compared[must], must)
	}
}

func TestSeriesBoundsAreExclusive(t *testing.T) {
	s := newScene(t)
	got, err := s.history.Series(context.Background(), heapster.Object{Kind: catalog.Node, Node: "n1"}, heapster.Figure{Metric: "memory/usage"}, s.at(2), s.at(5))
	require.NoError(t, err)
	require.Equal(t, []heapster.Point{
		{Time: s.at(3).UTC(), Value: heapster.Number{Int: 1e6 + 3*4096}},
		{Time: s.at(4).UTC(), Value: heapster.Number{Int: 1e6 + 4*4096}},
	}, got)
}

func TestNames(t *testing.T) {
	s := newScene(t)
	names := func(what heapster.NameKind, of heapster.Object) []string {
		got, err := s.history.Names(context.Background(), what, of, s.first, s.at(ticks))
		require.NoError(t, err)
		return got
	}
	require.Equal(t, []string{"n1", "n2"}, names(heapster.NodeNames, heapster.Object{}))
	require.Equal(t, []string{"docker", "shop"}, names(heapster.NamespaceNames, heapster.Object{}))
	require.Equal(t, []string{"web-n1", "web-n2"}, names(heapster.PodNames, heapster.Object{Namespace: "shop"}))
	require.Equal(t, []string{"app", "log"}, names(heapster.ContainerNames, heapster.Object{Namespace: "shop", Pod: "web-n1"}))
	require.Equal(t, []string{"db-n1"}, names(heapster.ContainerNames, heapster.Object{PodID: "uid-n1"}))
	require.Equal(t, []string{"system.slice/ssh.service"}, names(heapster.SystemContainerNames, heapster.Object{Node: "n1"}))
	require.Equal(t, []string{"cpu/limit", "cpu/request", "cpu/usage_rate", "memory/limit", "memory/request", "memory/usage"},
		names(heapster.MetricNames, heapster.Object{Kind: catalog.Namespace, Namespace: "shop"}))
	require.Empty(t, names(heapster.PodNames, heapster.Object{Namespace: "none"}))
	require.Empty(t, names(heapster.ContainerNames, heapster.Object{PodID: "none"}))
}

func TestAggregated(t *testing.T) {
	s := newScene(t)
	of := heapster.Object{Kind: catalog.Pod, PodID: "uid-n1"}
	q := heapster.Aggregation{
		Start: s.first.Add(-time.Second), End: s.at(ticks), Bucket: time.Minute,
		Want: []heapster.AggregationKind{heapster.Average, heapster.Maximum, heapster.Minimum, heapster.Median, heapster.Count, heapster.Percentile95},
	}
	got, err := s.history.Aggregated(context.Background(), of, heapster.Figure{Metric: "memory/rss"}, q)
	require.NoError(t, err)
	require.Len(t, got, 2)
	require.EqualValues(t, 12, *got[0].Count)
	require.EqualValues(t, 8, *got[1].Count)
	require.True(t, got[0].Time.Equal(s.first))
	require.EqualValues(t, 500_000, got[0].Values[heapster.Average].Int)

	q.Bucket = 0
	got, err = s.history.Aggregated(context.Background(), of, heapster.Figure{Metric: "memory/usage"}, q)
	require.NoError(t, err)
	require.Len(t, got, 1)
	at := func(n float64) int64 { return int64(1e6 + n*3*4096) }
	require.Equal(t, at(19), got[0].Values[heapster.Maximum].Int)
	require.Equal(t, at(0), got[0].Values[heapster.Minimum].Int)
	require.Equal(t, at(9.5), got[0].Values[heapster.Median].Int)
	require.Equal(t, at(9.5), got[0].Values[heapster.Average].Int)
	require.Equal(t, at(18), got[0].Values[heapster.Percentile95].Int)
}

func TestUnknownMetric(t *testing.T) {
	s := newScene(t)
	_, err := s.history.Series(context.Background(), heapster.Object{Kind: catalog.Cluster}, heapster.Figure{Metric: "nope"}, s.first, s.at(3))
	require.ErrorIs(t, err, heapster.ErrUnknownMetric)
}
