package spool

import (
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	defaultMaxBytes     = 1 << 30
	defaultSegmentBytes = 16 << 20
	// MaxEntryBytes is the longest entry that a spool takes.
	MaxEntryBytes = 512 << 20
)

var (
	// ErrClosed is returned by every call on a closed spool.
	ErrClosed = errors.New("spool is closed")
	// ErrFull is returned by Append when the spool is over its cap and the
	// oldest segment cannot be deleted, because BeforeDelete or the file system
	// refuses.
	ErrFull = errors.New("spool is full and its oldest segment cannot be shed")
	// ErrLocked is wrapped by Open when another spool has the directory open.
	ErrLocked = errors.New("spool directory is in use by another process")
	// errCorrupt is wrapped by all complaints about the bytes of a segment.
	errCorrupt = errors.New("corrupt entry")
)

// Options describe a spool.
type Options struct {
	// Dir is made when missing. One process at a time may use it.
	Dir string
	// MaxBytes caps what is on disk, 1 GiB when 0. The oldest segments go first.
	MaxBytes int64
	// SegmentBytes is when a new segment is begun, 16 MiB or an eighth of
	// MaxBytes when 0. It is also the unit of deletion.
	SegmentBytes int64
	// Name is the label "spool" of the metrics, and part of log records.
	Name string
	// BeforeDelete is asked before a segment goes, with the last sequence number
	// in it; the segment stays until it returns nil. It is called by the spool's
	// own goroutine, without any lock of the spool held. May be nil.
	BeforeDelete func(lastSeq uint64) error
	// Logger may be nil.
	Logger *slog.Logger
	// Registerer may be nil.
	Registerer prometheus.Registerer

	fs fileSystem // a test's own; nil is the real one
}

func (o *Options) complete() error {
	if o.Dir == "" {
		return errors.New("spool without a directory")
	}
	if o.MaxBytes < 0 || o.SegmentBytes < 0 {
		return fmt.Errorf("spool %s: negative size cap", o.Dir)
	}
	if o.MaxBytes == 0 {
		o.MaxBytes = defaultMaxBytes
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = min(defaultSegmentBytes, o.MaxBytes/8)
	}
	if o.SegmentBytes > o.MaxBytes {
		return fmt.Errorf("spool %s: segments of %d bytes do not fit below a cap of %d", o.Dir, o.SegmentBytes, o.MaxBytes)
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.fs == nil {
		o.fs = osFileSystem{}
	}
	return nil
}

// Entry is one entry read back.
type Entry struct {
	// Seq is the sequence number that Append gave it.
	Seq uint64
	// Data belongs to the caller.
	Data []byte
	// Time is when it was appended.
	Time time.Time
}

// Stats is what a spool holds.
type Stats struct {
	// Entries counts the unacknowledged ones.
	Entries uint64
	// Bytes is the size of all segments on disk.
	Bytes int64
	// FirstSeq is the lowest sequence number still on disk; equal to NextSeq
	// when there is none.
	FirstSeq uint64
	// NextSeq is the sequence number that the next entry gets.
	NextSeq uint64
	// AckedSeq is the highest acknowledged (or shed) sequence number.
	AckedSeq uint64
	// Shed and ShedBytes count unacknowledged entries deleted because of the
	// cap, since Open.
	Shed, ShedBytes uint64
	// Quarantined counts entries lost to corruption, since Open.
	Quarantined uint64
	// OldestAge is how long the oldest unacknowledged entry has waited.
	OldestAge time.Duration
}
