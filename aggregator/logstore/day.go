package logstore

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// dayNumber counts UTC days since the epoch.
type dayNumber int64

const dayLength = int64(24 * time.Hour)

func dayOf(nanoseconds int64) dayNumber {
	n := nanoseconds / dayLength
	if nanoseconds%dayLength < 0 {
		n--
	}
	return dayNumber(n)
}

func (n dayNumber) start() time.Time { return time.Unix(0, int64(n)*dayLength).UTC() }
func (n dayNumber) end() time.Time   { return (n + 1).start() }
func (n dayNumber) fileName() string { return "logs-" + n.start().Format(time.DateOnly) + ".duckdb" }

// catalog is the name that the day's database has in the engine.
func (n dayNumber) catalog() string { return "d" + n.start().Format("20060102") }

// day is one day file.
type day struct {
	number dayNumber
	path   string

	// mu is held for reading by whoever uses the attached file, and for writing
	// to attach, detach or delete it. It guards generation and gone.
	mu sync.RWMutex
	// generation is the engine's that the file is attached to; 0 is none.
	generation int
	gone       bool
	lastUsed   atomic.Int64

	// state is what the tables hold, nil until loaded. It is replaced under
	// mu.Lock and changed by the one writer only.
	state *dayState
}

// findDays lists the day files without opening them.
func (s *Store) findDays() error {
	entries, err := os.ReadDir(s.opts.Dir)
	if err != nil {
		return fmt.Errorf("list log store directory: %w", err)
	}
	for _, e := range entries {
		t, err := time.Parse("logs-"+time.DateOnly+".duckdb", e.Name())
		if err != nil {
			continue
		}
		s.addDay(dayOf(t.UnixNano()))
	}
	return nil
}

func (s *Store) addDay(n dayNumber) *day {
	d := &day{number: n, path: filepath.Join(s.opts.Dir, n.fileName())}
	s.days[n] = d
	return d
}

// listDays returns the days in order of time.
func (s *Store) listDays() []*day {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]*day, 0, len(s.days))
	for _, d := range s.days {
		list = append(list, d)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].number < list[j].number })
	return list
}

// daysBetween returns the days that can hold records with from <= time < to,
// in order of time.
func (s *Store) daysBetween(from, to int64) []*day {
	var list []*day
	for _, d := range s.listDays() {
		if d.number.start().UnixNano() < to && d.number.end().UnixNano() > from {
			list = append(list, d)
		}
	}
	return list
}

// dayFor returns the day, made when it does not exist.
func (s *Store) dayFor(n dayNumber) (*day, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, ErrClosed
	}
	if d, ok := s.days[n]; ok {
		return d, nil
	}
	return s.addDay(n), nil
}

// errGone says that a day was deleted between being listed and being used.
var errGone = errors.New("day file was deleted")

// use attaches the day when needed and keeps it attached until release is
// called. The caller holds engine.mu for reading.
func (s *Store) use(ctx context.Context, d *day) (release func(), err error) {
	for {
		d.mu.RLock()
		if d.gone {
			d.mu.RUnlock()
			return nil, errGone
		}
		if d.generation == s.engine.generation && d.state != nil {
			d.lastUsed.Store(s.opts.Now().UnixNano())
			return d.mu.RUnlock, nil
		}
		d.mu.RUnlock()
		if err := s.attach(ctx, d); err != nil {
			return nil, err
		}
	}
}

// attach attaches the file and loads its state. A file that cannot be read is
// quarantined and a new one is started in its place.
func (s *Store) attach(ctx context.Context, d *day) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.gone || (d.generation == s.engine.generation && d.state != nil) {
		return nil
	}
	err := s.attachOrMake(ctx, d)
	if isPassing(err) {
		return err
	}
	if err := s.quarantine(d, err); err != nil {
		return err
	}
	return s.attachOrMake(ctx, d)
}

// attachOrMake leaves no half of a file behind when it cannot be made: with a
// full disk that would be taken for a broken one at the next attempt.
func (s *Store) attachOrMake(ctx context.Context, d *day) error {
	_, missing := os.Stat(d.path)
	err := s.attachLocked(ctx, d)
	if err == nil || !errors.Is(missing, os.ErrNotExist) {
		return err
	}
	s.forceDetach(d)
	return errors.Join(err, removeDay(d.path))
}

// removeDay removes the files of a day.
func removeDay(path string) error {
	for _, p := range []string{path, path + ".wal"} {
		if err := os.Remove(p); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (s *Store) attachLocked(ctx context.Context, d *day) error {
	db, name := s.engine.db, d.number.catalog()
	if d.generation != s.engine.generation {
		if _, err := db.ExecContext(ctx, "ATTACH "+quoteText(d.path)+" AS "+name); err != nil {
			return fmt.Errorf("open %s: %w", filepath.Base(d.path), err)
		}
		d.generation = s.engine.generation
	}
	state, err := s.load(ctx, d)
	if err != nil {
		s.forceDetach(d)
		return fmt.Errorf("read %s: %w", filepath.Base(d.path), err)
	}
	d.state = state
	return nil
}

// load makes the tables when they are missing and reads the day's state.
func (s *Store) load(ctx context.Context, d *day) (*dayState, error) {
	for _, statement := range schema(d.number.catalog()) {
		if _, err := s.engine.db.ExecContext(ctx, statement); err != nil {
			return nil, err
		}
	}
	return loadState(ctx, s.engine.db, d.number.catalog(), s.opts.MaxChunkIDs)
}

// schema returns the statements that make a day's tables.
func schema(catalog string) []string {
	return []string{
		`CREATE TABLE IF NOT EXISTS ` + catalog + `.sources (
			id INTEGER NOT NULL, tag VARCHAR, stream VARCHAR, namespace VARCHAR, pod VARCHAR,
			pod_uid VARCHAR, container VARCHAR, container_id VARCHAR, image VARCHAR,
			node VARCHAR, labels VARCHAR, controller VARCHAR DEFAULT '')`,
		`ALTER TABLE ` + catalog + `.sources ADD COLUMN IF NOT EXISTS controller VARCHAR DEFAULT ''`, // files of before it
		`CREATE TABLE IF NOT EXISTS ` + catalog + `.records (
			time BIGINT NOT NULL, seq BIGINT NOT NULL, source INTEGER NOT NULL,
			level UTINYINT NOT NULL, message VARCHAR, fields VARCHAR)`,
		`CREATE TABLE IF NOT EXISTS ` + catalog + `.chunks (id VARCHAR NOT NULL, n BIGINT NOT NULL)`,
		`CREATE VIEW IF NOT EXISTS ` + catalog + `.logs AS
			SELECT make_timestamp_ns(r.time) AS time, s.namespace, s.controller, s.pod, s.container, s.node, s.stream,
				['', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'][r.level + 1] AS level,
				r.message, r.fields, s.labels, s.tag, s.pod_uid, s.container_id, s.image
			FROM records r JOIN sources s ON r.source = s.id`,
	}
}

// detach checkpoints and closes the file; it waits for whoever uses it.
func (s *Store) detach(d *day) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.forceDetach(d)
}

// forceDetach is detach for a caller that holds d.mu.
func (s *Store) forceDetach(d *day) {
	attached := d.generation == s.engine.generation
	d.generation, d.state = 0, nil
	if !attached {
		return
	}
	if _, err := s.engine.db.Exec("CHECKPOINT " + d.number.catalog()); err != nil {
		s.log.Warn("could not checkpoint a day file; its write-ahead log stays", "file", d.path, "error", err)
	}
	if _, err := s.engine.db.Exec("DETACH " + d.number.catalog()); err != nil {
		s.log.Warn("could not close a day file", "file", d.path, "error", err)
	}
}
