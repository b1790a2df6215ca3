package cgroup

import "bytes"

// parseUint reads a decimal number at the start of b and returns what follows.
// It fails when there is no digit or the number does not fit 64 bits.
func parseUint(b []byte) (v uint64, rest []byte, ok bool) {
	i := 0
	for ; i < len(b); i++ {
		d := uint64(b[i] - '0')
		if d > 9 {
			break
		}
		if v > (1<<64-1)/10 || v*10 > 1<<64-1-d {
			return 0, b, false
		}
		v = v*10 + d
	}
	return v, b[i:], i > 0
}

// parseScalar reads a file that holds one number. "max", "-1" and anything else
// that is no number is unknown.
func parseScalar(b []byte) (uint64, bool) {
	v, rest, ok := parseUint(b)
	return v, ok && len(bytes.TrimSpace(rest)) == 0
}

// noLimit is the least value that v1 means as "no limit": it writes the largest
// multiple of the page size, which differs between machines.
const noLimit = 1 << 60

// parseLimit is parseScalar for limits: those no machine can reach are unknown.
func parseLimit(b []byte) (uint64, bool) {
	v, ok := parseScalar(b)
	return v, ok && v < noLimit
}

// nextLine cuts the first line off b; the line has no newline.
func nextLine(b []byte) (line, rest []byte) {
	if i := bytes.IndexByte(b, '\n'); i >= 0 {
		return b[:i], b[i+1:]
	}
	return b, nil
}

// nextWord cuts the first word off b, at a blank. The rest starts at the next
// word.
func nextWord(b []byte) (word, rest []byte) {
	i := bytes.IndexByte(b, ' ')
	if i < 0 {
		return b, nil
	}
	word, rest = b[:i], b[i+1:]
	for len(rest) > 0 && rest[0] == ' ' {
		rest = rest[1:]
	}
	return word, rest
}

// keyValue splits a line "key 123". It fails when the value is no number.
func keyValue(line []byte) (key []byte, v uint64, ok bool) {
	key, rest := nextWord(line)
	v, ok = parseScalar(rest)
	return key, v, ok && len(key) > 0
}

// countLines is the number of lines that hold anything.
func countLines(b []byte) (n uint64) {
	for len(b) > 0 {
		var line []byte
		if line, b = nextLine(b); len(line) > 0 {
			n++
		}
	}
	return n
}

// parseDevice reads "254:0" and returns what follows the blank after it.
func parseDevice(b []byte) (major, minor uint32, rest []byte, ok bool) {
	hi, b, ok := parseUint(b)
	if !ok || hi >= 1<<32 || len(b) == 0 || b[0] != ':' {
		return 0, 0, nil, false
	}
	lo, b, ok := parseUint(b[1:])
	if !ok || lo >= 1<<32 || len(b) == 0 || b[0] != ' ' {
		return 0, 0, nil, false
	}
	return uint32(hi), uint32(lo), b[1:], true
}
