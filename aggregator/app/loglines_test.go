package app

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/logstore"
	"github.com/lubberline/lubberline/aggregator/metricstore"
	"github.com/lubberline/lubberline/alerts/logseries"
	"github.com/lubberline/lubberline/logrecord"
)

// Lines of a namespace with a text become a series that a query finds.
func TestLogLinesBecomeASeries(t *testing.T) {
	lines, err := logstore.Open(logstore.Options{Dir: t.TempDir(), Retention: 48 * time.Hour})
	require.NoError(t, err)
	t.Cleanup(func() { _ = lines.Close() })
	metrics, err := metricstore.Open(metricstore.Options{Dir: t.TempDir(), Retention: 48 * time.Hour})
	require.NoError(t, err)
	t.Cleanup(func() { _ = metrics.Close() })

	end := time.Now().Truncate(time.Minute)
	shop := &logrecord.Source{Namespace: "shop", Pod: "web-1", Container: "nginx"}
	var records []logrecord.Record
	for i, text := range []string{"ERROR timeout of db", "ERROR Timeout of cache", "INFO timeout", "ERROR no route", "WARN TIMEOUT"} {
		records = append(records, logrecord.Record{Time: end.Add(time.Duration(i-20) * time.Second).UnixNano(), Source: shop, Log: text})
	}
	require.NoError(t, lines.Append(t.Context(), []logrecord.Batch{{ChunkID: "1", Records: records}}))

	evaluator, err := logseries.New(logseries.Options{Lines: logLines{lines}, Store: metrics})
	require.NoError(t, err)
	evaluator.Set([]logseries.Definition{{Record: "shop:timeouts:count1m", Namespaces: []string{"shop"}, Levels: []string{"error", "warn"}, Text: "timeout", IgnoreCase: true, By: []string{"pod", "level"}}})
	evaluator.Evaluate(t.Context(), end)

	q, err := metrics.Querier(0, end.UnixMilli())
	require.NoError(t, err)
	defer q.Close()
	set := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", "shop:timeouts:count1m"))
	got := map[string]float64{}
	for set.Next() {
		samples := set.At().Iterator(nil)
		for samples.Next() != 0 {
			_, v := samples.At()
			got[set.At().Labels().String()] = v
		}
	}
	require.NoError(t, set.Err())
	require.Equal(t, map[string]float64{
		`{__name__="shop:timeouts:count1m", level="error", pod="web-1"}`: 2,
		`{__name__="shop:timeouts:count1m", level="warn", pod="web-1"}`:  1,
	}, got)
}

// What the process says of itself is stored beside what collectors say.
func TestOwnMetricsAreStored(t *testing.T) {
	metrics, err := metricstore.Open(metricstore.Options{Dir: t.TempDir(), Retention: 48 * time.Hour})
	require.NoError(t, err)
	t.Cleanup(func() { _ = metrics.Close() })
	registry := prometheus.NewRegistry()
	waiting := prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: "lubberline_sink_oldest_age_seconds"}, []string{"sink"})
	registry.MustRegister(waiting)
	waiting.WithLabelValues("influxdb").Set(700)
	now := time.Now()
	require.NoError(t, storeOwn(t.Context(), registry, metrics, "n1", now))

	q, err := metrics.Querier(0, now.UnixMilli())
	require.NoError(t, err)
	defer q.Close()
	set := q.Select(t.Context(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "sink", "influxdb"))
	require.True(t, set.Next())
	require.Equal(t, `{__name__="lubberline_sink_oldest_age_seconds", instance="n1", job="lubberline", node="n1", sink="influxdb"}`, set.At().Labels().String())
	require.False(t, set.Next())
}
