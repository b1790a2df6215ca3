package remotewrite

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/value"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/collector/series"
)

var noon = time.UnixMilli(1_764_072_000_000)

// sample is one decoded sample.
type sample struct {
	value  float64
	millis int64
}

// decodeV2 reads a request with Prometheus's own decoder, by series.
func decodeV2(t testing.TB, raw []byte) map[string]sample {
	t.Helper()
	var request writev2.Request
	require.NoError(t, request.Unmarshal(raw))
	got := make(map[string]sample)
	for _, ts := range request.Timeseries {
		var labels []string
		require.Zero(t, len(ts.LabelsRefs)%2)
		for i := 0; i < len(ts.LabelsRefs); i += 2 {
			labels = append(labels, request.Symbols[ts.LabelsRefs[i]]+"="+request.Symbols[ts.LabelsRefs[i+1]])
		}
		require.True(t, slices.IsSorted(labels), labels)
		require.Len(t, ts.Samples, 1)
		key := strings.Join(labels, ",")
		require.NotContains(t, got, key)
		got[key] = sample{ts.Samples[0].Value, ts.Samples[0].Timestamp}
		name := strings.TrimPrefix(labels[0], "__name__=")
		if m, ok := catalog.Lookup(name); ok {
			require.Equal(t, m.Help, request.Symbols[ts.Metadata.HelpRef])
			require.Equal(t, strings.ToUpper("metric_type_"+string(m.Kind)), ts.Metadata.Type.String())
		} else {
			require.Equal(t, "up", name)
		}
	}
	return got
}

// collect makes an encoder and a function that encodes a tick and decodes it.
func collect(t testing.TB, limit int) (encode func(time.Time, []*reading.Container, []series.Point) map[string]sample, requests *int) {
	t.Helper()
	requests = new(int)
	var got map[string]sample
	e := newEncoder("box", limit, func(r *request) {
		*requests++
		maps.Copy(got, decodeV2(t, r.encode(nil)))
	})
	return func(tick time.Time, cs []*reading.Container, points []series.Point) map[string]sample {
		got = make(map[string]sample)
		n := e.encode(tick, cs, points)
		require.Len(t, got, n)
		return got
	}, requests
}

func web(tick time.Time, identity *reading.Identity) *reading.Container {
	c := &reading.Container{ID: "/docker/aaa", Created: noon, Identity: identity}
	c.Sample.Time = tick.UnixNano()
	c.Sample.Put(reading.CPUUsage, 12_345_678_901)
	c.Sample.Put(reading.MemoryFaults, 3)
	c.Sample.Devices = []reading.DeviceIO{{Device: "/dev/vda", Reads: 4}}
	return c
}

var webIdentity = &reading.Identity{
	Runtime: "docker", ContainerID: "aaa", Name: "web", Image: "nginx", Namespace: "shop", Pod: "web", Container: "web", Labels: map[string]string{"tier": "front"},
}

const (
	webLabels = "container=web,id=/docker/aaa,image=nginx,instance=box,job=collector,name=web,namespace=shop,node=box,pod=web"
	boxLabels = "instance=box,job=collector,node=box"
)

func TestATickDecodesWithPrometheusDecoder(t *testing.T) {
	encode, _ := collect(t, 4000)
	points := []series.Point{
		{Name: "node_load1", Value: 0.5},
		{Name: "node_cpu_seconds_total", Labels: []series.Label{{Name: "cpu", Value: "0"}, {Name: "mode", Value: "user"}}, Value: 7},
		{Name: "not_in_the_catalog", Value: 1},
	}
	got := encode(noon, []*reading.Container{web(noon.Add(3*time.Millisecond), webIdentity)}, points)
	f := func(key string, want float64, millis int64) {
		t.Helper()
		require.Contains(t, got, key)
		require.Equal(t, sample{want, noon.UnixMilli() + millis}, got[key], key)
	}
	f("__name__=up,"+boxLabels, 1, 0)
	f("__name__=node_load1,"+boxLabels, 0.5, 0)
	f("__name__=node_cpu_seconds_total,cpu=0,instance=box,job=collector,mode=user,node=box", 7, 0)
	f("__name__=container_cpu_usage_seconds_total,"+webLabels, 12.345678901, 3)
	f("__name__=container_memory_failures_total,"+strings.Replace(webLabels, "id=", "failure_type=pgfault,id=", 1)+",scope=container", 3, 3)
	f("__name__=container_fs_reads_total,"+strings.Replace(webLabels, "id=", "device=/dev/vda,id=", 1), 4, 3)
	f("__name__=lubberline_container_info,container=web,container_id=aaa,id=/docker/aaa,image=nginx,instance=box,job=collector,labels=tier:front,name=web,namespace=shop,node=box,pod=web,runtime=docker", 1, 3)
	require.Len(t, got, 3+9)
}

// stale returns the keys of the stale markers, sorted, by metric name only.
func stale(got map[string]sample) (names []string) {
	for key, s := range got {
		if value.IsStaleNaN(s.value) {
			name, _, _ := strings.Cut(strings.TrimPrefix(key, "__name__="), ",")
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func TestStaleMarkersEndSeries(t *testing.T) {
	encode, _ := collect(t, 4000)
	points := []series.Point{{Name: "node_load1"}, {Name: "node_disk_io_now", Labels: []series.Label{{Name: "device", Value: "vdb"}}}}
	c := web(noon, webIdentity)
	require.Empty(t, stale(encode(noon, []*reading.Container{c}, points)))
	step := func(seconds int) time.Time {
		now := noon.Add(time.Duration(seconds) * time.Second)
		c.Sample.Time = now.UnixNano()
		return now
	}

	// A value that is no longer known, and a device that has gone.
	c.Sample.Drop(reading.MemoryFaults)
	require.Equal(t, []string{"container_memory_failures_total", "node_disk_io_now"}, stale(encode(step(1), []*reading.Container{c}, points[:1])))
	require.Empty(t, stale(encode(step(2), []*reading.Container{c}, points[:1])))

	// Another identity: all series under the old labels end.
	renamed := *webIdentity
	renamed.Name = "renamed"
	c.Identity = &renamed
	got := encode(step(3), []*reading.Container{c}, points[:1])
	require.Len(t, stale(got), 8)
	require.Contains(t, got, "__name__=container_cpu_usage_seconds_total,"+strings.Replace(webLabels, "name=web", "name=renamed", 1))

	// An equal identity under another pointer ends nothing.
	same := renamed
	c.Identity = &same
	require.Empty(t, stale(encode(step(4), []*reading.Container{c}, points[:1])))

	// A container that has gone.
	got = encode(step(5), nil, points[:1])
	require.Len(t, stale(got), 8)
	require.Len(t, got, 2+8)
	require.Len(t, encode(step(6), nil, points[:1]), 2)
}

func TestASampleThatIsNotNewIsNotSentAgain(t *testing.T) {
	encode, _ := collect(t, 4000)
	c := web(noon, webIdentity)
	require.Len(t, encode(noon, []*reading.Container{c}, nil), 1+9)
	require.Len(t, encode(noon.Add(time.Second), []*reading.Container{c}, nil), 1, "only up")
	require.Len(t, stale(encode(noon.Add(2*time.Second), nil, nil)), 9)
}

func TestAContainerMadeAnewUnderItsPathGoesOn(t *testing.T) {
	encode, _ := collect(t, 4000)
	encode(noon, []*reading.Container{web(noon, webIdentity)}, nil)
	identity := *webIdentity
	anew := web(noon.Add(time.Second), &identity)
	anew.Sample.Devices = nil
	got := encode(noon.Add(time.Second), []*reading.Container{anew}, nil)
	require.Len(t, stale(got), 4, "only what is no longer there ends")
	require.Len(t, got, 1+9)
}

func TestStaleMarkersComeAfterTheLastSample(t *testing.T) {
	encode, _ := collect(t, 4000)
	late := noon.Add(1500 * time.Millisecond)
	encode(noon, []*reading.Container{web(late, webIdentity)}, nil)
	for key, s := range encode(noon.Add(time.Second), nil, nil) {
		if value.IsStaleNaN(s.value) {
			require.Greater(t, s.millis, late.UnixMilli(), key)
		}
	}
}

func TestRequestsAreCut(t *testing.T) {
	encode, requests := collect(t, 10)
	var points []series.Point
	for i := range 95 {
		points = append(points, series.Point{Name: "node_cpu_seconds_total", Labels: []series.Label{{Name: "cpu", Value: fmt.Sprint(i)}}, Value: float64(i)})
	}
	var cs []*reading.Container
	for i := range 5 {
		c := web(noon, webIdentity)
		c.ID = fmt.Sprint("/docker/", i)
		cs = append(cs, c)
	}
	got := encode(noon, cs, points)
	require.Len(t, got, 1+95+5*9)
	require.Equal(t, 9+3, *requests) // 6 points and a container, then two and two containers
	require.InDelta(t, 77, got["__name__=node_cpu_seconds_total,cpu=77,"+boxLabels].value, 0)
}

func TestEveryValueOfAFullSampleIsSent(t *testing.T) {
	encode, _ := collect(t, 4000)
	cs := many(2)
	want := 0
	for _, r := range series.Rows() {
		r.Each(cs[0], func(string, series.Value) { want++ })
	}
	require.Len(t, encode(noon, cs, nil), 1+2*(want+1))
}

func TestStaleNaNIsPrometheus(t *testing.T) {
	require.Equal(t, value.StaleNaN, math.Float64bits(staleNaN))
}

// many makes n containers of which everything is known.
func many(n int) []*reading.Container {
	var list []*reading.Container
	for i := range n {
		id := fmt.Sprintf("%064x", i)
		c := &reading.Container{ID: "/docker/" + id, Created: noon, Identity: &reading.Identity{
			Runtime: "docker", ContainerID: id, Name: "web-" + id[60:], Image: "registry.example.com/team/web:1.2.3",
			Namespace: "docker", Pod: "web-" + id[60:], Container: "web-" + id[60:], Labels: map[string]string{"app": "web"},
		}}
		c.Sample.Time = noon.UnixNano()
		for f := range reading.NumFields {
			c.Sample.Put(f, uint64(i+1)*123456789*uint64(f+1))
		}
		c.Sample.Devices = []reading.DeviceIO{{Device: "/dev/vda", ReadBytes: 1 << 40}}
		c.Sample.Interfaces = []reading.NetIO{{Interface: "eth0", RxBytes: 1 << 40}}
		c.Sample.Filesystems = []reading.Filesystem{{Device: "/dev/vda", Usage: 1 << 30}}
		list = append(list, c)
	}
	return list
}

func TestSteadyStateAllocatesNothing(t *testing.T) {
	cs, now := many(20), noon
	e := newEncoder("box", 4000, func(*request) {})
	tick := func() {
		now = now.Add(time.Second)
		for _, c := range cs {
			c.Sample.Time = now.UnixNano()
		}
		e.encode(now, cs, nil)
	}
	tick() // the buffers of two ticks change places
	require.Zero(t, testing.AllocsPerRun(20, tick))
}

func BenchmarkEncode200(b *testing.B) {
	cs, now, bytes := many(200), noon, 0
	e := newEncoder("box", 4000, func(r *request) { bytes += len(r.series) + len(r.symbols.encoded) })
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		for _, c := range cs {
			c.Sample.Time = now.UnixNano()
		}
		e.encode(now, cs, nil)
	}
	b.ReportMetric(float64(bytes)/float64(b.N), "bytes/tick")
}

func BenchmarkTickToQueue200(b *testing.B) {
	cs, now, queue := many(200), noon, &discardQueue{}
	w, err := New(Options{URL: "http://127.0.0.1:1/", Node: "box", Queue: queue, DeadLetterDir: b.TempDir()})
	require.NoError(b, err)
	b.ReportAllocs()
	for b.Loop() {
		now = now.Add(time.Second)
		for _, c := range cs {
			c.Sample.Time = now.UnixNano()
		}
		w.Tick(now, cs, nil)
		require.NoError(b, w.spoolPending())
	}
	b.ReportMetric(float64(queue.bytes)/float64(b.N), "spooled-bytes/tick")
}

// discardQueue counts what is appended.
type discardQueue struct {
	memoryQueue
	bytes int
}

func (q *discardQueue) Append(entries ...[]byte) (uint64, error) {
	for _, e := range entries {
		q.bytes += len(e)
	}
	return 1, nil
}
