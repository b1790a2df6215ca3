package logstore

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/logrecord"
)

func next(t *testing.T, sub *Subscription) Event {
	t.Helper()
	select {
	case e, ok := <-sub.C:
		require.True(t, ok, "subscription closed")
		return e
	case <-time.After(10 * time.Second):
		t.Fatal("no event")
	}
	return Event{}
}

func TestFollowHasNoGapAndNoDouble(t *testing.T) {
	s := openStore(t, Options{})
	stop, done := make(chan struct{}), make(chan struct{})
	started := make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := s.Append(t.Context(), []logrecord.Batch{line(noon.Add(time.Duration(i)*time.Millisecond), web, "", fmt.Sprint(i))}); err != nil {
				t.Error(err)
			}
			if i == 10 {
				close(started)
			}
		}
	}()
	<-started
	entries, sub, err := s.Follow(t.Context(), Query{Limit: 10_000})
	require.NoError(t, err)
	defer sub.Close()
	require.NotEmpty(t, entries)
	for i, e := range entries {
		require.Equal(t, fmt.Sprint(i), e.Message)
	}
	for i := range 50 {
		require.Equal(t, fmt.Sprint(len(entries)+i), next(t, sub).Entry.Message)
	}
	close(stop)
	<-done
}

func TestSubscribeFilters(t *testing.T) {
	s := openStore(t, Options{})
	sub, err := s.Subscribe(Query{Pods: []string{"db-1"}, Levels: []Level{LevelError}, Text: "DISK", IgnoreCase: true, Regex: "f.ll"})
	require.NoError(t, err)
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{
		line(noon, web, "", "ERROR disk full"), line(noon, db1, "", "INFO disk full"), line(noon, db1, "", "ERROR disk"),
		line(noon, db1, "stderr", "ERROR disk full"),
	}))
	e := next(t, sub).Entry
	require.Equal(t, "ERROR disk full", e.Message)
	require.Equal(t, "db-1", e.Origin.Pod)
	require.Empty(t, sub.C)
	sub.Close()
	sub.Close()
	_, open := <-sub.C
	require.False(t, open)
}

func TestSlowFollowerIsTold(t *testing.T) {
	s := openStore(t, Options{})
	sub, err := s.Subscribe(Query{})
	require.NoError(t, err)
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("a", noon, followBuffer+100)}))
	for range followBuffer {
		require.NotNil(t, next(t, sub).Entry)
	}
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("b", noon, 1)}))
	require.Equal(t, Event{Skipped: 100}, next(t, sub))
	require.Equal(t, "b line 0", next(t, sub).Entry.Message)
	require.NoError(t, s.Close())
	_, open := <-sub.C
	require.False(t, open)
}
