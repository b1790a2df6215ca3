package containerlog

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"google.golang.org/grpc"
	corev1 "k8s.io/api/core/v1"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	testclock "k8s.io/utils/clock/testing"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const sample = "2026-01-01T00:00:01Z stdout F one\n" +
	"2026-01-01T00:00:02.5Z stderr F two\n" +
	"not a log line\n" +
	"2026-01-01T00:00:03Z stdout P thr\n" +
	"2026-01-01T00:00:03Z stdout F ee\n" +
	"2026-01-01T00:00:04+01:00 stdout F \n"

func write(t *testing.T, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "0.log")
	require.NoError(t, os.WriteFile(path, []byte(content), 0o640))
	return path
}

func TestRead(t *testing.T) {
	path := write(t, sample)
	f := func(o Options, stdout, stderr string) {
		t.Helper()
		var out, err bytes.Buffer
		o.Stdout, o.Stderr = &out, &err
		require.NoError(t, Read(t.Context(), path, o, nil))
		require.Equal(t, stdout, out.String())
		require.Equal(t, stderr, err.String())
	}
	f(Options{Tail: -1}, "one\nthree\n\n", "two\n")
	f(Options{Tail: 0}, "", "")
	f(Options{Tail: 2}, "ee\n\n", "")
	f(Options{Tail: 100}, "one\nthree\n\n", "two\n")
	f(Options{Tail: -1, Since: time.Date(2026, 1, 1, 0, 0, 2, 1, time.UTC)}, "three\n", "two\n")
	f(Options{Tail: -1, LimitBytes: 6}, "one\n", "tw")
	f(Options{Tail: -1, LimitBytes: 4}, "one\n", "")
	f(Options{Tail: -1, Timestamps: true},
		"2026-01-01T00:00:01.000000000Z one\n2026-01-01T00:00:03.000000000Z three\n2026-01-01T00:00:04.000000000+01:00 \n",
		"2026-01-01T00:00:02.500000000Z two\n")

	var both bytes.Buffer
	require.NoError(t, Read(t.Context(), path, Options{Tail: -1, Stdout: &both, Stderr: &both}, nil))
	require.Equal(t, "one\ntwo\nthree\n\n", both.String())
	var only bytes.Buffer
	require.NoError(t, Read(t.Context(), path, Options{Tail: -1, Stderr: &only}, nil))
	require.Equal(t, "two\n", only.String())
	require.ErrorIs(t, Read(t.Context(), path+"x", Options{}, nil), os.ErrNotExist)
	require.NoError(t, os.Symlink(path, path+".link"))
	require.NoError(t, Read(t.Context(), path+".link", Options{Stdout: io.Discard}, nil))
}

func TestLastLineWithoutNewlineAndLongLines(t *testing.T) {
	long := strings.Repeat("x", maxLine)
	path := write(t, "2026-01-01T00:00:01Z stdout F "+long+"\n2026-01-01T00:00:01Z stdout F short\n2026-01-01T00:00:02Z stdout F end")
	var out bytes.Buffer
	require.NoError(t, Read(t.Context(), path, Options{Tail: -1, Stdout: &out}, nil))
	require.Equal(t, "short\nend", out.String())
}

func TestTailOfBigFiles(t *testing.T) {
	var b strings.Builder
	for i := range 10000 {
		fmt.Fprintf(&b, "2026-01-01T00:00:01Z stdout F line %d\n", i)
	}
	path := write(t, b.String())
	for _, n := range []int64{1, 2, 1500, 3000, 9999, 10000, 20000} {
		var out bytes.Buffer
		require.NoError(t, Read(t.Context(), path, Options{Tail: n, Stdout: &out}, nil))
		require.Equal(t, int(min(n, 10000)), strings.Count(out.String(), "\n"))
		require.True(t, strings.HasSuffix(out.String(), "line 9999\n"))
	}
}

// log is a container's log that a test writes, as a runtime does.
type log struct {
	t       *testing.T
	mu      sync.Mutex
	path    string
	file    *os.File
	lines   int
	reopens int
	fail    error
	running atomic.Bool
}

func newLog(t *testing.T) *log {
	l := &log{t: t, path: filepath.Join(t.TempDir(), "0.log")}
	l.open()
	l.running.Store(true)
	t.Cleanup(func() { _ = l.file.Close() })
	return l
}

func (l *log) open() {
	f, err := os.OpenFile(l.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	require.NoError(l.t, err)
	l.file = f
}

func (l *log) ReopenContainerLog(context.Context, *runtimeapi.ReopenContainerLogRequest, ...grpc.CallOption) (*runtimeapi.ReopenContainerLogResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.fail != nil {
		return nil, l.fail
	}
	l.reopens++
	_ = l.file.Close()
	l.open()
	return &runtimeapi.ReopenContainerLogResponse{}, nil
}

func (l *log) write(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for range n {
		_, err := fmt.Fprintf(l.file, "2026-01-01T00:00:01Z stdout F %d\n", l.lines)
		require.NoError(l.t, err)
		l.lines++
	}
}

// end is the container's end: its runtime closes the file.
func (l *log) end() {
	l.running.Store(false)
	l.mu.Lock()
	defer l.mu.Unlock()
	_ = l.file.Close()
}

func (l *log) rotator(t *testing.T, clock *testclock.FakeClock) *Rotator {
	r, err := NewRotator(RotatorOptions{Runtime: l, Logs: func() []Log { return []Log{{"id", l.path}} }, MaxSize: 1000, MaxFiles: 4, Clock: clock})
	require.NoError(t, err)
	return r
}

// followed is what a follower has been given so far.
type followed struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (f *followed) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.buf.Write(b)
}

func (f *followed) lines() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return strings.Split(strings.TrimSuffix(f.buf.String(), "\n"), "\n")
}

func TestFollowOverRotationsLosesNothing(t *testing.T) {
	l := newLog(t)
	l.write(3)
	var out followed
	done := make(chan error, 1)
	go func() {
		done <- Read(context.Background(), l.path, Options{Tail: -1, Follow: true, Stdout: &out}, l.running.Load)
	}()
	require.Eventually(t, func() bool { return len(out.lines()) == 3 }, 10*time.Second, time.Millisecond)
	clock := testclock.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	r := l.rotator(t, clock)
	for range 10 {
		l.write(200)
		r.RotateAll(t.Context())
		clock.Step(time.Second)
		l.write(1)
		// No more than the kept files may come before the reader has caught up.
		require.Eventually(t, func() bool { return len(out.lines()) == l.lines }, 10*time.Second, time.Millisecond)
	}
	l.write(7)
	l.end()
	require.NoError(t, <-done)
	got := out.lines()
	require.Len(t, got, l.lines)
	for i, line := range got {
		require.Equal(t, fmt.Sprint(i), line)
	}
}

func TestASlowFollowerReadsTheRotatedFilesInOrder(t *testing.T) {
	l := newLog(t)
	r, err := open(l.path, Options{Tail: -1, Stdout: &followed{}})
	require.NoError(t, err)
	defer r.close()
	clock := testclock.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	rotate := l.rotator(t, clock)
	rotate.o.MaxFiles = 10
	first := l.path + ".20260101-000000"
	l.write(100)
	rotate.RotateAll(t.Context())
	require.FileExists(t, first)
	next, err := r.next()
	require.NoError(t, err)
	require.Equal(t, l.path, next)
	require.NoError(t, os.WriteFile(l.path+".20260101-000001", nil, 0o600))
	next, err = r.next()
	require.NoError(t, err)
	require.Equal(t, l.path+".20260101-000001", next)
}

func TestFollowEndsWithItsContext(t *testing.T) {
	l := newLog(t)
	ctx, cancel := context.WithCancel(t.Context())
	var out followed
	done := make(chan error, 1)
	go func() {
		done <- Read(ctx, l.path, Options{Tail: 0, Follow: true, Stdout: &out}, l.running.Load)
	}()
	l.write(1)
	cancel()
	require.NoError(t, <-done)
}

func TestRotationKeepsAndCompresses(t *testing.T) {
	l := newLog(t)
	clock := testclock.NewFakeClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	r := l.rotator(t, clock)
	l.write(1)
	r.RotateAll(t.Context())
	require.Zero(t, l.reopens, "too small")
	require.NoError(t, os.WriteFile(l.path+".20250101-000000.tmp", nil, 0o600))
	for range 6 {
		l.write(100)
		r.RotateAll(t.Context())
		clock.Step(time.Second)
	}
	require.Equal(t, 6, l.reopens)
	names, err := filepath.Glob(filepath.Dir(l.path) + "/*")
	require.NoError(t, err)
	require.Equal(t, []string{l.path, l.path + ".20260101-000003.gz", l.path + ".20260101-000004.gz", l.path + ".20260101-000005"}, names)
	f, err := os.Open(names[1])
	require.NoError(t, err)
	defer f.Close()
	z, err := gzip.NewReader(f)
	require.NoError(t, err)
	content, err := io.ReadAll(z)
	require.NoError(t, err)
	require.Equal(t, 100, bytes.Count(content, []byte("\n")))
}

func TestRotationThatFailsIsUndone(t *testing.T) {
	l := newLog(t)
	r := l.rotator(t, testclock.NewFakeClock(time.Now()))
	l.write(100)
	l.fail = errors.New("away")
	r.RotateAll(t.Context())
	info, err := os.Stat(l.path)
	require.NoError(t, err)
	require.Greater(t, info.Size(), int64(1000))
	l.fail = nil
	require.NoError(t, os.Remove(l.path))
	r.RotateAll(t.Context())
	require.Equal(t, 1, l.reopens, "a file that is gone is made again")
	require.FileExists(t, l.path)
}

func TestLogsOfPods(t *testing.T) {
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	p := &corev1.Pod{Status: corev1.PodStatus{
		InitContainerStatuses: []corev1.ContainerStatus{{Name: "i", ContainerID: "containerd://z"}},
		ContainerStatuses:     []corev1.ContainerStatus{{Name: "c", ContainerID: "containerd://x", RestartCount: 2, State: running}, {Name: "d", State: running}},
	}}
	require.Equal(t, []Log{{"x", "/logs/c/2.log"}}, OfPods([]*corev1.Pod{p}, func(*corev1.Pod) string { return "/logs" }))
}

func FuzzParseLine(f *testing.F) {
	for s := range strings.SplitSeq(sample, "\n") {
		f.Add([]byte(s))
	}
	f.Add([]byte("2026-01-01T00:00:01Z stdout F:x y"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := parseLine(b)
		if err != nil {
			return
		}
		require.True(t, bytes.Contains(b, l.content))
		require.True(t, l.stream == Stdout || l.stream == Stderr)
	})
}

func BenchmarkRead(b *testing.B) {
	path := filepath.Join(b.TempDir(), "0.log")
	line := "2026-01-01T00:00:01.123456789Z stdout F " + strings.Repeat("x", 100) + "\n"
	require.NoError(b, os.WriteFile(path, []byte(strings.Repeat(line, 100000)), 0o600))
	b.SetBytes(int64(len(line)) * 100000)
	for b.Loop() {
		require.NoError(b, Read(b.Context(), path, Options{Tail: -1, Timestamps: true, Stdout: io.Discard}, nil))
	}
}
