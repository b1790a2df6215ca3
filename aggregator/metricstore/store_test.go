package metricstore_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/aggregator/metricstore"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T, dir string) *metricstore.Store {
	t.Helper()
	s, err := metricstore.Open(metricstore.Options{Dir: dir, Registerer: prometheus.NewRegistry()})
	require.NoError(t, err)
	return s
}

func write(t *testing.T, s *metricstore.Store, times ...int64) {
	t.Helper()
	app := s.Appender(context.Background())
	for _, at := range times {
		_, err := app.Append(0, labels.FromStrings("__name__", "m"), at, float64(at))
		require.NoError(t, err)
	}
	require.NoError(t, app.Commit())
}

func read(t *testing.T, s *metricstore.Store) []int64 {
	t.Helper()
	q, err := s.Querier(0, time.Now().Add(time.Hour).UnixMilli())
	require.NoError(t, err)
	defer q.Close()
	set := q.Select(context.Background(), true, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", "m"))
	var times []int64
	for set.Next() {
		it := set.At().Iterator(nil)
		for it.Next() == chunkenc.ValFloat {
			at, v := it.At()
			require.InDelta(t, float64(at), v, 0)
			times = append(times, at)
		}
		require.NoError(t, it.Err())
	}
	require.NoError(t, set.Err())
	return times
}

func TestSamplesSurviveARestartAndMayComeLate(t *testing.T) {
	dir, now := t.TempDir(), time.Now().UnixMilli()
	s := open(t, dir)
	write(t, s, now-1000, now)
	write(t, s, now-20*60_000) // out of order, within the window
	require.NoError(t, s.Close())

	s = open(t, dir)
	require.Equal(t, []int64{now - 20*60_000, now - 1000, now}, read(t, s))
	first, err := s.StartTime()
	require.NoError(t, err)
	require.Equal(t, now-20*60_000, first)
	require.EqualValues(t, 1, s.NumSeries())
	require.NoError(t, s.Close())
}

func TestTooOldIsRefusedAlone(t *testing.T) {
	s, now := open(t, t.TempDir()), time.Now().UnixMilli()
	defer func() { require.NoError(t, s.Close()) }()
	write(t, s, now)
	app := s.Appender(context.Background())
	_, err := app.Append(0, labels.FromStrings("__name__", "m"), now-3*3_600_000, 1)
	require.ErrorIs(t, err, storage.ErrTooOldSample)
	_, err = app.Append(0, labels.FromStrings("__name__", "m"), now+1, float64(now+1))
	require.NoError(t, err)
	require.NoError(t, app.Commit())
	require.Equal(t, []int64{now, now + 1}, read(t, s))
}

func TestDamagedBlockIsSetAside(t *testing.T) {
	dir, now := t.TempDir(), time.Now().UnixMilli()
	s := open(t, dir)
	write(t, s, now)
	require.NoError(t, s.Close())
	bad := filepath.Join(dir, "01ARZ3NDEKTSV4RRFFQ69G5FAV")
	require.NoError(t, os.Mkdir(bad, 0o750))
	require.NoError(t, os.WriteFile(filepath.Join(bad, "meta.json"), []byte("{"), 0o600))

	s = open(t, dir)
	require.Equal(t, []int64{now}, read(t, s))
	require.NoError(t, s.Close())
	require.NoDirExists(t, bad)
	kept, err := filepath.Glob(filepath.Join(dir, "quarantine", "01ARZ3NDEKTSV4RRFFQ69G5FAV-*"))
	require.NoError(t, err)
	require.Len(t, kept, 1)
}

func TestTornLogIsRepaired(t *testing.T) {
	dir, now := t.TempDir(), time.Now().UnixMilli()
	s := open(t, dir)
	write(t, s, now-1000)
	write(t, s, now)
	require.NoError(t, s.Close())
	segments, err := filepath.Glob(filepath.Join(dir, "wal", "0*"))
	require.NoError(t, err)
	raw, err := os.ReadFile(segments[0])
	require.NoError(t, err)
	for i := len(raw) - 1; i >= 0; i-- { //nolint:modernize // slices.Backward has no place to write to; the last byte written: in the second sample's record
		if raw[i] != 0 {
			raw[i] ^= 0xff
			break
		}
	}
	require.NoError(t, os.WriteFile(segments[0], raw, 0o600))

	s = open(t, dir)
	require.Equal(t, []int64{now - 1000}, read(t, s))
	write(t, s, now+1000)
	require.Equal(t, []int64{now - 1000, now + 1000}, read(t, s))
	require.NoError(t, s.Close())
}

func TestOpenNeedsADirectory(t *testing.T) {
	_, err := metricstore.Open(metricstore.Options{})
	require.ErrorContains(t, err, "no directory")
	file := filepath.Join(t.TempDir(), "f")
	require.NoError(t, os.WriteFile(file, nil, 0o600))
	_, err = metricstore.Open(metricstore.Options{Dir: file})
	require.ErrorContains(t, err, file)
}

func TestNoRoomIsToldBeforeTheDiskIsFull(t *testing.T) {
	dir := t.TempDir()
	s, err := metricstore.Open(metricstore.Options{Dir: dir, MinFree: 1 << 60})
	require.NoError(t, err)
	app := s.Appender(context.Background())
	_, err = app.Append(0, labels.FromStrings("__name__", "m"), time.Now().UnixMilli(), 1)
	require.NoError(t, err)
	require.ErrorIs(t, app.Commit(), metricstore.ErrDiskFull)
	require.Empty(t, read(t, s))
	require.NoError(t, s.Close())

	s = open(t, dir) // with room again
	now := time.Now().UnixMilli()
	write(t, s, now)
	require.Equal(t, []int64{now}, read(t, s))
	require.NoError(t, s.Close())
}
