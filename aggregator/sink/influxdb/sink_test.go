package influxdb

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakeServer takes writes. Each write first meets the next of its troubles.
type fakeServer struct {
	mu       sync.Mutex
	lines    map[string]int // line → times stored
	queries  []string
	troubles []func(w http.ResponseWriter, body string) (store bool)
}

func (f *fakeServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.URL.Path == "/query" {
		f.queries = append(f.queries, r.FormValue("q"))
		fmt.Fprint(w, `{"results":[{"statement_id":0}]}`)
		return
	}
	zr, err := gzip.NewReader(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	body, _ := io.ReadAll(zr)
	store, answered := true, false
	if len(f.troubles) > 0 {
		trouble := f.troubles[0]
		f.troubles = f.troubles[1:]
		if trouble != nil {
			store, answered = trouble(w, string(body)), true
		}
	}
	if store {
		for line := range strings.Lines(string(body)) {
			f.lines[line]++
		}
	}
	if !answered {
		w.WriteHeader(http.StatusNoContent)
	}
}

func answer1(status int, message string) func(http.ResponseWriter, string) bool {
	return func(w http.ResponseWriter, _ string) bool {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("X-Influxdb-Error", message)
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(map[string]string{"error": message})
		return false
	}
}

// cut closes the connection without an answer, after storing or not.
func cut(store bool) func(http.ResponseWriter, string) bool {
	return func(w http.ResponseWriter, _ string) bool {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
		return store
	}
}

func runSink(t *testing.T, o Options) *Sink {
	t.Helper()
	s, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		require.NoError(t, s.Close())
	})
	return s
}

func drained(t *testing.T, s *Sink, within time.Duration) {
	t.Helper()
	require.Eventually(t, func() bool { return s.Pending() == 0 }, within, 10*time.Millisecond)
}

func newFake(t *testing.T, troubles ...func(http.ResponseWriter, string) bool) (*fakeServer, *httptest.Server) {
	t.Helper()
	fake := &fakeServer{lines: map[string]int{}, troubles: troubles}
	server := httptest.NewServer(fake)
	t.Cleanup(server.Close)
	return fake, server
}

func TestDeliversThroughTrouble(t *testing.T) {
	fake, server := newFake(t,
		answer1(http.StatusServiceUnavailable, "busy"), answer1(http.StatusTooManyRequests, "slow"),
		cut(false), cut(true), answer1(http.StatusInternalServerError, "timeout"),
		answer1(http.StatusUnauthorized, "authorization failed"))
	o := testOptions(t, server.URL)
	registry := prometheus.NewRegistry()
	o.Registerer = registry
	s := runSink(t, o)
	b := testBatch(t, testTime, 3, 1)
	require.NoError(t, s.Export(t.Context(), b))
	drained(t, s, 10*time.Second)

	want := map[string]bool{}
	for line := range bytes.Lines(encode(&s.options, b)[0]) {
		want[string(line)] = true
	}
	fake.mu.Lock()
	defer fake.mu.Unlock()
	require.Len(t, fake.lines, len(want))
	for line := range fake.lines {
		require.True(t, want[line], line)
	}
	require.NoError(t, testutil.GatherAndCompare(registry, strings.NewReader(fmt.Sprintf(`
# HELP lubberline_sink_written_total Points or documents that the store took.
# TYPE lubberline_sink_written_total counter
lubberline_sink_written_total{sink="influxdb"} %d
# HELP lubberline_sink_tries_total Tries to deliver, by their outcome.
# TYPE lubberline_sink_tries_total counter
lubberline_sink_tries_total{outcome="failed",sink="influxdb"} 6
lubberline_sink_tries_total{outcome="ok",sink="influxdb"} 1
`, len(want))), "lubberline_sink_written_total", "lubberline_sink_tries_total"))
}

func TestMakesTheDatabase(t *testing.T) {
	for name, trouble := range map[string]func(http.ResponseWriter, string) bool{
		"no database": answer1(http.StatusNotFound, `database not found: "k8s"`),
		"no policy":   answer1(http.StatusInternalServerError, "retention policy not found: default"),
	} {
		t.Run(name, func(t *testing.T) {
			fake, server := newFake(t, trouble)
			o := testOptions(t, server.URL)
			o.Retention = 48 * time.Hour
			s := runSink(t, o)
			require.NoError(t, s.Export(t.Context(), testBatch(t, testTime, 1, 1)))
			drained(t, s, 10*time.Second)
			fake.mu.Lock()
			defer fake.mu.Unlock()
			require.Equal(t, []string{`CREATE DATABASE "k8s" WITH DURATION 172800s REPLICATION 1 NAME "default"`}, fake.queries)
			require.Len(t, fake.lines, 15)
		})
	}
}

// picky refuses every text that holds a line of the measurement, as a server
// that cannot say which point is bad.
func picky(measurement string) func(http.ResponseWriter, string) bool {
	return func(w http.ResponseWriter, body string) bool {
		if strings.HasPrefix(body, measurement+",") || strings.Contains(body, "\n"+measurement+",") {
			return answer1(http.StatusBadRequest, "unable to parse something")(w, body)
		}
		w.WriteHeader(http.StatusNoContent)
		return true
	}
}

func TestDeadLetters(t *testing.T) {
	conflict := `partial write: field type conflict: input field "value" on measurement "cpu/usage" is type integer, already exists as type float dropped=1`
	repeat := func(trouble func(http.ResponseWriter, string) bool) (all []func(http.ResponseWriter, string) bool) {
		for range 30 {
			all = append(all, trouble)
		}
		return all
	}
	partial := func(w http.ResponseWriter, body string) bool {
		answer1(http.StatusBadRequest, conflict)(w, body)
		return true // the good ones; the bad one is taken out below
	}
	for name, troubles := range map[string][]func(http.ResponseWriter, string) bool{
		"named by the message": {partial},
		"found by halving":     repeat(picky("cpu/usage")),
	} {
		t.Run(name, func(t *testing.T) {
			fake, server := newFake(t, troubles...)
			s := runSink(t, testOptions(t, server.URL))
			require.NoError(t, s.Export(t.Context(), testBatch(t, testTime, 1, 1)))
			drained(t, s, 10*time.Second)
			text, err := os.ReadFile(filepath.Join(s.options.Dir, "dead-letters.ndjson"))
			require.NoError(t, err)
			require.Equal(t, 1, bytes.Count(text, []byte{'\n'}), "%s", text)
			var letter struct{ Reason, Target, Item string }
			require.NoError(t, json.Unmarshal(text, &letter))
			require.Equal(t, "k8s/default", letter.Target)
			require.True(t, strings.HasPrefix(letter.Item, "cpu/usage,"), letter.Item)
			require.NotEmpty(t, letter.Reason)
			require.EqualValues(t, 1, testutil.ToFloat64(s.metrics.DeadLettered))
			fake.mu.Lock()
			defer fake.mu.Unlock()
			delete(fake.lines, letter.Item+"\n")
			require.Len(t, fake.lines, 14)
			require.EqualValues(t, 14, testutil.ToFloat64(s.metrics.Written))
		})
	}
}

func TestExpiredPointsAreCounted(t *testing.T) {
	_, server := newFake(t, answer1(http.StatusBadRequest, "partial write: points beyond retention policy dropped=15"))
	s := runSink(t, testOptions(t, server.URL))
	require.NoError(t, s.Export(t.Context(), testBatch(t, testTime, 1, 1)))
	drained(t, s, 10*time.Second)
	require.EqualValues(t, 15, testutil.ToFloat64(s.metrics.Expired))
	require.EqualValues(t, 0, testutil.ToFloat64(s.metrics.Written))
}

// TestKeepsWhatIsPending opens a sink again on the directory of one that never
// reached its server.
func TestKeepsWhatIsPending(t *testing.T) {
	fake, server := newFake(t)
	o := testOptions(t, server.URL)
	s, err := New(o)
	require.NoError(t, err)
	require.NoError(t, s.Export(t.Context(), testBatch(t, testTime, 1, 1)))
	require.NoError(t, s.Close())
	s = runSink(t, o)
	require.EqualValues(t, 1, s.Pending())
	drained(t, s, 10*time.Second)
	fake.mu.Lock()
	defer fake.mu.Unlock()
	require.Len(t, fake.lines, 15)
}

func FuzzAnswer(f *testing.F) {
	f.Add(200, `{"results":[{"statement_id":0,"series":[{"name":"a","tags":{"x":"y"},"columns":["time","value"],"values":[[1,2.5],[2,null]]}]}]}`)
	f.Add(400, `{"error":"x"}`)
	f.Fuzz(func(t *testing.T, status int, text string) {
		found, err := decodeAnswer(status, strings.NewReader(text))
		if err != nil {
			return
		}
		for _, s := range found {
			for _, row := range s.Values {
				if len(row) == 0 {
					continue
				}
				_, _, _ = cell("cpu/usage_rate", row, 1)
				_, _ = bucket("cpu/usage_rate", s.Columns, row)
			}
		}
	})
}
