package remotewrite

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// start makes and runs a writer; the test's end stops it.
func start(t *testing.T, o Options) (w *Writer, registry *prometheus.Registry, stop func()) {
	t.Helper()
	registry = prometheus.NewRegistry()
	o.Node, o.Registerer = "box", registry
	if o.DeadLetterDir == "" {
		o.DeadLetterDir = t.TempDir()
	}
	o.MinBackoff, o.MaxBackoff = time.Millisecond, 5*time.Millisecond
	w, err := New(o)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	var once sync.Once
	stop = func() {
		once.Do(func() {
			cancel()
			require.NoError(t, <-done)
			w.client.http.CloseIdleConnections()
		})
	}
	t.Cleanup(stop)
	return w, registry, stop
}

func listen(t *testing.T, handler http.Handler) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.URL + "/api/v1/write"
}

func tickAt(i int) time.Time { return noon.Add(time.Duration(i) * time.Second) }

func timesOf(n int) (times []int64) {
	for i := range n {
		times = append(times, tickAt(i).UnixMilli())
	}
	return times
}

func eventually(t *testing.T, condition func() bool) {
	t.Helper()
	require.Eventually(t, condition, 15*time.Second, 2*time.Millisecond)
}

func metric(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == "lubberline_remotewrite_"+name {
			return f.GetMetric()[0].GetCounter().GetValue() + f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

func TestTicksArriveByVersion2(t *testing.T) {
	receiver, queue := newReceiver(t), newMemoryQueue()
	w, registry, _ := start(t, Options{URL: listen(t, receiver), Queue: queue})
	for i := range 5 {
		w.Tick(tickAt(i), []*reading.Container{web(tickAt(i), webIdentity)}, nil)
	}
	eventually(t, func() bool { return len(receiver.ups()) == 5 })
	require.Equal(t, timesOf(5), receiver.ups())
	eventually(t, func() bool { _, acked := queue.state(); return acked == 5 })
	require.Equal(t, slices.Repeat([]string{"2.0.0"}, 5), receiver.versions())
	require.InDelta(t, 5, metric(t, registry, "requests_sent_total"), 0)
	require.InDelta(t, 50, metric(t, registry, "samples_total"), 0)
	require.InDelta(t, 42, metric(t, registry, "spool_bytes"), 0)
	require.InDelta(t, 60, metric(t, registry, "lag_seconds"), 0)
}

func TestVersion1IsUsedWhereVersion2IsNotKnown(t *testing.T) {
	for name, refuse := range map[string]func(w http.ResponseWriter){
		"it says so":       func(w http.ResponseWriter) { http.Error(w, "unknown type", http.StatusUnsupportedMediaType) },
		"it reads nothing": func(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) },
	} {
		t.Run(name, func(t *testing.T) {
			receiver := newReceiver(t)
			receiver.set(func(w http.ResponseWriter, r *http.Request) bool {
				if r.Header.Get("X-Prometheus-Remote-Write-Version") != "2.0.0" {
					return false
				}
				refuse(w)
				return true
			})
			w, _, _ := start(t, Options{URL: listen(t, receiver), Queue: newMemoryQueue()})
			for i := range 3 {
				w.Tick(tickAt(i), []*reading.Container{web(tickAt(i), webIdentity)}, nil)
			}
			eventually(t, func() bool { return len(receiver.ups()) == 3 })
			require.Equal(t, []string{"2.0.0", "0.1.0", "0.1.0", "0.1.0"}, receiver.versions(), "2.0 is tried once")
			receiver.mu.Lock()
			defer receiver.mu.Unlock()
			require.Equal(t, []sample{{12.345678901, tickAt(0).UnixMilli()}, {12.345678901, tickAt(1).UnixMilli()}, {12.345678901, tickAt(2).UnixMilli()}},
				receiver.got["__name__=container_cpu_usage_seconds_total,"+webLabels])
		})
	}
}

func TestVersion2IsTriedAgainAfterAWhile(t *testing.T) {
	receiver := newReceiver(t)
	w, err := New(Options{URL: listen(t, receiver), Queue: newMemoryQueue(), Node: "box", DeadLetterDir: t.TempDir()})
	require.NoError(t, err)
	defer w.client.http.CloseIdleConnections()
	w.version, w.probeAt = v1, time.Now().Add(-time.Second)
	w.Tick(noon, nil, nil)
	require.NoError(t, w.spoolPending())
	entry, err := w.queue.Next(context.Background())
	require.NoError(t, err)
	require.True(t, w.deliver(context.Background(), entry))
	require.Equal(t, []string{"2.0.0"}, receiver.versions())
}

func TestAnOutageLosesNothing(t *testing.T) {
	for name, fail := range map[string]func(w http.ResponseWriter){
		"503": func(w http.ResponseWriter) { http.Error(w, "away", http.StatusServiceUnavailable) },
		"429": func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", "0")
			w.WriteHeader(http.StatusTooManyRequests)
		},
		"401":        func(w http.ResponseWriter) { w.WriteHeader(http.StatusUnauthorized) },
		"connection": func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
	} {
		t.Run(name, func(t *testing.T) {
			receiver := newReceiver(t)
			receiver.set(func(w http.ResponseWriter, _ *http.Request) bool { fail(w); return true })
			w, registry, _ := start(t, Options{URL: listen(t, receiver), Queue: newMemoryQueue()})
			for i := range 20 {
				w.Tick(tickAt(i), nil, nil)
			}
			eventually(t, func() bool { return metric(t, registry, "requests_retried_total") > 3 })
			require.Empty(t, receiver.ups())
			receiver.set(nil)
			eventually(t, func() bool { return len(receiver.ups()) == 20 })
			require.Equal(t, timesOf(20), receiver.ups())
			require.Zero(t, metric(t, registry, "requests_dead_lettered_total"))
		})
	}
}

func TestARestartLosesNothing(t *testing.T) {
	dir := t.TempDir()
	open := func() *spool.Spool {
		s, err := spool.Open(spool.Options{Dir: dir, MaxBytes: 1 << 26, Name: "metrics"})
		require.NoError(t, err)
		return s
	}
	away := listen(t, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }))
	queue := open()
	w, registry, stop := start(t, Options{URL: away, Queue: queue})
	for i := range 10 {
		w.Tick(tickAt(i), []*reading.Container{web(tickAt(i), webIdentity)}, nil)
	}
	eventually(t, func() bool { return metric(t, registry, "requests_failed_total") > 1 })
	stop()
	require.NoError(t, queue.Close())

	receiver := newReceiver(t)
	queue = open()
	t.Cleanup(func() { require.NoError(t, queue.Close()) })
	w, _, stop = start(t, Options{URL: listen(t, receiver), Queue: queue})
	w.Tick(tickAt(10), nil, nil)
	eventually(t, func() bool { return len(receiver.ups()) == 11 })
	require.Equal(t, timesOf(11), receiver.ups())
	stop()
}

func TestWhatIsRefusedForGoodIsPutAside(t *testing.T) {
	receiver, dir := newReceiver(t), t.TempDir()
	bad := 1
	receiver.set(func(w http.ResponseWriter, _ *http.Request) bool {
		bad--
		if bad < 0 {
			return false
		}
		w.Header().Set(writtenHeader, "0")
		http.Error(w, "out of bounds", http.StatusBadRequest)
		return true
	})
	w, registry, _ := start(t, Options{URL: listen(t, receiver), Queue: newMemoryQueue(), DeadLetterDir: dir})
	w.Tick(tickAt(0), nil, nil)
	eventually(t, func() bool { return metric(t, registry, "requests_dead_lettered_total") == 1 })
	w.Tick(tickAt(1), nil, nil)
	eventually(t, func() bool { return len(receiver.ups()) == 1 })

	line, err := os.ReadFile(filepath.Join(dir, DeadLetterFile))
	require.NoError(t, err)
	var letter deadLetter
	require.NoError(t, json.Unmarshal(line, &letter))
	require.Equal(t, 400, letter.Status)
	require.Equal(t, "out of bounds", letter.Answer)
	raw, err := snappy.Decode(nil, letter.Request)
	require.NoError(t, err)
	require.Equal(t, tickAt(0).UnixMilli(), decodeV2(t, raw)[up].millis)
}

func TestAnEntryThatIsNoRequestIsPutAside(t *testing.T) {
	receiver, queue := newReceiver(t), newMemoryQueue()
	receiver.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("X-Prometheus-Remote-Write-Version") == "2.0.0" {
			w.WriteHeader(http.StatusUnsupportedMediaType)
			return true
		}
		return false
	})
	_, err := queue.Append([]byte("garbage"))
	require.NoError(t, err)
	w, registry, _ := start(t, Options{URL: listen(t, receiver), Queue: queue})
	w.Tick(tickAt(0), nil, nil)
	eventually(t, func() bool { return len(receiver.ups()) == 1 })
	require.InDelta(t, 1, metric(t, registry, "requests_dead_lettered_total"), 0)
}

func TestAFullDiskStopsNoTick(t *testing.T) {
	receiver, queue := newReceiver(t), newMemoryQueue()
	queue.fail(errors.New("no space left on device"))
	w, registry, _ := start(t, Options{URL: listen(t, receiver), Queue: queue})
	for i := range maxPending + 10 {
		w.Tick(tickAt(i), nil, nil)
	}
	eventually(t, func() bool { return metric(t, registry, "spool_errors_total") > 1 })
	eventually(t, func() bool { return metric(t, registry, "requests_dropped_total") == 10 })
	queue.fail(nil)
	eventually(t, func() bool { return len(receiver.ups()) == maxPending })
	require.Equal(t, timesOf(maxPending + 10)[10:], receiver.ups(), "the oldest go first")
}

func TestAtTheEndPendingTicksAreSpooled(t *testing.T) {
	queue := newMemoryQueue()
	w, err := New(Options{URL: "http://127.0.0.1:1/", Queue: queue, Node: "box", DeadLetterDir: t.TempDir()})
	require.NoError(t, err)
	w.Tick(noon, nil, nil)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.NoError(t, w.Run(ctx))
	entries, _ := queue.state()
	require.Equal(t, 1, entries)
}

func TestOwnMetricsAreWellNamed(t *testing.T) {
	_, registry, _ := start(t, Options{URL: "http://127.0.0.1:1/", Queue: newMemoryQueue()})
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}
