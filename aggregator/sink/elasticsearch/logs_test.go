package elasticsearch

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/logrecord"
)

func status(code int) func(http.ResponseWriter, func()) bool {
	return func(w http.ResponseWriter, _ func()) bool {
		w.WriteHeader(code)
		return true
	}
}

// cut closes the connection without an answer, after storing or not.
func cut(stored bool) func(http.ResponseWriter, func()) bool {
	return func(w http.ResponseWriter, store func()) bool {
		if stored {
			store()
		}
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
		return true
	}
}

func TestLogsThroughTrouble(t *testing.T) {
	fake, o := newFake(t)
	fake.troubles = []func(http.ResponseWriter, func()) bool{status(503), cut(false), cut(true), status(429), status(401), nil, cut(true)}
	o.InFlight = 3
	s := run(newLogs(t, LogsOptions{Options: o}))
	var batches []logrecord.Batch
	for i := range 50 {
		batches = append(batches, chunk(fmt.Sprintf("chunk-%d", i), 20))
	}
	for _, b := range batches {
		require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
	}
	drained(t, s, 10*time.Second)
	require.NoError(t, s.Append(t.Context(), batches[:3])) // resent by a sender that missed the answer
	drained(t, s, 10*time.Second)

	fake.mu.Lock()
	defer fake.mu.Unlock()
	require.Len(t, fake.docs, 1000)
	require.Equal(t, 1, fake.templates)
	m := s.sink.metrics
	require.EqualValues(t, 1000, testutil.ToFloat64(m.Written)+testutil.ToFloat64(m.Duplicates)-60)
	require.GreaterOrEqual(t, testutil.ToFloat64(m.Duplicates), 60.0)
	require.Empty(t, deadLetters(t, o.Dir))
}

func newLogs(t *testing.T, o LogsOptions) (*testing.T, *Logs, error) {
	s, err := NewLogs(o)
	return t, s, err
}

func TestLogsRetriesOnlyTheItemsThatWerePutOff(t *testing.T) {
	fake, o := newFake(t)
	seen := map[string]int{}
	fake.item = func(source string) (int, string) {
		seen[source]++
		switch {
		case strings.Contains(source, "line 3") && seen[source] < 4:
			return http.StatusTooManyRequests, "es_rejected_execution_exception"
		case strings.Contains(source, "line 5") && seen[source] < 2:
			return http.StatusServiceUnavailable, "unavailable_shards_exception"
		case strings.Contains(source, "line 6") && seen[source] < 2:
			return http.StatusBadRequest, "validation_exception"
		case strings.Contains(source, "line 7"):
			return http.StatusBadRequest, "mapper_parsing_exception"
		}
		return 0, ""
	}
	s := run(newLogs(t, LogsOptions{Options: o}))
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{chunk("c", 10)}))
	drained(t, s, 10*time.Second)
	fake.mu.Lock()
	defer fake.mu.Unlock()
	require.Len(t, fake.docs, 9)
	for source, times := range seen {
		want := 1
		switch {
		case strings.Contains(source, "line 3"):
			want = 4
		case strings.Contains(source, "line 5"), strings.Contains(source, "line 6"):
			want = 2
		}
		require.Equal(t, want, times, source)
	}
	letters := deadLetters(t, o.Dir)
	require.Len(t, letters, 1)
	require.Equal(t, "logs-lubberline-default", letters[0]["target"])
	require.Contains(t, letters[0]["reason"], "mapper_parsing_exception")
	require.Equal(t, "c line 7", letters[0]["item"].(map[string]any)["log"])
	m := s.sink.metrics
	require.EqualValues(t, 9, testutil.ToFloat64(m.Written))
	require.EqualValues(t, 1, testutil.ToFloat64(m.DeadLettered))
	require.EqualValues(t, 5, testutil.ToFloat64(m.Retried))
}

func TestLogsFitTheServersLimit(t *testing.T) {
	fake, o := newFake(t)
	fake.maxBody = 3000
	s := run(newLogs(t, LogsOptions{Options: o, DailyPrefix: "lubberline-logs"}))
	b := chunk("c", 200)
	b.Records[50].Log = strings.Repeat("x", 4000) // never fits
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
	drained(t, s, 10*time.Second)
	fake.mu.Lock()
	defer fake.mu.Unlock()
	require.Len(t, fake.docs, 199)
	require.Len(t, deadLetters(t, o.Dir), 1)
	for key := range fake.docs {
		require.True(t, strings.HasPrefix(key, "lubberline-logs-2026.11.24/"), key)
	}
}

func TestLogsKeepsWhatIsPending(t *testing.T) {
	fake, o := newFake(t)
	s, err := NewLogs(LogsOptions{Options: o})
	require.NoError(t, err)
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{chunk("c", 10), chunk("", 5), chunk("", 5)}))
	require.NoError(t, s.Close())
	again := run(newLogs(t, LogsOptions{Options: o}))
	drained(t, again, 10*time.Second)
	fake.mu.Lock()
	defer fake.mu.Unlock()
	require.Len(t, fake.docs, 20)
}

func encodeOne(t *testing.T, r logrecord.Record) map[string]any {
	t.Helper()
	o := LogsOptions{Options: Options{URLs: []string{"http://x:1"}}}
	require.NoError(t, o.complete())
	e := logEncoder{options: &o}
	text := e.document(nil, &r, time.Unix(0, r.Time).UTC())
	require.NotContains(t, string(text), "\n")
	var doc map[string]any
	require.NoError(t, json.Unmarshal(text, &doc), "%s", text)
	return doc
}

func TestLogDocument(t *testing.T) {
	r := chunk("c", 1).Records[0]
	r.Fields = `{"level":"warn","n":3,"log":"not ours","@timestamp":"nor this","nested":{"a":[1,"b"]},"":1}`
	r.Log = "quote \" back \\ tab \t bad \xff\xfe control \x01 snow ☃"
	require.Equal(t, map[string]any{
		"@timestamp": "2026-11-24T18:24:10.123456789Z",
		"log":        "quote \" back \\ tab \t bad \ufffd\ufffd control \x01 snow ☃",
		"stream":     "stdout", "tag": "kubernetes.shop.web-1.nginx",
		"kubernetes": map[string]any{
			"namespace_name": "shop", "pod_name": "web-1", "pod_id": "uid-1", "container_name": "nginx",
			"container_image": "repo/nginx:1", "host": "a",
			"labels": map[string]any{"app": "web", "app.kubernetes.io/name": "web"},
		},
		"docker": map[string]any{"container_id": "abc"},
		"level":  "warn", "n": 3.0, "nested": map[string]any{"a": []any{1.0, "b"}},
	}, encodeOne(t, r))
	require.Equal(t, map[string]any{"@timestamp": "1970-01-01T00:00:00.000000001Z", "log": "", "fields_text": "[1]"},
		encodeOne(t, logrecord.Record{Time: 1, Fields: "[1]"}))
}

func FuzzLogDocument(f *testing.F) {
	f.Add("line \xff", `{"a":{"b":1}}`, "ns", "key", "value")
	f.Add("", `{`, "", "", "")
	f.Fuzz(func(t *testing.T, log, fields, namespace, key, value string) {
		encodeOne(t, logrecord.Record{Log: log, Fields: fields, Source: &logrecord.Source{Namespace: namespace, Labels: map[string]string{key: value}}})
	})
}

func FuzzEntry(f *testing.F) {
	f.Add(packEntry([]byte("{\"create\":{}}\n{}\n")))
	f.Add([]byte{'1', 0xff, 0xff, 0xff, 0xff, 0x0f})
	f.Fuzz(func(t *testing.T, entry []byte) {
		body, err := unpackEntry(entry)
		if err == nil {
			_, _ = documents(body)
		}
	})
}

func FuzzBulkAnswer(f *testing.F) {
	f.Add([]byte(`{"errors":true,"items":[{"create":{"status":400,"error":{"type":"x","reason":"y"}}}]}`), 1)
	f.Fuzz(func(t *testing.T, text []byte, want int) {
		items, err := decodeBulk(text, want)
		if err == nil && items != nil {
			require.Len(t, items, want)
		}
		_ = reasonOf(text)
	})
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]LogsOptions{
		"elasticsearch: no URL": {},
		`elasticsearch: URL "localhost:9200" is not http://host:port`:                                                    {Options: Options{URLs: []string{"localhost:9200"}}},
		"elasticsearch: either a user or an API key, not both":                                                           {Options: Options{URLs: []string{"http://x:1"}, APIKey: "k", Username: "u"}},
		`elasticsearch: "Logs" cannot be the name of an index: want only lower case letters, digits, and .-_`:            {Options: Options{URLs: []string{"http://x:1"}}, DataStream: "Logs"},
		`elasticsearch: "lubberline logs" cannot be the name of an index: want only lower case letters, digits, and .-_`: {Options: Options{URLs: []string{"http://x:1"}}, DailyPrefix: "lubberline logs"},
	} {
		require.EqualError(t, o.complete(), want)
	}
}

func TestNextNodeAfterAFailure(t *testing.T) {
	fake, o := newFake(t)
	o.URLs = []string{"http://127.0.0.1:1", o.URLs[0]}
	s := run(newLogs(t, LogsOptions{Options: o}))
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{chunk("c", 3)}))
	drained(t, s, 10*time.Second)
	fake.mu.Lock()
	defer fake.mu.Unlock()
	require.Len(t, fake.docs, 3)
}
