package heapster_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
)

const (
	benchNodes = 200
	benchPods  = 30 // per node
)

// series is one series of the made-up cluster: a pod's cgroup, its sandbox with
// the traffic, and its container, each with everything a collector sends.
type benchSeries struct {
	labels labels.Labels
	base   float64
	rate   float64 // growth per tick
}

func benchCluster() []benchSeries {
	var all []benchSeries
	add := func(base, rate float64, kv ...string) {
		all = append(all, benchSeries{labels.FromStrings(kv...), base, rate})
	}
	for n := range benchNodes {
		node := fmt.Sprintf("node-%03d", n)
		for _, m := range []string{"machine_cpu_cores", "machine_memory_bytes", "node_boot_time_seconds", "node_memory_MemTotal_bytes"} {
			add(1e9, 0, "__name__", m, "node", node)
		}
		for p := range benchPods {
			pod := fmt.Sprintf("web-%03d-%02d", n, p)
			id := fmt.Sprintf("/kubepods/pod%032x", n*1000+p)
			who := []string{"node", node, "instance", node, "job", "collector", "namespace", fmt.Sprintf("ns-%d", p), "pod", pod}
			benchCgroup(add, n+p, append(who, "id", id)...)
			benchCgroup(add, n+p, append(who, "id", id+"/sandbox", "image", "pause")...)
			benchCgroup(add, n+p, append(who, "id", fmt.Sprintf("%s/%064x", id, p), "image", "registry/web:1", "container", "web")...)
			for _, m := range []string{"receive_bytes", "receive_errors", "transmit_bytes", "transmit_errors"} {
				add(1e6, float64(137*(p+1)), append([]string{"__name__", "container_network_" + m + "_total", "interface", "eth0", "id", id + "/sandbox", "image", "pause"}, who...)...)
			}
		}
	}
	return all
}

// benchCgroup is all series of one cgroup, with values that move.
func benchCgroup(add func(float64, float64, ...string), seed int, who ...string) {
	for _, m := range catalog.Metrics() {
		if !strings.HasPrefix(m.Name, "container_") || m.Group == catalog.Network {
			continue
		}
		kv := append([]string{"__name__", m.Name}, who...)
		rate := 0.0
		if m.Kind == catalog.Counter {
			rate = float64(1+seed%50) * 0.031
		}
		if m.Group == catalog.Memory && m.Kind == catalog.Gauge {
			rate = 4096
		}
		switch {
		case m.Name == "container_memory_failures_total":
			for _, f := range []string{"pgfault", "pgmajfault"} {
				for _, scope := range []string{"container", "hierarchy"} {
					add(1e3, rate*100, append([]string{"failure_type", f, "scope", scope}, kv...)...)
				}
			}
		case len(m.Labels) == 1:
			add(1e6, rate*1000, append([]string{m.Labels[0], "/dev/vda"}, kv...)...)
		default:
			add(1e3, rate, kv...)
		}
	}
}

// benchModel feeds a rollup for a quarter of an hour of ticks, so that its
// history is full.
func benchModel(b *testing.B, ticks int) (m *rollupModel, perSample time.Duration, perTick time.Duration) {
	b.Helper()
	const step = 5 * time.Second
	r, err := rollup.New(context.Background(), rollup.Options{Resolution: step})
	require.NoError(b, err)
	cluster := benchCluster()
	buf := make([]rollup.Sample, 0, 2000)
	var observing, ticking time.Duration
	m = &rollupModel{r: r}
	for n := range ticks {
		at := noon.Add(time.Duration(n) * step)
		for from := 0; from < len(cluster); from += cap(buf) {
			buf = buf[:0]
			for i := from; i < min(from+cap(buf), len(cluster)); i++ {
				s := &cluster[i]
				buf = append(buf, rollup.Sample{Ref: storage.SeriesRef(i + 1), Labels: s.labels, T: at.UnixMilli(), V: s.base + s.rate*float64(n)})
			}
			began := time.Now()
			r.Observe(buf)
			if n > 0 {
				observing += time.Since(began)
			}
		}
		began := time.Now()
		m.latest = r.Tick(at)
		r.History().Add(m.latest)
		ticking += time.Since(began)
	}
	b.Logf("%d series, %d sets", len(cluster), len(m.latest.Sets))
	return m, observing / time.Duration(len(cluster)*(ticks-1)), ticking / time.Duration(ticks)
}

type rollupModel struct {
	r      *rollup.Rollup
	latest *rollup.Batch
}

func (m *rollupModel) Latest() *rollup.Batch    { return m.latest }
func (m *rollupModel) History() *rollup.History { return m.r.History() }

func heapInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// BenchmarkCluster is the whole-cluster export of 200 nodes with 30 pods each,
// with a full history behind it.
func BenchmarkCluster(b *testing.B) {
	before := heapInUse()
	m, perSample, perTick := benchModel(b, 182)
	after := heapInUse()
	h := newServer(b, m, nil)
	var size int64
	for b.Loop() {
		w := &counter{ResponseRecorder: *httptest.NewRecorder()}
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/v1/metric-export", nil))
		size = w.n
	}
	b.ReportMetric(float64(after-before)/(benchNodes*benchPods), "B/pod")
	b.ReportMetric(float64(perSample.Nanoseconds()), "ns/sample")
	b.ReportMetric(float64(perTick.Milliseconds()), "ms/tick")
	b.ReportMetric(float64(size), "export-bytes")
	runtime.KeepAlive(m)
}

// counter counts what is written and keeps none of it.
type counter struct {
	httptest.ResponseRecorder
	n int64
}

func (c *counter) Write(p []byte) (int, error) {
	n, err := io.Discard.Write(p)
	c.n += int64(n)
	return n, err
}
