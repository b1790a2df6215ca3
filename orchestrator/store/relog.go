package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"go.etcd.io/etcd/server/v3/storage/wal"
	"go.etcd.io/etcd/server/v3/storage/wal/walpb"
	raft "go.etcd.io/raft/v3/raftpb"
	"go.uber.org/zap"
)

// content is what a log of writes says from one mark on.
type content struct {
	metadata []byte
	state    *raft.HardState
	entries  []*raft.Entry
	start    *walpb.Snapshot
}

// readLog reads up to where the log was cut.
func readLog(log *zap.Logger, dir string, start *walpb.Snapshot) (*content, error) {
	w, err := wal.OpenForRead(log, dir, start)
	if err != nil {
		return nil, fmt.Errorf("read the log of writes: %w", err)
	}
	defer w.Close()
	c := &content{start: start}
	c.metadata, c.state, c.entries, err = w.ReadAll()
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fmt.Errorf("read the log of writes: %w", err)
	}
	return c, nil
}

// begin makes it a log that begins where the database ends.
func (c *content) begin(database applied) {
	term := max(database.term, c.state.GetTerm())
	c.start = &walpb.Snapshot{Index: &database.index, Term: &database.term, ConfState: database.members}
	c.state.Term, c.state.Commit = &term, &database.index
	c.entries = nil
}

// replace writes it as a new log, and puts that in the place of the one that is
// there, which is kept under another name.
func (c *content) replace(log *zap.Logger, dir string) error {
	next := dir + ".next"
	if err := os.RemoveAll(next); err != nil {
		return err
	}
	w, err := wal.Create(log, next, c.metadata)
	if err != nil {
		return fmt.Errorf("write a new log: %w", err)
	}
	if c.start.GetIndex() > 0 {
		err = w.SaveSnapshot(c.start)
	}
	if err = errors.Join(err, w.Save(c.state, c.entries), w.Close()); err != nil {
		return fmt.Errorf("write a new log: %w", err)
	}
	if err := os.Rename(dir, dir+".until-"+time.Now().UTC().Format("20060102-150405.000")); err != nil {
		return err
	}
	return os.Rename(next, dir)
}
