package filesystem

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/reading"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func write(t *testing.T, path string, size int) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, make([]byte, size), 0o600))
}

// blocks is the room a file takes.
func blocks(t *testing.T, paths ...string) (sum uint64) {
	t.Helper()
	for _, path := range paths {
		var st unix.Stat_t
		require.NoError(t, unix.Lstat(path, &st))
		sum += uint64(st.Blocks) * 512
	}
	return sum
}

func TestDiskUsageCountsEachFileOnce(t *testing.T) {
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	write(t, in("a/big"), 300<<10)
	write(t, in("a/b/small"), 10)
	require.NoError(t, os.Link(in("a/big"), in("a/b/again")))
	require.NoError(t, os.Symlink(in("a"), in("loop")))
	got, err := diskUsage(context.Background(), dir)
	require.NoError(t, err)
	require.Equal(t, blocks(t, dir, in("a"), in("a/b"), in("a/big"), in("a/b/small"), in("loop")), got)
	require.GreaterOrEqual(t, got, uint64(300<<10))

	_, err = diskUsage(context.Background(), in("none"))
	require.ErrorIs(t, err, os.ErrNotExist)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = diskUsage(ctx, dir)
	require.ErrorIs(t, err, context.Canceled)
}

func TestManyContainersAskTheirFilesystemOnce(t *testing.T) {
	f, err := New(Options{})
	require.NoError(t, err)
	var calls atomic.Int64
	f.statfs = func(path string, st *unix.Statfs_t) error {
		calls.Add(1)
		return unix.Statfs(path, st)
	}
	dir := t.TempDir()
	for i := range 100 {
		layer := filepath.Join(dir, fmt.Sprint(i), "diff")
		write(t, filepath.Join(layer, "file"), 4096*(i+1))
		write(t, filepath.Join(dir, fmt.Sprint(i), "c-json.log"), 100)
		write(t, filepath.Join(dir, fmt.Sprint(i), "c-json.log.1"), 11)
		f.Track(fmt.Sprintf("/docker/%d", i), layer, filepath.Join(dir, fmt.Sprint(i), "c-json.log"))
	}
	f.Track("/docker/gone", filepath.Join(dir, "none"), "")
	f.round(context.Background())
	require.EqualValues(t, 1, calls.Load())
	require.EqualValues(t, 1, testutil.ToFloat64(f.metrics.failures))

	var s reading.Sample
	f.Read("/docker/41", &s)
	require.Len(t, s.Filesystems, 1)
	fs := s.Filesystems[0]
	require.GreaterOrEqual(t, fs.Usage, uint64(42*4096))
	require.Less(t, fs.Usage, uint64(44*4096))
	require.Greater(t, fs.Limit, fs.Available)
	require.NotEmpty(t, fs.Device)
	logs, ok := s.Get(reading.FilesystemLogs)
	require.True(t, ok)
	require.EqualValues(t, 111, logs)

	f.Read("/docker/gone", &s)
	require.Empty(t, s.Filesystems)
	_, ok = s.Get(reading.FilesystemLogs)
	require.False(t, ok, "unknown, not zero")
	f.Forget("/docker/41")
	f.Read("/docker/41", &s)
	require.Empty(t, s.Filesystems)
}

func TestRunMeasuresAgain(t *testing.T) {
	f, err := New(Options{Every: 20 * time.Millisecond})
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- f.Run(ctx) }()
	dir := t.TempDir()
	f.Track("/a", dir, "")
	usage := func() uint64 {
		var s reading.Sample
		f.Read("/a", &s)
		if len(s.Filesystems) == 0 {
			return 0
		}
		return s.Filesystems[0].Usage
	}
	require.Eventually(t, func() bool { return usage() > 0 }, 10*time.Second, time.Millisecond)
	write(t, filepath.Join(dir, "new"), 1<<20)
	require.Eventually(t, func() bool { return usage() >= 1<<20 }, 10*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

func TestTheMachineHasTheFilesystemsOfItsBlockDevices(t *testing.T) {
	dir := t.TempDir()
	mounts := filepath.Join(dir, "mountinfo")
	spaced := strings.ReplaceAll(filepath.Join(dir, "a b"), " ", `\040`)
	require.NoError(t, os.Mkdir(filepath.Join(dir, "a b"), 0o755))
	require.NoError(t, os.WriteFile(mounts, []byte("22 1 254:0 / "+dir+" rw - ext4 /dev/vda rw\n"+
		"23 1 254:0 /x "+dir+" rw - ext4 /dev/vda rw\n24 1 0:5 / "+dir+" rw - tmpfs tmpfs rw\nbad\n25 1 x:y / / rw - a b c\n"+
		"26 1 8:1 / "+spaced+" rw shared:1 - xfs /dev/sda1 rw\n27 1 8:2 / /none rw - xfs /dev/sda2 rw\n"), 0o600))
	f, err := New(Options{MountInfo: mounts})
	require.NoError(t, err)
	f.Track("/", "/", "")
	f.round(context.Background())
	var s reading.Sample
	f.Read("/", &s)
	require.Len(t, s.Filesystems, 2)
	require.Equal(t, "/dev/vda", s.Filesystems[0].Device)
	require.Equal(t, "/dev/sda1", s.Filesystems[1].Device)
	require.Positive(t, s.Filesystems[0].Usage)
}

func FuzzMounts(f *testing.F) {
	f.Add(`22 1 254:0 / /a\040b rw - ext4 /dev/vda rw`)
	f.Fuzz(func(t *testing.T, text string) {
		require.LessOrEqual(t, len(parseMounts(text)), strings.Count(text, "\n")+1)
	})
}
