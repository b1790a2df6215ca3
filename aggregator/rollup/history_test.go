package rollup_test

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
)

func lookup(t testing.TB, name string) *catalog.HeapsterMetric {
	t.Helper()
	m, ok := catalog.LookupHeapster(name)
	require.True(t, ok, name)
	return m
}

// TestHistoryGivesBackWhatWentIn compares it with a plain list, for gauges that
// stand still, wander, jump, vanish and come again.
func TestHistoryGivesBackWhatWentIn(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	shapes := map[string]func(n int) (int64, bool){
		"constant":    func(int) (int64, bool) { return 42, true },
		"negative":    func(n int) (int64, bool) { return -int64(n), true },
		"counter":     func(n int) (int64, bool) { return int64(n) * 17, true },
		"fast":        func(n int) (int64, bool) { return int64(n) * 5_000_000_000, true },
		"random":      func(int) (int64, bool) { return rng.Int64() - rng.Int64(), true },
		"holes":       func(n int) (int64, bool) { return int64(n), n%7 < 4 },
		"constant+":   func(n int) (int64, bool) { return 5, n%13 != 0 },
		"long gap":    func(n int) (int64, bool) { return int64(n), n < 10 || n > 240 },
		"extremes":    func(n int) (int64, bool) { return []int64{math.MaxInt64, math.MinInt64 + 1, 0}[n%3], true },
		"steps":       func(n int) (int64, bool) { return int64(n/20) * (1 << 31), true },
		"slow growth": func(n int) (int64, bool) { return int64(n) * (1 << 27), true },
	}
	for name, shape := range shapes {
		t.Run(name, func(t *testing.T) {
			h := rollup.NewHistory(step)
			var want []rollup.SeriesPoint
			for n := range 300 {
				b := &rollup.Batch{Time: tick(n)}
				if v, ok := shape(n); ok {
					want = append(want, rollup.SeriesPoint{Time: tick(n), Int: v})
					b.Sets = []*rollup.MetricSet{{Key: "k", Values: []rollup.Value{
						{Metric: lookup(t, "cpu/usage"), Int: v}, {Metric: lookup(t, "memory/usage"), Int: v},
					}}}
				}
				h.Add(b)
				recent := func(places int) []rollup.SeriesPoint {
					var kept []rollup.SeriesPoint
					for _, p := range want {
						if p.Time.After(tick(n - places)) {
							kept = append(kept, p)
						}
					}
					return kept
				}
				require.Equal(t, recent(29), h.Series("k", "cpu/usage", nil, epoch, tick(n)), "short, batch %d", n)
				require.Equal(t, recent(181), h.Series("k", "memory/usage", nil, epoch, tick(n)), "long, batch %d", n)
			}
		})
	}
}

func TestHistoryKeepsFloatsAndLabelSetsApart(t *testing.T) {
	h := rollup.NewHistory(step)
	labeled := func(device string, v float64) rollup.LabeledValue {
		return rollup.LabeledValue{
			Value:  rollup.Value{Metric: lookup(t, "disk/io_read_bytes_rate"), Float: v},
			Labels: map[string]string{"resource_id": device},
		}
	}
	for n := range 3 {
		h.Add(&rollup.Batch{Time: tick(n), Sets: []*rollup.MetricSet{{
			Key: "k", Values: []rollup.Value{{Metric: lookup(t, "network/rx_rate"), Float: 0.1 * float64(n)}},
			Labeled: []rollup.LabeledValue{labeled("a", 1.5), labeled("b", -2.5)},
		}}})
	}
	last := func(metric string, labels map[string]string) float64 {
		s := h.Series("k", metric, labels, tick(2), tick(2))
		require.Len(t, s, 1)
		return s[0].Float
	}
	require.InDelta(t, 0.2, last("network/rx_rate", nil), 1e-12)
	require.InDelta(t, 1.5, last("disk/io_read_bytes_rate", map[string]string{"resource_id": "a"}), 0)
	require.InDelta(t, -2.5, last("disk/io_read_bytes_rate", map[string]string{"resource_id": "b"}), 0)
	require.Empty(t, h.Series("k", "disk/io_read_bytes_rate", nil, epoch, tick(9)), "labels are needed")
	require.Empty(t, h.Series("k", "disk/io_read_bytes_rate", map[string]string{"resource_id": "c"}, epoch, tick(9)))
	require.Empty(t, h.Series("none", "network/rx_rate", nil, epoch, tick(9)))
}

func TestHistoryRangeIsInclusiveAndOldBatchesAreIgnored(t *testing.T) {
	h := rollup.NewHistory(step)
	for _, n := range []int{0, 1, 2, 1, 3} {
		h.Add(&rollup.Batch{Time: tick(n), Sets: []*rollup.MetricSet{{Key: "k", Values: []rollup.Value{{Metric: lookup(t, "uptime"), Int: int64(n)}}}}})
	}
	got := h.Series("k", "uptime", nil, tick(1), tick(2))
	require.Equal(t, []rollup.SeriesPoint{{Time: tick(1), Int: 1}, {Time: tick(2), Int: 2}}, got)
	require.Len(t, h.Series("k", "uptime", nil, time.Time{}, tick(9)), 4)
}
