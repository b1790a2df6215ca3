package spool

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// reader is a place in the spool. Spool.readMu guards it.
type reader struct {
	segment *segment // nil: before the first unacknowledged entry
	file    file
	cursor  *cursor
}

func (r *reader) reset() {
	if r.file != nil {
		r.file.Close()
	}
	*r = reader{}
}

// Next waits for an entry that this reader has not had yet. It returns ctx's
// error, ErrClosed, or the disk's. Entries that were shed meanwhile are passed
// over, and so is what is corrupt.
func (s *Spool) Next(ctx context.Context) (Entry, error) {
	for {
		e, err := s.tryNext()
		if !errors.Is(err, io.EOF) {
			return e, err
		}
		select {
		case <-s.readable:
		case <-ctx.Done():
			return Entry{}, ctx.Err()
		case <-s.done:
			return Entry{}, ErrClosed
		}
	}
}

// TryNext is Next without waiting; false when there is no unread entry.
func (s *Spool) TryNext() (Entry, bool, error) {
	e, err := s.tryNext()
	if errors.Is(err, io.EOF) {
		return Entry{}, false, nil
	}
	return e, err == nil, err
}

// Rewind makes Next begin again at the first unacknowledged entry.
func (s *Spool) Rewind() {
	s.readMu.Lock()
	s.reader.reset()
	s.readMu.Unlock()
	poke(s.readable)
}

// tryNext returns io.EOF when there is no unread entry.
func (s *Spool) tryNext() (Entry, error) {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if s.isClosed() {
		return Entry{}, ErrClosed
	}
	for {
		ok, err := s.place(&s.reader)
		if err != nil || !ok {
			return Entry{}, orEOF(err)
		}
		e, err := s.reader.cursor.next()
		switch {
		case err == nil:
			s.metrics.readEntries.Add(1)
			return e, nil
		case isCorrupt(err):
			if failed := s.quarantine(s.reader.segment, s.reader.cursor, err); failed != nil {
				return Entry{}, failed
			}
		case !errors.Is(err, io.EOF):
			return Entry{}, err
		}
	}
}

func orEOF(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}

func isCorrupt(err error) bool { return errors.Is(err, errCorrupt) || errors.Is(err, unix.EIO) }

// place puts the reader before an unread entry; false when there is none. It
// needs readMu.
func (s *Spool) place(r *reader) (bool, error) {
	for {
		seg, end, last := s.target(r)
		if seg == nil {
			return false, nil
		}
		if seg != r.segment {
			if err := s.enter(r, seg, end); err != nil {
				return false, err
			}
			continue
		}
		r.cursor.end = end
		if r.cursor.want > last {
			return false, nil
		}
		return true, nil
	}
}

// target is the segment in which r goes on, with its readable end and last
// sequence number; nil when r has read everything.
func (s *Spool) target(r *reader) (*segment, int64, uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.segment == nil {
		return describe(s.firstUnacked())
	}
	for _, seg := range s.segments {
		if seg.last < seg.first || seg.first < r.segment.first {
			continue
		}
		if seg != r.segment || r.cursor.want <= seg.last {
			return describe(seg)
		}
	}
	return nil, 0, 0
}

func describe(seg *segment) (*segment, int64, uint64) {
	if seg == nil {
		return nil, 0, 0
	}
	return seg, seg.size, seg.last
}

// enter opens a segment for r and passes over what is acknowledged.
func (s *Spool) enter(r *reader, seg *segment, end int64) error {
	f, err := s.fs.Open(seg.name, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) {
		if s.has(seg) {
			return s.quarantine(seg, newCursor(nil, seg.first, segmentHeaderBytes), err)
		}
		return nil // shed between target and here: look again
	}
	if err != nil {
		return err
	}
	r.reset()
	*r = reader{segment: seg, file: f, cursor: newCursor(f, seg.first, end)}
	s.skipAcked(r)
	return nil
}

func (s *Spool) has(seg *segment) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.segments, seg)
}

// skipAcked moves r's cursor behind the acknowledged entries. A corrupt header
// is left for the next read to find.
func (s *Spool) skipAcked(r *reader) {
	s.mu.Lock()
	acked := s.acked
	s.mu.Unlock()
	for r.cursor.want <= acked {
		if _, err := r.cursor.skip(); err != nil {
			return
		}
	}
}

// quarantine gives up the rest of a segment from the cursor on. The file is
// renamed instead of removed when its turn comes.
func (s *Spool) quarantine(seg *segment, c *cursor, why error) error {
	s.mu.Lock()
	lost := seg.countAfter(max(c.want-1, s.acked))
	size := seg.size - c.off
	active := seg == s.segments[len(s.segments)-1]
	s.mu.Unlock()
	if active {
		if err := s.leaveActive(seg); err != nil {
			return err // lowering the last number of the active segment would give numbers out twice
		}
	}
	s.mu.Lock()
	seg.bad = true
	seg.last = c.want - 1
	s.mu.Unlock()
	s.metrics.quarantinedEntries.Add(lost)
	s.complain("corrupt", "spool segment is corrupt, passing over its rest", "segment", seg.name,
		"offset", c.off, "bytes", size, "entries", lost, "error", why)
	poke(s.sweeps)
	return nil
}

// leaveActive begins a new segment when seg is still the active one, so that
// sequence numbers go on above seg's.
func (s *Spool) leaveActive(seg *segment) error {
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	s.mu.Lock()
	last := s.segments[len(s.segments)-1]
	next := last.last + 1
	s.mu.Unlock()
	if last != seg {
		return nil
	}
	return s.beginSegment(next)
}

// Scan calls f with every entry on disk in order, the acknowledged ones of
// segments that are still there too. It ends with f's first error. It is meant
// for the start, before anything is appended.
func (s *Spool) Scan(f func(Entry) error) error {
	s.mu.Lock()
	segments := append([]*segment(nil), s.segments...)
	s.mu.Unlock()
	for _, seg := range segments {
		if err := s.scanSegment(seg, f); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spool) scanSegment(seg *segment, f func(Entry) error) error {
	source, err := s.fs.Open(seg.name, os.O_RDONLY)
	if errors.Is(err, os.ErrNotExist) && !s.has(seg) {
		return nil
	}
	if err != nil {
		return err
	}
	defer source.Close()
	s.mu.Lock()
	_, end, last := describe(seg)
	s.mu.Unlock()
	for c := newCursor(source, seg.first, end); c.want <= last; {
		e, err := c.next()
		if isCorrupt(err) || errors.Is(err, io.EOF) {
			return nil // Next will find it, and count it
		}
		if err != nil {
			return err
		}
		if err := f(e); err != nil {
			return err
		}
	}
	return nil
}

// oldestTime is the append time of the first unacknowledged entry; zero when
// there is none or it cannot be read.
func (s *Spool) oldestTime() time.Time {
	s.readMu.Lock()
	defer s.readMu.Unlock()
	if s.isClosed() {
		return time.Time{}
	}
	r := &s.oldest
	s.mu.Lock()
	first, end, _ := describe(s.firstUnacked())
	s.mu.Unlock()
	if first == nil {
		return time.Time{}
	}
	if r.segment != first {
		if err := s.enter(r, first, end); err != nil || r.segment != first {
			return time.Time{}
		}
	}
	r.cursor.end = end
	s.skipAcked(r)
	h, _, err := r.cursor.header()
	if err != nil {
		return time.Time{}
	}
	return time.Unix(0, h.nanos)
}
