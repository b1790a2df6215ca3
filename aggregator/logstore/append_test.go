package logstore

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/logrecord"
)

func TestAppendIsVisibleAtOnceAndSurvivesReopen(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Options{Dir: dir})
	b := batch("a", noon, 3)
	b.Records[1].Fields = `{"user":"ann"}`
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))

	check := func(s *Store) {
		entries, err := s.Query(t.Context(), Query{Ascending: true})
		require.NoError(t, err)
		require.Equal(t, []string{"a line 0", "a line 1", "a line 2"}, messages(entries))
		e := entries[1]
		require.Equal(t, noon.UnixNano()+1_000_000, e.Time)
		require.JSONEq(t, `{"user":"ann"}`, e.Fields)
		require.Empty(t, entries[0].Fields)
		require.Equal(t, &Origin{Tag: "kubernetes.shop.web-1.nginx", Stream: "stdout", Namespace: "shop", Pod: "web-1",
			PodUID: "u1", Container: "nginx", ContainerID: "c1", Image: "nginx:1", Node: "node-a",
			Labels: map[string]string{"app": "web", "tier": "front"}}, e.Origin)
	}
	check(s)
	require.NoError(t, s.Close())
	require.NoFileExists(t, filepath.Join(dir, "logs-2026-11-24.duckdb.wal"))
	check(openStore(t, Options{Dir: dir}))
}

func TestResendChangesNothing(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Options{Dir: dir})
	b := batch("a", noon, 10)
	stored, err := s.AppendReport(t.Context(), []logrecord.Batch{b, b, batch("", noon, 1), batch("", noon, 1)})
	require.NoError(t, err)
	require.Equal(t, []bool{true, false, true, true}, stored)
	require.Equal(t, 12, count(t, s))

	stored, err = s.AppendReport(t.Context(), []logrecord.Batch{b})
	require.NoError(t, err)
	require.Equal(t, []bool{false}, stored)
	require.NoError(t, s.Close())

	s = openStore(t, Options{Dir: dir})
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
	require.Equal(t, 12, count(t, s))
}

func TestResendCompletesChunkOfTwoDays(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Options{Dir: dir})
	midnight := noon.Truncate(24 * time.Hour)
	b := batch("a", midnight.Add(-5*time.Millisecond), 10)
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
	require.FileExists(t, filepath.Join(dir, "logs-2026-11-23.duckdb"))
	require.FileExists(t, filepath.Join(dir, "logs-2026-11-24.duckdb"))

	// Only the first of the two days was committed: the second is lost here.
	s.deleteDay(s.daysBetween(noon.UnixNano(), noon.UnixNano()+1)[0], "test")
	require.Equal(t, 5, count(t, s))
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
	require.Equal(t, 10, count(t, s))
	entries, err := s.Query(t.Context(), Query{Ascending: true})
	require.NoError(t, err)
	require.Equal(t, "a line 0", entries[0].Message)
	require.Equal(t, "a line 9", entries[9].Message)
}

func TestAppendTakesAnyBytes(t *testing.T) {
	s := openStore(t, Options{})
	var want []string
	var b logrecord.Batch
	for _, text := range []string{"", "\x00\x00", "bad \xff\xfe utf8", "quote ' \" ; --", "日本語 🙂", string(make([]byte, maxText))} {
		b.Records = append(b.Records, logrecord.Record{Time: noon.UnixNano(), Log: text, Tag: "t\xff"})
		want = append(want, validText(text))
	}
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
	entries, err := s.Query(t.Context(), Query{Ascending: true})
	require.NoError(t, err)
	require.Equal(t, want, messages(entries))
	require.Equal(t, "t\uFFFD", entries[0].Origin.Tag)
}

func TestFieldsAreAlwaysAnObject(t *testing.T) {
	for in, want := range map[string]string{`{"a":1}`: `{"a":1}`, `[1]`: `{"invalid_fields":"[1]"}`, `{"a"`: `{"invalid_fields":"{\"a\""}`} {
		require.Equal(t, want, validFields(in))
	}
}

func TestRecordsOutsideOfTheCalendar(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	s := openStore(t, Options{Retention: 48 * time.Hour, Registerer: reg})
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{
		line(noon.Add(-100*24*time.Hour), web, "", "old"),
		line(time.Unix(0, 0), web, "", "epoch"),
		line(noon.AddDate(3, 0, 0), web, "", "future"),
		line(noon.Add(20*time.Hour), web, "", "tomorrow"),
	}))
	entries, err := s.Query(t.Context(), Query{Ascending: true})
	require.NoError(t, err)
	require.Equal(t, []string{"future", "tomorrow"}, messages(entries))
	require.Equal(t, noon.UnixNano(), entries[0].Time)
	require.InDelta(t, 2, testutil.ToFloat64(s.metrics.expired), 0)
	require.InDelta(t, 1, testutil.ToFloat64(s.metrics.future), 0)
	problems, err := testutil.GatherAndLint(reg)
	require.NoError(t, err)
	require.Empty(t, problems)
}

func TestCancelledAppendStoresNothing(t *testing.T) {
	s := openStore(t, Options{})
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("a", noon, 1)}))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorIs(t, s.Append(ctx, []logrecord.Batch{batch("b", noon, 5)}), context.Canceled)
	require.Equal(t, 1, count(t, s))
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("b", noon, 5)}))
	require.Equal(t, 6, count(t, s))
}

func TestConcurrentAppendAndQuery(t *testing.T) {
	s := openStore(t, Options{Threads: 2})
	var wg sync.WaitGroup
	for w := range 4 {
		wg.Go(func() {
			for i := range 10 {
				id := fmt.Sprintf("%d-%d", w, i)
				if err := s.Append(t.Context(), []logrecord.Batch{batch(id, noon.Add(time.Duration(i-5)*24*time.Hour/4), 20)}); err != nil {
					t.Error(err)
				}
				if _, err := s.Query(t.Context(), Query{Text: "line"}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	require.Equal(t, 800, count(t, s))
}

func TestChunkSetForgetsTheOldest(t *testing.T) {
	dir := t.TempDir()
	s := openStore(t, Options{Dir: dir, MaxChunkIDs: 10})
	for i := range 40 {
		require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch(fmt.Sprint(i), noon, 1)}))
	}
	s.maintain(t.Context())
	d := s.daysBetween(noon.UnixNano(), noon.UnixNano()+1)[0]
	require.LessOrEqual(t, d.state.chunks.len(), 10)
	var n int
	require.NoError(t, s.engine.db.QueryRow("SELECT count(*) FROM d20261124.chunks").Scan(&n))
	require.Equal(t, 10, n)
	for i := 36; i < 40; i++ {
		require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch(fmt.Sprint(i), noon, 1)}))
	}
	require.Equal(t, 40, count(t, s))
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	openStore(t, Options{Dir: dir})
	_, err := Open(Options{Dir: dir})
	require.ErrorContains(t, err, "in use by another process")
	_, err = Open(Options{})
	require.ErrorContains(t, err, "no directory")
	file := filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = Open(Options{Dir: file})
	require.ErrorContains(t, err, file)
}

func TestClosedStore(t *testing.T) {
	s := openStore(t, Options{})
	require.NoError(t, s.Close())
	require.ErrorIs(t, s.Append(t.Context(), []logrecord.Batch{batch("a", noon, 1)}), ErrClosed)
	_, err := s.Query(t.Context(), Query{})
	require.NoError(t, err) // no day, nothing to read
	_, err = s.Subscribe(Query{})
	require.ErrorIs(t, err, ErrClosed)
}
