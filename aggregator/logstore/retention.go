package logstore

import (
	"context"
	"database/sql"
	"errors"
	"os"
	"time"
)

// Bytes is the size of the day files with their write-ahead logs.
func (s *Store) Bytes() int64 {
	var total int64
	for _, d := range s.listDays() {
		total += d.bytes()
	}
	return total
}

func (d *day) bytes() int64 {
	var total int64
	for _, path := range []string{d.path, d.path + ".wal"} {
		if info, err := os.Stat(path); err == nil {
			total += info.Size()
		}
	}
	return total
}

// maintain deletes what is too old or too much, forgets old chunk ids, closes
// day files that nobody uses, and gives memory back.
func (s *Store) maintain(ctx context.Context) {
	now := s.opts.Now()
	s.deleteExpired(now)
	if s.opts.MaxBytes > 0 {
		s.shrink(ctx, now)
	}
	s.trimChunks(ctx)
	s.closeIdle(now)
	s.rest()
}

func (s *Store) deleteExpired(now time.Time) {
	if s.opts.Retention <= 0 {
		return
	}
	for _, d := range s.listDays() {
		if d.number.end().After(now.Add(-s.opts.Retention)) {
			continue
		}
		s.deleteDay(d, "retention")
	}
}

// shrink deletes the oldest days while the files are larger than the cap, and
// the oldest hours of today when today alone is.
func (s *Store) shrink(ctx context.Context, now time.Time) {
	today := dayOf(now.UnixNano())
	total := s.Bytes()
	for _, d := range s.listDays() {
		if total <= s.opts.MaxBytes {
			return
		}
		if d.number >= today {
			break
		}
		total -= d.bytes()
		s.deleteDay(d, "size cap")
	}
	s.mu.Lock()
	d := s.days[today]
	s.mu.Unlock()
	if total > s.opts.MaxBytes && d != nil {
		s.shrinkToday(ctx, d, s.opts.MaxBytes-(total-d.bytes()))
	}
}

// deleteDay deletes a day's files; it waits for whoever reads them.
func (s *Store) deleteDay(d *day, reason string) {
	s.engine.mu.RLock()
	defer s.engine.mu.RUnlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	size := d.bytes()
	if d.generation == s.engine.generation {
		if _, err := s.engine.db.Exec("DETACH " + d.number.catalog()); err != nil {
			s.log.Warn("could not close a day file to delete it", "file", d.path, "error", err)
			return
		}
	}
	d.generation, d.state = 0, nil
	for _, path := range []string{d.path + ".wal", d.path} {
		if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
			s.log.Warn("could not delete a day file", "file", path, "error", err)
			return
		}
	}
	d.gone = true
	s.mu.Lock()
	delete(s.days, d.number)
	s.mu.Unlock()
	s.metrics.deletedDays.Inc()
	s.log.Info("deleted a day of logs", "day", d.number.start().Format(time.DateOnly), "bytes", size, "reason", reason)
}

// shrinkRounds bounds the deletes of one shrinkToday: space comes back by row
// groups of 122,880 records, so that one delete may not be enough.
const shrinkRounds = 4

// shrinkToday deletes the oldest hours of the day until its data fits budget
// bytes. The file keeps its size; the freed blocks are used again.
func (s *Store) shrinkToday(ctx context.Context, d *day, budget int64) {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	err := s.withDays(ctx, []*day{d}, func([]*day) error {
		for range shrinkRounds {
			if _, err := s.engine.db.ExecContext(ctx, "CHECKPOINT "+d.number.catalog()); err != nil {
				return err
			}
			used, err := s.usedBytes(ctx, d)
			if err != nil || used <= budget {
				return err
			}
			share := 1 - 0.9*float64(max(budget, 0))/float64(used)
			n, before, err := s.deleteOldest(ctx, d, share)
			if err != nil || n == 0 {
				return err
			}
			s.metrics.deletedRecords.Add(float64(n))
			s.log.Warn("deleted the oldest of today's logs to keep the size cap", "before", before.Format(time.RFC3339),
				"records", n, "used_bytes", used, "budget_bytes", budget)
		}
		return nil
	})
	if err != nil {
		s.log.Warn("could not keep today's logs within the size cap", "file", d.path, "error", err)
	}
}

// usedBytes is the size of the blocks of the file that hold data.
func (s *Store) usedBytes(ctx context.Context, d *day) (int64, error) {
	var used int64
	err := s.engine.db.QueryRowContext(ctx, "SELECT used_blocks * block_size FROM pragma_database_size() WHERE database_name = ?",
		d.number.catalog()).Scan(&used)
	return used, err
}

// deleteOldest deletes the share of the day's records that is oldest, in whole
// hours unless that would be all of them.
func (s *Store) deleteOldest(ctx context.Context, d *day, share float64) (n int64, before time.Time, err error) {
	table := d.number.catalog() + ".records"
	var newest, cut sql.NullInt64
	if err := s.engine.db.QueryRowContext(ctx, "SELECT max(time), approx_quantile(time, ?::FLOAT) FROM "+table, share).
		Scan(&newest, &cut); err != nil || !cut.Valid {
		return 0, before, err
	}
	before = time.Unix(0, cut.Int64).UTC().Truncate(time.Hour).Add(time.Hour)
	if before.UnixNano() > newest.Int64 {
		before = time.Unix(0, cut.Int64+1).UTC()
	}
	res, err := s.engine.db.ExecContext(ctx, "DELETE FROM "+table+" WHERE time < ?", before.UnixNano())
	if err != nil {
		return 0, before, err
	}
	n, err = res.RowsAffected()
	return n, before, err
}

// trimChunks deletes the chunk ids that the sets have forgotten.
func (s *Store) trimChunks(ctx context.Context) {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	for _, d := range s.listDays() {
		d.mu.RLock()
		st := d.state
		d.mu.RUnlock()
		if st == nil || st.chunks.next <= int64(s.opts.MaxChunkIDs) {
			continue
		}
		err := s.withDays(ctx, []*day{d}, func([]*day) error {
			_, err := s.engine.db.ExecContext(ctx, "DELETE FROM "+d.number.catalog()+".chunks WHERE n < ?",
				d.state.chunks.next-int64(s.opts.MaxChunkIDs))
			return err
		})
		if err != nil {
			s.log.Warn("could not delete old chunk ids", "file", d.path, "error", err)
		}
	}
}

// closeIdle closes the files of days before today that were not used lately.
func (s *Store) closeIdle(now time.Time) {
	s.engine.mu.RLock()
	defer s.engine.mu.RUnlock()
	for _, d := range s.listDays() {
		idle := now.Sub(time.Unix(0, d.lastUsed.Load()))
		if d.number == dayOf(now.UnixNano()) || idle < s.opts.IdleClose || !d.mu.TryLock() {
			continue
		}
		s.forceDetach(d)
		d.mu.Unlock()
	}
}
