package elastic

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// rangeBounds are the values of a range; nil is no bound.
type rangeBounds struct {
	gt, gte, lt, lte any
	format           string
	now              time.Time
}

// timeRange is the range on @timestamp. Milliseconds and coarser values stand
// for the whole unit, so that lte includes it to its end.
func timeRange(r rangeBounds) (*expr, error) {
	e := everything()
	for _, bound := range []struct {
		value any
		upper bool // the bound is on the end of the value's unit
		set   func(int64)
	}{
		{r.gte, false, func(n int64) { e.from = max(e.from, n) }},
		{r.gt, true, func(n int64) { e.from = max(e.from, n) }},
		{r.lt, false, func(n int64) { e.to = min(e.to, n) }},
		{r.lte, true, func(n int64) { e.to = min(e.to, n) }},
	} {
		if bound.value == nil {
			continue
		}
		start, end, err := parseDate(bound.value, r.format, r.now)
		if err != nil {
			return nil, err
		}
		if bound.upper {
			start = end
		}
		bound.set(start)
	}
	var parts []*expr
	if e.from != minTime {
		parts = append(parts, condition("time >= ?", e.from))
	}
	if e.to != maxTime {
		parts = append(parts, condition("time < ?", e.to))
	}
	out := and(parts...)
	out.from, out.to = e.from, e.to
	return out, nil
}

// parseDate reads a date: a number of milliseconds (or seconds when the format
// says so), RFC 3339 in full or in part, or date math on now. It returns the
// first nanosecond of the value's unit and the first one after it.
func parseDate(value any, format string, now time.Time) (start, end int64, err error) {
	text := scalarText(value)
	if n, ferr := strconv.ParseFloat(text, 64); ferr == nil && (len(text) != 4 || strings.Contains(format, "epoch")) {
		unit := float64(time.Millisecond)
		if strings.Contains(format, "epoch_second") {
			unit = float64(time.Second)
		}
		if i, ierr := strconv.ParseInt(text, 10, 64); ierr == nil && math.Abs(n*unit) < math.MaxInt64/2 {
			return i * int64(unit), (i + 1) * int64(unit), nil
		}
		start = clampTime(n * unit)
		return start, start + min(int64(unit), maxTime-start), nil
	}
	if rest, ok := strings.CutPrefix(text, "now"); ok {
		return dateMath(text, rest, now)
	}
	if date, rest, ok := strings.Cut(text, "||"); ok {
		t, _, perr := parseISO(date)
		if perr != nil {
			return 0, 0, perr
		}
		return dateMath(text, rest, t)
	}
	t, unit, err := parseISO(text)
	if err != nil {
		return 0, 0, err
	}
	return nanoseconds(t), nanoseconds(unit(t)), nil
}

func clampTime(f float64) int64 {
	switch {
	case f >= math.MaxInt64/2:
		return maxTime
	case f <= math.MinInt64/2:
		return minTime
	}
	return int64(f)
}

func nanoseconds(t time.Time) int64 {
	if y := t.Year(); y < 1680 {
		return minTime
	} else if y > 2260 {
		return maxTime
	}
	return t.UnixNano()
}

func plus(d time.Duration) func(time.Time) time.Time {
	return func(t time.Time) time.Time { return t.Add(d) }
}

// parseISO reads strict_date_optional_time with its parts left out from the
// right, and returns how the end of the value's unit is found.
func parseISO(s string) (t time.Time, end func(time.Time) time.Time, err error) {
	for _, l := range []struct {
		layout string
		end    func(time.Time) time.Time
	}{
		{"2006-01-02T15:04:05Z07:00", nil}, {"2006-01-02T15:04:05", nil}, {"2006-01-02 15:04:05", nil},
		{"2006-01-02T15:04Z07:00", plus(time.Minute)}, {"2006-01-02T15:04", plus(time.Minute)},
		{"2006-01-02T15Z07:00", plus(time.Hour)}, {"2006-01-02T15", plus(time.Hour)}, {"2006-01-02", plus(24 * time.Hour)},
		{"2006-01", func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
		{"2006", func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	} {
		if t, err = time.Parse(l.layout, s); err == nil {
			if l.end == nil {
				l.end = plus(fractionUnit(s))
			}
			return t, l.end, nil
		}
	}
	return t, nil, badRequest("parse_exception", "failed to parse date field [%.100s] with format [strict_date_optional_time||epoch_millis]", s)
}

// fractionUnit is the unit of the last digit of a time's fraction.
func fractionUnit(s string) time.Duration {
	_, fraction, ok := strings.Cut(s, ".")
	if !ok {
		return time.Second
	}
	unit := time.Second
	for i := 0; i < len(fraction) && fraction[i] >= '0' && fraction[i] <= '9' && unit > 1; i++ {
		unit /= 10
	}
	return unit
}

// dateMath applies "+1h", "-7d" and "/d" to t.
func dateMath(whole, s string, t time.Time) (start, end int64, err error) {
	t = t.UTC()
	rounded := t
	for s != "" {
		operator, n := s[0], 1
		digits := 1
		for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
			digits++
		}
		if digits > 1 {
			if n, err = strconv.Atoi(s[1:digits]); err != nil {
				digits = len(s)
			}
		}
		if digits >= len(s) || n > 1e6 || !strings.ContainsRune("+-/", rune(operator)) {
			return 0, 0, badRequest("parse_exception", "failed to parse date math [%.100s]", whole)
		}
		if operator == '-' {
			n = -n
		}
		next, floor, ok := dateStep(t, s[digits], n)
		if !ok {
			return 0, 0, badRequest("parse_exception", "unit [%c] not supported for date math [%.100s]", s[digits], whole)
		}
		if operator == '/' {
			t = floor
			rounded, _, _ = dateStep(t, s[digits], 1)
		} else {
			t, rounded = next, next
		}
		s = s[digits+1:]
	}
	if rounded.Equal(t) {
		rounded = t.Add(time.Millisecond)
	}
	return nanoseconds(t), nanoseconds(rounded), nil
}

// dateStep returns t moved by n units, and t rounded down to the unit.
func dateStep(t time.Time, unit byte, n int) (next, floor time.Time, ok bool) {
	y, m, d := t.Date()
	day := time.Date(y, m, d, 0, 0, 0, 0, time.UTC)
	switch unit {
	case 's':
		return t.Add(time.Duration(n) * time.Second), t.Truncate(time.Second), true
	case 'm':
		return t.Add(time.Duration(n) * time.Minute), t.Truncate(time.Minute), true
	case 'h', 'H':
		return t.Add(time.Duration(n) * time.Hour), t.Truncate(time.Hour), true
	case 'd':
		return t.AddDate(0, 0, n), day, true
	case 'w':
		return t.AddDate(0, 0, 7*n), day.AddDate(0, 0, -(int(day.Weekday())+6)%7), true
	case 'M':
		return t.AddDate(0, n, 0), time.Date(y, m, 1, 0, 0, 0, 0, time.UTC), true
	case 'y':
		return t.AddDate(n, 0, 0), time.Date(y, 1, 1, 0, 0, 0, 0, time.UTC), true
	}
	return t, t, false
}
