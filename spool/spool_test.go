package spool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
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

func TestMain(m *testing.M) {
	if dir := os.Getenv("SPOOL_TEST_CHILD"); dir != "" {
		appendForever(dir)
	}
	goleak.VerifyTestMain(m)
}

func open(t *testing.T, o Options) *Spool {
	t.Helper()
	if o.Name == "" {
		o.Name = "test"
	}
	s, err := Open(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	return s
}

// rest reads what Next has without waiting.
func rest(t *testing.T, s *Spool) []string {
	t.Helper()
	var got []string
	for {
		e, err := s.tryNext()
		if errors.Is(err, io.EOF) {
			return got
		}
		require.NoError(t, err)
		got = append(got, string(e.Data))
	}
}

func add(t *testing.T, s *Spool, entries ...string) uint64 {
	t.Helper()
	var raw [][]byte
	for _, e := range entries {
		raw = append(raw, []byte(e))
	}
	first, err := s.Append(raw...)
	require.NoError(t, err)
	return first
}

func TestEntriesComeBackInOrderUntilAcknowledged(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	require.EqualValues(t, 1, add(t, s, "a", "b"))
	require.EqualValues(t, 3, add(t, s, "", strings.Repeat("x", 300_000)))
	require.Equal(t, []string{"a", "b", "", strings.Repeat("x", 300_000)}, rest(t, s))

	require.NoError(t, s.Ack(2))
	s.Rewind()
	require.Len(t, rest(t, s), 2)
	id := s.ID()
	require.Len(t, id, 16)
	require.NoError(t, s.Close())

	s = open(t, Options{Dir: dir})
	require.Equal(t, id, s.ID())
	require.Len(t, rest(t, s), 2)
	require.EqualValues(t, 5, add(t, s, "e"))
	require.Equal(t, []string{"e"}, rest(t, s))
	require.Error(t, s.Ack(6), "never given out")
	require.NoError(t, s.Ack(5))
	require.NoError(t, s.Ack(1), "an old one is no news")
	s.Rewind()
	require.Empty(t, rest(t, s))
}

func TestNextWaits(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir()})
	ctx, cancel := context.WithCancel(t.Context())
	got := make(chan error, 1)
	next := func() {
		_, err := s.Next(ctx)
		got <- err
	}
	go next()
	add(t, s, "a")
	require.NoError(t, <-got)
	go next()
	cancel()
	require.ErrorIs(t, <-got, context.Canceled)
	ctx = t.Context()
	go next()
	require.NoError(t, s.Close())
	require.ErrorIs(t, <-got, ErrClosed)
	_, err := s.Append([]byte("x"))
	require.ErrorIs(t, err, ErrClosed)
	require.ErrorIs(t, s.Ack(1), ErrClosed)
}

func TestAcknowledgedSegmentsAreDeletedAfterTheHook(t *testing.T) {
	var mu sync.Mutex
	var asked []uint64
	refuse := errors.New("not yet")
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, SegmentBytes: 200, BeforeDelete: func(last uint64) error {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, last)
		return refuse
	}})
	for range 10 {
		add(t, s, strings.Repeat("a", 100))
	}
	require.NoError(t, s.Ack(10))
	require.Eventually(t, func() bool { mu.Lock(); defer mu.Unlock(); return len(asked) > 0 }, 10*time.Second, time.Millisecond)
	require.EqualValues(t, 1, s.Stats().FirstSeq)
	mu.Lock()
	refuse = nil
	mu.Unlock()
	require.Eventually(t, func() bool { return s.Stats().FirstSeq == 10 }, 10*time.Second, time.Millisecond)
	require.Zero(t, s.Stats().Entries)
	require.EqualValues(t, 1, asked[0])
	require.Contains(t, asked, uint64(9))
	files, err := filepath.Glob(filepath.Join(dir, "*.spool"))
	require.NoError(t, err)
	require.Len(t, files, 1)
}

func TestNumbersAreNotReusedWhenThePositionIsLost(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, SegmentBytes: 200})
	for range 10 {
		add(t, s, strings.Repeat("a", 150))
	}
	require.NoError(t, s.Ack(10))
	require.NoError(t, s.sweep())
	require.NoError(t, s.Close())
	require.NoError(t, os.Remove(filepath.Join(dir, "position")))
	s = open(t, Options{Dir: dir, SegmentBytes: 200})
	require.Len(t, rest(t, s), 1, "the last one is sent again")
	require.EqualValues(t, 11, add(t, s, "next"))
}

func TestNumbersJumpAfterARestartOfTheMachine(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir})
	add(t, s, "a")
	require.NoError(t, s.Close())
	require.NoError(t, os.WriteFile(filepath.Join(dir, "lock"), []byte("another boot\n"), 0o600))
	s = open(t, Options{Dir: dir})
	require.EqualValues(t, 2+numbersAfterDoubt, add(t, s, "b"))
	require.Equal(t, []string{"a", "b"}, rest(t, s))
	require.EqualValues(t, 2, s.Stats().Entries)
}

func TestOldestAreShedOverTheCap(t *testing.T) {
	var log strings.Builder
	reg := prometheus.NewRegistry()
	s := open(t, Options{
		Dir: t.TempDir(), MaxBytes: 4000, SegmentBytes: 1000, Registerer: reg,
		Logger: slog.New(slog.NewTextHandler(&log, nil)),
	})
	for i := range 100 {
		add(t, s, fmt.Sprintf("%0400d", i))
		require.NoError(t, s.sweep())
		require.LessOrEqual(t, s.Stats().Bytes, int64(4000+1000))
	}
	st := s.Stats()
	require.Equal(t, 100-st.Entries, st.Shed)
	require.Less(t, st.Entries, uint64(11))
	got := rest(t, s)
	require.Len(t, got, int(st.Entries))
	require.Equal(t, fmt.Sprintf("%0400d", 99), got[len(got)-1])
	require.Contains(t, log.String(), "shedding the oldest")
	require.NoError(t, testutil.GatherAndCompare(reg, strings.NewReader(fmt.Sprintf(`
# HELP lubberline_spool_shed_entries_total Unacknowledged entries deleted because of the size cap.
# TYPE lubberline_spool_shed_entries_total counter
lubberline_spool_shed_entries_total{spool="test"} %d
`, st.Shed)), "lubberline_spool_shed_entries_total"))
}

func TestReaderPassesOverWhatIsShed(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), MaxBytes: 4000, SegmentBytes: 1000})
	add(t, s, strings.Repeat("a", 400), strings.Repeat("b", 400))
	_, err := s.Next(t.Context())
	require.NoError(t, err)
	for range 50 {
		add(t, s, strings.Repeat("c", 400))
	}
	require.NoError(t, s.sweep())
	got := rest(t, s)
	require.Len(t, got, int(s.Stats().Entries))
	require.NoError(t, s.Ack(1), "of a shed one")
}

func TestAppendFailsWhenNothingCanBeShed(t *testing.T) {
	s := open(t, Options{
		Dir: t.TempDir(), MaxBytes: 4000, SegmentBytes: 1000,
		BeforeDelete: func(uint64) error { return errors.New("never") },
	})
	var err error
	n := 0
	for err == nil {
		_, err = s.Append(make([]byte, 400))
		n++
		require.Less(t, n, 30)
	}
	require.ErrorIs(t, err, ErrFull)
	require.Len(t, rest(t, s), n-1)
}

func TestConcurrentAppendsShareSyncs(t *testing.T) {
	slow := &faultyFS{fileSystem: osFileSystem{}}
	hold := make(chan struct{})
	slow.onSync = func(string) error { <-hold; return nil }
	s := open(t, Options{Dir: t.TempDir(), fs: slow})
	const callers = 50
	firsts := make(chan uint64, callers)
	for range callers {
		go func() {
			first, err := s.Append([]byte("a"), []byte("b"))
			if err != nil {
				first = 0
			}
			firsts <- first
		}()
	}
	require.Eventually(t, func() bool {
		s.queueMu.Lock()
		defer s.queueMu.Unlock()
		return len(s.queue) == callers-1
	}, 10*time.Second, time.Millisecond)
	close(hold)
	seen := map[uint64]bool{}
	for range callers {
		first := <-firsts
		require.NotZero(t, first)
		require.False(t, seen[first] || seen[first+1])
		seen[first], seen[first+1] = true, true
	}
	require.EqualValues(t, 2, s.metrics.syncs.Load())
	require.Len(t, rest(t, s), 2*callers)
}

func TestSecondProcessIsRefused(t *testing.T) {
	dir := t.TempDir()
	open(t, Options{Dir: dir})
	_, err := Open(Options{Dir: dir})
	require.ErrorIs(t, err, ErrLocked)
	require.ErrorContains(t, err, dir)
}

func TestScanSeesAllThatIsOnDisk(t *testing.T) {
	dir := t.TempDir()
	s := open(t, Options{Dir: dir, SegmentBytes: 100})
	add(t, s, "a")
	add(t, s, strings.Repeat("b", 100))
	add(t, s, "c")
	require.NoError(t, s.Ack(2))
	require.NoError(t, s.Close())
	s = open(t, Options{Dir: dir, BeforeDelete: func(uint64) error { return errors.New("keep") }})
	var seqs []uint64
	require.NoError(t, s.Scan(func(e Entry) error {
		seqs = append(seqs, e.Seq)
		require.WithinDuration(t, time.Now(), e.Time, time.Hour)
		return nil
	}))
	require.NotEmpty(t, seqs)
	require.EqualValues(t, 3, seqs[len(seqs)-1])
	stop := errors.New("stop")
	require.ErrorIs(t, s.Scan(func(Entry) error { return stop }), stop)
}

func TestOldestAge(t *testing.T) {
	s := open(t, Options{Dir: t.TempDir(), SegmentBytes: 100})
	require.Zero(t, s.Stats().OldestAge)
	for range 5 {
		add(t, s, strings.Repeat("b", 60))
	}
	require.Positive(t, s.Stats().OldestAge)
	before := time.Now()
	add(t, s, "late")
	require.NoError(t, s.Ack(5))
	require.LessOrEqual(t, s.Stats().OldestAge, time.Since(before))
	require.NoError(t, s.Ack(6))
	require.Zero(t, s.Stats().OldestAge)
}

func TestOptionsAreChecked(t *testing.T) {
	for _, o := range []Options{{}, {Dir: "x", MaxBytes: -1}, {Dir: "x", MaxBytes: 10, SegmentBytes: 20}} {
		_, err := Open(o)
		require.Error(t, err)
	}
	s := open(t, Options{Dir: t.TempDir(), MaxBytes: 1000})
	_, err := s.Append(make([]byte, 1001))
	require.ErrorContains(t, err, "too long")
	_, err = s.Append()
	require.Error(t, err)
}
