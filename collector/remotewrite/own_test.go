package remotewrite

import (
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/ownmetrics"
)

func TestOwnMetricsGoWithATick(t *testing.T) {
	r := prometheus.NewRegistry()
	waiting := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lubberline_spool_entries"}, []string{"spool"})
	sent := prometheus.NewCounter(prometheus.CounterOpts{Name: "lubberline_sent_total"})
	r.MustRegister(waiting, sent)
	waiting.WithLabelValues("logs").Set(3)
	samples, err := ownmetrics.Samples(r)
	require.NoError(t, err)

	got := map[string]float64{}
	kinds := map[string]string{}
	e := newEncoder("box", 1, func(req *request) { // a request each: what is remembered of one must not be used in the next
		var request writev2.Request
		require.NoError(t, request.Unmarshal(req.encode(nil)))
		for _, ts := range request.Timeseries {
			key := ""
			for i := 0; i < len(ts.LabelsRefs); i += 2 {
				key += request.Symbols[ts.LabelsRefs[i]] + "=" + request.Symbols[ts.LabelsRefs[i+1]] + ","
			}
			got[key], kinds[key] = ts.Samples[0].Value, ts.Metadata.Type.String()
			require.Equal(t, noon.UnixMilli(), ts.Samples[0].Timestamp)
		}
	})
	require.Equal(t, 2, e.encodeOwn(noon, samples))
	const logs, count = "__name__=lubberline_spool_entries,instance=box,job=collector,node=box,spool=logs,", "__name__=lubberline_sent_total,instance=box,job=collector,node=box,"
	require.Equal(t, map[string]float64{logs: 3, count: 0}, got)
	require.Equal(t, map[string]string{logs: "METRIC_TYPE_GAUGE", count: "METRIC_TYPE_COUNTER"}, kinds)
	require.Equal(t, 2, e.encodeOwn(noon, samples), "again, now that their names are known")
	require.Equal(t, 1, e.encode(noon, nil, nil), "the machine's points are as before")
}
