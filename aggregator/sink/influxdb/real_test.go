package influxdb

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/api/heapster"
	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/test/peers"
)

// onRealServers runs a test against both generations.
func onRealServers(t *testing.T, test func(t *testing.T, db *peers.InfluxDB, o Options)) {
	peers.RequireReal(t)
	t.Run("1.8", func(t *testing.T) {
		db := peers.InfluxDB1(t)
		test(t, db, Options{URL: db.URL, Database: "k8s", Username: db.Username, Password: db.Password, Dir: t.TempDir()})
	})
	t.Run("2.7", func(t *testing.T) {
		peers.RequireInfluxDB2(t)
		db := peers.InfluxDB2(t)
		test(t, db, Options{URL: db.URL, Org: db.Org, Bucket: "k8s", Token: db.Token, Dir: t.TempDir()})
	})
}

// TestRealRoundTrip writes batches in both schemas and reads every figure back.
func TestRealRoundTrip(t *testing.T) {
	onRealServers(t, func(t *testing.T, _ *peers.InfluxDB, o Options) {
		for name, fields := range map[string]bool{"plain": false, "fields": true} {
			t.Run(name, func(t *testing.T) {
				o := o
				o.WithFields, o.IDTags, o.Dir = fields, true, t.TempDir()
				o.ClusterName = "c-" + name
				if fields {
					if o.Database != "" {
						o.Database = "k8s_fields"
					} else {
						o.Bucket = "k8s_fields"
					}
				}
				s := runSink(t, o)
				start := time.Now().UTC().Truncate(time.Minute).Add(-time.Hour)
				var batches []*rollup.Batch
				for i := range 12 {
					b := testBatch(t, start.Add(time.Duration(i)*10*time.Second), 3, int64(i))
					batches = append(batches, b)
					require.NoError(t, s.Export(t.Context(), b))
				}
				drained(t, s, 30*time.Second)
				h, err := NewHistory(o)
				require.NoError(t, err)
				checkSeries(t, h, batches)
				checkNames(t, h, start)
				checkAggregated(t, h, start)
			})
		}
	})
}

func objectOf(set *rollup.MetricSet) heapster.Object {
	l := set.Labels
	of := heapster.Object{Kind: set.Kind, Namespace: l["namespace_name"], Pod: l["pod_name"], Container: l["container_name"]}
	if set.Kind == catalog.Node || set.Kind == catalog.SystemContainer {
		of.Node = l["nodename"]
	}
	return of
}

// checkSeries asks for every figure of every object and compares with what was
// written.
func checkSeries(t *testing.T, h *History, batches []*rollup.Batch) {
	t.Helper()
	first, last := batches[0].Time, batches[len(batches)-1].Time
	series := func(of heapster.Object, figure heapster.Figure) []heapster.Point {
		points, err := h.Series(t.Context(), of, figure, first.Add(-1), last.Add(1))
		require.NoError(t, err)
		return points
	}
	number := func(v rollup.Value) heapster.Number {
		if v.Metric.ValueType == catalog.Int64 {
			return heapster.Number{Int: v.Int}
		}
		return heapster.Number{IsFloat: true, Float: v.Float}
	}
	for i, set := range batches[0].Sets {
		for j, v := range set.Values {
			var want []heapster.Point
			for _, b := range batches {
				want = append(want, heapster.Point{Time: b.Time, Value: number(b.Sets[i].Values[j])})
			}
			require.Equal(t, want, series(objectOf(set), heapster.Figure{Metric: v.Metric.Name}), "%s %s", set.Key, v.Metric.Name)
		}
		for j, v := range set.Labeled {
			var want []heapster.Point
			for _, b := range batches {
				want = append(want, heapster.Point{Time: b.Time, Value: number(b.Sets[i].Labeled[j].Value)})
			}
			require.Equal(t, want, series(objectOf(set), heapster.Figure{Metric: v.Metric.Name, Labels: v.Labels}), "%s %s", set.Key, v.Metric.Name)
		}
	}
	// Both ends are exclusive; a pod is found by its id as well.
	points, err := h.Series(t.Context(), heapster.Object{Kind: catalog.Pod, PodID: "uid-1"}, heapster.Figure{Metric: "memory/usage"}, first, last)
	require.NoError(t, err)
	require.Len(t, points, len(batches)-2)
	require.Equal(t, heapster.Number{Int: 1}, points[0].Value)
	// What is not there is empty; what nobody knows is an error.
	require.Empty(t, series(heapster.Object{Kind: catalog.Node, Node: "nope"}, heapster.Figure{Metric: "cpu/usage_rate"}))
	require.Empty(t, series(heapster.Object{Kind: catalog.Node, Node: "a"}, heapster.Figure{Metric: "filesystem/usage"}))
	_, err = h.Series(t.Context(), heapster.Object{Kind: catalog.Node, Node: "a"}, heapster.Figure{Metric: "no/such"}, first, last)
	require.ErrorIs(t, err, heapster.ErrUnknownMetric)
}

func checkNames(t *testing.T, h *History, start time.Time) {
	t.Helper()
	names := func(what heapster.NameKind, of heapster.Object, start time.Time) []string {
		found, err := h.Names(t.Context(), what, of, start, start.Add(time.Hour))
		require.NoError(t, err)
		return found
	}
	require.Equal(t, []string{"a"}, names(heapster.NodeNames, heapster.Object{}, start))
	require.Equal(t, []string{"docker"}, names(heapster.NamespaceNames, heapster.Object{}, start))
	require.Equal(t, []string{"p0", "p1", "p2"}, names(heapster.PodNames, heapster.Object{Namespace: "docker"}, start))
	require.Empty(t, names(heapster.PodNames, heapster.Object{Namespace: "other"}, start))
	require.Equal(t, []string{"c"}, names(heapster.ContainerNames, heapster.Object{Namespace: "docker", Pod: "p1"}, start))
	require.Equal(t, []string{"c"}, names(heapster.ContainerNames, heapster.Object{PodID: "uid-2"}, start))
	require.Equal(t, []string{"system.slice/ssh"}, names(heapster.SystemContainerNames, heapster.Object{Node: "a"}, start))
	require.Equal(t, []string{"cpu/usage_rate", "memory/page_faults_rate", "memory/usage", "network/rx_rate"},
		names(heapster.MetricNames, heapster.Object{Kind: catalog.Node, Node: "a"}, start))
	require.Equal(t, []string{"memory/usage"}, names(heapster.MetricNames, heapster.Object{Kind: catalog.Cluster}, start))
	// Before there was anything, there are no names.
	require.Empty(t, names(heapster.NodeNames, heapster.Object{}, start.Add(-3*time.Hour)))
}

func checkAggregated(t *testing.T, h *History, start time.Time) {
	t.Helper()
	all := []heapster.AggregationKind{
		heapster.Average, heapster.Maximum, heapster.Minimum, heapster.Median, heapster.Count,
		heapster.Percentile50, heapster.Percentile95, heapster.Percentile99,
	}
	node := heapster.Object{Kind: catalog.Node, Node: "a"}
	q := heapster.Aggregation{Start: start.Add(-time.Second), End: start.Add(time.Hour), Bucket: time.Minute, Want: all}
	buckets, err := h.Aggregated(t.Context(), node, heapster.Figure{Metric: "cpu/usage_rate"}, q)
	require.NoError(t, err)
	require.Len(t, buckets, 2) // 12 points, one every 10 s: 1500…1505 and 1506…1511
	six := uint64(6)
	whole := func(n int64) heapster.Number { return heapster.Number{Int: n} }
	half := func(f float64) heapster.Number { return heapster.Number{IsFloat: true, Float: f} }
	require.Equal(t, heapster.Bucket{Time: start, Count: &six, Values: map[heapster.AggregationKind]heapster.Number{
		heapster.Average: whole(1503), heapster.Maximum: whole(1505), heapster.Minimum: whole(1500), heapster.Median: whole(1503),
		heapster.Percentile50: whole(1502), heapster.Percentile95: whole(1505), heapster.Percentile99: whole(1505),
	}}, buckets[0])
	require.Equal(t, start.Add(time.Minute), buckets[1].Time)

	q.Bucket, q.Want = 0, []heapster.AggregationKind{heapster.Maximum}
	buckets, err = h.Aggregated(t.Context(), node, heapster.Figure{Metric: "memory/page_faults_rate"}, q)
	require.NoError(t, err)
	require.Equal(t, []heapster.Bucket{{Time: q.Start, Values: map[heapster.AggregationKind]heapster.Number{heapster.Maximum: half(0.4286)}}}, buckets)

	buckets, err = h.Aggregated(t.Context(), node, heapster.Figure{Metric: "filesystem/usage", Labels: map[string]string{"resource_id": "logs"}}, q)
	require.NoError(t, err)
	require.Equal(t, whole(7), buckets[0].Values[heapster.Maximum])
}

// TestRealOutage kills the server under load, leaves it down and starts it
// again: every point of every batch is there, once.
func TestRealOutage(t *testing.T) {
	onRealServers(t, func(t *testing.T, db *peers.InfluxDB, o Options) {
		o.MaxDelay = 2 * time.Second
		s := runSink(t, o)
		start := time.Now().UTC().Truncate(time.Second).Add(-24 * time.Hour)
		const containers = 40
		var written atomic.Int64
		ctx, stop := context.WithCancel(t.Context())
		load := make(chan error, 1)
		go func() { load <- exportUntil(ctx, t, s, start, containers, &written) }() //nolint:testifylint // its batches cannot fail to be made
		require.Eventually(t, func() bool { return written.Load() > 20 && s.Pending() < 10 }, time.Minute, 10*time.Millisecond)

		db.Kill()
		down := time.NewTimer(peers.Outage(t))
		defer down.Stop()
		<-down.C
		require.Positive(t, s.Pending(), "the outage must have been felt")
		db.Start(t)
		require.Eventually(t, func() bool { return s.Pending() < 10 }, 2*time.Minute, 50*time.Millisecond)
		stop()
		require.NoError(t, <-load)
		drained(t, s, time.Minute)

		n := written.Load()
		t.Logf("%d batches of %d points through an outage of %s", n, 5*containers+9, peers.Outage(t))
		require.Equal(t, map[string]int64{
			"cpu/usage":        n * containers,
			"cpu/usage_rate":   n * (2*containers + 1),
			"memory/usage":     n * (2*containers + 4),
			"filesystem/usage": n * 2,
		}, countAll(t, &s.options))
		h, err := NewHistory(o)
		require.NoError(t, err)
		points, err := h.Series(t.Context(), heapster.Object{Kind: catalog.PodContainer, Namespace: "docker", Pod: "p7", Container: "c"},
			heapster.Figure{Metric: "cpu/usage"}, start.Add(-1), time.Unix(0, math.MaxInt64))
		require.NoError(t, err)
		require.Len(t, points, int(n))
		for i, p := range points {
			require.Equal(t, start.Add(time.Duration(i)*time.Second), p.Time)
			require.EqualValues(t, 1000*i, p.Value.Int)
		}
	})
}

// exportUntil exports a batch every 40 ms, a second of time each, until ctx ends.
func exportUntil(ctx context.Context, t testing.TB, s *Sink, start time.Time, containers int, written *atomic.Int64) error {
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for n := int64(0); ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		if err := s.Export(ctx, testBatch(t, start.Add(time.Duration(n)*time.Second), containers, n)); err != nil {
			return fmt.Errorf("batch %d: %w", n, err)
		}
		written.Store(n + 1)
	}
}

func countAll(t *testing.T, o *Options) map[string]int64 {
	t.Helper()
	counts := map[string]int64{}
	for _, m := range []string{"cpu/usage", "cpu/usage_rate", "memory/usage", "filesystem/usage"} {
		found, err := influxQL(t.Context(), o, `SELECT count("value") FROM `+quoteName(m), true)
		require.NoError(t, err)
		require.Len(t, found, 1)
		n, err := found[0].Values[0][1].(json.Number).Int64()
		require.NoError(t, err)
		counts[m] = n
	}
	return counts
}

// TestRealRefusals meets the servers' own words for bad points, missing
// databases and wrong credentials.
func TestRealRefusals(t *testing.T) {
	onRealServers(t, func(t *testing.T, _ *peers.InfluxDB, o Options) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
		s := runSink(t, o)
		at := time.Now().UTC().Truncate(time.Second)
		lines := func(text string) { require.NoError(t, s.queue.Append(fmt.Appendf(nil, text, at.UnixNano()))) }
		lines("a,x=y value=1i %[1]d\nb,x=y value=1i %[1]d\n")
		lines("a,x=z value=1.5 %[1]d\nb,x=z value=2i %[1]d\n")          // type conflict
		lines("b,x=q value= %[1]d\nb,x=r value=3i %[1]d\n")             // no value
		lines("b,x=1 value=1i %[1]d\nnonsense\nb,x=2 value=3i %[1]d\n") // no point at all
		drained(t, s, 30*time.Second)
		found, err := influxQL(t.Context(), &s.options, "SELECT count(value) FROM b", true)
		require.NoError(t, err)
		require.Equal(t, json.Number("5"), found[0].Values[0][1])
		require.EqualValues(t, 3, counterValue(t, s.metrics.DeadLettered))

		wrong := o
		wrong.Dir, wrong.Token, wrong.Password = t.TempDir(), wrong.Token+"x", "wrong"
		refused := runSink(t, wrong)
		require.NoError(t, refused.Export(t.Context(), testBatch(t, at, 1, 1)))
		require.Never(t, func() bool { return refused.Pending() == 0 }, 300*time.Millisecond, 50*time.Millisecond)
		require.EqualValues(t, 0, counterValue(t, refused.metrics.DeadLettered))
	})
}
