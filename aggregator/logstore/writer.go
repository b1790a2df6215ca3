package logstore

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/duckdb/duckdb-go/v2"

	"github.com/lubberline/lubberline/logrecord"
)

// writer stores the runs of one call in one day file. It is used once, under
// the store's writeMu.
type writer struct {
	store *Store
	day   *day
	state *dayState

	runs      []run
	chunkIDs  []string
	newSource map[sourceKey]int32
	nextID    int32
	cache     map[cacheKey]int32
	entries   []pending
	follow    bool
	seq       int64
	row       [6]driver.Value
}

// cacheKey finds the source of a record without building its sourceKey: the
// records of a chunk share their Source.
type cacheKey struct {
	source      *logrecord.Source
	tag, stream string
}

// pending is a record that subscribers are told of once it is committed.
type pending struct {
	record *logrecord.Record
	time   int64
	seq    int64
	source int32
	level  Level
}

// write commits what is new in the runs.
func (w *writer) write(ctx context.Context, runs []run) error {
	w.selectNew(runs)
	if len(w.runs) == 0 {
		return nil
	}
	w.newSource, w.cache = map[sourceKey]int32{}, map[cacheKey]int32{}
	w.nextID = w.state.sources.next
	w.seq = max(w.store.seq, w.state.maxSeq+1)
	w.follow = w.store.subs.any()
	err := w.store.engine.transaction(ctx, func(raw driver.Conn) error { return w.fill(ctx, raw) })
	if err != nil {
		return err
	}
	w.store.seq, w.state.maxSeq = w.seq, w.seq-1
	for k, id := range w.newSource {
		w.state.sources.put(id, k)
	}
	for _, id := range w.chunkIDs {
		w.state.chunks.add(id)
	}
	w.state.chunks.next += int64(len(w.chunkIDs))
	return nil
}

// selectNew leaves out the runs of chunks that the day already holds, and of
// chunks that came twice in one call.
func (w *writer) selectNew(runs []run) {
	first := map[string]int{}
	for _, r := range runs {
		if r.chunkID != "" {
			batch, seen := first[r.chunkID]
			if w.state.chunks.has(r.chunkID) || seen && batch != r.batch {
				w.store.metrics.duplicates.Add(float64(len(r.records)))
				continue
			}
			if !seen {
				first[r.chunkID] = r.batch
				w.chunkIDs = append(w.chunkIDs, r.chunkID)
			}
		}
		w.runs = append(w.runs, r)
	}
}

// fill writes rows, sources and chunk ids inside the transaction.
func (w *writer) fill(ctx context.Context, raw driver.Conn) error {
	if err := w.appendRows(ctx, raw); err != nil {
		return err
	}
	if err := w.appendSources(raw); err != nil {
		return err
	}
	execer, ok := raw.(driver.ExecerContext)
	if !ok {
		return fmt.Errorf("connection of type %T cannot execute statements", raw)
	}
	return insertChunks(ctx, execer, w.day.number.catalog(), w.chunkIDs, w.state.chunks.next)
}

func (w *writer) appendRows(ctx context.Context, raw driver.Conn) error {
	a, err := duckdb.NewAppender(raw, w.day.number.catalog(), "main", "records")
	if err != nil {
		return fmt.Errorf("append records: %w", err)
	}
	for _, r := range w.runs {
		for i := range r.records {
			if err := w.appendRecord(a, &r.records[i]); err != nil {
				a.Clear() //nolint:errcheck // the transaction is rolled back
				a.Close() //nolint:errcheck // as above
				return fmt.Errorf("append record: %w", err)
			}
		}
		if err := ctx.Err(); err != nil {
			a.Clear() //nolint:errcheck // the transaction is rolled back
			a.Close() //nolint:errcheck // as above
			return err
		}
	}
	if err := a.Close(); err != nil {
		return fmt.Errorf("append records: %w", err)
	}
	return nil
}

func (w *writer) appendRecord(a *duckdb.Appender, r *logrecord.Record) error {
	t := r.Time
	if dayOf(t) != w.day.number { // too far ahead, see maxAhead
		t = max(w.day.number.start().UnixNano(), min(w.store.opts.Now().UnixNano(), w.day.number.end().UnixNano()-1))
		w.store.metrics.future.Inc()
	}
	w.row[0], w.row[2] = t, w.sourceID(r)
	level := levelOf(r)
	w.row[3], w.row[5] = levelValues[level], nil
	if r.Fields != "" {
		w.row[5] = shortFields(validFields(r.Fields))
	}
	text, rest := cutText(validText(r.Log))
	if rest != "" || len(r.Fields) > maxText {
		w.store.metrics.long.Inc()
		first := *r
		first.Log = text
		r = &first
	}
	if err := w.appendRow(a, r, text, level); err != nil {
		return err
	}
	for rest != "" { // the further records of a line that is too long for one
		more := *r
		more.Fields, w.row[5] = "", nil
		more.Log, rest = cutText(rest)
		if err := w.appendRow(a, &more, more.Log, level); err != nil {
			return err
		}
	}
	return nil
}

// appendRow appends one row; all of it but its number and text is in w.row.
func (w *writer) appendRow(a *duckdb.Appender, r *logrecord.Record, text string, level Level) error {
	w.row[1], w.row[4] = w.seq, text
	if w.follow {
		w.entries = append(w.entries, pending{record: r, time: w.row[0].(int64), seq: w.seq, source: w.row[2].(int32), level: level})
	}
	w.seq++
	return a.AppendRow(w.row[:]...)
}

// sourceID returns the number of the record's source, taking a new one when
// the day has not met it.
func (w *writer) sourceID(r *logrecord.Record) int32 {
	ck := cacheKey{source: r.Source, tag: r.Tag, stream: r.Stream}
	if id, ok := w.cache[ck]; ok {
		return id
	}
	k := keyOf(r)
	id, ok := w.state.sources.id(k)
	if !ok {
		if id, ok = w.newSource[k]; !ok {
			id = w.nextID
			w.nextID++
			w.newSource[k] = id
		}
	}
	w.cache[ck] = id
	return id
}

func (w *writer) appendSources(raw driver.Conn) error {
	if len(w.newSource) == 0 {
		return nil
	}
	a, err := duckdb.NewAppender(raw, w.day.number.catalog(), "main", "sources")
	if err != nil {
		return fmt.Errorf("append sources: %w", err)
	}
	for k, id := range w.newSource {
		row := []driver.Value{id}
		for _, v := range k.values() {
			row = append(row, v)
		}
		if err := a.AppendRow(row...); err != nil {
			a.Clear() //nolint:errcheck // the transaction is rolled back
			a.Close() //nolint:errcheck // as above
			return fmt.Errorf("append source: %w", err)
		}
	}
	if err := a.Close(); err != nil {
		return fmt.Errorf("append sources: %w", err)
	}
	return nil
}

// publish counts what was committed and tells the subscribers.
func (w *writer) publish(stored []bool) {
	n := 0
	for _, r := range w.runs {
		stored[r.batch] = true
		n += len(r.records)
	}
	w.store.metrics.records.Add(float64(n))
	if len(w.entries) > 0 {
		w.store.subs.publish(w.entries, w.state.sources)
	}
}
