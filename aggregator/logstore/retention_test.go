package logstore

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/logrecord"
)

// noise makes records that do not compress.
func noise(id string, t time.Time, n int, step time.Duration) logrecord.Batch {
	b := batch(id, t, n)
	r := rand.New(rand.NewPCG(uint64(t.UnixNano()), 7))
	for i := range b.Records {
		text := make([]byte, 0, 512)
		for range 32 {
			text = fmt.Appendf(text, "%016x", r.Uint64())
		}
		b.Records[i].Log = string(text)
		b.Records[i].Time = t.Add(time.Duration(i) * step).UnixNano()
	}
	return b
}

func TestRetentionDeletesWholeDays(t *testing.T) {
	dir := t.TempDir()
	var clock atomic.Int64
	clock.Store(noon.UnixNano())
	s := openStore(t, Options{Dir: dir, Retention: 48 * time.Hour, Now: func() time.Time { return time.Unix(0, clock.Load()) }})
	for i := range 3 {
		require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch(fmt.Sprint(i), noon.AddDate(0, 0, -i), 1)}))
	}
	s.maintain(t.Context())
	require.Equal(t, 3, count(t, s))
	clock.Store(noon.Add(30 * time.Hour).UnixNano())
	s.maintain(t.Context())
	require.Equal(t, 2, count(t, s))
	require.NoFileExists(t, filepath.Join(dir, "logs-2026-11-22.duckdb"))
	require.FileExists(t, filepath.Join(dir, "logs-2026-11-23.duckdb"))
}

func TestIdleDaysAreClosed(t *testing.T) {
	var clock atomic.Int64
	clock.Store(noon.UnixNano())
	s := openStore(t, Options{IdleClose: time.Minute, Now: func() time.Time { return time.Unix(0, clock.Load()) }})
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("a", noon, 1), batch("b", noon.AddDate(0, 0, -1), 1)}))
	clock.Store(noon.Add(2 * time.Minute).UnixNano())
	s.maintain(t.Context())
	attached := func() (n int) {
		require.NoError(t, s.engine.db.QueryRow("SELECT count(*) FROM duckdb_databases() WHERE database_name LIKE 'd2%'").Scan(&n))
		return n
	}
	require.Equal(t, 1, attached())
	require.Equal(t, 2, count(t, s))
	require.Equal(t, 2, attached())
}

func TestSizeCapDeletesOldestDays(t *testing.T) {
	s := openStore(t, Options{MaxBytes: 12 << 20})
	for i := range 3 {
		require.NoError(t, s.Append(t.Context(), []logrecord.Batch{noise(fmt.Sprint("day", i), noon.AddDate(0, 0, -i), 20_000, time.Millisecond)}))
	}
	for _, d := range s.listDays() {
		s.detach(d)
	}
	s.maintain(t.Context())
	days := s.listDays()
	require.NotEmpty(t, days)
	require.Less(t, len(days), 3)
	require.Equal(t, dayOf(noon.UnixNano()), days[len(days)-1].number)
	require.LessOrEqual(t, s.Bytes(), int64(12<<20))
}

func TestSizeCapDeletesOldestHoursOfToday(t *testing.T) {
	const budget = 40 << 20
	s := openStore(t, Options{MaxBytes: budget})
	for i := range 10 {
		require.NoError(t, s.Append(t.Context(), []logrecord.Batch{
			noise(fmt.Sprint("hour", i), noon.Truncate(24*time.Hour).Add(time.Duration(i)*time.Hour), 30_000, 100*time.Millisecond)}))
	}
	s.maintain(t.Context())
	entries, err := s.Query(t.Context(), Query{Ascending: true, Limit: 1})
	require.NoError(t, err)
	require.NotEmpty(t, entries)
	hour := time.Unix(0, entries[0].Time).UTC()
	require.Equal(t, hour.Truncate(time.Hour), hour, "whole hours are deleted")
	require.GreaterOrEqual(t, hour.Hour(), 5)
	used, err := s.usedBytes(t.Context(), s.listDays()[0])
	require.NoError(t, err)
	require.LessOrEqual(t, used, int64(budget))
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("after", noon, 10)}))
}

// tinyDisk mounts a small file system; fill leaves so many bytes free on it.
func tinyDisk(t *testing.T) (dir string, fill func(free int)) {
	t.Helper()
	if os.Getenv("LUBBERLINE_REAL") == "" {
		t.Skip("set LUBBERLINE_REAL=1 and be root to mount a small file system")
	}
	dir = t.TempDir()
	require.NoError(t, unix.Mount("tmpfs", dir, "tmpfs", 0, "size=24m"))
	t.Cleanup(func() { require.NoError(t, unix.Unmount(dir, 0)) })
	return dir, func(free int) {
		var fs unix.Statfs_t
		require.NoError(t, unix.Statfs(dir, &fs))
		size := max(0, int(fs.Bavail)*int(fs.Bsize)-free)
		require.NoError(t, os.WriteFile(filepath.Join(dir, "ballast"), make([]byte, size), 0o600))
	}
}

// TestFullDiskBeforeTheFirstFile: neither a file that cannot be made nor one
// that cannot be opened is taken for a broken one.
func TestFullDiskBeforeTheFirstFile(t *testing.T) {
	dir, fill := tinyDisk(t)
	unbroken := func(names ...string) {
		t.Helper()
		found, err := filepath.Glob(filepath.Join(dir, "*.duckdb*"))
		require.NoError(t, err)
		for i := range found {
			found[i] = filepath.Base(found[i])
		}
		require.ElementsMatch(t, names, found)
	}
	s := openStore(t, Options{Dir: dir})
	for free := 0; free < 64<<10; free += 4096 {
		fill(free)
		err := s.Append(t.Context(), []logrecord.Batch{noise("a", noon, 1000, time.Millisecond)})
		require.ErrorIs(t, err, ErrDiskFull)
		require.NoError(t, os.Remove(filepath.Join(dir, "ballast")))
	}
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{noise("a", noon, 1000, time.Millisecond)}))
	require.Equal(t, 1000, count(t, s))
	require.NoError(t, s.Close())

	day := dayOf(noon.UnixNano()).fileName()
	fill(0)
	s = openStore(t, Options{Dir: dir})
	err := s.Append(t.Context(), []logrecord.Batch{noise("b", noon, 1000, time.Millisecond)})
	require.ErrorIs(t, err, ErrDiskFull)
	require.NoError(t, os.Remove(filepath.Join(dir, "ballast")))
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{noise("b", noon, 1000, time.Millisecond)}))
	require.Equal(t, 2000, count(t, s))
	require.NoError(t, s.Close())
	unbroken(day)
}

// TestFullDisk needs root to mount a small file system.
func TestFullDisk(t *testing.T) {
	dir, fill := tinyDisk(t)
	s := openStore(t, Options{Dir: dir})
	fill(12 << 20)
	stored, failed := 0, 0
	for i := 0; failed < 3; i++ {
		require.Less(t, i, 200)
		err := s.Append(t.Context(), []logrecord.Batch{noise(fmt.Sprint(i), noon, 1000, time.Millisecond)})
		if err == nil {
			stored++
			continue
		}
		failed++
		require.ErrorIs(t, err, ErrDiskFull)
		_, err = s.Query(t.Context(), Query{Limit: 1})
		require.NoError(t, err)
	}
	require.Positive(t, stored)
	require.Equal(t, stored*1000, count(t, s))
	require.NoError(t, os.Remove(filepath.Join(dir, "ballast")))
	for i := range stored + 5 {
		require.NoError(t, s.Append(t.Context(), []logrecord.Batch{noise(fmt.Sprint(i), noon, 1000, time.Millisecond)}))
	}
	require.Equal(t, (stored+5)*1000, count(t, s))
	require.NoError(t, s.Close())
	s = openStore(t, Options{Dir: dir})
	require.Equal(t, (stored+5)*1000, count(t, s))
}
