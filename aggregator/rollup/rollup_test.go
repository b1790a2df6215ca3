package rollup_test

import (
	"context"
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/aggregator/rollup"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const step = 5 * time.Second

var epoch = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func tick(n int) time.Time { return epoch.Add(time.Duration(n) * step) }

// feeder gives series their references, as a store does.
type feeder struct {
	t    *testing.T
	r    *rollup.Rollup
	refs map[string]storage.SeriesRef
}

func newFeeder(t *testing.T, sinks ...rollup.Sink) *feeder {
	t.Helper()
	r, err := rollup.New(context.Background(), rollup.Options{Resolution: step, Sinks: sinks})
	require.NoError(t, err)
	return &feeder{t: t, r: r, refs: map[string]storage.SeriesRef{}}
}

func (f *feeder) put(at time.Time, v float64, kv ...string) {
	l := labels.FromStrings(kv...)
	ref, ok := f.refs[l.String()]
	if !ok {
		ref = storage.SeriesRef(len(f.refs) + 1)
		f.refs[l.String()] = ref
	}
	f.r.Observe([]rollup.Sample{{Ref: ref, Labels: l, T: at.UnixMilli(), V: v}})
}

func container(name, pod, container string, more ...string) []string {
	return append([]string{"__name__", name, "node", "n1", "namespace", "shop", "pod", pod, "container", container,
		"id", "/kubepods/" + pod + "/" + container, "image", "repo/" + container + ":1"}, more...)
}

func podCgroup(name, pod string, more ...string) []string {
	return append([]string{"__name__", name, "node", "n1", "namespace", "shop", "pod", pod, "id", "/kubepods/" + pod}, more...)
}

func sandbox(name, pod string, more ...string) []string {
	return append([]string{"__name__", name, "node", "n1", "namespace", "shop", "pod", pod, "image", "pause", "id", "/kubepods/" + pod + "/sandbox"}, more...)
}

func host(name string, more ...string) []string {
	return append([]string{"__name__", name, "node", "n1"}, more...)
}

const (
	cpu     = "container_cpu_usage_seconds_total"
	memory  = "container_memory_usage_bytes"
	started = "container_start_time_seconds"
)

// figures is a batch as text: key, figure and labels to value.
func figures(b *rollup.Batch) map[string]map[string]float64 {
	all := map[string]map[string]float64{}
	for _, set := range b.Sets {
		of := map[string]float64{}
		for _, v := range set.Values {
			of[v.Metric.Name] = float64(v.Int) + v.Float
		}
		for _, v := range set.Labeled {
			of[v.Metric.Name+fmt.Sprint(v.Labels)] = float64(v.Int) + v.Float
		}
		all[set.Key] = of
	}
	return all
}

func setOf(t *testing.T, b *rollup.Batch, key string) *rollup.MetricSet {
	t.Helper()
	for _, set := range b.Sets {
		if set.Key == key {
			return set
		}
	}
	require.Failf(t, "no such object", "%s in %v", key, figures(b))
	return nil
}

func TestPodIsTheSumOfItsContainersAndSoUpwards(t *testing.T) {
	f := newFeeder(t)
	start := float64(epoch.Add(-time.Hour).Unix())
	for n := range 2 {
		at := tick(n)
		for _, c := range []string{"a", "b"} {
			f.put(at, start, container(started, "web", c)...)
			f.put(at, 10+0.5*float64(n), container(cpu, "web", c)...)
			f.put(at, 1000, container(memory, "web", c)...)
			f.put(at, 100+10*float64(n), container("container_memory_failures_total", "web", c, "failure_type", "pgfault", "scope", "container")...)
			f.put(at, 9999, container("container_memory_failures_total", "web", c, "failure_type", "pgfault", "scope", "hierarchy")...)
		}
		f.put(at, 77+2*float64(n), podCgroup(cpu, "web")...)
		f.put(at, 5, sandbox(cpu, "web")...)
		f.put(at, 1<<20, sandbox(memory, "web")...)
		for _, nic := range []string{"eth0", "eth1"} {
			f.put(at, 100+50*float64(n), sandbox("container_network_receive_bytes_total", "web", "interface", nic)...)
		}
		f.r.Tick(at)
	}
	got := figures(f.r.Tick(tick(1)))
	web := got["namespace:shop/pod:web"]
	require.EqualValues(t, 2000, web["memory/usage"])
	require.Equal(t, 79e9, web["cpu/usage"], "the pod's own cgroup")
	require.EqualValues(t, 300, web["network/rx"])
	require.EqualValues(t, 3605_000, web["uptime"])
	require.EqualValues(t, 110, got["namespace:shop/pod:web/container:a"]["memory/page_faults"])
	require.NotContains(t, web, "memory/page_faults", "counters are not summed")
	require.NotContains(t, got["namespace:shop/pod:web/container:a"], "network/rx")
	require.EqualValues(t, 2000, got["namespace:shop"]["memory/usage"])
	require.EqualValues(t, 2000, got["cluster"]["memory/usage"])
}

func TestRates(t *testing.T) {
	f := newFeeder(t)
	at := func(n int, seconds float64) map[string]map[string]float64 {
		f.put(tick(n), seconds, container(cpu, "web", "a")...)
		f.put(tick(n), 1, container(started, "web", "a")...)
		return figures(f.r.Tick(tick(n)))
	}
	const key = "namespace:shop/pod:web/container:a"
	require.NotContains(t, at(0, 10)[key], "cpu/usage_rate", "one sample")
	require.EqualValues(t, 100, at(1, 10.5)[key]["cpu/usage_rate"])
	require.EqualValues(t, 100, figures(f.r.Tick(tick(1)))["namespace:shop"]["cpu/limit"]+100)
	require.NotContains(t, figures(f.r.Tick(tick(2)))[key], "cpu/usage_rate", "no newer sample")
	require.EqualValues(t, 50, at(3, 11)[key]["cpu/usage_rate"], "over the time that really passed")
	require.NotContains(t, at(4, 0.1)[key], "cpu/usage_rate", "reset")
	require.EqualValues(t, 20, at(5, 0.2)[key]["cpu/usage_rate"])

	f.put(tick(6), 9, container(cpu, "web", "a")...)
	f.put(tick(6), 2, container(started, "web", "a")...)
	require.NotContains(t, figures(f.r.Tick(tick(6)))[key], "cpu/usage_rate", "another start time")
}

func TestLimitsOnPlainDocker(t *testing.T) {
	f := newFeeder(t)
	f.put(tick(0), 1, container(cpu, "web", "web")...)
	f.put(tick(0), 50_000, container("container_spec_cpu_quota", "web", "web")...)
	f.put(tick(0), 100_000, container("container_spec_cpu_period", "web", "web")...)
	f.put(tick(0), 1<<28, container("container_spec_memory_limit_bytes", "web", "web")...)
	f.put(tick(0), 7, container("container_network_transmit_bytes_total", "web", "web", "interface", "eth0")...)
	f.put(tick(0), 3, container("container_fs_reads_bytes_total", "web", "web", "device", "/dev/vda")...)
	f.put(tick(0), 100, container("container_fs_usage_bytes", "web", "web", "device", "/dev/vda")...)
	f.put(tick(0), 20, container("container_fs_logs_bytes", "web", "web")...)
	f.put(tick(0), 4, host("machine_cpu_cores")...)
	got := figures(f.r.Tick(tick(0)))
	require.EqualValues(t, 120, got["namespace:shop/pod:web"]["ephemeral_storage/usage"])
	for _, key := range []string{"namespace:shop/pod:web/container:web", "namespace:shop/pod:web", "namespace:shop", "cluster", "node:n1"} {
		require.EqualValues(t, 500, got[key]["cpu/limit"], key)
		require.EqualValues(t, 1<<28, got[key]["memory/limit"], key)
		require.Contains(t, got[key], "cpu/request", key)
		require.EqualValues(t, 0, got[key]["memory/request"], key)
	}
	pod := got["namespace:shop/pod:web"]
	require.EqualValues(t, 7, pod["network/tx"])
	require.Equal(t, 1e9, pod["cpu/usage"], "the single container's cgroup is the pod's")
	require.EqualValues(t, 3, pod["disk/io_read_bytes"+"map[resource_id:/dev/vda]"])
	require.EqualValues(t, 4000, got["node:n1"]["cpu/node_allocatable"])
	require.EqualValues(t, 0, got["node:n1"]["cpu/node_reservation"])
}

func TestKubernetesRequestsWin(t *testing.T) {
	f := newFeeder(t)
	f.put(tick(0), 1, container(cpu, "web", "a")...)
	f.put(tick(0), 50_000, container("container_spec_cpu_quota", "web", "a")...)
	f.put(tick(0), 100_000, container("container_spec_cpu_period", "web", "a")...)
	kube := func(name, resource string) []string {
		return []string{"__name__", name, "namespace", "shop", "pod", "web", "container", "a", "resource", resource, "node", "n1"}
	}
	f.put(tick(0).Add(-time.Minute), 0.25, kube("kube_pod_container_resource_limits", "cpu")...)
	f.put(tick(0).Add(-time.Minute), 0.1, kube("kube_pod_container_resource_requests", "cpu")...)
	f.put(tick(0), 2, host("kube_node_status_allocatable", "resource", "cpu")...)
	f.put(tick(0), 9, host("machine_cpu_cores")...)
	got := figures(f.r.Tick(tick(0)))
	require.EqualValues(t, 250, got["namespace:shop/pod:web"]["cpu/limit"])
	require.EqualValues(t, 2000, got["node:n1"]["cpu/node_allocatable"])
	require.EqualValues(t, 9000, got["node:n1"]["cpu/node_capacity"])
	require.InDelta(t, 0.05, got["node:n1"]["cpu/node_reservation"], 1e-9)
}

func TestNodeAndSystemContainers(t *testing.T) {
	f := newFeeder(t)
	for n := range 2 {
		at := tick(n)
		f.put(at, 100+5*float64(n), host(cpu, "id", "/")...)
		f.put(at, 3, host(cpu, "id", "/system.slice/ssh.service")...)
		f.put(at, 1000, host("node_memory_MemTotal_bytes")...)
		f.put(at, 400, host("node_memory_MemFree_bytes")...)
		f.put(at, 500, host("machine_memory_bytes")...)
		f.put(at, 4, host("machine_cpu_cores")...)
		for _, nic := range []string{"eth0", "lo", "veth12"} {
			f.put(at, 1000*float64(n), host("node_network_receive_bytes_total", "device", nic)...)
		}
		for _, mount := range []string{"/", "/var/lib/docker"} {
			f.put(at, 90, host("node_filesystem_size_bytes", "device", "/dev/vda", "mountpoint", mount, "fstype", "ext4")...)
			f.put(at, 30, host("node_filesystem_free_bytes", "device", "/dev/vda", "mountpoint", mount, "fstype", "ext4")...)
		}
		f.put(at, 9, host("node_filesystem_size_bytes", "device", "tmpfs", "mountpoint", "/run", "fstype", "tmpfs")...)
		f.put(at, float64(epoch.Unix()-60), host("node_boot_time_seconds")...)
		f.put(at, 1, host("lubberline_node_info", "hostname", "box", "machine_id", "m1")...)
		f.r.Tick(at)
	}
	f.put(tick(2), 105, host(cpu, "id", "/")...)
	f.put(tick(2), 3000, host("node_network_receive_bytes_total", "device", "eth0")...)
	b := f.r.Tick(tick(2))
	node := figures(b)["node:n1"]
	require.EqualValues(t, 0, node["cpu/usage_rate"])
	require.InDelta(t, 400, node["network/rx_rate"], 1e-9)
	require.EqualValues(t, 600, node["memory/usage"], "the root cgroup of v2 has no file for it")
	require.InDelta(t, 1.2, node["memory/node_utilization"], 1e-9)
	require.EqualValues(t, 0, node["cpu/node_utilization"])
	require.EqualValues(t, 60, node["filesystem/usagemap[resource_id:/dev/vda]"], "mounted twice, counted once")
	require.NotContains(t, node, "filesystem/limitmap[resource_id:tmpfs]")
	require.EqualValues(t, 60, node["ephemeral_storage/usage"])
	require.EqualValues(t, 70_000, node["uptime"])
	require.Contains(t, figures(b), "node:n1/container:system.slice/ssh.service")
	require.Equal(t, map[string]string{"type": "node", "nodename": "n1", "hostname": "box", "host_id": "m1"}, setOf(t, b, "node:n1").Labels)
	require.Equal(t, epoch.Add(-time.Minute), setOf(t, b, "node:n1").CollectionStart)
}

func TestLabelsOfContainers(t *testing.T) {
	f := newFeeder(t)
	f.put(tick(0), 1, container(memory, "web", "a")...)
	f.put(tick(0), 1, container("lubberline_container_info", "web", "a", "pod_uid", "u1", "labels", "app:web,tier:1")...)
	f.put(tick(0), 1, host("lubberline_node_info", "hostname", "box", "machine_id", "m1")...)
	b := f.r.Tick(tick(0))
	require.Equal(t, map[string]string{
		"type": "pod_container", "nodename": "n1", "hostname": "box", "host_id": "m1", "namespace_name": "shop",
		"pod_name": "web", "pod_id": "u1", "container_name": "a", "container_base_image": "repo/a:1", "labels": "app:web,tier:1",
	}, setOf(t, b, "namespace:shop/pod:web/container:a").Labels)
	require.Equal(t, "u1", setOf(t, b, "namespace:shop/pod:web").Labels["pod_id"])
}

func TestObjectsThatEndOrFallSilent(t *testing.T) {
	f := newFeeder(t)
	f.put(tick(0), 1, container(memory, "web", "gone")...)
	f.put(tick(0), 1, container(memory, "web", "silent")...)
	f.r.Tick(tick(0))
	f.put(tick(1), math.Float64frombits(value.StaleNaN), container(memory, "web", "gone")...)
	got := figures(f.r.Tick(tick(1)))
	require.NotContains(t, got, "namespace:shop/pod:web/container:gone", "a stale marker ends it at once")
	require.EqualValues(t, 1, got["namespace:shop/pod:web"]["memory/usage"])
	require.Contains(t, figures(f.r.Tick(tick(4))), "namespace:shop/pod:web/container:silent")
	require.Empty(t, figures(f.r.Tick(tick(5))))
	f.put(tick(6), 3, container(memory, "web", "silent")...)
	require.EqualValues(t, 3, figures(f.r.Tick(tick(6)))["cluster"]["memory/usage"], "and it may come back")
}

func TestContainerMadeAnewUnderTheSameName(t *testing.T) {
	f := newFeeder(t)
	docker := func(name, id string, more ...string) []string {
		return append([]string{"__name__", name, "node", "n1", "namespace", "docker", "pod", "db", "container", "db", "id", "/docker/" + id}, more...)
	}
	for n, id := range []string{"old", "old", "new"} {
		f.put(tick(n), 100, docker(memory, id)...)
		f.put(tick(n), 100, docker("container_network_receive_bytes_total", id, "interface", "eth0")...)
		f.r.Tick(tick(n))
	}
	got := figures(f.r.Tick(tick(2)))
	require.EqualValues(t, 100, got["namespace:docker/pod:db"]["memory/usage"])
	require.EqualValues(t, 100, got["namespace:docker/pod:db"]["network/rx"])
}

func TestSamplesBeyondTheWindowWait(t *testing.T) {
	f := newFeeder(t)
	f.put(tick(0), 1, container(memory, "web", "a")...)
	f.r.Tick(tick(0))
	f.put(tick(1), 2, container(memory, "web", "a")...)
	f.put(tick(1).Add(time.Second), 3, container(memory, "web", "a")...)
	require.EqualValues(t, 2, figures(f.r.Tick(tick(1)))["cluster"]["memory/usage"])
	require.EqualValues(t, 3, figures(f.r.Tick(tick(2)))["cluster"]["memory/usage"])
}
