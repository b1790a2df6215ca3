package kubernetes

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"
	"github.com/stretchr/testify/require"
	appsv1 "k8s.io/api/apps/v1"
	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/lubberline/lubberline/aggregator/kubernetes/state"
	"github.com/lubberline/lubberline/aggregator/logstore"
	"github.com/lubberline/lubberline/aggregator/metricstore"
	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/logrecord"
	"github.com/lubberline/lubberline/orchestrator/apiserver/apitest"
)

// seen is an Observer that keeps the newest value of each series.
type seen struct {
	mu     sync.Mutex
	values map[string]float64
}

func (s *seen) Observe(samples []rollup.Sample) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, sample := range samples {
		if s.values == nil {
			s.values = map[string]float64{}
		}
		s.values[sample.Labels.String()] = sample.V
	}
}

func (s *seen) value(l ...string) (float64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	v, ok := s.values[labels.FromStrings(append(l, "job", "kubernetes")...).String()]
	return v, ok
}

func openMetrics(t *testing.T) *metricstore.Store {
	s, err := metricstore.Open(metricstore.Options{Dir: t.TempDir(), Retention: time.Hour, Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

func TestSeriesEndWithTheirObjects(t *testing.T) {
	var o seen
	w := newWriter(openMetrics(t), &o)
	now := time.Now()
	require.NoError(t, w.write(t.Context(), now, func(emit state.Emit) { emit("a", 1, "x", "1"); emit("b", 2, "x", "") }))
	require.NoError(t, w.write(t.Context(), now.Add(time.Second), func(emit state.Emit) { emit("b", 3) }))
	v, _ := o.value("__name__", "b")
	require.Equal(t, 3.0, v)
	v, ok := o.value("__name__", "a", "x", "1")
	require.True(t, ok)
	require.True(t, value.IsStaleNaN(v))
	require.NoError(t, w.write(t.Context(), now.Add(2*time.Second), func(emit state.Emit) { emit("a", 4, "x", "1"); emit("b", 3) }))
	v, _ = o.value("__name__", "a", "x", "1")
	require.Equal(t, 4.0, v, "it may come back")
}

func TestTheTopmostControllerOfAPod(t *testing.T) {
	yes := true
	owned := func(kind, name string) metav1.ObjectMeta {
		return metav1.ObjectMeta{Namespace: "shop", Name: "p", OwnerReferences: []metav1.OwnerReference{{Kind: kind, Name: name, Controller: &yes}}}
	}
	factory := informers.NewSharedInformerFactory(fake.NewClientset(), 0)
	sets := factory.Apps().V1().ReplicaSets().Informer().GetStore()
	c := newControllers(sets)

	c.OnAdd(&v1.Pod{ObjectMeta: owned("ReplicaSet", "web-1")}, false)
	found, _ := c.of("shop", "p")
	require.Equal(t, "ReplicaSet/web-1", found.String())
	set := &appsv1.ReplicaSet{ObjectMeta: owned("Deployment", "web")}
	set.Name = "web-1"
	require.NoError(t, sets.Add(set))
	c.OnUpdate(nil, &v1.Pod{ObjectMeta: owned("ReplicaSet", "web-1")})
	found, _ = c.of("shop", "p")
	require.Equal(t, "Deployment/web", found.String())
	require.NoError(t, sets.Delete(set))
	c.OnUpdate(nil, &v1.Pod{ObjectMeta: owned("ReplicaSet", "web-1")})
	c.OnDelete(&v1.Pod{ObjectMeta: owned("ReplicaSet", "web-1")})
	found, known := c.of("shop", "p")
	require.True(t, known)
	require.Equal(t, "Deployment/web", found.String(), "also after pod and set are gone")
	_, known = c.of("shop", "other")
	require.False(t, known)
}

// cutter is a log store that fails now and then after it has stored.
type cutter struct {
	*logstore.Store
	mu    sync.Mutex
	calls int
}

func (c *cutter) Append(ctx context.Context, batches []logrecord.Batch) error {
	err := c.Store.Append(ctx, batches)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.calls++; c.calls%3 == 0 {
		return fmt.Errorf("cut after %d batches", len(batches))
	}
	return err
}

// Events are followed from a real API server by one join after the other, each
// ended at some moment, over a store whose answers get lost.
func TestEventsAreStoredOnceOverRestarts(t *testing.T) {
	server := apitest.Start(t)
	client := apitest.Admin(t, server)
	logs, err := logstore.Open(logstore.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	defer logs.Close()
	store := &cutter{Store: logs}
	position := filepath.Join(t.TempDir(), "events.json")

	const lives, perLife = 4, 25
	for life := range lives {
		join := startJoin(t, client, store, position)
		for i := range perLife {
			event := anEvent(fmt.Sprintf("e-%d-%d", life, i))
			_, err := client.CoreV1().Events("default").Create(t.Context(), event, metav1.CreateOptions{})
			require.NoError(t, err)
			if i == 0 {
				awaitRecord(t, logs, "BackOff: "+event.Name) // or its repetition is all that is seen of it
				repeat(t, client, event.Name)
			}
			if i == perLife/2 && life%2 == 0 {
				join() // what comes now is read by the next one
				join = func() {}
			}
		}
		join()
	}
	last := startJoin(t, client, store, position)
	defer last()
	q := logstore.Query{Streams: []string{EventStream}, Limit: 1000}
	require.Eventually(t, func() bool {
		all, err := logs.Query(t.Context(), q)
		require.NoError(t, err)
		return len(all) >= lives*(perLife+1)
	}, 20*time.Second, 20*time.Millisecond)
	all, err := logs.Query(t.Context(), q)
	require.NoError(t, err)
	times := map[string]int{}
	for _, e := range all {
		times[e.Message]++
		require.Equal(t, "web-1", e.Origin.Pod)
		require.Equal(t, "nginx", e.Origin.Container)
		require.Equal(t, "warn", e.Level.String())
	}
	require.Len(t, all, lives*(perLife+1))
	for life := range lives {
		require.Equal(t, 2, times[fmt.Sprintf("BackOff: e-%d-0", life)], "the event and its repetition")
		require.Equal(t, 1, times[fmt.Sprintf("BackOff: e-%d-1", life)])
	}
}

func awaitRecord(t *testing.T, logs *logstore.Store, text string) {
	t.Helper()
	require.Eventually(t, func() bool {
		n, err := logs.Count(t.Context(), logstore.Query{Text: text})
		require.NoError(t, err)
		return n > 0
	}, 20*time.Second, 10*time.Millisecond)
}

func startJoin(t *testing.T, client kubernetes.Interface, logs Logs, position string) (end func()) {
	t.Helper()
	factory := informers.NewSharedInformerFactory(client, 0)
	join, err := New(Options{
		Client: client, Informers: factory, Metrics: openMetrics(t), Logs: []Logs{logs}, PositionFile: position,
		Logger: slog.New(slog.DiscardHandler),
	})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	factory.Start(ctx.Done())
	done := make(chan error, 1)
	go func() { done <- join.Run(ctx) }()
	return func() {
		cancel()
		require.NoError(t, <-done)
		factory.Shutdown()
	}
}

func anEvent(text string) *v1.Event {
	now := metav1.Now()
	return &v1.Event{
		ObjectMeta:     metav1.ObjectMeta{Namespace: "default", Name: text},
		InvolvedObject: v1.ObjectReference{Kind: "Pod", Namespace: "default", Name: "web-1", FieldPath: "spec.containers{nginx}"},
		Reason:         "BackOff", Message: text, Type: v1.EventTypeWarning, Count: 1, FirstTimestamp: now, LastTimestamp: now,
		Source: v1.EventSource{Component: "kubelet", Host: "n1"},
	}
}

func repeat(t *testing.T, client kubernetes.Interface, name string) {
	t.Helper()
	event, err := client.CoreV1().Events("default").Get(t.Context(), name, metav1.GetOptions{})
	require.NoError(t, err)
	event.Count, event.LastTimestamp = 2, metav1.Now()
	_, err = client.CoreV1().Events("default").Update(t.Context(), event, metav1.UpdateOptions{})
	require.NoError(t, err)
}
