package queue

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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

// jobFunc is a job made of a function.
type jobFunc func(ctx context.Context) error

func (f jobFunc) Try(ctx context.Context) error { return f(ctx) }

// store records what it is given. Each try first meets trouble, which may be nil.
type store struct {
	mu      sync.Mutex
	got     []string
	groups  int
	trouble func(entry string) error
}

func (s *store) prepare(entries [][]byte) Job {
	return jobFunc(func(context.Context) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		for _, e := range entries {
			if s.trouble != nil {
				if err := s.trouble(string(e)); err != nil {
					return err
				}
			}
		}
		s.groups++
		for _, e := range entries {
			s.got = append(s.got, string(e))
		}
		return nil
	})
}

func open(t *testing.T, o Options) *Queue {
	t.Helper()
	o.Sink = "test"
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	if o.MinDelay == 0 {
		o.MinDelay, o.MaxDelay = time.Millisecond, 5*time.Millisecond
	}
	q, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, q.Close()) })
	return q
}

// start runs the queue and returns a function that stops it.
func start(t *testing.T, q *Queue) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- q.Run(ctx) }()
	return sync.OnceFunc(func() {
		cancel()
		require.NoError(t, <-done)
	})
}

func fill(t *testing.T, q *Queue, n int) (want []string) {
	t.Helper()
	for i := range n {
		want = append(want, fmt.Sprintf("entry-%03d", i))
		require.NoError(t, q.Append([]byte(want[i])))
	}
	return want
}

func empty(q *Queue) func() bool { return func() bool { return q.Pending() == 0 } }

func TestDeliversInOrder(t *testing.T) {
	s := &store{}
	q := open(t, Options{Prepare: s.prepare})
	want := fill(t, q, 50)
	stop := start(t, q)
	require.Eventually(t, empty(q), 10*time.Second, time.Millisecond)
	stop()
	require.Equal(t, want, s.got)
	require.Equal(t, 50, s.groups)
}

func TestGathersSmallEntries(t *testing.T) {
	s := &store{}
	q := open(t, Options{Prepare: s.prepare, GroupBytes: 30})
	want := fill(t, q, 50) // of 9 bytes
	stop := start(t, q)
	require.Eventually(t, empty(q), 10*time.Second, time.Millisecond)
	stop()
	require.Equal(t, want, s.got)
	require.GreaterOrEqual(t, s.groups, 17)
	require.Less(t, s.groups, 50)
}

func TestRetriesForEver(t *testing.T) {
	failures := 0
	s := &store{trouble: func(entry string) error {
		if entry == "entry-003" && failures < 40 {
			failures++
			return errors.New("away")
		}
		return nil
	}}
	registry := prometheus.NewRegistry()
	metrics, err := NewMetrics("test", registry)
	require.NoError(t, err)
	_, err = NewMetrics("test", registry) // twice at the same time is an error
	require.Error(t, err)
	q := open(t, Options{Prepare: s.prepare, Metrics: metrics})
	want := fill(t, q, 6)
	require.EqualValues(t, 6, gauge(t, registry, "lubberline_sink_spool_entries"))
	require.Positive(t, gauge(t, registry, "lubberline_sink_spool_bytes"))
	stop := start(t, q)
	require.Eventually(t, empty(q), 10*time.Second, time.Millisecond)
	stop()
	require.Equal(t, want, s.got)
	require.EqualValues(t, 40, testutil.ToFloat64(metrics.requests("failed")))
	require.EqualValues(t, 6, testutil.ToFloat64(metrics.requests("ok")))
	require.Zero(t, gauge(t, registry, "lubberline_sink_oldest_age_seconds"))
}

func gauge(t *testing.T, g prometheus.Gatherer, name string) float64 {
	t.Helper()
	families, err := g.Gather()
	require.NoError(t, err)
	for _, f := range families {
		if f.GetName() == name {
			return f.GetMetric()[0].GetGauge().GetValue()
		}
	}
	t.Fatalf("no metric %s", name)
	return 0
}

// TestAcknowledgesInOrder holds the first entry back: others overtake it, but
// nothing is acknowledged, so a second run delivers all of them again.
func TestAcknowledgesInOrder(t *testing.T) {
	release := make(chan struct{})
	var mu sync.Mutex
	delivered := map[string]int{}
	second := false
	prepare := func(entries [][]byte) Job {
		return jobFunc(func(ctx context.Context) error {
			mu.Lock()
			hold := string(entries[0]) == "entry-000" && !second
			mu.Unlock()
			if hold {
				select {
				case <-release:
				case <-ctx.Done():
					return ctx.Err()
				}
			}
			mu.Lock()
			delivered[string(entries[0])]++
			mu.Unlock()
			return nil
		})
	}
	q := open(t, Options{Prepare: prepare, InFlight: 3})
	want := fill(t, q, 10)
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(delivered) }
	stop := start(t, q)
	require.Eventually(t, func() bool { return count() == 2 }, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 10, q.Pending())
	stop() // as when the program ends
	require.EqualValues(t, 10, q.Pending())

	mu.Lock()
	second = true
	mu.Unlock()
	close(release)
	stop = start(t, q)
	require.Eventually(t, empty(q), 10*time.Second, time.Millisecond)
	stop()
	for i, entry := range want {
		times := 1
		if i == 1 || i == 2 {
			times = 2
		}
		require.Equal(t, times, delivered[entry], entry)
	}
}

func TestNeverMoreInFlightThanAllowed(t *testing.T) {
	for _, allowed := range []int{1, 3} {
		var mu sync.Mutex
		now, most := 0, 0
		reached := make(chan struct{}, 100)
		release := make(chan struct{})
		q := open(t, Options{InFlight: allowed, Prepare: func([][]byte) Job {
			return jobFunc(func(ctx context.Context) error {
				mu.Lock()
				now++
				most = max(most, now)
				mu.Unlock()
				reached <- struct{}{}
				select {
				case <-release:
				case <-ctx.Done():
				}
				mu.Lock()
				now--
				mu.Unlock()
				return nil
			})
		}})
		fill(t, q, 12)
		stop := start(t, q)
		for range allowed {
			<-reached
		}
		close(release)
		require.Eventually(t, empty(q), 10*time.Second, time.Millisecond)
		stop()
		require.Equal(t, allowed, most)
	}
}

func TestDelayGrows(t *testing.T) {
	c := newClock(Options{MinDelay: 500 * time.Millisecond, MaxDelay: 30 * time.Second})
	for failures, want := range map[int]time.Duration{
		1: 500 * time.Millisecond, 2: time.Second, 5: 8 * time.Second, 7: 30 * time.Second, 1 << 20: 30 * time.Second,
	} {
		d := c.delay(failures)
		require.LessOrEqual(t, d, want)
		require.GreaterOrEqual(t, d, want*8/10)
	}
}

func TestStopsWhileItWaits(t *testing.T) {
	tried := make(chan struct{}, 10)
	q := open(t, Options{MinDelay: time.Hour, MaxDelay: time.Hour, Prepare: func([][]byte) Job {
		return jobFunc(func(context.Context) error {
			tried <- struct{}{}
			return &Delay{After: time.Minute, Err: errors.New("come later")}
		})
	}})
	fill(t, q, 3)
	stop := start(t, q)
	<-tried
	stop()
	require.EqualValues(t, 3, q.Pending())
}

func TestOptions(t *testing.T) {
	for want, o := range map[string]Options{
		"queue without a way to deliver":                         {},
		"queue of x: negative option":                            {Sink: "x", Prepare: (&store{}).prepare, InFlight: -1},
		"queue of x: longest pause 1s is below the shortest, 2s": {Sink: "x", Prepare: (&store{}).prepare, MinDelay: 2 * time.Second, MaxDelay: time.Second},
	} {
		_, err := Open(o)
		require.EqualError(t, err, want)
	}
}

func TestDeadLetters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sub", "dead.ndjson")
	d, err := OpenDeadLetters(path, 1000)
	require.NoError(t, err)
	require.NoError(t, d.Write(Letter{Reason: "r", Target: "i", Item: json.RawMessage(`{"a":1}`)}, Letter{Reason: "r2", Item: []byte("not json \xff")}))
	require.NoError(t, d.Close())

	d, err = OpenDeadLetters(path, 1000) // goes on where it was
	require.NoError(t, err)
	for range 20 {
		require.NoError(t, d.Write(Letter{Reason: "again", Item: []byte(`"x"`)}))
	}
	require.NoError(t, d.Close())
	var all strings.Builder
	for _, name := range []string{path + ".old", path} {
		text, err := os.ReadFile(name)
		require.NoError(t, err)
		require.LessOrEqual(t, len(text), 500)
		all.WriteString(string(text))
	}
	for line := range strings.Lines(all.String()) {
		var letter struct{ Time, Reason string }
		require.NoError(t, json.Unmarshal([]byte(line), &letter), line)
		require.Equal(t, "again", letter.Reason)
		_, err := time.Parse(time.RFC3339Nano, letter.Time)
		require.NoError(t, err)
	}
}
