package logs

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/lubberline/lubberline/collector/logs/parse"
	"github.com/lubberline/lubberline/collector/logs/position"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/logrecord"
	"github.com/lubberline/lubberline/spool"
)

// Spool takes chunks and keeps them until they are shipped; *spool.Spool does.
type Spool interface {
	// Append adds entries, all or none, and returns the first one's sequence
	// number when they are durable.
	Append(entries ...[]byte) (uint64, error)
	// Scan calls f with every entry that is on disk.
	Scan(f func(spool.Entry) error) error
}

// Source is the log file of one container, with all the files that rotation
// makes of it.
type Source struct {
	// ID tells sources apart; a container's id.
	ID string
	// Path is the file that is written to; symbolic links are followed.
	Path   string
	Format reading.LogFormat
	// Tag is the forward protocol's tag.
	Tag string
	// Meta is what all records have in common.
	Meta logrecord.Source
	// FromEnd passes over what is in the files when the source is first seen.
	FromEnd bool
}

// Pattern names plain files. Each file that matches is read on its own.
type Pattern struct {
	// Glob is a path with the wildcards of filepath.Match.
	Glob string
	// Format is reading.Plain when empty.
	Format  reading.LogFormat
	Tag     string
	Meta    logrecord.Source
	FromEnd bool
}

// Stage sees every record before it is encoded, and may change it; false drops
// it. It is called by one goroutine; the line's memory is valid during the call.
type Stage func(*Source, *parse.Line) bool

// Options describe a Tailer. Zero values stand for the defaults named.
type Options struct {
	// Spool and Positions are required; Positions' BeforeDelete has to be the
	// spool's.
	Spool     Spool
	Positions *position.Store
	// Patterns are the plain files to read.
	Patterns []Pattern
	// ScratchDir is where compressed files are unpacked, os.TempDir() when empty.
	ScratchDir string
	// Stage may be nil.
	Stage Stage

	FlushInterval      time.Duration // 250 ms: the longest that a line waits here
	RescanInterval     time.Duration // 1 s: between looks for new files
	CheckpointInterval time.Duration // 5 s
	// RotateWait is how long a file that was renamed out of sight is kept open
	// after it last grew, 1 min.
	RotateWait time.Duration
	// RemoveWait is the same for files that were deleted and for sources that
	// were removed, 5 s.
	RemoveWait time.Duration
	// PartialWait is how long a record waits for its next part, 5 min.
	PartialWait time.Duration

	BlockBytes      int   // 512 KiB: read from one source before the next has its turn
	ChunkBytes      int   // 1 MiB: a chunk is closed when it is longer
	FlushBytes      int   // 4 MiB: what is buffered at most before it is written
	MaxRecord       int   // 1 MiB: a longer record is split
	MaxPartialBytes int   // 32 MiB: of unfinished records of all sources
	MaxHeld         int   // 10: deleted files of a source that are kept open
	MaxUnpacked     int64 // 1 GiB: unread content of a compressed file

	// Logger and Registerer may be nil.
	Logger     *slog.Logger
	Registerer prometheus.Registerer

	now func() time.Time // a test's clock
}

func (o *Options) complete() error {
	if o.Spool == nil || o.Positions == nil {
		return errors.New("log tailer needs a spool and positions")
	}
	setDefault(&o.FlushInterval, 250*time.Millisecond)
	setDefault(&o.RescanInterval, time.Second)
	setDefault(&o.CheckpointInterval, 5*time.Second)
	setDefault(&o.RotateWait, time.Minute)
	setDefault(&o.RemoveWait, 5*time.Second)
	setDefault(&o.PartialWait, 5*time.Minute)
	setDefault(&o.BlockBytes, 512<<10)
	setDefault(&o.ChunkBytes, 1<<20)
	setDefault(&o.FlushBytes, 4<<20)
	setDefault(&o.MaxRecord, 1<<20)
	setDefault(&o.MaxPartialBytes, 32<<20)
	setDefault(&o.MaxHeld, 10)
	setDefault(&o.MaxUnpacked, 1<<30)
	setDefault(&o.ScratchDir, os.TempDir())
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.now == nil {
		o.now = time.Now
	}
	for i := range o.Patterns {
		if err := o.Patterns[i].complete(); err != nil {
			return err
		}
	}
	return nil
}

func setDefault[T comparable](p *T, value T) {
	var zero T
	if *p == zero {
		*p = value
	}
}

func checkFormat(f reading.LogFormat) error {
	switch f {
	case reading.DockerJSON, reading.CRI, reading.Plain:
		return nil
	}
	return fmt.Errorf("unknown log format %q", f)
}
