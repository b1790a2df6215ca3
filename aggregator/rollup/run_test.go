package rollup_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/metricstore"
	"github.com/lubberline/lubberline/aggregator/rollup"
)

// sink passes batches on; it waits for each to be taken and may fail.
type sink struct {
	name  string
	got   chan *rollup.Batch
	fails error
}

func (s *sink) Name() string { return s.name }

func (s *sink) Export(ctx context.Context, b *rollup.Batch) error {
	select {
	case s.got <- b:
	case <-ctx.Done():
	}
	return s.fails
}

func TestRunPublishesOnTheGridToEverySink(t *testing.T) {
	const resolution = 50 * time.Millisecond
	good, bad := &sink{name: "good", got: make(chan *rollup.Batch)}, &sink{name: "bad", got: make(chan *rollup.Batch, 1000), fails: errors.New("no")}
	stuck := &sink{name: "stuck", got: make(chan *rollup.Batch)} // nobody takes
	reg := prometheus.NewRegistry()
	r, err := rollup.New(context.Background(), rollup.Options{
		Resolution: resolution, Sinks: []rollup.Sink{stuck, bad, good}, Registerer: reg,
	})
	require.NoError(t, err)
	require.ErrorIs(t, r.Healthy(), rollup.ErrStale)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { require.NoError(t, r.Run(ctx)) })
	r.Observe([]rollup.Sample{{Ref: 1, Labels: labels.FromStrings(container(memory, "web", "a")...), T: time.Now().UnixMilli(), V: 7}})
	var last *rollup.Batch
	for range 30 {
		b := <-good.got
		require.Zero(t, b.Time.UnixNano()%int64(resolution))
		if last != nil {
			require.True(t, b.Time.After(last.Time))
		}
		last = b
	}
	require.NotEmpty(t, last.Sets)
	require.NoError(t, r.Healthy())
	require.NotNil(t, r.Latest())
	require.NotEmpty(t, r.History().Series("cluster", "memory/usage", nil, time.Time{}, time.Now()))
	require.NotEmpty(t, bad.got)
	cancel()
	running.Wait()
	dropped, err := testutil.GatherAndCount(reg, "lubberline_rollup_sink_dropped_total")
	require.NoError(t, err)
	require.Equal(t, 3, dropped, "one series a sink, from the start")
}

// TestHistoryIsThereAfterARestart: a rollup that starts on the same store has
// the same history as the one that ran before.
func TestHistoryIsThereAfterARestart(t *testing.T) {
	store, err := metricstore.Open(metricstore.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	defer func() { require.NoError(t, store.Close()) }()
	before, err := rollup.New(context.Background(), rollup.Options{Resolution: step})
	require.NoError(t, err)
	last := time.Now().Truncate(step)
	const minutes = 3
	for at := last.Add(-minutes * time.Minute); !at.After(last); at = at.Add(step) {
		n := float64(at.Unix() - last.Unix())
		app := store.Appender(context.Background())
		var samples []rollup.Sample
		for _, s := range []struct {
			v  float64
			kv []string
		}{
			{1000 + n*0.1, container(cpu, "web", "a")}, {5e6 + n*1000, container(memory, "web", "a")}, {1, container(started, "web", "a")},
			{1, container("lubberline_container_info", "web", "a", "pod_uid", "u1")}, {9e6 + n*77, host(memory, "id", "/")},
		} {
			l := labels.FromStrings(s.kv...)
			ref, err := app.Append(0, l, at.UnixMilli(), s.v)
			require.NoError(t, err)
			samples = append(samples, rollup.Sample{Ref: ref, Labels: l, T: at.UnixMilli(), V: s.v})
		}
		require.NoError(t, app.Commit())
		before.Observe(samples)
		before.History().Add(before.Tick(at))
	}

	after, err := rollup.New(context.Background(), rollup.Options{Resolution: step, Warm: store})
	require.NoError(t, err)
	for _, figure := range []string{"cpu/usage_rate", "memory/usage", "cpu/usage", "uptime"} {
		for _, key := range []string{"namespace:shop/pod:web/container:a", "namespace:shop/pod:web", "cluster", "node:n1"} {
			want := before.History().Series(key, figure, nil, time.Time{}, last)
			require.Equal(t, want, after.History().Series(key, figure, nil, time.Time{}, last), "%s of %s", figure, key)
		}
	}
	require.NotNil(t, after.Latest())
	require.Equal(t, "u1", setOf(t, after.Latest(), "namespace:shop/pod:web").Labels["pod_id"])

	// Live samples go on where the stored ones end.
	next := last.Add(step)
	after.Observe([]rollup.Sample{{Ref: storage.SeriesRef(77), Labels: labels.FromStrings(container(cpu, "web", "a")...), T: next.UnixMilli(), V: 1001}})
	require.EqualValues(t, 200, figures(after.Tick(next))["cluster"]["cpu/usage_rate"])
}
