package store

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	raft "go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// A member's files are its database (member/snap/db) and its log of writes
// (member/wal). etcd syncs them in an order that a power loss cannot break, but a
// copy of the directory that is made under load can have the one older than the
// other, and etcd ends the process over both. mend rewrites the log, from what
// is there, to one that fits; nothing that either has is lost. The old log stays
// beside it.

// applied is up to where the database has the log, and who the members are.
type applied struct {
	index, term uint64
	members     *raft.ConfState // nil where it does not say
}

// mend does nothing for files that fit and for a directory without any.
func mend(dir string, log *slog.Logger) error {
	walDir := filepath.Join(dir, "member", "wal")
	if !wal.Exist(walDir) {
		return nil
	}
	database, err := readApplied(filepath.Join(dir, "member", "snap", "db"))
	if err != nil || database.index == 0 {
		return err
	}
	zlog := zap.NewNop()
	marks, err := wal.ValidSnapshotEntries(zlog, walDir)
	if err != nil {
		return fmt.Errorf("read the log of writes: %w", err)
	}
	start := newestWithin(marks, database.index)
	if start == nil {
		return fmt.Errorf("the log of writes begins behind the database, which has %d writes", database.index)
	}
	c, err := readLog(zlog, walDir, start)
	if err != nil {
		return err
	}
	newestMark, last := marks[len(marks)-1].GetIndex(), start.GetIndex()
	if n := len(c.entries); n > 0 {
		last = c.entries[n-1].GetIndex()
	}
	switch {
	case newestMark > database.index:
		log.Warn("the copy of the store has a newer log than database; writing the log anew", "database", database.index, "log", last)
	case last < database.index:
		log.Warn("the copy of the store has a newer database than log; beginning a new log", "database", database.index, "log", last)
		c.begin(database)
	default:
		return nil
	}
	return c.replace(zlog, walDir)
}

func newestWithin(marks []*walpb.Snapshot, index uint64) *walpb.Snapshot {
	for i := len(marks) - 1; i >= 0; i-- {
		if marks[i].GetIndex() <= index {
			return marks[i]
		}
	}
	return nil
}

// readApplied reads it from the database's bucket meta, as etcd keeps it there.
func readApplied(path string) (a applied, err error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: time.Second})
	if errors.Is(err, os.ErrNotExist) {
		return a, nil
	}
	if err != nil {
		return a, fmt.Errorf("read the database: %w", err)
	}
	defer db.Close()
	return a, db.View(func(tx *bolt.Tx) error {
		meta := tx.Bucket([]byte("meta"))
		if meta == nil {
			return nil
		}
		number := func(key string) uint64 {
			if v := meta.Get([]byte(key)); len(v) == 8 {
				return binary.BigEndian.Uint64(v)
			}
			return 0
		}
		a = applied{index: number("consistent_index"), term: number("term")}
		if text := meta.Get([]byte("confState")); text != nil {
			return json.Unmarshal(text, &a.members)
		}
		return nil
	})
}
