package logs

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lubberline/lubberline/aggregator/logstore"
)

// MaxLimit is the most records or values that one answer holds.
const MaxLimit = 10_000

// params reads query parameters; the first mistake is kept, and so are the
// names that nobody asked for.
type params struct {
	values url.Values
	now    time.Time
	asked  map[string]bool
	err    error
}

func newParams(c *gin.Context, now time.Time) *params {
	values, err := url.ParseQuery(c.Request.URL.RawQuery)
	p := &params{values: values, now: now, asked: map[string]bool{}}
	if err != nil {
		p.bad("query", c.Request.URL.RawQuery, err.Error())
	}
	return p
}

func (p *params) bad(name, value, reason string) {
	if p.err == nil {
		p.err = &logstore.BadQueryError{Parameter: name, Value: value, Reason: reason}
	}
}

// done returns the first mistake, an unknown parameter included.
func (p *params) done() error {
	names := make([]string, 0, len(p.values))
	for name := range p.values {
		if !p.asked[name] {
			names = append(names, name)
		}
	}
	sort.Strings(names)
	if len(names) > 0 {
		p.bad(names[0], p.values.Get(names[0]), "unknown parameter")
	}
	return p.err
}

func (p *params) value(name string) string {
	p.asked[name] = true
	return p.values.Get(name)
}

// list reads a comma-separated parameter that may be repeated.
func (p *params) list(name string) []string {
	p.asked[name] = true
	var list []string
	for _, v := range p.values[name] {
		for part := range strings.SplitSeq(v, ",") {
			if part = strings.TrimSpace(part); part != "" {
				list = append(list, part)
			}
		}
	}
	return list
}

func (p *params) flag(name string) bool {
	v := p.value(name)
	if v == "" {
		return p.values.Has(name) // "?follow" is enough
	}
	b, err := strconv.ParseBool(v)
	if err != nil {
		p.bad(name, v, "neither true nor false")
	}
	return b
}

func (p *params) oneOf(name string, allowed ...string) string {
	v := p.value(name)
	if v == "" {
		return allowed[0]
	}
	if !slices.Contains(allowed, v) {
		p.bad(name, v, "not one of "+strings.Join(allowed, ", "))
	}
	return v
}

func (p *params) duration(name string) time.Duration {
	v := p.value(name)
	if v == "" {
		return 0
	}
	d, err := parseDuration(v)
	if err != nil || d <= 0 {
		p.bad(name, v, "not a positive duration such as 30s, 5m, 1h or 1d")
		return 0
	}
	return d
}

func (p *params) time(name string) time.Time {
	v := p.value(name)
	if v == "" {
		return time.Time{}
	}
	t, err := parseTime(v, p.now)
	if err != nil {
		p.bad(name, v, err.Error())
	}
	return t
}

// query reads the parameters that select records.
func (p *params) query() logstore.Query {
	q := logstore.Query{From: p.time("start"), To: p.time("end"),
		Namespaces: p.list("namespace"), Controllers: p.list("controller"), Pods: p.list("pod"), Containers: p.list("container"), Nodes: p.list("node"),
		Streams: p.list("stream"), Text: p.value("text"), IgnoreCase: p.flag("ignore_case"), Regex: p.value("regex"),
		Ascending: p.oneOf("order", "desc", "asc", "tail") == "asc", Limit: p.limit()}
	if !q.From.IsZero() && !q.To.IsZero() && q.To.Before(q.From) {
		p.bad("end", p.value("end"), "before start")
	}
	for _, name := range p.list("level") {
		l, ok := logstore.ParseLevel(name)
		if !ok {
			p.bad("level", name, "not one of trace, debug, info, warn, error, fatal, unknown")
		}
		q.Levels = append(q.Levels, l)
	}
	if v := p.value("cursor"); v != "" {
		cursor, err := parseCursor(v)
		if err != nil {
			p.bad("cursor", v, err.Error())
		}
		q.After = &cursor
	}
	return q
}

func (p *params) limit() int {
	v := p.value("limit")
	if v == "" {
		return logstore.DefaultLimit
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 || n > MaxLimit {
		p.bad("limit", v, fmt.Sprintf("not a number from 1 to %d", MaxLimit))
	}
	return n
}

// cursorText writes the place of a record as "<time>.<seq>".
func cursorText(c logstore.Cursor) string {
	return strconv.FormatInt(c.Time, 10) + "." + strconv.FormatInt(c.Seq, 10)
}

func parseCursor(s string) (logstore.Cursor, error) {
	t, seq, ok := strings.Cut(s, ".")
	time, err1 := strconv.ParseInt(t, 10, 64)
	n, err2 := strconv.ParseInt(seq, 10, 64)
	if !ok || err1 != nil || err2 != nil {
		return logstore.Cursor{}, fmt.Errorf("not a cursor of an earlier answer")
	}
	return logstore.Cursor{Time: time, Seq: n}, nil
}

// parseTime reads RFC 3339, a time since the epoch in seconds (with decimals
// if wanted), milli-, micro- or nanoseconds as its size tells, "now", or a
// time relative to now such as "-15m" or "now-1d".
func parseTime(s string, now time.Time) (time.Time, error) {
	if rest, ok := strings.CutPrefix(s, "now"); ok {
		if rest == "" {
			return now, nil
		}
		s = rest
	}
	if s[0] == '-' || s[0] == '+' {
		if d, err := parseDuration(s[1:]); err == nil && s[0] == '-' {
			return now.Add(-d), nil
		} else if err == nil {
			return now.Add(d), nil
		}
	}
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t, nil
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil && n >= 0 {
		return epochTime(n), nil
	}
	if f, err := strconv.ParseFloat(s, 64); err == nil && f >= 0 && f < 1e11 {
		seconds, fraction := math.Modf(f)
		return time.Unix(int64(seconds), int64(fraction*1e9)).UTC(), nil
	}
	return time.Time{}, fmt.Errorf("not a time: RFC 3339, unix time, or relative such as -15m")
}

// epochTime tells the unit of n by its size: up to the year 5138 in seconds.
func epochTime(n int64) time.Time {
	switch {
	case n < 1e11:
		return time.Unix(n, 0).UTC()
	case n < 1e14:
		return time.UnixMilli(n).UTC()
	case n < 1e17:
		return time.UnixMicro(n).UTC()
	}
	return time.Unix(0, n).UTC()
}

// parseDuration reads Go's durations and whole days and weeks.
func parseDuration(s string) (time.Duration, error) {
	if d, err := time.ParseDuration(s); err == nil {
		return d, nil
	}
	unit := 24 * time.Hour
	digits, ok := strings.CutSuffix(s, "d")
	if !ok {
		digits, ok = strings.CutSuffix(s, "w")
		unit *= 7
	}
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < 0 || n > 36500 {
		return 0, fmt.Errorf("not a duration: %q", s)
	}
	return time.Duration(n) * unit, nil
}
