package logstore

import (
	"fmt"
	"math/rand/v2"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/logrecord"
)

// sample makes realistic records: half JSON, half text, 20 pods, 214 bytes a
// line on average.
func sample(n int, seed uint64, start time.Time) []logrecord.Record {
	r := rand.New(rand.NewPCG(seed, 1))
	sources := make([]*logrecord.Source, 20)
	for i := range sources {
		sources[i] = &logrecord.Source{Namespace: fmt.Sprintf("ns-%d", i%4), Pod: fmt.Sprintf("pod-%d", i), Container: "app",
			ContainerID: fmt.Sprintf("%064d", i), Image: "registry.example/app:1.2", Host: "node-a", Labels: map[string]string{"app": "x"}}
	}
	levels := []string{"info", "info", "info", "info", "info", "info", "debug", "debug", "warn", "error"}
	records := make([]logrecord.Record, n)
	for i := range records {
		level := levels[r.IntN(len(levels))]
		text := fmt.Sprintf(`{"level":%q,"ts":"2026-11-24T10:00:00Z","caller":"server/handler.go:%d","msg":"request served","method":"GET","path":"/api/items/%d","status":%d,"duration_ms":%d,"trace":"%016x"}`,
			level, r.IntN(400), r.IntN(100000), 200+r.IntN(4)*100, r.IntN(900), r.Uint64())
		if i%2 == 1 {
			text = fmt.Sprintf("2026-11-24 10:00:00.123 [%s] worker-%d finished job %016x in %d ms, queue depth is now %d and %d items are waiting for the next window of the scheduler run",
				level, r.IntN(32), r.Uint64(), r.IntN(5000), r.IntN(100), r.IntN(1000))
		}
		source := i / 50 % len(sources)
		records[i] = logrecord.Record{Time: start.Add(time.Duration(i) * time.Millisecond).UnixNano(), Tag: "kubernetes." + sources[source].Pod,
			Stream: "stdout", Source: sources[source], Log: text}
	}
	return records
}

func cpuTime() time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkIngest stores chunks of the given size, each committed and synced.
func BenchmarkIngest(b *testing.B) {
	for _, size := range []int{1_000, 5_000, 20_000} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			s, err := Open(Options{Dir: b.TempDir(), Now: at(noon)})
			require.NoError(b, err)
			records := sample(size, 1, noon.Add(-time.Hour))
			bytes := 0
			for _, r := range records {
				bytes += len(r.Log)
			}
			b.SetBytes(int64(bytes))
			b.ReportAllocs()
			n := 0
			cpu := cpuTime()
			for b.Loop() {
				require.NoError(b, s.Append(b.Context(), []logrecord.Batch{{ChunkID: fmt.Sprint(n), Records: records}}))
				n++
			}
			elapsed := b.Elapsed()
			require.NoError(b, s.Close())
			b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/1e3/float64(n*size), "cpu-µs/record")
			b.ReportMetric(float64(n*size)/elapsed.Seconds(), "records/s")
		})
	}
}

// BenchmarkQuery asks a store of one million records.
func BenchmarkQuery(b *testing.B) {
	s, err := Open(Options{Dir: b.TempDir(), Now: at(noon), Threads: 2})
	require.NoError(b, err)
	defer s.Close()
	const chunk, chunks = 20_000, 50
	raw := 0
	for i := range chunks {
		records := sample(chunk, uint64(i), noon.Add(-6*time.Hour+time.Duration(i*chunk)*time.Millisecond))
		for _, r := range records {
			raw += len(r.Log)
		}
		if i == 30 {
			records[777].Log = "the needle in the haystack"
		}
		require.NoError(b, s.Append(b.Context(), []logrecord.Batch{{ChunkID: fmt.Sprint(i), Records: records}}))
	}
	for _, d := range s.listDays() {
		s.detach(d)
	}
	b.Logf("raw %d MB, stored %d MB", raw>>20, s.Bytes()>>20)
	all := Query{From: noon.Add(-12 * time.Hour), To: noon}
	with := func(f func(*Query)) Query { q := all; f(&q); return q }
	for name, q := range map[string]Query{
		"newest 100":            all,
		"newest 100 of a pod":   with(func(q *Query) { q.Pods = []string{"pod-3"} }),
		"newest 100 errors":     with(func(q *Query) { q.Levels = []Level{LevelError} }),
		"rare text":             with(func(q *Query) { q.Text = "needle in" }),
		"rare text ignore case": with(func(q *Query) { q.Text = "NEEDLE in"; q.IgnoreCase = true }),
		"regex":                 with(func(q *Query) { q.Regex = "need[a-z]+ in" }),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				_, err := s.Query(b.Context(), q)
				require.NoError(b, err)
			}
		})
	}
	b.Run("histogram by level", func(b *testing.B) {
		for b.Loop() {
			_, err := s.Histogram(b.Context(), all, time.Minute, FieldLevel)
			require.NoError(b, err)
		}
	})
	b.Run("count by pod", func(b *testing.B) {
		for b.Loop() {
			_, err := s.FieldValues(b.Context(), all, FieldPod, 10)
			require.NoError(b, err)
		}
	})
	b.Logf("rss %d MB", rss(b)>>20)
}

func rss(b *testing.B) int64 {
	content, err := os.ReadFile("/proc/self/statm")
	require.NoError(b, err)
	var total, resident int64
	_, err = fmt.Sscan(string(content), &total, &resident)
	require.NoError(b, err)
	return resident * int64(os.Getpagesize())
}

func BenchmarkDetectLevel(b *testing.B) {
	records := sample(1000, 1, noon)
	n := 0
	for b.Loop() {
		DetectLevel(records[n%len(records)].Log)
		n++
	}
}
