package logstore

import (
	"context"
	"strings"
	"time"
)

// Group is a number of records that have the same values of some fields.
type Group struct {
	// Values are in the order of the fields that were asked for.
	Values []string
	Count  int64
}

// Position is between the records that are stored and those to come. It holds
// for as long as the store is open.
type Position int64

// Position is the present one. Everything before it can be read.
func (s *Store) Position() Position {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	return Position(s.seq)
}

// Arrival says when records that count were stored.
type Arrival struct {
	// Before leaves out what was stored after that position.
	Before Position
	// Records of LateFrom <= time < the query's From count as well if they were
	// stored at Since or after: those that came too late for their own time.
	LateFrom time.Time
	Since    Position
}

// CountBy counts the records that q selects by the values of fields; a
// group without records is not among the result. Limit and After do not matter.
func (s *Store) CountBy(ctx context.Context, q Query, arrival Arrival, fields []Field) ([]Group, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	for _, f := range fields {
		if _, _, err := f.column(); err != nil {
			return nil, err
		}
	}
	defer s.timeQuery(time.Now())
	q.After, q.below = nil, int64(arrival.Before)
	from, _ := q.bounds()
	q.From = arrival.LateFrom
	lateFrom, to := q.bounds()
	counts := map[string]*Group{}
	err := s.eachDay(ctx, lateFrom, to, false, func(d *day) (bool, error) {
		c := q.conditions(d.number.catalog())
		c.add("(time >= ? OR seq >= ?)", from, int64(arrival.Since))
		return true, s.countDay(ctx, d, c, fields, counts)
	})
	if err != nil {
		return nil, err
	}
	groups := make([]Group, 0, len(counts))
	for _, g := range counts {
		groups = append(groups, *g)
	}
	return groups, nil
}

// countDay adds a day's counts when all of them were read.
func (s *Store) countDay(ctx context.Context, d *day, c *condition, fields []Field, counts map[string]*Group) error {
	type row struct {
		source int32
		level  Level
		n      int64
	}
	rows, err := s.engine.db.QueryContext(ctx, "SELECT source, level, count(*) FROM "+d.number.catalog()+".records"+
		c.where()+" GROUP BY source, level", c.args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var all []row
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.source, &r.level, &r.n); err != nil {
			return err
		}
		all = append(all, r)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, r := range all {
		origin := d.state.sources.origin(r.source)
		values := make([]string, len(fields))
		for i, f := range fields {
			values[i] = f.of(origin, r.level)
		}
		key := strings.Join(values, "\xff")
		if counts[key] == nil {
			counts[key] = &Group{Values: values}
		}
		counts[key].Count += r.n
	}
	return nil
}

// of is the field's value of a record.
func (f Field) of(o *Origin, level Level) string {
	switch f {
	case FieldNamespace:
		return o.Namespace
	case FieldPod:
		return o.Pod
	case FieldContainer:
		return o.Container
	case FieldNode:
		return o.Node
	case FieldStream:
		return o.Stream
	case FieldTag:
		return o.Tag
	case FieldImage:
		return o.Image
	case FieldController:
		return o.Controller
	case FieldLevel:
		return level.String()
	}
	return ""
}
