package reconcile

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/cache"
	clocktesting "k8s.io/utils/clock/testing"
)

// run starts the loop until the returned function is called.
func run(t *testing.T, l *Loop) (end func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- l.Run(ctx) }()
	return func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	}
}

func TestFailuresAreTriedAgainLaterAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		l, err := New(Options{Name: "x", MinDelay: time.Second, MaxDelay: 5 * time.Second, Reconcile: func(context.Context, string) error {
			at = append(at, time.Since(start))
			switch len(at) {
			case 2:
				panic("unexpected")
			case 6:
				return nil
			}
			return errors.New("not yet")
		}})
		require.NoError(t, err)
		end := run(t, l)
		l.Add("k")
		time.Sleep(time.Hour)
		synctest.Wait()
		end()
		s := time.Second
		require.Equal(t, []time.Duration{0, 1 * s, 3 * s, 7 * s, 12 * s, 17 * s}, at)
		require.EqualValues(t, 1, testutil.ToFloat64(l.metrics.panics))
		require.EqualValues(t, 5, testutil.ToFloat64(l.metrics.results.WithLabelValues(resultError)))
		require.Empty(t, l.queue.failures)
	})
}

func TestOneKeyIsNeverWorkedOnTwiceAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		busy, runs := map[string]bool{}, map[string]int{}
		l, err := New(Options{Name: "x", Workers: 4, Reconcile: func(_ context.Context, key string) error {
			mu.Lock()
			require.False(t, busy[key])
			busy[key] = true
			runs[key]++
			mu.Unlock()
			time.Sleep(time.Second)
			mu.Lock()
			defer mu.Unlock()
			busy[key] = false
			return nil
		}})
		require.NoError(t, err)
		end := run(t, l)
		for range 10 {
			l.Add("a")
			l.Add("b")
		}
		time.Sleep(time.Second / 2)
		for range 10 {
			l.Add("a") // while it is worked on: once more
		}
		time.Sleep(time.Minute)
		end()
		require.Equal(t, map[string]int{"a": 2, "b": 1}, runs)
	})
}

func TestTheEarliestOfTwoDelaysCounts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		var at []time.Duration
		l, err := New(Options{Name: "x", Reconcile: func(context.Context, string) error {
			at = append(at, time.Since(start))
			return nil
		}})
		require.NoError(t, err)
		end := run(t, l)
		l.AddAfter("k", time.Hour)
		synctest.Wait()
		l.AddAfter("k", time.Minute)
		l.AddAfter("k", 2*time.Minute)
		time.Sleep(3 * time.Hour)
		end()
		require.Equal(t, []time.Duration{time.Minute}, at)
	})
}

type filled chan struct{}

func (f filled) HasSyncedChecker() cache.DoneChecker { return f }
func (f filled) Name() string                        { return "test" }
func (f filled) Done() <-chan struct{}               { return f }

func TestNothingRunsBeforeTheCachesAreFilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		caches := filled(make(chan struct{}))
		var ran atomic.Bool
		l, err := New(Options{Name: "x", Caches: []Cache{caches}, Reconcile: func(context.Context, string) error {
			ran.Store(true)
			return nil
		}})
		require.NoError(t, err)
		end := run(t, l)
		l.Add("k")
		time.Sleep(time.Hour)
		require.False(t, ran.Load())
		close(caches)
		synctest.Wait()
		require.True(t, ran.Load())
		end()
	})
}

func TestStepsAreMadeByTheCaller(t *testing.T) {
	clock := clocktesting.NewFakeClock(time.Unix(0, 0))
	var keys []string
	fail := true
	l, err := New(Options{Name: "x", Clock: clock, MinDelay: time.Second, Reconcile: func(_ context.Context, key string) error {
		keys = append(keys, key)
		if fail {
			return errors.New("fails")
		}
		return nil
	}})
	require.NoError(t, err)
	for _, key := range []string{"a", "b", "c", "b"} {
		l.Add(key)
	}
	key, worked := l.Step(t.Context(), func(n int) int { return n - 1 })
	require.True(t, worked)
	require.Equal(t, "c", key)
	require.Equal(t, 2, l.Ready())
	fail = false
	for worked {
		_, worked = l.Step(t.Context(), nil)
	}
	require.Equal(t, []string{"c", "a", "b"}, keys)
	next, any := l.NextDue()
	require.True(t, any)
	clock.SetTime(next)
	_, worked = l.Step(t.Context(), nil)
	require.True(t, worked)
	require.Equal(t, "c", keys[3])
	_, any = l.NextDue()
	require.False(t, any)
}

func TestLoopsShareARegistry(t *testing.T) {
	r := prometheus.NewPedanticRegistry()
	none := func(context.Context, string) error { return nil }
	for _, name := range []string{"a", "b"} {
		_, err := New(Options{Name: name, Reconcile: none, Registerer: r})
		require.NoError(t, err)
	}
	families, err := r.Gather()
	require.NoError(t, err)
	var names []string
	for _, f := range families {
		names = append(names, f.GetName())
	}
	require.True(t, slices.Contains(names, "lubberline_reconcile_queue_depth"))
	_, err = New(Options{Name: "a", Reconcile: none, Registerer: r})
	require.Error(t, err)
	_, err = New(Options{Reconcile: none})
	require.Error(t, err)
}

func TestHandlerTellsWhatChanged(t *testing.T) {
	var got []string
	name := func(p *corev1.Pod) string {
		if p == nil {
			return "-"
		}
		return p.Name
	}
	h := Handler(func(old, current *corev1.Pod) { got = append(got, name(old)+name(current)) })
	pod := func(name string) *corev1.Pod { return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name}} }
	h.OnAdd(pod("a"), true)
	h.OnUpdate(pod("a"), pod("b"))
	h.OnDelete(pod("b"))
	h.OnDelete(cache.DeletedFinalStateUnknown{Key: "x", Obj: pod("c")})
	h.OnDelete(cache.DeletedFinalStateUnknown{Key: "x"})
	h.OnAdd(&corev1.Node{}, false)
	require.Equal(t, []string{"-a", "ab", "b-", "c-"}, got)
}

func TestKeys(t *testing.T) {
	require.Equal(t, "n/p", Key(&metav1.ObjectMeta{Namespace: "n", Name: "p"}))
	require.Equal(t, "p", Key(&metav1.ObjectMeta{Name: "p"}))
	for _, key := range []string{"n/p", "p"} {
		namespace, name := SplitKey(key)
		require.Equal(t, key, Key(&metav1.ObjectMeta{Namespace: namespace, Name: name}))
	}
}
