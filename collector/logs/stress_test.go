package logs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/collector/logs/position"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/spool"
)

// openReal opens a tailer on a real spool.
func openReal(t testing.TB, dir string, change func(*Options)) (*Tailer, *spool.Spool) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o700))
	store, err := position.Open(position.Options{Path: filepath.Join(dir, "positions")})
	require.NoError(t, err)
	s, err := spool.Open(spool.Options{Dir: filepath.Join(dir, "spool"), MaxBytes: 2 << 30, BeforeDelete: store.BeforeDelete})
	require.NoError(t, err)
	o := Options{Spool: s, Positions: store, ScratchDir: dir}
	if change != nil {
		change(&o)
	}
	tailer, err := New(o)
	require.NoError(t, err)
	return tailer, s
}

func spooled(t testing.TB, s *spool.Spool) []record {
	t.Helper()
	var out []record
	require.NoError(t, s.Scan(func(e spool.Entry) error {
		c, err := chunk.Decode(e.Data)
		require.NoError(t, err)
		out = append(out, decodeEntries(t, &c)...)
		return nil
	}))
	return out
}

// generations writes and rotates a file; keep is how many rotated files stay.
type generations struct {
	path        string
	count, each int
	keep        int
	between     func(n int)
}

// run returns the number of lines written.
func (g generations) run() (int, error) {
	n := 0
	for gen := range g.count {
		var b strings.Builder
		for range g.each {
			b.WriteString(cri("stdout", "F", fmt.Sprint("line ", n)))
			n++
		}
		if err := os.WriteFile(g.path, []byte(b.String()), 0o600); err != nil {
			return n, err
		}
		if g.between != nil {
			g.between(gen)
		}
		if gen == g.count-1 {
			break
		}
		os.Remove(fmt.Sprint(g.path, ".", g.keep))
		for i := g.keep - 1; i >= 1; i-- {
			os.Rename(fmt.Sprint(g.path, ".", i), fmt.Sprint(g.path, ".", i+1))
		}
		if err := os.Rename(g.path, g.path+".1"); err != nil {
			return n, err
		}
	}
	return n, nil
}

// requireSequence wants lines 0 to n-1, in order, each once.
func requireSequence(t *testing.T, n int, got []record) {
	t.Helper()
	require.Len(t, got, n)
	for i, r := range got {
		require.Equal(t, fmt.Sprint("line ", i), r.log)
	}
}

// TestRotationAsFastAsItGoes: nothing waits for the tailer.
func TestRotationAsFastAsItGoes(t *testing.T) {
	dir := t.TempDir()
	tailer, s := openReal(t, filepath.Join(dir, "state"), nil)
	path := filepath.Join(dir, "0.log")
	require.NoError(t, tailer.Add(Source{ID: "a", Path: path, Format: reading.CRI}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- tailer.Run(ctx) }()
	n, err := generations{path: path, count: 20, each: 20_000, keep: 20}.run()
	require.NoError(t, err)
	require.Equal(t, 400_000, n)
	waitForLines(t, s, n)
	cancel()
	require.NoError(t, <-ended)
	requireSequence(t, n, spooled(t, s))
	require.NoError(t, tailer.Close())
	require.NoError(t, s.Close())
}

// TestRotationThatDeletes: only two rotated files stay; the writer goes on when
// its file has been found.
func TestRotationThatDeletes(t *testing.T) {
	dir := t.TempDir()
	tailer, s := openReal(t, filepath.Join(dir, "state"), func(o *Options) { o.RescanInterval = time.Nanosecond })
	path := filepath.Join(dir, "0.log")
	require.NoError(t, tailer.Add(Source{ID: "a", Path: path, Format: reading.CRI}))
	n, err := generations{path: path, count: 20, each: 2000, keep: 2, between: func(int) { tailer.Poll() }}.run()
	require.NoError(t, err)
	for tailer.Poll() {
	}
	requireSequence(t, n, spooled(t, s))
	require.NoError(t, tailer.Close())
	require.NoError(t, s.Close())
}

// TestRotationEveryHalfSecond takes ten seconds and is run by hand:
// LUBBERLINE_TIMED=1 go test -run HalfSecond ./collector/logs
func TestRotationEveryHalfSecond(t *testing.T) {
	if os.Getenv("LUBBERLINE_TIMED") == "" {
		t.Skip("takes ten seconds; set LUBBERLINE_TIMED")
	}
	dir := t.TempDir()
	tailer, s := openReal(t, filepath.Join(dir, "state"), nil)
	path := filepath.Join(dir, "0.log")
	require.NoError(t, tailer.Add(Source{ID: "a", Path: path, Format: reading.CRI}))
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- tailer.Run(ctx) }()
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	n, err := generations{path: path, count: 20, each: 20_000, keep: 2, between: func(int) { <-tick.C }}.run()
	require.NoError(t, err)
	waitForLines(t, s, n)
	cancel()
	require.NoError(t, <-ended)
	requireSequence(t, n, spooled(t, s))
	require.NoError(t, tailer.Close())
	require.NoError(t, s.Close())
}

func waitForLines(t *testing.T, s *spool.Spool, n int) {
	t.Helper()
	require.Eventually(t, func() bool {
		have := 0
		require.NoError(t, s.Scan(func(e spool.Entry) error {
			c, err := chunk.Decode(e.Data)
			have += c.Count
			return err
		}))
		return have >= n
	}, 30*time.Second, 50*time.Millisecond)
}
