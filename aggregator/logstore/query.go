package logstore

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strings"
	"time"
)

// Limits of a query.
const (
	DefaultLimit = 100
	MaxLimit     = 100_000
	// MaxBuckets bounds the intervals of a histogram.
	MaxBuckets = 20_000
)

// Query selects records. Lists mean any of their values and an empty list
// means all; the conditions are joined with and.
type Query struct {
	// From <= time < To; a zero time is no bound.
	From, To time.Time

	// Controllers are "KIND/NAME", as Origin has them.
	Namespaces, Controllers, Pods, Containers, Nodes, Streams []string
	Levels                                                    []Level
	// Text must occur in the line, or in the further fields of the record.
	Text       string
	IgnoreCase bool
	// Regex is an RE2 expression that must match somewhere in the line.
	Regex string

	// Limit is the most records returned; 0 is DefaultLimit.
	Limit int
	// Ascending returns the oldest first; otherwise the newest first.
	Ascending bool
	// After continues behind the record that has this cursor.
	After *Cursor

	// below, when not 0, leaves out records with seq >= below.
	below int64
}

// Cursor is the place of a record in the order of a query.
type Cursor struct {
	// Time is the record's, in nanoseconds since the epoch; Seq tells records of
	// one time apart.
	Time, Seq int64
}

// BadQueryError says what is wrong with a query.
type BadQueryError struct{ Parameter, Value, Reason string }

func (e *BadQueryError) Error() string {
	return fmt.Sprintf("%s %q: %s", e.Parameter, e.Value, e.Reason)
}

// IsBadQuery reports that err is the asker's fault.
func IsBadQuery(err error) bool {
	var bad *BadQueryError
	return errors.As(err, &bad)
}

// Origin is where a line comes from. It is shared and must not be changed.
type Origin struct {
	Tag, Stream, Namespace, Pod, PodUID, Container, ContainerID, Image, Node string
	// Controller is the pod's topmost one as "KIND/NAME".
	Controller string
	Labels     map[string]string
}

// Entry is a stored record.
type Entry struct {
	// Time is in nanoseconds since the epoch.
	Time  int64
	Seq   int64
	Level Level
	// Message is the line; Fields is JSON text of one object, empty for none.
	Message, Fields string
	Origin          *Origin
}

// Cursor is the entry's place.
func (e *Entry) Cursor() Cursor { return Cursor{Time: e.Time, Seq: e.Seq} }

// bounds returns the query's range in nanoseconds, narrowed by the cursor.
func (q *Query) bounds() (from, to int64) {
	from, to = Nanoseconds(q.From, math.MinInt64), Nanoseconds(q.To, math.MaxInt64)
	if q.After == nil {
		return from, to
	}
	if q.Ascending {
		return max(from, q.After.Time), to
	}
	if q.After.Time < math.MaxInt64 {
		to = min(to, q.After.Time+1)
	}
	return from, to
}

// Nanoseconds is t since the epoch, clamped to what the store can hold, and
// unset for the zero time.
func Nanoseconds(t time.Time, unset int64) int64 {
	switch {
	case t.IsZero():
		return unset
	case t.Year() < 1680:
		return math.MinInt64
	case t.Year() > 2260:
		return math.MaxInt64
	}
	return t.UnixNano()
}

func (q *Query) limit() int {
	if q.Limit <= 0 {
		return DefaultLimit
	}
	return min(q.Limit, MaxLimit)
}

// check validates what the engine would otherwise trip over.
func (q *Query) check() error {
	if q.Regex == "" {
		return nil
	}
	if len(q.Regex) > 4096 {
		return &BadQueryError{"regex", q.Regex[:32] + "…", "longer than 4096 bytes"}
	}
	if _, err := regexp.Compile(q.Regex); err != nil {
		return &BadQueryError{"regex", q.Regex, err.Error()}
	}
	return nil
}

// condition is SQL with its parameters.
type condition struct {
	parts []string
	args  []any
}

func (c *condition) add(sql string, args ...any) {
	c.parts = append(c.parts, sql)
	c.args = append(c.args, args...)
}

func (c *condition) where() string {
	if len(c.parts) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(c.parts, " AND ")
}

// anyOf adds "column is one of the values".
func (c *condition) anyOf(column string, values []string) {
	if len(values) == 0 {
		return
	}
	args := make([]any, len(values))
	for i, v := range values {
		args[i] = validText(v)
	}
	c.add(column+" IN (?"+strings.Repeat(", ?", len(values)-1)+")", args...)
}

// conditions turns the query into SQL on the table records of the catalog.
func (q *Query) conditions(catalog string) *condition {
	c := &condition{}
	from, to := q.bounds()
	if from != math.MinInt64 {
		c.add("time >= ?", from)
	}
	if to != math.MaxInt64 {
		c.add("time < ?", to)
	}
	if q.After != nil && q.Ascending {
		c.add("(time > ? OR seq > ?)", q.After.Time, q.After.Seq)
	} else if q.After != nil {
		c.add("(time < ? OR seq < ?)", q.After.Time, q.After.Seq)
	}
	if q.below != 0 {
		c.add("seq < ?", q.below)
	}
	if len(q.Levels) > 0 {
		names := make([]any, len(q.Levels))
		for i, l := range q.Levels {
			names[i] = int64(l)
		}
		c.add("level IN (?"+strings.Repeat(", ?", len(names)-1)+")", names...)
	}
	if src := q.sourceConditions(); len(src.parts) > 0 {
		c.add("source IN (SELECT id FROM "+catalog+".sources"+src.where()+")", src.args...)
	}
	q.textConditions(c)
	return c
}

func (q *Query) sourceConditions() *condition {
	c := &condition{}
	c.anyOf("namespace", q.Namespaces)
	c.anyOf("pod", q.Pods)
	c.anyOf("container", q.Containers)
	c.anyOf("controller", q.Controllers)
	c.anyOf("node", q.Nodes)
	c.anyOf("stream", q.Streams)
	return c
}

func (q *Query) textConditions(c *condition) {
	if q.Text != "" {
		text := validText(q.Text)
		if q.IgnoreCase {
			text = strings.ToLower(text)
			c.add("(contains(lower(message), ?) OR fields IS NOT NULL AND contains(lower(fields), ?))", text, text)
		} else {
			c.add("(contains(message, ?) OR fields IS NOT NULL AND contains(fields, ?))", text, text)
		}
	}
	if q.Regex != "" {
		c.add("regexp_matches(message, ?)", validText(q.Regex))
	}
}
