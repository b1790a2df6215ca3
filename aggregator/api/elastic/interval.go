package elastic

import (
	"strconv"
	"strings"
	"time"
)

// interval is the length of the buckets of a date_histogram: a fixed one, or a
// calendar's month, quarter or year.
type interval struct {
	fixed int64 // nanoseconds; 0 for a calendar's
	unit  string
	// shift is added before rounding down: the zone's offset, and what makes
	// weeks start on Monday.
	shift int64
}

// parseStep reads fixed_interval, calendar_interval or the older interval.
func parseStep(o object) (*interval, error) {
	text := ""
	calendar := false
	for _, k := range keysOf(o) {
		switch k {
		case "fixed_interval", "interval":
			text = scalarText(o[k])
		case "calendar_interval":
			text, calendar = scalarText(o[k]), true
		case "field", "min_doc_count", "extended_bounds", "hard_bounds", "format", "time_zone", "order", "keyed", "offset", "missing":
		default:
			return nil, unsupported("key of a date_histogram aggregation", k)
		}
	}
	step, err := stepOf(text, calendar || o["interval"] != nil)
	if err != nil {
		return nil, err
	}
	zone, err := zoneOffset(scalarText(o["time_zone"]))
	if err != nil {
		return nil, err
	}
	step.shift += zone
	if offset := scalarText(o["offset"]); offset != "" {
		d, err := parseFixed(strings.TrimLeft(offset, "+-"))
		if err != nil {
			return nil, err
		}
		if offset[0] == '-' {
			d = -d
		}
		step.shift -= d
	}
	return step, nil
}

func stepOf(text string, calendar bool) (*interval, error) {
	const week = 7 * 24 * int64(time.Hour)
	if calendar {
		switch text {
		case "minute", "1m":
			return &interval{fixed: int64(time.Minute)}, nil
		case "second", "1s":
			return &interval{fixed: int64(time.Second)}, nil
		case "hour", "1h":
			return &interval{fixed: int64(time.Hour)}, nil
		case "day", "1d":
			return &interval{fixed: 24 * int64(time.Hour)}, nil
		case "week", "1w":
			return &interval{fixed: week, shift: 3 * 24 * int64(time.Hour)}, nil // the epoch was a Thursday
		case "month", "1M":
			return &interval{unit: "month"}, nil
		case "quarter", "1q":
			return &interval{unit: "quarter"}, nil
		case "year", "1y":
			return &interval{unit: "year"}, nil
		}
	}
	d, err := parseFixed(text)
	if err != nil {
		return nil, err
	}
	if d < int64(time.Millisecond) {
		return nil, badRequest("illegal_argument_exception", "interval [%.100s] must be at least a millisecond", text)
	}
	return &interval{fixed: d}, nil
}

// parseFixed reads "10s", "500ms", "1d", "1w"; a bare number is milliseconds.
func parseFixed(text string) (int64, error) {
	digits := 0
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	n, err := strconv.ParseInt(text[:digits], 10, 64)
	units := map[string]time.Duration{"": time.Millisecond, "ms": time.Millisecond, "s": time.Second, "m": time.Minute,
		"h": time.Hour, "d": 24 * time.Hour, "w": 7 * 24 * time.Hour, "nanos": 1, "micros": time.Microsecond}
	unit, ok := units[text[digits:]]
	if err != nil || !ok || n > int64(200*365*24*time.Hour/unit) {
		if d, derr := time.ParseDuration(text); derr == nil && d > 0 { // Go's "1m0s"
			return int64(d), nil
		}
		return 0, badRequest("illegal_argument_exception", "failed to parse interval [%.100s]", text)
	}
	return n * int64(unit), nil
}

// zoneOffset is the zone's offset: of a named one, as it is in standard time.
func zoneOffset(zone string) (int64, error) {
	switch strings.ToUpper(zone) {
	case "", "UTC", "Z", "BROWSER":
		return 0, nil
	}
	if t, err := time.Parse("Z07:00", zone); err == nil {
		_, seconds := t.Zone()
		return int64(seconds) * int64(time.Second), nil
	}
	location, err := time.LoadLocation(zone)
	if err != nil {
		return 0, badRequest("illegal_argument_exception", "unknown time zone [%.100s]", zone)
	}
	_, seconds := time.Date(2026, 1, 1, 0, 0, 0, 0, location).Zone()
	return int64(seconds) * int64(time.Second), nil
}

// key is the start of a record's bucket in nanoseconds.
func (i *interval) key() keySQL {
	if i.fixed > 0 {
		return keySQL{sql: "time - (((time + ?) % ?) + ?) % ?", args: []any{i.shift, i.fixed, i.fixed, i.fixed}}
	}
	return keySQL{sql: "epoch_ns(date_trunc(" + quoteText(i.unit) + ", make_timestamp_ns(time + ?))::TIMESTAMP_NS) - ?",
		args: []any{i.shift, i.shift}}
}

// floor is the start of the bucket that t is in, and next the one after it.
func (i *interval) floor(t int64) int64 {
	if i.fixed > 0 {
		return t - ((t+i.shift)%i.fixed+i.fixed)%i.fixed
	}
	at := time.Unix(0, t+i.shift).UTC()
	month := at.Month()
	switch i.unit {
	case "year":
		month = 1
	case "quarter":
		month -= (month - 1) % 3
	}
	return time.Date(at.Year(), month, 1, 0, 0, 0, 0, time.UTC).UnixNano() - i.shift
}

func (i *interval) next(start int64) int64 {
	if i.fixed > 0 {
		return start + i.fixed
	}
	months := map[string]int{"month": 1, "quarter": 3, "year": 12}[i.unit]
	return time.Unix(0, start+i.shift).UTC().AddDate(0, months, 0).UnixNano() - i.shift
}
