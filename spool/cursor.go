package spool

import (
	"fmt"
	"io"
	"time"
)

// readAheadBytes is read at once; an entry that is longer is read straight into
// its own memory.
const readAheadBytes = 128 << 10

// cursor reads the entries of one segment in order. It never reads at or beyond
// end, so that it sees no half-written entry.
type cursor struct {
	source io.ReaderAt
	off    int64  // of the next entry
	end    int64  // readable bytes of the segment
	want   uint64 // the next entry's sequence number

	buf      []byte // holds source[bufStart : bufStart+len(buf)]
	bufStart int64
}

func newCursor(source io.ReaderAt, first uint64, end int64) *cursor {
	return &cursor{source: source, off: segmentHeaderBytes, end: end, want: first}
}

// window returns n bytes at off, n at most readAheadBytes and within end.
func (c *cursor) window(off int64, n int) ([]byte, error) {
	at := off - c.bufStart
	if at < 0 || at+int64(n) > int64(len(c.buf)) {
		if err := c.fill(off); err != nil {
			return nil, err
		}
		at = 0
	}
	return c.buf[at : at+int64(n)], nil
}

func (c *cursor) fill(off int64) error {
	n := min(readAheadBytes, c.end-off)
	if int64(cap(c.buf)) < n {
		c.buf = make([]byte, n)
	}
	c.buf = c.buf[:n]
	c.bufStart = off
	if err := readFull(c.source, c.buf, off); err != nil {
		c.buf = c.buf[:0]
		return err
	}
	return nil
}

func readFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == io.EOF {
		return fmt.Errorf("%w: file ends at %d", errCorrupt, off+int64(n))
	}
	return err
}

// header reads the next entry's header; io.EOF at end.
func (c *cursor) header() (entryHeader, []byte, error) {
	if c.off == c.end {
		return entryHeader{}, nil, io.EOF
	}
	if c.end-c.off < entryHeaderBytes {
		return entryHeader{}, nil, fmt.Errorf("%w: %d bytes where a header is due", errCorrupt, c.end-c.off)
	}
	raw, err := c.window(c.off, entryHeaderBytes)
	if err != nil {
		return entryHeader{}, nil, err
	}
	h := decodeEntryHeader(raw)
	if h.seq != c.want {
		return h, nil, fmt.Errorf("%w: sequence number %d, want %d", errCorrupt, h.seq, c.want)
	}
	if h.length > MaxEntryBytes || int64(h.length) > c.end-c.off-entryHeaderBytes {
		return h, nil, fmt.Errorf("%w: length %d runs over the end", errCorrupt, h.length)
	}
	return h, raw, nil
}

// next returns the next entry, verified; io.EOF at end. The cursor stays where
// it is on an error.
func (c *cursor) next() (Entry, error) {
	h, raw, err := c.header()
	if err != nil {
		return Entry{}, err
	}
	var head [entryHeaderBytes]byte
	copy(head[:], raw)
	data := make([]byte, h.length)
	if err := c.read(data, c.off+entryHeaderBytes); err != nil {
		return Entry{}, err
	}
	if entryChecksum(head[:], data) != h.checksum {
		return Entry{}, fmt.Errorf("%w: checksum of entry %d", errCorrupt, h.seq)
	}
	c.advance(h)
	return Entry{Seq: h.seq, Data: data, Time: time.Unix(0, h.nanos)}, nil
}

// read fills data from off, by way of the read-ahead when it is short.
func (c *cursor) read(data []byte, off int64) error {
	if len(data) <= readAheadBytes/2 {
		b, err := c.window(off, len(data))
		copy(data, b)
		return err
	}
	have := 0
	if at := off - c.bufStart; at >= 0 && at < int64(len(c.buf)) {
		have = copy(data, c.buf[at:])
	}
	return readFull(c.source, data[have:], off+int64(have))
}

// skip passes over the next entry without verifying its data.
func (c *cursor) skip() (entryHeader, error) {
	h, _, err := c.header()
	if err == nil {
		c.advance(h)
	}
	return h, err
}

func (c *cursor) advance(h entryHeader) {
	c.off += entryHeaderBytes + int64(h.length)
	c.want++
}
