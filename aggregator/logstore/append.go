package logstore

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/lubberline/lubberline/logrecord"
)

const (
	// maxAhead is how far a record's time may be ahead of the clock; what is
	// further ahead is stored under the time of its arrival, so that a broken
	// clock cannot make files for days to come.
	maxAhead = 24 * time.Hour
	// maxAge is how old a record may be when Options.Retention is 0.
	maxAge = 3660 * 24 * time.Hour
	// checkpointBytes is the size of a write-ahead log at which it is written
	// into the day file; at forcedCheckpoint times that, readers are waited for.
	checkpointBytes  = 32 << 20
	forcedCheckpoint = 4
)

// run is a stretch of a batch's records that belong to one day.
type run struct {
	batch   int
	chunkID string
	records []logrecord.Record
}

// Append stores the batches. It returns nil only when every record is
// committed: a batch whose ChunkID the store already holds changes nothing,
// and an empty ChunkID is never taken for known. Each day that the records
// touch is a transaction of its own; after an error the same call may be
// repeated, and the days that were already committed recognise their part.
//
// Records older than the retention are counted and not stored. Invalid UTF-8
// is replaced. Errors: ErrClosed, ErrDiskFull (wrapped), or the engine's.
func (s *Store) Append(ctx context.Context, batches []logrecord.Batch) error {
	_, err := s.AppendReport(ctx, batches)
	return err
}

// AppendReport is Append that also tells, for each batch, whether any of its
// records was new to the store.
func (s *Store) AppendReport(ctx context.Context, batches []logrecord.Batch) (stored []bool, err error) {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	start := time.Now()
	stored = make([]bool, len(batches))
	byDay := s.splitByDay(batches)
	numbers := make([]dayNumber, 0, len(byDay))
	for n := range byDay {
		numbers = append(numbers, n)
	}
	slices.Sort(numbers)
	for _, n := range numbers {
		err := s.withEnoughMemory(func() error { return s.appendDay(ctx, n, byDay[n], stored) })
		if err != nil {
			s.metrics.appendErrors.Inc()
			return stored, err
		}
	}
	s.metrics.appendSeconds.Observe(time.Since(start).Seconds())
	return stored, nil
}

// splitByDay sorts the records of the batches into days, leaving out what is
// older than the retention.
func (s *Store) splitByDay(batches []logrecord.Batch) map[dayNumber][]run {
	byDay := map[dayNumber][]run{}
	now := s.opts.Now()
	oldest, newest := dayOf(now.Add(-s.retention()).UnixNano()), now.Add(maxAhead).UnixNano()
	for i := range batches {
		records, id := batches[i].Records, chunkKey(batches[i].ChunkID)
		for len(records) > 0 {
			n := s.place(records[0].Time, newest, now)
			end := 1
			for end < len(records) && s.place(records[end].Time, newest, now) == n {
				end++
			}
			if n < oldest {
				s.metrics.expired.Add(float64(end))
				s.warn("log records older than the retention are not stored", "records", end, "day", n.start())
			} else {
				byDay[n] = append(byDay[n], run{batch: i, chunkID: id, records: records[:end]})
			}
			records = records[end:]
		}
	}
	return byDay
}

// place is the day that a record belongs to.
func (s *Store) place(t, newest int64, now time.Time) dayNumber {
	if t > newest {
		return dayOf(now.UnixNano())
	}
	return dayOf(t)
}

func (s *Store) retention() time.Duration {
	if s.opts.Retention > 0 {
		return s.opts.Retention
	}
	return maxAge
}

// appendDay commits the runs to their day file. The caller holds writeMu.
func (s *Store) appendDay(ctx context.Context, n dayNumber, runs []run, stored []bool) error {
	for attempt := 0; ; attempt++ {
		generation, err := s.tryAppendDay(ctx, n, runs, stored)
		switch {
		case err == nil:
			return nil
		case errors.Is(err, errGone):
			if attempt > 3 {
				return err
			}
		case isFatal(err):
			if rerr := s.engine.reopen(generation); rerr != nil {
				return errors.Join(err, rerr)
			}
			s.metrics.reopened.Inc()
			s.warn("the log store's engine was started again after a failure", "error", err)
			if isFull(err) || attempt > 0 {
				return describe(err)
			}
		default:
			return describe(err)
		}
	}
}

func describe(err error) error {
	if isFull(err) {
		return fmt.Errorf("%w: %w", ErrDiskFull, err)
	}
	return err
}

func (s *Store) tryAppendDay(ctx context.Context, n dayNumber, runs []run, stored []bool) (generation int, err error) {
	s.engine.mu.RLock()
	defer s.engine.mu.RUnlock()
	generation = s.engine.generation
	d, err := s.dayFor(n)
	if err != nil {
		return generation, err
	}
	release, err := s.use(ctx, d)
	if err != nil {
		return generation, err
	}
	w := &writer{store: s, day: d, state: d.state}
	err = w.write(ctx, runs)
	release()
	if err != nil {
		s.forget(d)
		return generation, fmt.Errorf("store log records of %s: %w", d.number.start().Format(time.DateOnly), err)
	}
	w.publish(stored)
	s.checkpointIfLarge(d)
	return generation, nil
}

// forget drops what is remembered of a day's tables after a failed write, so
// that it is read again: whether the commit reached the disk is then known
// from the disk.
func (s *Store) forget(d *day) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.state = nil
}

// checkpointIfLarge writes a large write-ahead log into the day file. Readers
// can make a checkpoint fail; then the next commit tries again, and a log that
// has become much too large waits for the readers.
func (s *Store) checkpointIfLarge(d *day) {
	info, err := os.Stat(d.path + ".wal")
	if err != nil || info.Size() < checkpointBytes {
		return
	}
	if info.Size() > forcedCheckpoint*checkpointBytes {
		d.mu.Lock()
		defer d.mu.Unlock()
	} else {
		d.mu.RLock()
		defer d.mu.RUnlock()
	}
	if d.generation != s.engine.generation {
		return
	}
	if _, err := s.engine.db.Exec("CHECKPOINT " + d.number.catalog()); err != nil {
		s.metrics.checkpointErrors.Inc()
		s.warn("could not write the write-ahead log into the day file; it is tried again",
			"file", d.path, "bytes", info.Size(), "error", err)
		if isFatal(err) {
			d.generation = 0
		}
		return
	}
	s.metrics.checkpoints.Inc()
}

// insertChunks adds the chunk ids to the table of the file.
func insertChunks(ctx context.Context, conn driver.ExecerContext, catalog string, ids []string, next int64) error {
	const most = 500
	for len(ids) > 0 {
		n := min(len(ids), most)
		args := make([]driver.NamedValue, 0, 2*n)
		for i, id := range ids[:n] {
			args = append(args, driver.NamedValue{Ordinal: 2*i + 1, Value: id},
				driver.NamedValue{Ordinal: 2*i + 2, Value: next + int64(i)})
		}
		statement := "INSERT INTO " + catalog + ".chunks (id, n) VALUES (?, ?)" + strings.Repeat(", (?, ?)", n-1)
		if _, err := conn.ExecContext(ctx, statement, args); err != nil {
			return fmt.Errorf("store chunk ids: %w", err)
		}
		ids, next = ids[n:], next+int64(n)
	}
	return nil
}
