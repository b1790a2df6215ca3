package logstore

import (
	"context"
	"math"
	"sort"
	"time"
)

// Bucket counts the records of one interval by the value of a field.
type Bucket struct {
	// Start is the interval's begin; intervals are multiples of their length
	// since the epoch.
	Start time.Time
	// Counts has no zeros; its key is "" when the records lack the field.
	Counts map[string]int64
}

// ValueCount is a value of a field and how many records have it.
type ValueCount struct {
	Value string
	Count int64
}

// Histogram counts the records that q selects in intervals, by the values of a
// field. Intervals without records are left out. The range needs at most
// MaxBuckets intervals.
func (s *Store) Histogram(ctx context.Context, q Query, interval time.Duration, by Field) ([]Bucket, error) {
	if err := checkHistogram(&q, interval); err != nil {
		return nil, err
	}
	defer s.timeQuery(time.Now())
	q.After = nil
	buckets := map[int64]map[string]int64{}
	from, to := q.bounds()
	err := s.eachDay(ctx, from, to, false, func(d *day) (bool, error) {
		return true, s.groupDay(ctx, d, &q, int64(interval), by, func(start int64, value string, n int64) {
			if buckets[start] == nil {
				buckets[start] = map[string]int64{}
			}
			buckets[start][value] += n
		})
	})
	if err != nil {
		return nil, err
	}
	list := make([]Bucket, 0, len(buckets))
	for start, counts := range buckets {
		list = append(list, Bucket{Start: time.Unix(0, start).UTC(), Counts: counts})
	}
	sort.Slice(list, func(i, j int) bool { return list[i].Start.Before(list[j].Start) })
	return list, nil
}

func checkHistogram(q *Query, interval time.Duration) error {
	if err := q.check(); err != nil {
		return err
	}
	if interval < time.Millisecond {
		return &BadQueryError{"interval", interval.String(), "shorter than a millisecond"}
	}
	from, to := q.bounds()
	if from == math.MinInt64 || to == math.MaxInt64 {
		return &BadQueryError{"interval", interval.String(), "a histogram needs a start and an end"}
	}
	if (to-from)/int64(interval) > MaxBuckets {
		return &BadQueryError{"interval", interval.String(), "too short for the range: more than 20000 intervals"}
	}
	return nil
}

// FieldValues returns the values of a field in the records that q selects, the
// most frequent first, at most limit.
func (s *Store) FieldValues(ctx context.Context, q Query, field Field, limit int) ([]ValueCount, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	if _, _, err := field.column(); err != nil {
		return nil, err
	}
	defer s.timeQuery(time.Now())
	q.After = nil
	counts := map[string]int64{}
	from, to := q.bounds()
	err := s.eachDay(ctx, from, to, false, func(d *day) (bool, error) {
		return true, s.groupDay(ctx, d, &q, 0, field, func(_ int64, value string, n int64) { counts[value] += n })
	})
	if err != nil {
		return nil, err
	}
	list := make([]ValueCount, 0, len(counts))
	for v, n := range counts {
		if v != "" {
			list = append(list, ValueCount{v, n})
		}
	}
	sort.Slice(list, func(i, j int) bool {
		return list[i].Count > list[j].Count || list[i].Count == list[j].Count && list[i].Value < list[j].Value
	})
	if limit > 0 && len(list) > limit {
		list = list[:limit]
	}
	return list, nil
}

// groupDay counts the selected records of a day by interval and field. found
// is called only when the day was read to its end.
func (s *Store) groupDay(ctx context.Context, d *day, q *Query, interval int64, by Field, found func(int64, string, int64)) error {
	type group struct {
		start int64
		value string
		n     int64
	}
	catalog := d.number.catalog()
	key, from, err := by.groupKey(catalog)
	if err != nil {
		return err
	}
	start, args := "0::BIGINT", []any{}
	if interval > 0 {
		start, args = "time - ((time % ?) + ?) % ?", []any{interval, interval, interval}
	}
	c := q.conditions(catalog)
	rows, err := s.engine.db.QueryContext(ctx, "SELECT "+start+" AS start, "+key+" AS key, count(*) FROM "+from+
		c.where()+" GROUP BY ALL", append(args, c.args...)...)
	if err != nil {
		return err
	}
	defer rows.Close()
	var groups []group
	for rows.Next() {
		var g group
		var k string
		if err := rows.Scan(&g.start, &k, &g.n); err != nil {
			return err
		}
		if g.value, err = by.decode(d, k); err != nil {
			return err
		}
		groups = append(groups, g)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	for _, g := range groups {
		found(g.start, g.value, g.n)
	}
	return nil
}
