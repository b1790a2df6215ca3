package logs

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/reading"
)

// benchLines is a mebibyte or so of CRI lines of 214 bytes on average, half of
// them with JSON payload.
func benchLines() []byte {
	var b bytes.Buffer
	for n := 0; b.Len() < 1<<20; n++ {
		if n%2 == 0 {
			payload := fmt.Sprintf(`{"level":"info","msg":"request served","path":"/api/v1/items/%d","status":200,"trace":"%032x"}`, n, n)
			b.WriteString(cri("stdout", "F", payload+strings.Repeat(" ", 58)))
			continue
		}
		b.WriteString(cri("stderr", "F", fmt.Sprintf("worker %d: took %d ms for a batch of records, %s", n%7, n%100, strings.Repeat("x", 124))))
	}
	return b.Bytes()
}

// BenchmarkTail reads 20 CRI files into a real spool, from page cache. The size
// in MiB is LUBBERLINE_BENCH_MIB, 256 when not set.
func BenchmarkTail(b *testing.B) {
	mib, err := strconv.Atoi(os.Getenv("LUBBERLINE_BENCH_MIB"))
	if err != nil {
		mib = 256
	}
	dir := b.TempDir()
	block := benchLines()
	var size int64
	for n := range 20 {
		f, err := os.Create(filepath.Join(dir, fmt.Sprint(n, ".log")))
		require.NoError(b, err)
		for written := 0; written < mib<<20/20; written += len(block) {
			_, err := f.Write(block)
			require.NoError(b, err)
			size += int64(len(block))
		}
		require.NoError(b, f.Close())
	}
	b.SetBytes(size)
	for run := 0; b.Loop(); run++ {
		b.StopTimer()
		state := filepath.Join(dir, fmt.Sprint("state", run))
		tailer, s := openReal(b, state, nil)
		for n := range 20 {
			name := fmt.Sprint(n, ".log")
			require.NoError(b, tailer.Add(Source{ID: name, Path: filepath.Join(dir, name), Format: reading.CRI, Tag: name}))
		}
		before, start := cpu(b), time.Now()
		b.StartTimer()
		for tailer.Poll() {
		}
		b.StopTimer()
		gib := float64(size) / (1 << 30)
		b.ReportMetric((cpu(b)-before).Seconds()/gib, "CPU-s/GiB")
		b.ReportMetric(float64(size)/1e6/time.Since(start).Seconds(), "file-MB/s")
		b.ReportMetric(float64(peakRSS(b))/(1<<20), "peak-MiB")
		require.NoError(b, tailer.Close())
		require.NoError(b, s.Close())
		require.NoError(b, os.RemoveAll(state))
		b.StartTimer()
	}
}

func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func peakRSS(b *testing.B) int64 {
	var u syscall.Rusage
	require.NoError(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
	return u.Maxrss << 10
}
