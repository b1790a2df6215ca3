package logstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sort"
	"time"
)

// Query returns the records that q selects, in its order, at most q.Limit.
// Days are read in order and only as many as the limit asks for. Records are
// visible as soon as Append has returned. Errors: *BadQueryError, ErrClosed,
// or the engine's.
func (s *Store) Query(ctx context.Context, q Query) ([]Entry, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	defer s.timeQuery(time.Now())
	var entries []Entry
	from, to := q.bounds()
	err := s.eachDay(ctx, from, to, !q.Ascending, func(d *day) (more bool, err error) {
		found, err := s.queryDay(ctx, d, &q, q.limit()-len(entries))
		entries = append(entries, found...)
		return len(entries) < q.limit(), err
	})
	return entries, err
}

func (s *Store) timeQuery(start time.Time) {
	s.metrics.querySeconds.Observe(time.Since(start).Seconds())
}

func (s *Store) queryDay(ctx context.Context, d *day, q *Query, limit int) ([]Entry, error) {
	catalog := d.number.catalog()
	c := q.conditions(catalog)
	order := " ORDER BY time DESC, seq DESC LIMIT ?"
	if q.Ascending {
		order = " ORDER BY time, seq LIMIT ?"
	}
	rows, err := s.engine.db.QueryContext(ctx, "SELECT time, seq, source, level, message, fields FROM "+
		catalog+".records"+c.where()+order, append(c.args, limit)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var entries []Entry
	for rows.Next() {
		var e Entry
		var source int32
		var fields sql.NullString
		if err := rows.Scan(&e.Time, &e.Seq, &source, &e.Level, &e.Message, &fields); err != nil {
			return nil, err
		}
		e.Fields, e.Origin = fields.String, d.state.sources.origin(source)
		entries = append(entries, e)
	}
	return entries, rows.Err()
}

// eachDay runs f for each day of the range while it asks for more. f may be
// run a second time for a day when the engine had to be started again, so it
// must add its results only when it succeeds.
func (s *Store) eachDay(ctx context.Context, from, to int64, newestFirst bool, f func(*day) (bool, error)) error {
	days := s.daysBetween(from, to)
	if newestFirst {
		sort.Slice(days, func(i, j int) bool { return days[i].number > days[j].number })
	}
	for _, d := range days {
		more, err := true, error(nil)
		err = s.withDays(ctx, []*day{d}, func([]*day) (err error) {
			more, err = f(d)
			return err
		})
		if err != nil || !more {
			return err
		}
	}
	return nil
}

// withDays attaches the days, runs f and lets them go. Days that are gone are
// left out. When the engine gives up or a file is found broken, the engine is
// started again, the broken file set aside, and f run once more.
func (s *Store) withDays(ctx context.Context, days []*day, f func([]*day) error) error {
	return s.withEnoughMemory(func() error { return s.retryWithDays(ctx, days, f) })
}

func (s *Store) retryWithDays(ctx context.Context, days []*day, f func([]*day) error) error {
	for attempt := 0; ; attempt++ {
		generation, err := s.tryWithDays(ctx, days, f)
		if err == nil || attempt > 0 || ctx.Err() != nil || IsBadQuery(err) {
			return err
		}
		broken := fileIsBroken(err)
		if !broken && !isFatal(err) {
			return err
		}
		if isFatal(err) {
			s.metrics.reopened.Inc()
			if err := s.engine.reopen(generation); err != nil {
				return err
			}
		}
		if broken {
			s.probe(ctx, days)
		}
	}
}

func (s *Store) tryWithDays(ctx context.Context, days []*day, f func([]*day) error) (generation int, err error) {
	s.engine.mu.RLock()
	defer s.engine.mu.RUnlock()
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed {
		return 0, ErrClosed
	}
	generation = s.engine.generation
	used := make([]*day, 0, len(days))
	for _, d := range days {
		release, err := s.use(ctx, d)
		if errors.Is(err, errGone) {
			continue
		}
		if err != nil {
			return generation, err
		}
		defer release()
		used = append(used, d)
	}
	if len(used) == 0 {
		return generation, nil
	}
	return generation, f(used)
}

// probe reads each of the days and sets the broken ones aside.
func (s *Store) probe(ctx context.Context, days []*day) {
	for _, d := range days {
		generation, err := s.tryWithDays(ctx, []*day{d}, func([]*day) error {
			var n sql.NullInt64
			return s.engine.db.QueryRowContext(ctx, "SELECT max(time) + max(seq % 2) + max(source) + max(level)"+
				" + max(strlen(message)) + max(strlen(fields)) FROM "+d.number.catalog()+".records").Scan(&n)
		})
		if err == nil || isPassing(err) && !isFatal(err) {
			continue
		}
		if isFatal(err) {
			s.engine.reopen(generation) //nolint:errcheck // the next use reports it
		}
		if fileIsBroken(err) {
			s.setAside(d, err)
		}
	}
}

func (s *Store) setAside(d *day, cause error) {
	s.engine.mu.RLock()
	defer s.engine.mu.RUnlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := s.quarantine(d, cause); err != nil {
		s.log.Error("could not set a broken day file aside", "file", d.path, "error", err)
	}
}

// Count returns how many records q selects; Limit and After do not matter.
func (s *Store) Count(ctx context.Context, q Query) (int64, error) {
	if err := q.check(); err != nil {
		return 0, err
	}
	defer s.timeQuery(time.Now())
	q.After = nil
	var total int64
	from, to := q.bounds()
	err := s.eachDay(ctx, from, to, false, func(d *day) (bool, error) {
		c := q.conditions(d.number.catalog())
		var n int64
		err := s.engine.db.QueryRowContext(ctx, "SELECT count(*) FROM "+d.number.catalog()+".records"+c.where(), c.args...).Scan(&n)
		total += n
		return true, err
	})
	return total, err
}

// Field is a property of records that counts can be grouped by.
type Field string

// Fields. FieldNone groups by time alone.
const (
	FieldNone      Field = ""
	FieldNamespace Field = "namespace"
	FieldPod       Field = "pod"
	FieldContainer Field = "container"
	FieldNode      Field = "node"
	FieldStream    Field = "stream"
	FieldLevel     Field = "level"
	FieldTag       Field = "tag"
	FieldImage     Field = "image"
	// FieldController is the pods' topmost controller, as "KIND/NAME".
	FieldController Field = "controller"
)

// Fields lists the fields that counts can be grouped by.
func Fields() []Field {
	return []Field{FieldNamespace, FieldPod, FieldContainer, FieldNode, FieldStream, FieldLevel, FieldTag, FieldImage, FieldController}
}

// column returns the field's column, and whether it is one of the sources.
func (f Field) column() (name string, ofSource bool, err error) {
	if f == FieldLevel {
		return "level", false, nil
	}
	if slices.Contains(Fields(), f) {
		return string(f), true, nil
	}
	return "", false, &BadQueryError{"field", string(f), "unknown field"}
}

// groupKey is the SQL that a count is grouped by, for the catalog: text.
func (f Field) groupKey(catalog string) (key, from string, err error) {
	from = catalog + ".records"
	if f == FieldNone {
		return "''", from, nil
	}
	name, ofSource, err := f.column()
	if err != nil {
		return "", "", err
	}
	if ofSource {
		return "source::VARCHAR", from, nil
	}
	return name + "::VARCHAR", from, nil
}

// decode turns a group key into the field's value.
func (f Field) decode(d *day, key string) (string, error) {
	if f == FieldNone {
		return "", nil
	}
	var n int32
	if _, err := fmt.Sscan(key, &n); err != nil {
		return "", fmt.Errorf("read group key %q: %w", key, err)
	}
	if f == FieldLevel {
		return Level(n).String(), nil
	}
	return f.of(d.state.sources.origin(n), LevelUnknown), nil
}
