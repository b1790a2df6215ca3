package elasticsearch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/logrecord"
	"github.com/lubberline/lubberline/test/peers"
)

// onRealServers runs a test against 8.15, with a data stream, and 7.17, with
// daily indices.
func onRealServers(t *testing.T, test func(t *testing.T, es *peers.Elasticsearch, o LogsOptions)) {
	peers.RequireReal(t)
	t.Run("8.15", func(t *testing.T) {
		es := peers.ElasticsearchV8(t)
		test(t, es, LogsOptions{Options: testOptions(t, es.URL)})
	})
	t.Run("7.17", func(t *testing.T) {
		es := peers.ElasticsearchV7(t)
		test(t, es, LogsOptions{Options: testOptions(t, es.URL), DailyPrefix: "lubberline-logs"})
	})
}

// target is what the records of the options are searched in.
func (o *LogsOptions) target() string {
	if o.DailyPrefix != "" {
		return o.DailyPrefix + "-*"
	}
	return "logs-lubberline-default"
}

func call(t *testing.T, es *peers.Elasticsearch, method, path, body string) map[string]any {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, es.URL+path, bytes.NewBufferString(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	require.NoError(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, res.StatusCode, "%s", text)
	var answer map[string]any
	require.NoError(t, json.Unmarshal(text, &answer))
	return answer
}

func hits(answer map[string]any) []any { return answer["hits"].(map[string]any)["hits"].([]any) }

func count(t *testing.T, es *peers.Elasticsearch, target string) int {
	t.Helper()
	call(t, es, http.MethodPost, "/"+target+"/_refresh", "")
	return int(call(t, es, http.MethodGet, "/"+target+"/_count", "")["count"].(float64))
}

// TestRealLogs writes records and reads them back, by the fields that people
// search for.
func TestRealLogs(t *testing.T) {
	onRealServers(t, func(t *testing.T, es *peers.Elasticsearch, o LogsOptions) {
		s := run(newLogs(t, o))
		b := chunk("c", 500)
		b.Records[7].Fields = `{"level":"error","took":12}`
		b.Records[8].Fields = `{"took":"a while"}` // took is a number here: malformed, not refused
		b.Records[9].Fields = `{"level":{"name":"x"}}`
		require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
		require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
		drained(t, s, 30*time.Second)
		require.Equal(t, 499, count(t, es, o.target()))
		letters := deadLetters(t, o.Dir)
		require.NotEmpty(t, letters)
		require.Equal(t, "c line 9", letters[0]["item"].(map[string]any)["log"])
		require.EqualValues(t, 499, testutil.ToFloat64(s.sink.metrics.Written))
		require.EqualValues(t, 499, testutil.ToFloat64(s.sink.metrics.Duplicates))

		search := func(query string) []any {
			return hits(call(t, es, http.MethodPost, "/"+o.target()+"/_search",
				`{"size":1000,"sort":[{"@timestamp":"asc"}],"query":`+query+`}`))
		}
		all := search(`{"bool":{"filter":[{"term":{"kubernetes.namespace_name":"shop"}},{"term":{"kubernetes.labels.app":"web"}},{"term":{"stream":"stdout"}}]}}`)
		require.Len(t, all, 499)
		first := all[0].(map[string]any)["_source"]
		require.Equal(t, encodeOne(t, b.Records[0]), first)
		for i, n := 0, 0; i < len(all); i, n = i+1, n+1 { // in the order of nanoseconds
			if n == 9 {
				n++ // the one that was refused
			}
			require.Equal(t, fmt.Sprintf("c line %d", n), all[i].(map[string]any)["_source"].(map[string]any)["log"])
		}
		require.Len(t, search(`{"match_phrase":{"log":"c line 77"}}`), 1)
		require.Len(t, search(`{"term":{"level":"error"}}`), 1)
	})
}

// TestRealLogsOutage kills the server under load, leaves it down and starts it
// again: every record is there, once.
func TestRealLogsOutage(t *testing.T) {
	onRealServers(t, func(t *testing.T, es *peers.Elasticsearch, o LogsOptions) {
		o.MinDelay, o.MaxDelay = 0, 2*time.Second
		s := run(newLogs(t, o))
		const records = 200
		var chunks atomic.Int64
		ctx, stop := context.WithCancel(t.Context())
		load := make(chan error, 1)
		go func() { load <- appendUntil(ctx, s, records, &chunks) }()
		require.Eventually(t, func() bool { return chunks.Load() > 30 && s.Pending() < 20 }, time.Minute, 10*time.Millisecond)

		es.Kill()
		down := time.NewTimer(peers.Outage(t))
		defer down.Stop()
		<-down.C
		require.Greater(t, s.Pending(), uint64(20), "the outage must have been felt")
		es.Start(t)
		require.Eventually(t, func() bool { return s.Pending() < 20 }, 5*time.Minute, 50*time.Millisecond)
		stop()
		require.NoError(t, <-load)
		drained(t, s, time.Minute)
		n := int(chunks.Load())
		t.Logf("%d records through an outage of %s, %v sent again, %v there already", n*records, peers.Outage(t),
			testutil.ToFloat64(s.sink.metrics.Retried), testutil.ToFloat64(s.sink.metrics.Duplicates))
		require.Equal(t, n*records, count(t, es, o.target()))
		require.Empty(t, deadLetters(t, o.Dir))
		requireEveryLineOnce(t, es, o.target(), n, records)
	})
}

// appendUntil appends a chunk every 40 ms until ctx ends: 5,000 lines a second.
func appendUntil(ctx context.Context, s *Logs, records int, chunks *atomic.Int64) error {
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		b := chunk(fmt.Sprintf("chunk-%d", n), records)
		for i := range b.Records {
			b.Records[i].Tag = b.ChunkID
		}
		if err := s.Append(ctx, []logrecord.Batch{b}); err != nil {
			return err
		}
		chunks.Add(1)
	}
}

// requireEveryLineOnce reads every record back, some chunks at a time.
func requireEveryLineOnce(t *testing.T, es *peers.Elasticsearch, target string, chunks, records int) {
	t.Helper()
	step := 10_000 / records // the server's limit of one answer
	for from := 0; from < chunks; from += step {
		want, tags := map[string]int{}, []string{}
		for c := from; c < min(from+step, chunks); c++ {
			tags = append(tags, fmt.Sprintf("chunk-%d", c))
			for r := range records {
				want[fmt.Sprintf("chunk-%d line %d", c, r)] = 1
			}
		}
		query, err := json.Marshal(map[string]any{
			"size": 10_000, "_source": []string{"log"}, "query": map[string]any{"terms": map[string]any{"tag": tags}},
		})
		require.NoError(t, err)
		got := map[string]int{}
		for _, hit := range hits(call(t, es, http.MethodPost, "/"+target+"/_search", string(query))) {
			got[hit.(map[string]any)["_source"].(map[string]any)["log"].(string)]++
		}
		require.Len(t, got, len(want), "chunks from %d on", from)
		require.Equal(t, want, got)
	}
}

// TestRealMetrics writes Heapster's documents and reads them through the
// aliases of their families, then again through an outage.
func TestRealMetrics(t *testing.T) {
	onRealServers(t, func(t *testing.T, es *peers.Elasticsearch, o LogsOptions) {
		m := MetricsOptions{Options: o.Options}
		m.Dir, m.MaxDelay = t.TempDir(), 2*time.Second
		s := run(newMetrics(t, m))
		start := time.Date(2026, 11, 24, 23, 59, 30, 0, time.UTC) // over midnight
		const containers, batches = 26, 12
		for i := range batches {
			if i == batches/2 {
				drained(t, s, 30*time.Second)
				es.Kill()
			}
			require.NoError(t, s.Export(t.Context(), metricBatch(t, start.Add(time.Duration(i)*10*time.Second), containers)))
		}
		es.Start(t)
		drained(t, s, time.Minute)
		require.Empty(t, deadLetters(t, m.Dir))

		require.Equal(t, batches*(5+2*containers), count(t, es, "heapster-2026.11.2*"))
		require.Equal(t, 3*(5+2*containers), count(t, es, "heapster-2026.11.24"))
		for alias, perBatch := range map[string]int{
			"heapster-cpu": 1 + containers, "heapster-memory": 1 + containers, "heapster-filesystem": 2, "heapster-network": 0, "heapster-general": 1,
		} {
			require.Equal(t, batches*perBatch, count(t, es, alias), alias)
		}
		found := hits(call(t, es, http.MethodPost, "/heapster-cpu/_search",
			`{"size":100,"sort":[{"CpuMetricsTimestamp":"asc"}],"query":{"bool":{"filter":[{"term":{"MetricsTags.type":"node"}},{"range":{"Metrics.cpu/usage_rate.value":{"gte":1500}}}]}}}`))
		require.Len(t, found, batches)
		require.Equal(t, map[string]any{
			"CpuMetricsTimestamp": "2026-11-24T23:59:30Z",
			"Metrics":             map[string]any{"cpu/usage": map[string]any{"value": 384386584877.0}, "cpu/usage_rate": map[string]any{"value": 1500.0}},
			"MetricsTags":         map[string]any{"cluster_name": "default", "host_id": "ID", "nodename": "a", "type": "node"},
		}, found[0].(map[string]any)["_source"])
		average := call(t, es, http.MethodPost, "/heapster-memory/_search",
			`{"size":0,"aggs":{"a":{"avg":{"field":"Metrics.memory/page_faults_rate.value"}}}}`)
		require.InDelta(t, 0.4286, average["aggregations"].(map[string]any)["a"].(map[string]any)["value"], 1e-9)
	})
}

// TestRealDataStreamNeedsAServerThatHasThem says what to do about it.
func TestRealDataStreamNeedsAServerThatHasThem(t *testing.T) {
	peers.RequireReal(t)
	es := peers.ElasticsearchV7(t)
	o := LogsOptions{Options: testOptions(t, es.URL)}
	require.NoError(t, o.complete())
	err := o.template().ensure(t.Context(), &client{options: &o.Options})
	require.ErrorContains(t, err, "a server without data streams needs the daily index")
	o.HTTPClient.CloseIdleConnections()
}
