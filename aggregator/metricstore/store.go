// Package metricstore keeps metrics in an embedded Prometheus TSDB: one
// directory, a write-ahead log, blocks of two hours that are deleted by age and
// by size. Damage found at the start is repaired or set aside, so that a bad
// block never keeps the aggregator down.
package metricstore

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

// Options are what can be set about the store. Zero values take the defaults
// named with each.
type Options struct {
	// Dir is the store's directory, made when it is not there. Needed.
	Dir string
	// Retention is how long samples are kept: 15 days.
	Retention time.Duration
	// MaxBytes is the most that blocks may take; the oldest go first. 0 is no cap.
	MaxBytes int64
	// OutOfOrder is how late a sample may come: 30 minutes.
	OutOfOrder time.Duration
	// MinFree is how many bytes of the filesystem are left free: writes fail with
	// ErrDiskFull below it. 64 MiB, less on filesystems under 1 GiB.
	MinFree    uint64
	Logger     *slog.Logger
	Registerer prometheus.Registerer
}

const (
	defaultRetention  = 15 * 24 * time.Hour
	defaultOutOfOrder = 30 * time.Minute
	walSegmentBytes   = 16 << 20 // small, so that a small machine frees disk soon
	seriesStripes     = 1 << 10  // 1/16 of Prometheus's: enough below a million series
)

// ErrDiskFull is wrapped by errors of writes for which there was no room. The
// sender should keep its data and try again.
var ErrDiskFull = errors.New("disk full")

// Store is the metric store. It is a storage.Storage for readers (PromQL,
// Prometheus's API) and writers. Safe for concurrent use.
type Store struct {
	db      *tsdb.DB
	metrics *metrics
	space   *space
}

// Open opens or makes the store and replays its log. Blocks that cannot be
// opened are moved to Dir/quarantine and logged.
func Open(o Options) (*Store, error) {
	o = withDefaults(o)
	if o.Dir == "" {
		return nil, errors.New("metric store: no directory given")
	}
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("metric store: %w", err)
	}
	m := newMetrics(o.Registerer)
	q := quarantine{dir: o.Dir, log: o.Logger, metrics: m}
	if err := q.blocks(); err != nil {
		return nil, fmt.Errorf("metric store: check blocks in %s: %w", o.Dir, err)
	}
	db, err := tsdb.Open(o.Dir, o.Logger, m.guarded(o.Registerer), tsdbOptions(o), nil)
	if isCorruption(err) {
		o.Logger.Error("metric store's newest data is damaged beyond repair", "dir", o.Dir, "err", err)
		if err := q.head(); err != nil {
			return nil, fmt.Errorf("metric store: set damaged log aside: %w", err)
		}
		db, err = tsdb.Open(o.Dir, o.Logger, m.guarded(o.Registerer), tsdbOptions(o), nil)
	}
	if err != nil {
		return nil, fmt.Errorf("metric store: open %s: %w", o.Dir, describe(err))
	}
	return &Store{db: db, metrics: m, space: &space{dir: o.Dir, reserve: o.MinFree}}, nil
}

func withDefaults(o Options) Options {
	if o.Retention <= 0 {
		o.Retention = defaultRetention
	}
	if o.OutOfOrder <= 0 {
		o.OutOfOrder = defaultOutOfOrder
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o
}

func tsdbOptions(o Options) *tsdb.Options {
	t := tsdb.DefaultOptions()
	t.RetentionDuration = o.Retention.Milliseconds()
	t.MaxBytes = o.MaxBytes
	t.OutOfOrderTimeWindow = o.OutOfOrder.Milliseconds()
	t.WALCompression = compression.Snappy
	t.WALSegmentSize = walSegmentBytes
	t.StripeSize = seriesStripes
	t.EnableExemplarStorage = false
	// Blocks grow to a tenth of the retention, as Prometheus has it.
	t.MaxBlockDuration = max(t.MinBlockDuration, t.RetentionDuration/10)
	return t
}

func isCorruption(err error) bool {
	var log *wlog.CorruptionErr
	var chunk *chunks.CorruptionErr
	return errors.As(err, &log) || errors.As(err, &chunk)
}

// describe adds ErrDiskFull to errors that come from a full disk.
func describe(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}

// Appender starts a write. Nothing is stored before its Commit; Commit's errors
// wrap ErrDiskFull where that is the reason. It is for one goroutine.
func (s *Store) Appender(ctx context.Context) storage.Appender {
	return &appender{Appender: s.db.Appender(ctx), metrics: s.metrics, space: s.space}
}

// AppenderV2 is Appender in the newer form of Prometheus's interface.
func (s *Store) AppenderV2(ctx context.Context) storage.AppenderV2 {
	return &appenderV2{AppenderV2: s.db.AppenderV2(ctx), metrics: s.metrics, space: s.space}
}

// Querier reads samples in [mint, maxt], in milliseconds.
func (s *Store) Querier(mint, maxt int64) (storage.Querier, error) { return s.db.Querier(mint, maxt) }

// ChunkQuerier reads encoded chunks in [mint, maxt], in milliseconds.
func (s *Store) ChunkQuerier(mint, maxt int64) (storage.ChunkQuerier, error) {
	return s.db.ChunkQuerier(mint, maxt)
}

// StartTime is the time of the oldest sample in milliseconds, or the greatest
// int64 when there is none.
func (s *Store) StartTime() (int64, error) {
	if first := s.db.Head().MinTime(); len(s.db.Blocks()) == 0 && first == math.MaxInt64 {
		return first, nil
	}
	return s.db.StartTime()
}

// NumSeries is the number of series with recent samples.
func (s *Store) NumSeries() uint64 { return s.db.Head().NumSeries() }

// Close flushes and closes the store.
func (s *Store) Close() error {
	if err := s.db.Close(); err != nil {
		return fmt.Errorf("metric store: close: %w", err)
	}
	return nil
}

// appender tells a full disk from other trouble.
type appender struct {
	storage.Appender
	metrics *metrics
	space   *space
}

// Commit stores what was appended.
func (a *appender) Commit() error { return a.space.commit(a.Appender, a.metrics) }

// appenderV2 is an appender in the newer form.
type appenderV2 struct {
	storage.AppenderV2
	metrics *metrics
	space   *space
}

// Commit stores what was appended.
func (a *appenderV2) Commit() error { return a.space.commit(a.AppenderV2, a.metrics) }

// commit ends a transaction: it is rolled back where there is no room.
func (s *space) commit(t storage.AppenderTransaction, m *metrics) error {
	err := s.check()
	if err != nil {
		err = errors.Join(err, t.Rollback())
	} else if err = t.Commit(); err == nil {
		return nil
	}
	m.commitFailures.Inc()
	return fmt.Errorf("metric store: commit: %w", describe(err))
}

// GetRef finds the series with these labels, as storage.GetRef does: 0 when the
// store does not know it. The labels returned are the store's own copy.
func (a *appender) GetRef(l labelSet, hash uint64) (storage.SeriesRef, labelSet) {
	if g, ok := a.Appender.(storage.GetRef); ok {
		return g.GetRef(l, hash)
	}
	return 0, labelSet{}
}
