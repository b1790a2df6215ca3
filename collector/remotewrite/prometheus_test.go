package remotewrite

import (
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/exp/api/remote"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	store "github.com/prometheus/prometheus/storage/remote"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/reading"
)

// TestPrometheusTakesBothVersions writes into a real Prometheus TSDB through
// Prometheus's own receiver.
func TestPrometheusTakesBothVersions(t *testing.T) {
	for name, types := range map[string]remote.MessageTypes{
		"2.0": {remote.WriteV1MessageType, remote.WriteV2MessageType},
		"1.0": {remote.WriteV1MessageType},
	} {
		t.Run(name, func(t *testing.T) {
			db, err := tsdb.Open(t.TempDir(), slog.New(slog.DiscardHandler), nil, tsdb.DefaultOptions(), nil)
			require.NoError(t, err)
			t.Cleanup(func() { require.NoError(t, db.Close()) })
			handler := store.NewWriteHandler(slog.New(slog.DiscardHandler), nil, db, types, false, false)
			w, registry, _ := start(t, Options{URL: listen(t, handler), Queue: newMemoryQueue()})
			begin := time.Now().Truncate(time.Second)
			c := web(begin, webIdentity)
			for i := range 3 {
				now := begin.Add(time.Duration(i) * time.Second)
				c.Sample.Time = now.UnixNano()
				c.Sample.Put(reading.CPUUsage, uint64(i)*second)
				w.Tick(now, []*reading.Container{c}, nil)
			}
			w.Tick(begin.Add(3*time.Second), nil, nil)
			eventually(t, func() bool { return metric(t, registry, "requests_sent_total") == 4 })
			require.Zero(t, metric(t, registry, "requests_dead_lettered_total"))

			values := query(t, db, "container_cpu_usage_seconds_total")
			require.Len(t, values, 4)
			require.Equal(t, []float64{0, 1, 2}, values[:3])
			require.True(t, value.IsStaleNaN(values[3]))
			require.Len(t, query(t, db, "up"), 4)
		})
	}
}

const second = uint64(1e9)

// query returns all samples of the one series of that name.
func query(t *testing.T, db *tsdb.DB, name string) (values []float64) {
	t.Helper()
	querier, err := db.Querier(0, 1<<60)
	require.NoError(t, err)
	defer querier.Close()
	set := querier.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", name))
	require.True(t, set.Next())
	require.Equal(t, "box", set.At().Labels().Get("node"))
	iterator := set.At().Iterator(nil)
	for iterator.Next() != chunkenc.ValNone {
		_, v := iterator.At()
		values = append(values, v)
	}
	require.NoError(t, iterator.Err())
	require.False(t, set.Next(), "more than one series")
	return values
}
