package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// reserve is how much of the disk is kept beyond the end of the database, so
	// that what the store may still do on a full disk cannot fail: etcd ends the
	// process where it cannot write.
	reserve = 32 << 20
	// lowWater is the free room of the disk below which nothing new is taken: the
	// reserve is for what follows from what is there.
	lowWater = 32 << 20
	// ballast is the size of a file that gives its room to each of etcd's
	// snapshots, which are new files of some KiB.
	ballast     = 1 << 20
	ballastName = "reserve"
	lookEvery   = time.Second
	// snapshotMessage is what etcd says right before it writes a snapshot.
	snapshotMessage = "triggering snapshot"
)

// left is how much of the reserve there is.
type left int32

const (
	leftAll    left = iota
	leftSome        // nothing new is stored
	leftLittle      // nothing but nodes' signs of life is stored
)

// room keeps the reserve, and knows whether writes would go beyond it. Deletions
// are never refused: they are how room comes back.
type room struct {
	dir  string
	log  *slog.Logger
	left atomic.Int32
	// exceeded: etcd has said that its file is as large as it may be.
	exceeded atomic.Bool
	refused  atomic.Int64

	// known is the database that has its reserve: inode and size. It is nil when
	// the reserve must be looked at.
	known atomic.Pointer[database]
}

type database struct {
	inode uint64
	size  int64
}

func newRoom(o Options) *room {
	return &room{dir: o.Dir, log: o.Logger}
}

// run keeps the reserve until ctx ends.
func (r *room) run(ctx context.Context, mend func(context.Context)) {
	ticks := time.NewTicker(lookEvery)
	defer ticks.Stop()
	for {
		r.look()
		if r.exceeded.Load() {
			mend(ctx)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticks.C:
		}
	}
}

// look makes the reserve whole where it is not, and tells when that changes what
// is refused.
func (r *room) look() {
	free, err := r.free()
	bytes, notKept := r.keep(free)
	now := leftAll
	switch {
	case bytes < reserve/2:
		now = leftLittle
	case bytes < reserve, free < lowWater:
		now = leftSome
	}
	if err = errors.Join(err, notKept); err != nil && now == leftAll {
		r.log.Debug("the store's reserve of the disk", "error", err) // an unusual file system
	}
	before := left(r.left.Swap(int32(now)))
	switch {
	case now == before:
	case now == leftAll:
		r.log.Info("the store takes writes again: its disk has room", "dir", r.dir)
	default:
		r.log.Error("the store's disk is full: it refuses new objects", "dir", r.dir, "free_bytes", free, "reserve_bytes", bytes, "and_changes", now == leftLittle, "error", err)
	}
}

// keep allocates what is missing and returns how much there is beyond the end of
// the database. On a file system that cannot allocate it is what is free.
func (r *room) keep(free int64) (int64, error) {
	file, err := os.OpenFile(filepath.Join(r.dir, "member", "snap", "db"), os.O_WRONLY, 0)
	if err != nil {
		return reserve, err // etcd is about to make it
	}
	defer file.Close()
	var have unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &have); err != nil {
		return reserve, err
	}
	if known := r.known.Load(); known != nil && *known == (database{have.Ino, have.Size}) {
		return reserve, nil
	}
	err = unix.Fallocate(int(file.Fd()), unix.FALLOC_FL_KEEP_SIZE, 0, have.Size+reserve)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.ENOSYS):
		return min(reserve, free), nil
	case err == nil:
		err = r.refill()
	}
	if stat := unix.Fstat(int(file.Fd()), &have); stat != nil {
		return reserve, stat
	}
	if err == nil {
		r.known.Store(&database{have.Ino, have.Size})
	}
	return min(reserve, have.Blocks*512-have.Size), err
}

// free is what the disk has for us, who are root.
func (r *room) free() (int64, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(r.dir, &fs); err != nil {
		return lowWater, fmt.Errorf("free space of %s: %w", r.dir, err)
	}
	return int64(fs.Bfree) * fs.Bsize, nil
}

func (r *room) ballast() string { return filepath.Join(r.dir, ballastName) }

// refill gives the ballast its size again.
func (r *room) refill() error {
	file, err := os.OpenFile(r.ballast(), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.Fallocate(int(file.Fd()), 0, 0, ballast)
}

// heard is told what etcd says, before it does that.
func (r *room) heard(message string) {
	if message != snapshotMessage {
		return
	}
	if err := os.Truncate(r.ballast(), 0); err != nil && !errors.Is(err, os.ErrNotExist) {
		r.log.Debug("the store's ballast stays", "error", err)
	}
	r.known.Store(nil)
}

// signs of life are small, and without them nodes would be taken for lost once
// there is room again.
const signsOfLife = "/leases/kube-node-lease/"

// refuses says why a key may not be written; isNew is for one that is not there.
func (r *room) refuses(key string, isNew bool) error {
	now := left(r.left.Load())
	if now == leftAll || now == leftSome && !isNew || strings.Contains(key, signsOfLife) && !isNew {
		return nil
	}
	r.refused.Add(1)
	what := "nothing new is stored"
	if now == leftLittle {
		what = "nothing is stored"
	}
	return insufficient(fmt.Sprintf("the disk of the store (%s) is full: %s until it has room, but objects can be deleted", r.dir, what))
}
