package elastic

import (
	"math"
	"strconv"
	"strings"
)

// Bounds of time in nanoseconds; to is exclusive.
const (
	minTime = math.MinInt64
	maxTime = math.MaxInt64
)

// expr is a condition in SQL with its parameters, in order of their ?.
type expr struct {
	sql  string
	args []any
	// source says that columns of the sources are used.
	source bool
	// from and to bound the times of the records that can match.
	from, to int64
}

func condition(sql string, args ...any) *expr {
	return &expr{sql: sql, args: args, from: minTime, to: maxTime}
}

func everything() *expr { return condition("true") }
func nothing() *expr    { return condition("false") }

// join joins conditions; the caller sets the bounds.
func join(operator string, list []*expr) *expr {
	out := condition("")
	parts := make([]string, len(list))
	for i, e := range list {
		parts[i] = "(" + e.sql + ")"
		out.args = append(out.args, e.args...)
		out.source = out.source || e.source
	}
	out.sql = strings.Join(parts, operator)
	return out
}

// and is true where all are.
func and(list ...*expr) *expr {
	switch len(list) {
	case 0:
		return everything()
	case 1:
		return list[0]
	}
	out := join(" AND ", list)
	for _, e := range list {
		out.from, out.to = max(out.from, e.from), min(out.to, e.to)
	}
	return out
}

// or is true where any is.
func or(list ...*expr) *expr {
	switch len(list) {
	case 0:
		return nothing()
	case 1:
		return list[0]
	}
	out := join(" OR ", list)
	out.from, out.to = maxTime, minTime
	for _, e := range list {
		out.from, out.to = min(out.from, e.from), max(out.to, e.to)
	}
	return out
}

// not is true where e is false or unknown, as for a record without the field.
func not(e *expr) *expr {
	return &expr{sql: "NOT coalesce((" + e.sql + "), false)", args: e.args, source: e.source, from: minTime, to: maxTime}
}

// atLeast is true where n of the list are.
func atLeast(n int, list []*expr) *expr {
	switch {
	case n <= 0:
		return everything()
	case n == 1:
		return or(list...)
	case n > len(list):
		return nothing()
	}
	counted := make([]*expr, len(list))
	for i, e := range list {
		counted[i] = &expr{sql: "coalesce((" + e.sql + "), false)::INTEGER", args: e.args, source: e.source}
	}
	out := join(" + ", counted)
	out.sql += " >= " + strconv.Itoa(n)
	return out
}

func itoa(n int64) string { return strconv.FormatInt(n, 10) }

// quoteText writes s as an SQL string.
func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
