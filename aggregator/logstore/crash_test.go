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

// crashRecords is the size of the chunks that the killed writer stores.
const crashRecords = 500

// writeUntilKilled is the child's main: it stores chunk after chunk and prints
// the number of each one that is committed.
func writeUntilKilled(dir string) {
	s, err := Open(Options{Dir: dir, Now: at(noon)})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	first := 0
	fmt.Sscan(os.Getenv("LOGSTORE_TEST_FIRST"), &first) //nolint:errcheck // zero is the default
	midnight := noon.Truncate(24 * time.Hour)
	for i := first; ; i++ {
		b := batch(fmt.Sprintf("chunk-%d", i), midnight.Add(-crashRecords/2*time.Millisecond), crashRecords)
		if err := s.Append(context.Background(), []logrecord.Batch{b}); err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
		fmt.Println(i)
	}
}

// TestKilledWriter kills a writer at some moment, several times on the same
// files: chunks that it said were committed are there, and every chunk is
// there whole with its id or not at all.
func TestKilledWriter(t *testing.T) {
	dir := t.TempDir()
	next := 0
	for round := range 4 {
		acknowledged := killWriter(t, dir, next, 5+7*round)
		s, err := Open(Options{Dir: dir, Now: at(noon)})
		require.NoError(t, err)
		require.NoError(t, s.Append(t.Context(), []logrecord.Batch{batch("after", noon, 1)}))
		ids := 0
		for _, d := range s.listDays() {
			ids = max(ids, checkWholeChunks(t, s, d, acknowledged))
		}
		// A resend of what was not acknowledged completes it.
		for i := acknowledged + 1; i < max(ids, acknowledged+3); i++ {
			b := batch(fmt.Sprintf("chunk-%d", i), noon.Truncate(24*time.Hour).Add(-crashRecords/2*time.Millisecond), crashRecords)
			require.NoError(t, s.Append(t.Context(), []logrecord.Batch{b}))
			next = i + 1
		}
		require.Equal(t, next*crashRecords+1, count(t, s))
		require.NoError(t, s.Close())
	}
}

// killWriter runs a writer from the chunk on and kills it after so many
// acknowledgements; it returns the last chunk that was acknowledged.
func killWriter(t *testing.T, dir string, first, after int) int {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "LOGSTORE_TEST_WRITER="+dir, fmt.Sprintf("LOGSTORE_TEST_FIRST=%d", first))
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
func checkWholeChunks(t *testing.T, s *Store, d *day, acknowledged int) int {
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
		require.Equal(t, crashRecords/2, records, id)
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
	killWriter(t, dir, 0, 5)
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
