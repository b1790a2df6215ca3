package parse

import "bytes"

// CRI parses lines of the container runtime interface's log format:
// "time stream tags text", where the first tag is F for a full line and P for
// one that goes on. The zero value is ready. It is not safe for parallel use.
type CRI struct{ clock clock }

// Parse reads a line without its newline; false when it is not of this format.
func (c *CRI) Parse(line []byte, out *Line) bool {
	stamp, rest, ok := cut(line)
	if !ok {
		return false
	}
	stream, rest, ok := cut(rest)
	if !ok || len(stream) == 0 {
		return false
	}
	tags, text, ok := cut(rest)
	if !ok {
		tags, text = rest, nil // an empty line may come without the last space
	}
	if len(tags) == 0 || tags[0] != 'F' && tags[0] != 'P' || len(tags) > 1 && tags[1] != ':' {
		return false
	}
	time, ok := c.clock.parse(stamp)
	if !ok {
		return false
	}
	*out = Line{Time: time, Log: text, Stream: streamOf(stream), Partial: tags[0] == 'P'}
	return true
}

// cut splits at the first space.
func cut(b []byte) (before, after []byte, ok bool) {
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		return nil, nil, false
	}
	return b[:i], b[i+1:], true
}
