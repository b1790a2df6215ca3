package logstore

import (
	"context"
	"database/sql"
	"strconv"
	"strings"
	"time"
)

// Reader runs statements over the days that a View covers.
type Reader struct {
	db   *sql.DB
	days []*day
}

// Relation returns SQL that stands for the records of the days in a FROM
// clause. Its columns are day and source (for Origin), time (BIGINT,
// nanoseconds since the epoch), seq (BIGINT), level (UTINYINT, see Level),
// message and fields (JSON text or NULL); withSource adds tag, stream,
// namespace, pod, pod_uid, container, container_id, image, node,
// labels (JSON text or empty) and controller.
func (r *Reader) Relation(withSource bool) string {
	parts := make([]string, len(r.days))
	for i, d := range r.days {
		c := d.number.catalog()
		columns := strconv.FormatInt(int64(d.number), 10) + "::BIGINT AS day, r.source, r.time, r.seq, r.level, r.message, r.fields"
		parts[i] = "SELECT " + columns + " FROM " + c + ".records r"
		if withSource {
			parts[i] = "SELECT " + columns + ", s.* EXCLUDE (id) FROM " + c + ".records r JOIN " + c + ".sources s ON r.source = s.id"
		}
	}
	return "(" + strings.Join(parts, " UNION ALL ") + ")"
}

// Origin returns what the columns day and source of a row stand for.
func (r *Reader) Origin(day int64, source int32) *Origin {
	for _, d := range r.days {
		if int64(d.number) == day {
			return d.state.sources.origin(source)
		}
	}
	return &Origin{}
}

// Query runs a statement. The caller closes the rows.
func (r *Reader) Query(ctx context.Context, statement string, args ...any) (*sql.Rows, error) {
	return r.db.QueryContext(ctx, statement, args...)
}

// View runs f with a Reader over the days that hold from <= time < to, and
// tells whether there were any; a zero time is no bound. f still has to select
// by time, and must have closed its rows when it returns. It may be run twice
// when the engine had to be started again.
func (s *Store) View(ctx context.Context, from, to time.Time, f func(*Reader) error) (any bool, err error) {
	defer s.timeQuery(time.Now())
	q := Query{From: from, To: to}
	lo, hi := q.bounds()
	err = s.withDays(ctx, s.daysBetween(lo, hi), func(days []*day) error {
		any = true
		return f(&Reader{db: s.engine.db, days: days})
	})
	return any, err
}
