package remotewrite_test

import (
	"net/http"
	"testing"

	"github.com/klauspost/compress/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/receive/remotewrite"
)

// FuzzWrite feeds both versions. Whatever comes, the handler answers 204 or a
// 4xx that says why, and nothing breaks.
func FuzzWrite(f *testing.F) {
	one, err := (&prompb.WriteRequest{Timeseries: []prompb.TimeSeries{{
		Labels: pairs("__name__", "m", "a", "b"), Samples: []prompb.Sample{at(0, 1)},
		Histograms: []prompb.Histogram{{Timestamp: now.UnixMilli()}},
	}}}).Marshal()
	require.NoError(f, err)
	two, err := (&writev2.Request{Symbols: []string{"", "__name__", "m"}, Timeseries: []writev2.TimeSeries{{
		LabelsRefs: []uint32{1, 2}, Samples: []writev2.Sample{{Value: 1, Timestamp: now.UnixMilli()}},
	}}}).Marshal()
	require.NoError(f, err)
	f.Add(one, false, true)
	f.Add(two, true, true)
	f.Add(snappy.Encode(nil, one), false, false)
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0x0f}, false, false)
	r := newRig(f, remotewrite.Limits{BodyBytes: 1 << 16, DecodedBytes: 1 << 18})
	f.Fuzz(func(t *testing.T, body []byte, second, compress bool) {
		if compress {
			body = snappy.Encode(nil, body)
		}
		proto := ""
		if second {
			proto = ";proto=io.prometheus.write.v2.Request"
		}
		w := r.post(body, proto)
		require.Contains(t, []int{204, 400, 413}, w.Code, w.Body)
		require.Equal(t, w.Code == http.StatusNoContent, w.Body.Len() == 0)
	})
}
