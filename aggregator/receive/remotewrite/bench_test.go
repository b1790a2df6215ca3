package remotewrite_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/receive/remotewrite"
)

// BenchmarkIngest takes requests of 2,000 known series, one sample each, as a
// collector sends them, and reports samples/s on one goroutine.
func BenchmarkIngest(b *testing.B) {
	const series = 2000
	r := newRig(b, remotewrite.Limits{})
	req := &prompb.WriteRequest{}
	for i := range series {
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels: pairs("__name__", "container_cpu_usage_seconds_total", "container", "web", "id",
				fmt.Sprintf("/docker/%064x", i), "image", "registry/shop/web:1.2", "instance", "node-1", "job", "collector",
				"name", "web", "namespace", "shop", "node", "node-1", "pod", fmt.Sprintf("web-%d", i)),
			Samples: make([]prompb.Sample, 1),
		})
	}
	start := now.Add(-20 * time.Minute).UnixMilli()
	b.ReportAllocs()
	var spent time.Duration
	for n := 0; b.Loop(); n++ {
		b.StopTimer()
		for i := range req.Timeseries {
			req.Timeseries[i].Samples[0] = prompb.Sample{Timestamp: start + int64(n)*100, Value: float64(n)}
		}
		raw, err := req.Marshal()
		require.NoError(b, err)
		body := snappy.Encode(nil, raw)
		r.seen.samples = r.seen.samples[:0]
		b.StartTimer()
		began := time.Now()
		w := r.post(body, "")
		spent += time.Since(began)
		require.Equal(b, http.StatusNoContent, w.Code, w.Body)
	}
	b.ReportMetric(float64(b.N*series)/spent.Seconds(), "samples/s")
}
