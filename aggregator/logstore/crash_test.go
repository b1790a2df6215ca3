package logstore

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/lubberline/lubberline/logrecord"
)

// The sizes of the chunks that the killed writer stores, half of them on each
// side of midnight: some that go through the write-ahead log, and some that fill
// a row group of their own, which the engine writes into the file at once.
const (
	crashRecords    = 500
	crashRowGroups  = 2 * 123_000
	crashSizeEnv    = "LOGSTORE_TEST_RECORDS"
	crashFirstChunk = "LOGSTORE_TEST_FIRST"
)

// writeUntilKilled is the child's main: it stores chunk after chunk and prints
// the number of each one that is committed.
func writeUntilKilled(dir string) {
	s, err := Open(Options{Dir: dir, Now: at(noon)})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	first, size := 0, crashRecords
	fmt.Sscan(os.Getenv(crashFirstChunk), &first) //nolint:errcheck // zero is the default
	fmt.Sscan(os.Getenv(crashSizeEnv), &size)     //nolint:errcheck // as above
	for i := first; ; i++ {
		b := crashBatch(i, size)
		if err := s.Append(context.Background(), []logrecord.Batch{b}); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

// crashBatch is the chunk of a number.
func crashBatch(i, size int) logrecord.Batch {
	return batch(fmt.Sprintf("chunk-%d", i), noon.Truncate(24*time.Hour).Add(-time.Duration(size/2)*time.Millisecond), size)
}

// TestKilledWriter kills a writer at some moment, several times on the same
// files: chunks that it said were committed are there, and every chunk is
// there whole with its id or not at all.
func TestKilledWriter(t *testing.T) {
	t.Run("small chunks", func(t *testing.T) { testKilledWriter(t, crashRecords, []int{5, 12, 19, 26}) })
	t.Run("row groups", func(t *testing.T) { testKilledWriter(t, crashRowGroups, []int{0, 1}) })
}

func testKilledWriter(t *testing.T, size int, rounds []int) {
	dir := t.TempDir()
	next := 0
	for _, after := range rounds {
		acknowledged := killWriter(t, dir, size, next, after)
		s, err := Open(Options{Dir: dir, Now: at(noon)})
		require.NoError(t, err)
		require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("after", noon, 1)}))
		ids := 0
		for _, d := range s.listDays() {
			ids = max(ids, checkWholeChunks(t, s, d, size, acknowledged))
		}
		// A resend of what was not acknowledged completes it.
		for i := acknowledged + 1; i < max(ids, acknowledged+3); i++ {
			require.NoError(t, s.Append(t.Context(), []logrecord.Batch{crashBatch(i, size)}))
			next = i + 1
		}
		require.Equal(t, next*size+1, count(t, s))
		require.NoError(t, s.Close())
	}
}

// killWriter runs a writer from the chunk on and kills it after so many
// acknowledgements; it returns the last chunk that was acknowledged.
func killWriter(t *testing.T, dir string, size, first, after int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LOGSTORE_TEST_WRITER="+dir, fmt.Sprintf("%s=%d", crashFirstChunk, first), fmt.Sprintf("%s=%d", crashSizeEnv, size))
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	lines := bufio.NewScanner(out)
	last := first - 1
	for lines.Scan() {
		n := 0
		_, err := fmt.Sscan(lines.Text(), &n)
		require.NoError(t, err, lines.Text())
		last = n
		if n == first+after {
			require.NoError(t, cmd.Process.Signal(unix.SIGKILL))
		}
	}
	require.ErrorContains(t, cmd.Wait(), "killed")
	require.GreaterOrEqual(t, last, first+after)
	return last
}

// checkWholeChunks checks a day's chunks and returns how many it has.
func checkWholeChunks(t *testing.T, s *Store, d *day, size, acknowledged int) int {
	t.Helper()
	c := d.number.catalog()
	_, err := s.Count(t.Context(), Query{From: d.number.start(), To: d.number.end()}) // attaches the day
	require.NoError(t, err)
	rows, err := s.engine.db.Query(`SELECT id, (SELECT count(*) FROM ` + c + `.records WHERE starts_with(message, id || ' '))
		FROM ` + c + `.chunks WHERE id <> 'after'`)
	require.NoError(t, err)
	defer rows.Close()
	n, sum := 0, 0
	for rows.Next() {
		var id string
		var records int
		require.NoError(t, rows.Scan(&id, &records))
		require.Equal(t, size/2, records, id)
		n++
		sum += records
	}
	require.NoError(t, rows.Err())
	require.GreaterOrEqual(t, n, acknowledged+1)
	var all int
	require.NoError(t, s.engine.db.QueryRow(`SELECT count(*) FROM `+c+`.records WHERE NOT starts_with(message, 'after')`).Scan(&all))
	require.Equal(t, sum, all, "records without their chunk id")
	return n
}

func TestBrokenDayFileIsSetAside(t *testing.T) {
	yesterday := noon.Add(-24 * time.Hour)
	for name, damage := range map[string]func(t *testing.T, path string){
		"garbage": func(t *testing.T, path string) {
			require.NoError(t, os.WriteFile(path, bytes.Repeat([]byte("not a database "), 1000), 0o600))
		},
		"header cut": func(t *testing.T, path string) { require.NoError(t, os.Truncate(path, 100)) },
		"zeroed blocks": func(t *testing.T, path string) {
			info, err := os.Stat(path)
			require.NoError(t, err)
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			require.NoError(t, err)
			defer f.Close()
			_, err = f.WriteAt(make([]byte, info.Size()-12288), 12288)
			require.NoError(t, err)
		},
		"flipped bytes": func(t *testing.T, path string) {
			content, err := os.ReadFile(path)
			require.NoError(t, err)
			for i := 12288; i < len(content); i += 997 {
				content[i] ^= 0x55
			}
			require.NoError(t, os.WriteFile(path, content, 0o600))
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openStore(t, Options{Dir: dir})
			require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("y", yesterday, 5000), batch("t", noon, 10)}))
			require.NoError(t, s.Close())
			damage(t, filepath.Join(dir, "logs-2026-11-23.duckdb"))

			s = openStore(t, Options{Dir: dir})
			entries, err := s.Query(t.Context(), Query{Limit: 10_000})
			require.NoError(t, err)
			require.Len(t, entries, 10)
			aside, err := filepath.Glob(filepath.Join(dir, "*.corrupt-*"))
			require.NoError(t, err)
			require.NotEmpty(t, aside)
			require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("y", yesterday, 3)}))
			require.Equal(t, 13, count(t, s))
		})
	}
}

func TestBrokenWriteAheadLogIsSetAside(t *testing.T) {
	dir := t.TempDir()
	killWriter(t, dir, crashRecords, 0, 5)
	wal := filepath.Join(dir, "logs-2026-11-24.duckdb.wal")
	content, err := os.ReadFile(wal)
	require.NoError(t, err)
	for i := 100; i < len(content); i += 501 {
		content[i] ^= 0x55
	}
	require.NoError(t, os.WriteFile(wal, content, 0o600))
	s := openStore(t, Options{Dir: dir})
	require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("new", noon, 3)}))
	entries, err := s.Query(t.Context(), Query{From: noon})
	require.NoError(t, err)
	require.Len(t, entries, 3)
}
