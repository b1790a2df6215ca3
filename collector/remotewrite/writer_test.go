package remotewrite

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/prompb"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/spool"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memoryQueue is a Queue in memory that can be made to fail.
type memoryQueue struct {
	mu      sync.Mutex
	entries []spool.Entry
	next    int
	acked   uint64
	err     error
	more    chan struct{}
}

func newMemoryQueue() *memoryQueue { return &memoryQueue{more: make(chan struct{}, 1)} }

func (q *memoryQueue) Append(entries ...[]byte) (uint64, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.err != nil {
		return 0, q.err
	}
	first := uint64(len(q.entries) + 1)
	for i, e := range entries {
		q.entries = append(q.entries, spool.Entry{Seq: first + uint64(i), Data: bytes.Clone(e)})
	}
	select {
	case q.more <- struct{}{}:
	default:
	}
	return first, nil
}

func (q *memoryQueue) Next(ctx context.Context) (spool.Entry, error) {
	for {
		q.mu.Lock()
		if q.next < len(q.entries) {
			q.next++
			entry := q.entries[q.next-1]
			q.mu.Unlock()
			return entry, nil
		}
		q.mu.Unlock()
		select {
		case <-q.more:
		case <-ctx.Done():
			return spool.Entry{}, ctx.Err()
		}
	}
}

func (q *memoryQueue) Ack(seq uint64) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.acked = seq
	return nil
}

func (q *memoryQueue) Stats() spool.Stats { return spool.Stats{Bytes: 42, OldestAge: time.Minute} }

func (q *memoryQueue) fail(err error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.err = err
}

func (q *memoryQueue) state() (entries int, acked uint64) {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.entries), q.acked
}

// receiver is a store that decodes with Prometheus's own code.
type receiver struct {
	t  *testing.T
	mu sync.Mutex // guards what follows
	// answer, when set, may answer instead; it says whether it did.
	answer func(w http.ResponseWriter, r *http.Request) bool
	seen   []string // protocol version of each request
	got    map[string][]sample
}

func newReceiver(t *testing.T) *receiver { return &receiver{t: t, got: make(map[string][]sample)} }

func (r *receiver) set(answer func(http.ResponseWriter, *http.Request) bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.answer = answer
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := request.Header.Get("X-Prometheus-Remote-Write-Version")
	r.seen = append(r.seen, v)
	if r.answer != nil && r.answer(w, request) {
		return
	}
	if request.Header.Get("Content-Encoding") != "snappy" || request.Method != http.MethodPost {
		http.Error(w, "bad request", http.StatusBadRequest)
		return
	}
	compressed, err := io.ReadAll(request.Body)
	if err != nil {
		return
	}
	raw, err := snappy.Decode(nil, compressed)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	samples := r.decode(v, raw)
	for key, s := range samples {
		r.got[key] = append(r.got[key], s)
	}
	if v == "2.0.0" {
		w.Header().Set(writtenHeader, fmt.Sprint(len(samples)))
	}
	w.WriteHeader(http.StatusNoContent)
}

func (r *receiver) decode(v string, raw []byte) map[string]sample {
	if v == "2.0.0" {
		return decodeV2(r.t, raw)
	}
	return decodeV1(r.t, raw)
}

func decodeV1(t testing.TB, raw []byte) map[string]sample {
	t.Helper()
	var request prompb.WriteRequest
	require.NoError(t, request.Unmarshal(raw))
	got := make(map[string]sample)
	for _, ts := range request.Timeseries {
		var labels []string
		for _, l := range ts.Labels {
			labels = append(labels, l.Name+"="+l.Value)
		}
		require.True(t, slices.IsSorted(labels), labels)
		require.Len(t, ts.Samples, 1)
		got[strings.Join(labels, ",")] = sample{ts.Samples[0].Value, ts.Samples[0].Timestamp}
	}
	return got
}

const up = "__name__=up," + boxLabels

// ups returns the times of the ticks that have arrived, in milliseconds.
func (r *receiver) ups() (times []int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.got[up] {
		times = append(times, s.millis)
	}
	return times
}

func (r *receiver) versions() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.seen)
}

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

func TestUnixSocketAndToken(t *testing.T) {
	dir := t.TempDir()
	socket, token := filepath.Join(dir, "aggregator.sock"), filepath.Join(dir, "token")
	require.NoError(t, os.WriteFile(token, []byte("s3cret\n"), 0o600))
	receiver := newReceiver(t)
	receiver.set(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path == "/write/here" && r.Header.Get("Authorization") == "Bearer s3cret" {
			return false
		}
		http.Error(w, "no", http.StatusForbidden)
		return true
	})
	listener, err := net.Listen("unix", socket)
	require.NoError(t, err)
	server := &httptest.Server{Listener: listener, Config: &http.Server{Handler: receiver}}
	server.Start()
	t.Cleanup(server.Close)
	w, _, _ := start(t, Options{URL: "unix://" + socket + "?path=/write/here", Queue: newMemoryQueue(), TokenFile: token})
	w.Tick(noon, nil, nil)
	eventually(t, func() bool { return len(receiver.ups()) == 1 })
}

func TestTLSWithOwnAuthority(t *testing.T) {
	receiver := newReceiver(t)
	server := httptest.NewTLSServer(receiver)
	t.Cleanup(server.Close)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	pem := "-----BEGIN CERTIFICATE-----\n" + base64.StdEncoding.EncodeToString(server.Certificate().Raw) + "\n-----END CERTIFICATE-----\n"
	require.NoError(t, os.WriteFile(ca, []byte(pem), 0o600))
	w, _, _ := start(t, Options{URL: server.URL, Queue: newMemoryQueue(), CAFile: ca})
	w.Tick(noon, nil, nil)
	eventually(t, func() bool { return len(receiver.ups()) == 1 })
}

func TestBadOptions(t *testing.T) {
	f := func(o Options, want string) {
		t.Helper()
		_, err := New(o)
		require.ErrorContains(t, err, want)
	}
	queue, dir := newMemoryQueue(), t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	require.NoError(t, os.WriteFile(empty, nil, 0o600))
	f(Options{}, "no queue")
	f(Options{Queue: queue}, "no node name")
	f(Options{Queue: queue, Node: "a", URL: "ftp://x"}, `"ftp://x"`)
	f(Options{Queue: queue, Node: "a", URL: "http://"}, "want http")
	f(Options{Queue: queue, Node: "a", URL: "unix://x"}, "want http")
	f(Options{Queue: queue, Node: "a", URL: "https://x", CAFile: filepath.Join(dir, "none")}, "ca file")
	f(Options{Queue: queue, Node: "a", URL: "https://x", CAFile: empty}, "no certificate")
	f(Options{Queue: queue, Node: "a", URL: "https://x", DeadLetterDir: filepath.Join(empty, "x")}, "dead-letter directory")
}

func TestParseRetryAfter(t *testing.T) {
	f := func(text string, want time.Duration) {
		t.Helper()
		require.Equal(t, want, parseRetryAfter(text, noon.UTC()))
	}
	f("", 0)
	f("3", 3*time.Second)
	f("-3", 0)
	f("soon", 0)
	f("999999", time.Hour)
	f(noon.Add(5*time.Second).UTC().Format(http.TimeFormat), 5*time.Second)
	f(noon.Add(-5*time.Second).UTC().Format(http.TimeFormat), 0)
}

func TestDeadLettersAreBounded(t *testing.T) {
	d, err := newDeadLetters(t.TempDir(), 4000)
	require.NoError(t, err)
	for i := range 100 {
		require.NoError(t, d.add(deadLetter{Seq: uint64(i), Request: make([]byte, 300)}))
	}
	require.NoError(t, d.add(deadLetter{Seq: 100, Request: make([]byte, 5000)}), "too long to be kept whole")
	total, last := int64(0), ""
	for _, name := range []string{d.path + ".1", d.path} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		total += int64(len(text))
		lines := strings.Split(strings.TrimSpace(string(text)), "\n")
		last = lines[len(lines)-1]
	}
	require.LessOrEqual(t, total, int64(4000))
	var letter deadLetter
	require.NoError(t, json.Unmarshal([]byte(last), &letter))
	require.Equal(t, uint64(100), letter.Seq)
	require.Empty(t, letter.Request)
}

func TestOwnMetricsAreWellNamed(t *testing.T) {
	_, registry, _ := start(t, Options{URL: "http://127.0.0.1:1/", Queue: newMemoryQueue()})
	problems, err := testutil.GatherAndLint(registry)
	require.NoError(t, err)
	require.Empty(t, problems)
}
