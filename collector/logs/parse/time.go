package parse

import "math"

const (
	nanosecond  = 1
	second      = 1_000_000_000 * nanosecond
	minuteChars = len("2006-01-02T15:04:")
	secondChars = len("2006-01-02T15:04:05")
)

// clock parses RFC 3339 times. Log lines of one minute follow one another, so
// the last minute's value is kept.
type clock struct {
	minute [minuteChars]byte
	unix   int64 // seconds of minute, as if it were UTC
	known  bool
}

// parse returns the nanoseconds since the epoch. It takes what a 32-bit count
// of seconds holds, which is what travels in a forward event time.
func (c *clock) parse(b []byte) (int64, bool) {
	if len(b) < secondChars+1 {
		return 0, false
	}
	if !c.known || string(c.minute[:]) != string(b[:minuteChars]) {
		if !c.setMinute(b[:minuteChars]) {
			return 0, false
		}
	}
	sec, ok := twoDigits(b[minuteChars:], 60)
	if !ok {
		return 0, false
	}
	nanos, rest, ok := fraction(b[secondChars:])
	if !ok {
		return 0, false
	}
	shift, ok := offset(rest)
	if !ok {
		return 0, false
	}
	unix := c.unix + int64(sec) - shift
	if unix < 0 || unix > math.MaxUint32 {
		return 0, false
	}
	return unix*second + nanos, true
}

// setMinute parses "2006-01-02T15:04:".
func (c *clock) setMinute(b []byte) bool {
	if b[4] != '-' || b[7] != '-' || b[10] != 'T' || b[13] != ':' || b[16] != ':' {
		return false
	}
	high, ok1 := twoDigits(b, 99)
	low, ok2 := twoDigits(b[2:], 99)
	month, ok3 := twoDigits(b[5:], 12)
	day, ok4 := twoDigits(b[8:], 31)
	hour, ok5 := twoDigits(b[11:], 23)
	minute, ok6 := twoDigits(b[14:], 59)
	if !ok1 || !ok2 || !ok3 || !ok4 || !ok5 || !ok6 || month == 0 || day == 0 {
		return false
	}
	year := high*100 + low
	if day > daysIn(year, month) {
		return false
	}
	c.unix = (int64(days(year, month, day))*24+int64(hour))*3600 + int64(minute)*60
	c.known = copy(c.minute[:], b) == minuteChars
	return true
}

func daysIn(year, month int) int {
	switch month {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// days counts from 1970-01-01 in the Gregorian calendar. Years are taken to
// begin in March, so that a leap day is the last one.
func days(year, month, day int) int {
	if month <= 2 {
		year--
		month += 12
	}
	const marchFirst1970 = 719468 // days from 0000-03-01 to 1970-01-01
	return year*365 + year/4 - year/100 + year/400 + (153*(month-3)+2)/5 + day - 1 - marchFirst1970
}

// twoDigits parses two digits, at most limit.
func twoDigits(b []byte, limit int) (int, bool) {
	high, low := b[0]-'0', b[1]-'0'
	if high > 9 || low > 9 {
		return 0, false
	}
	n := int(high)*10 + int(low)
	return n, n <= limit
}

// fraction parses ".123456789", of which any part may be missing, and returns
// what follows. Digits beyond nanoseconds are dropped.
func fraction(b []byte) (nanos int64, rest []byte, ok bool) {
	if len(b) == 0 || b[0] != '.' {
		return 0, b, true
	}
	i := 1
	unit := int64(second)
	for ; i < len(b) && b[i]-'0' <= 9; i++ {
		unit /= 10
		nanos += int64(b[i]-'0') * unit
	}
	return nanos, b[i:], i > 1
}

// offset parses "Z" or "+02:00" into seconds east of UTC.
func offset(b []byte) (int64, bool) {
	if len(b) == 1 && b[0] == 'Z' {
		return 0, true
	}
	if len(b) != len("+02:00") || b[3] != ':' || b[0] != '+' && b[0] != '-' {
		return 0, false
	}
	hours, ok1 := twoDigits(b[1:], 23)
	minutes, ok2 := twoDigits(b[4:], 59)
	shift := int64(hours)*3600 + int64(minutes)*60
	if b[0] == '-' {
		shift = -shift
	}
	return shift, ok1 && ok2
}
