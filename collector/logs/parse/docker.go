package parse

import "bytes"

// Docker parses lines of Docker's json-file log driver: an object with the
// texts log, stream and time in any order; other keys are passed over. A log
// without a newline at its end is a part of a longer line. The zero value is
// ready. It is not safe for parallel use.
type Docker struct {
	clock   clock
	scratch []byte // an unescaped log
}

// dockerFields are the raw texts of a line, without quotes; nil when missing.
type dockerFields struct {
	log, stream, time []byte
	logEscaped        bool
}

// Parse reads a line without its newline; false when it is not of this format.
func (d *Docker) Parse(line []byte, out *Line) bool {
	var f dockerFields
	if !f.scan(line) || f.log == nil || f.time == nil {
		return false
	}
	time, ok := d.clock.parse(f.time)
	if !ok {
		return false
	}
	log := f.log
	if f.logEscaped {
		if d.scratch, ok = unescape(d.scratch[:0], log); !ok {
			return false
		}
		log = d.scratch
	}
	full := len(log) > 0 && log[len(log)-1] == '\n'
	if full {
		log = log[:len(log)-1]
	}
	*out = Line{Time: time, Log: log, Stream: streamOf(f.stream), Partial: !full}
	return true
}

// scan finds the fields of a JSON object.
func (f *dockerFields) scan(line []byte) bool {
	i := space(line, 0)
	if i >= len(line) || line[i] != '{' {
		return false
	}
	i = space(line, i+1)
	if i < len(line) && line[i] == '}' {
		return space(line, i+1) == len(line)
	}
	for {
		next, ok := f.member(line, i)
		if !ok || next >= len(line) {
			return false
		}
		switch line[next] {
		case ',':
			i = space(line, next+1)
		case '}':
			return space(line, next+1) == len(line)
		default:
			return false
		}
	}
}

// member reads a key and its value at i and returns where the next token is.
func (f *dockerFields) member(line []byte, i int) (int, bool) {
	key, _, i, ok := text(line, i)
	if !ok {
		return 0, false
	}
	i = space(line, i)
	if i >= len(line) || line[i] != ':' {
		return 0, false
	}
	i = space(line, i+1)
	if i < len(line) && line[i] == '"' {
		value, escaped, end, ok := text(line, i)
		f.put(key, value, escaped)
		return space(line, end), ok
	}
	end, ok := skipValue(line, i)
	return space(line, end), ok
}

func (f *dockerFields) put(key, value []byte, escaped bool) {
	switch string(key) {
	case "log":
		f.log, f.logEscaped = value, escaped
	case "stream":
		f.stream = value
	case "time":
		f.time = value
	}
}

// space returns the index of the first byte at or after i that is no space.
func space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// text reads a quoted text at i: what is between the quotes, whether there are
// escapes in it, and the index after it.
func text(b []byte, i int) (value []byte, escaped bool, end int, ok bool) {
	if i >= len(b) || b[i] != '"' {
		return nil, false, 0, false
	}
	i++
	quote := bytes.IndexByte(b[i:], '"')
	if quote < 0 {
		return nil, false, 0, false
	}
	slash := bytes.IndexByte(b[i:i+quote], '\\')
	if slash < 0 {
		return b[i : i+quote : i+quote], false, i + quote + 1, true
	}
	for j := i + slash; j < len(b); j++ {
		switch b[j] {
		case '\\':
			j++
		case '"':
			return b[i:j:j], true, j + 1, true
		}
	}
	return nil, false, 0, false
}

// skipValue passes over a value that is no text. It checks only what is needed
// to find its end.
func skipValue(b []byte, i int) (int, bool) {
	depth, start := 0, i
	for i < len(b) {
		switch b[i] {
		case '"':
			_, _, end, ok := text(b, i)
			if !ok {
				return 0, false
			}
			i = end
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth == 0 {
				return i, i > start
			}
			depth--
		case ',':
			if depth == 0 {
				return i, i > start
			}
		}
		i++
	}
	return 0, false
}
