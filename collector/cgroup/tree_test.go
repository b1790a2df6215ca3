package cgroup

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/collector/reading"
)

// tree is a v2 hierarchy of plain directories, which inotify follows just as
// well. write makes a cgroup that used some CPU.
type tree struct {
	*System
	dir string
}

func newTree(t *testing.T, o Options) tree {
	t.Helper()
	dir := t.TempDir()
	o.MountInfo = filepath.Join(dir, "mountinfo")
	line := fmt.Sprintf("30 23 0:26 / %s/cg rw - cgroup2 cgroup2 rw\n", dir)
	require.NoError(t, os.WriteFile(o.MountInfo, []byte(line), 0o600))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "cg"), 0o755))
	return tree{newSystem(t, o), filepath.Join(dir, "cg")}
}

func (tr tree) write(t *testing.T, id, file, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Join(tr.dir, id), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(tr.dir, id, file), []byte(text), 0o600))
}

func (tr tree) remove(t *testing.T, id string) {
	t.Helper()
	require.NoError(t, os.RemoveAll(filepath.Join(tr.dir, id)))
}

// log gathers events.
type eventLog struct {
	mu     sync.Mutex
	events []string
}

func (l *eventLog) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e.Kind != Walked {
		l.events = append(l.events, fmt.Sprintf("%c%s", "+-"[e.Kind], e.ID))
	}
}

// take returns the events so far once there are n, and forgets them.
func (l *eventLog) take(t *testing.T, n int) (taken []string) {
	t.Helper()
	require.Eventually(t, func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		if len(l.events) < n {
			return false
		}
		taken, l.events = l.events, nil
		return true
	}, 10*time.Second, time.Millisecond)
	return taken
}

func (l *eventLog) watch(t *testing.T, s *System) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Watch(ctx, l.add) }()
	t.Cleanup(func() {
		cancel()
		require.ErrorIs(t, <-done, context.Canceled)
	})
}

func TestWatchFollowsWhatComesAndGoes(t *testing.T) {
	tr := newTree(t, Options{Rescan: time.Hour})
	tr.write(t, "/a/b", "cpu.stat", "usage_usec 1\n")
	var l eventLog
	l.watch(t, tr.System)
	require.Equal(t, []string{"+/", "+/a", "+/a/b"}, l.take(t, 3))

	tr.write(t, "/x/y/z", "cpu.stat", "usage_usec 1\n")
	tr.write(t, "/x/data.mount", "cpu.stat", "")
	require.Equal(t, []string{"+/x", "+/x/y", "+/x/y/z"}, l.take(t, 3))

	tr.remove(t, "/a")
	require.ElementsMatch(t, []string{"-/a/b", "-/a"}, l.take(t, 2))

	require.NoError(t, os.Rename(filepath.Join(tr.dir, "x/y"), filepath.Join(tr.dir, "w")))
	require.ElementsMatch(t, []string{"-/x/y", "-/x/y/z", "+/w", "+/w/z"}, l.take(t, 4))
}

func TestManyAtOnceAreAllFound(t *testing.T) {
	tr := newTree(t, Options{Rescan: time.Hour})
	var l eventLog
	l.watch(t, tr.System)
	l.take(t, 1)
	want := map[string]bool{}
	for i := range 300 {
		id := fmt.Sprintf("/g%d/inner", i)
		tr.write(t, id, "cpu.stat", "usage_usec 1\n")
		want["+"+id], want["+"+filepath.Dir(id)] = true, true
	}
	for _, e := range l.take(t, 600) {
		require.True(t, want[e], e)
		delete(want, e)
	}
	require.Empty(t, want)
}

func TestRescanRepairsWhatWasMissed(t *testing.T) {
	tr := newTree(t, Options{Rescan: 20 * time.Millisecond})
	tr.write(t, "/a", "cpu.stat", "usage_usec 1\n")
	w := &watcher{system: tr.System, known: map[string]found{}, paths: map[int32]string{},
		watched: map[string]int32{}, primary: tr.dir} // without inotify
	var l eventLog
	w.emit = l.add
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- w.run(ctx) }()
	require.Equal(t, []string{"+/", "+/a"}, l.take(t, 2))
	tr.write(t, "/b", "cpu.stat", "usage_usec 1\n")
	require.Equal(t, []string{"+/b"}, l.take(t, 1))
	require.NoError(t, os.Rename(filepath.Join(tr.dir, "b"), filepath.Join(tr.dir, "a2"))) // keeps its inode from being used again
	tr.remove(t, "/a")
	tr.write(t, "/b", "cpu.stat", "usage_usec 1\n")
	require.ElementsMatch(t, []string{"-/b", "+/a2", "-/a", "+/b"}, l.take(t, 4))
	require.Eventually(t, func() bool { return testutil.ToFloat64(tr.metrics.repaired) >= 4 }, 5*time.Second, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
}

func TestOverflowMeansAWalk(t *testing.T) {
	tr := newTree(t, Options{})
	w := &watcher{system: tr.System, emit: func(Event) {}, paths: map[int32]string{}}
	overflow := make([]byte, unix.SizeofInotifyEvent)
	overflow[5] = unix.IN_Q_OVERFLOW >> 8
	require.True(t, w.handle(overflow))
	require.False(t, w.handle(make([]byte, unix.SizeofInotifyEvent)))
	require.EqualValues(t, 1, testutil.ToFloat64(tr.metrics.overflows))
}

func TestVanishedAndReplacedCgroupsAreGone(t *testing.T) {
	tr := newTree(t, Options{})
	tr.write(t, "/a", "cpu.stat", "usage_usec 1\n")
	r, err := tr.Open("/a")
	require.NoError(t, err)
	defer r.Close()
	var s reading.Sample
	require.NoError(t, r.Read(1, &s))
	require.NoError(t, os.Rename(filepath.Join(tr.dir, "a"), filepath.Join(tr.dir, "old")))
	tr.write(t, "/a", "cpu.stat", "usage_usec 9\n")
	require.ErrorIs(t, r.check(), ErrGone, "another cgroup under the same path")
	tr.remove(t, "/a")
	require.ErrorIs(t, r.check(), ErrGone)
}

func TestWithoutDescriptorsFilesAreOpenedEachTime(t *testing.T) {
	tr := newTree(t, Options{MaxOpenFiles: 1})
	tr.write(t, "/a", "cpu.stat", "usage_usec 1\n")
	tr.write(t, "/a", "memory.current", "4096\n")
	tr.write(t, "/a", "pids.current", "3\n")
	r, err := tr.Open("/a")
	require.NoError(t, err)
	var s reading.Sample
	for i := range int64(5) {
		require.NoError(t, r.Read(i*int64(time.Second), &s))
	}
	require.EqualValues(t, 1, tr.shared.open.Load())
	require.EqualValues(t, 10, tr.shared.reopened.Load())
	v, _ := s.Get(reading.Threads)
	require.EqualValues(t, 3, v)
	r.Close()
	require.Zero(t, tr.shared.open.Load())
}

func TestMissingFilesAreFoundLater(t *testing.T) {
	tr := newTree(t, Options{})
	tr.write(t, "/a", "cpu.stat", "usage_usec 1\n")
	r, err := tr.Open("/a")
	require.NoError(t, err)
	defer r.Close()
	var s reading.Sample
	read := func(second int, f reading.Field) (uint64, bool) {
		require.NoError(t, r.Read(int64(second)*int64(time.Second), &s))
		return s.Get(f)
	}
	read(101, reading.CPUUsage)
	tr.write(t, "/a", "pids.current", "3\n") // the cgroup was still being made
	v, _ := read(102, reading.Threads)
	require.EqualValues(t, 3, v)
	tr.write(t, "/a", "memory.current", "4096\n") // the controller was switched on
	_, ok := read(103, reading.MemoryUsage)
	require.False(t, ok)
	v, _ = read(132, reading.MemoryUsage)
	require.EqualValues(t, 4096, v)
}

func TestQuietCgroupsAreReadSeldom(t *testing.T) {
	tr := newTree(t, Options{})
	rss := func(v int) { tr.write(t, "/a", "memory.stat", fmt.Sprintf("anon %d\ninactive_file 0\n", v)) }
	tr.write(t, "/a", "cpu.stat", "usage_usec 1\n")
	tr.write(t, "/a", "memory.current", "9\n")
	rss(0)
	r, err := tr.Open("/a")
	require.NoError(t, err)
	defer r.Close()
	var s reading.Sample
	at := func(second int) uint64 {
		require.NoError(t, r.Read(int64(second)*int64(time.Second), &s))
		v, ok := s.Get(reading.MemoryRSS)
		require.True(t, ok)
		return v
	}
	for second := 100; second <= 103; second++ {
		rss(second)
		require.EqualValues(t, second, at(second), "not quiet for long enough")
	}
	for second := 104; second <= 112; second++ {
		rss(second)
		require.EqualValues(t, 103, at(second), "quiet")
	}
	require.EqualValues(t, 112, at(113), "after ten seconds at most")
	rss(114)
	require.EqualValues(t, 112, at(114))
	tr.write(t, "/a", "cpu.stat", "usage_usec 2\n")
	require.EqualValues(t, 114, at(115), "it ran")
	for second := 116; second <= 120; second++ {
		at(second)
	}
	rss(121)
	tr.write(t, "/a", "memory.current", "8\n")
	require.EqualValues(t, 121, at(121), "its memory moved")
	rss(50)
	require.EqualValues(t, 50, at(50), "the clock was set back")
}

func TestReadingAllocatesNothing(t *testing.T) {
	for name, id := range map[string]string{
		"v1": "/docker/" + id, "hybrid": "/system.slice/docker-" + id + ".scope", "v2": pod + "/cri-containerd-" + id + ".scope",
	} {
		for _, id := range []string{id, Root} {
			r, err := fixture(t, name).Open(id)
			require.NoError(t, err)
			var s reading.Sample
			now := int64(1e18)
			require.NoError(t, r.Read(now, &s))
			require.NoError(t, r.Read(now, &s))
			require.Zero(t, testing.AllocsPerRun(100, func() {
				now += int64(time.Millisecond) // within one slow period
				r.quiet = quiet{}
				if err := r.Read(now, &s); err != nil {
					panic(err)
				}
			}), "%s %s", name, id)
			r.Close()
		}
	}
}
