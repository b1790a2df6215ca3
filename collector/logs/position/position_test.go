package position

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/spool"
)

func at(inode uint64, seen, end int64) chunk.Position {
	return chunk.Position{Device: 1, Inode: inode, Seen: seen, Fingerprint: 7, FingerprintLen: 10, Tail: 9,
		End: end, From: [2]int64{end, end}, Path: "/var/log/a \"b\"\n.log"}
}

func noChunks(func(spool.Entry) error) error { return nil }

func open(t *testing.T, path string) *Store {
	t.Helper()
	s, err := Open(Options{Path: path})
	require.NoError(t, err)
	require.NoError(t, s.Recover(noChunks))
	return s
}

func TestCheckpoint(t *testing.T) {
	path := filepath.Join(t.TempDir(), "positions")
	s := open(t, path)
	s.Put(at(1, 1, 100))
	done := at(2, 1, 50)
	done.Done = true
	s.Put(done)
	require.NoError(t, s.Save())
	data, err := os.ReadFile(path)
	require.NoError(t, err)
	require.Contains(t, string(data), "\n1 1 1 0000000000000007 10 0000000000000009 100 100 100 open ")

	again := open(t, path)
	require.Equal(t, []chunk.Position{at(1, 1, 100)}, again.Of(1, 1))
	require.Equal(t, []chunk.Position{done}, again.Of(1, 2))
	require.NoError(t, os.Remove(path))
	require.NoError(t, again.Save())
	require.NoFileExists(t, path, "nothing changed")
}

func TestNewestPositionWins(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "positions"))
	s.Put(at(1, 1, 100))
	s.Put(at(1, 1, 50))
	require.EqualValues(t, 100, s.Of(1, 1)[0].End)
	partial := at(1, 1, 100)
	partial.From[1] = 20
	s.Put(partial)
	require.EqualValues(t, 100, s.Of(1, 1)[0].Start(), "a partial that was completed stays completed")
	s.Put(at(1, 2, 10))
	require.Equal(t, []chunk.Position{at(1, 2, 10), at(1, 1, 100)}, s.Of(1, 1))
	for seen := range int64(10) {
		s.Put(at(1, 3+seen, 1))
	}
	require.Len(t, s.Of(1, 1), pastKept)
	require.EqualValues(t, 12, s.Of(1, 1)[0].Seen)
}

func TestRecoverFromSpool(t *testing.T) {
	path := filepath.Join(t.TempDir(), "positions")
	old := open(t, path)
	old.Put(at(1, 1, 100))
	old.Put(at(2, 1, 10))
	require.NoError(t, old.Save())

	s, err := Open(Options{Path: path})
	require.NoError(t, err)
	require.ErrorIs(t, s.BeforeDelete(1), errNotRecovered)
	require.NoError(t, s.Recover(func(f func(spool.Entry) error) error {
		for i, advance := range [][]chunk.Position{{at(1, 1, 60)}, {at(2, 1, 70), at(3, 1, 5)}} {
			data := chunk.AppendEncode(nil, &chunk.Chunk{Advance: advance})
			require.NoError(t, f(spool.Entry{Seq: uint64(i + 1), Data: data}))
		}
		return f(spool.Entry{Seq: 3, Data: []byte("junk")})
	}))
	require.EqualValues(t, 100, s.Of(1, 1)[0].End)
	require.EqualValues(t, 70, s.Of(1, 2)[0].End)
	require.EqualValues(t, 5, s.Of(1, 3)[0].End)

	failed := errors.New("disk on fire")
	require.ErrorIs(t, s.Recover(func(func(spool.Entry) error) error { return failed }), failed)
}

func TestCorruptCheckpoint(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "positions")
	good := format([]chunk.Position{at(1, 1, 100)})
	for name, data := range map[string][]byte{
		"empty": {}, "junk": []byte("\x00\x01"), "short": good[:len(good)-20],
		"flipped": bytes.Replace(good, []byte(" 100 "), []byte(" 101 "), 1),
		"version": format(nil)[1:],
	} {
		require.NoError(t, os.WriteFile(path, data, 0o600))
		var log bytes.Buffer
		s, err := Open(Options{Path: path, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		require.NoError(t, err, name)
		require.Contains(t, log.String(), "log positions cannot be read", name)
		require.NoFileExists(t, path)
		aside, err := filepath.Glob(path + ".corrupt-*")
		require.NoError(t, err)
		require.NotEmpty(t, aside, name)
		require.Empty(t, s.Of(1, 1))
	}
}

// TestBeforeDeleteWaitsForCommit: a chunk can be durable, shipped and about to
// be deleted before its positions count.
func TestBeforeDeleteWaitsForCommit(t *testing.T) {
	path := filepath.Join(t.TempDir(), "positions")
	s := open(t, path)
	appended, release, deleted := make(chan struct{}), make(chan struct{}), make(chan error)
	go func() {
		_ = s.Commit([]chunk.Position{at(1, 1, 100)}, func() (uint64, error) {
			close(appended)
			<-release
			return 5, nil
		})
	}()
	<-appended
	go func() { deleted <- s.BeforeDelete(5) }()
	select {
	case err := <-deleted:
		t.Fatalf("deleted before the commit: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	close(release)
	require.NoError(t, <-deleted)
	require.EqualValues(t, 100, open(t, path).Of(1, 1)[0].End)
	require.NoError(t, s.BeforeDelete(4))
}

func TestFailedCommitCountsNothing(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "positions"))
	full := errors.New("no space left")
	err := s.Commit([]chunk.Position{at(1, 1, 100)}, func() (uint64, error) { return 0, full })
	require.ErrorIs(t, err, full)
	require.Empty(t, s.Of(1, 1))
}

func TestSaveFails(t *testing.T) {
	dir := t.TempDir()
	s := open(t, filepath.Join(dir, "gone", "positions"))
	s.Put(at(1, 1, 1))
	require.ErrorIs(t, s.Save(), os.ErrNotExist)
	require.Error(t, s.BeforeDelete(0), "still not written")
}

func TestPrune(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "positions"))
	s.Put(at(1, 1, 1))
	s.Put(at(2, 1, 1))
	s.Prune(time.Hour, func(*chunk.Position) bool { return false })
	require.Len(t, s.Select(func(*chunk.Position) bool { return true }), 2)
	s.Prune(-1, func(p *chunk.Position) bool { return p.Inode == 2 })
	require.Empty(t, s.Of(1, 1))
	require.Len(t, s.Of(1, 2), 1)
}

func FuzzRead(f *testing.F) {
	f.Add(format([]chunk.Position{at(1, 1, 100)}))
	f.Add(format(nil))
	f.Fuzz(func(t *testing.T, data []byte) {
		if positions, err := read(data); err == nil {
			again, err := read(format(positions))
			require.NoError(t, err)
			require.Equal(t, positions, again)
		}
		body := bytes.TrimSuffix(data, []byte("\n"))
		if p, err := readLine(string(body)); err == nil {
			again, err := readLine(string(bytes.TrimSuffix(appendLine(nil, &p), []byte("\n"))))
			require.NoError(t, err)
			require.Equal(t, p, again)
		}
	})
}
