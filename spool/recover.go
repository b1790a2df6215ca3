package spool

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// numbersAfterDoubt is how far sequence numbers jump where entries may have
// been lost that a receiver has seen: their numbers must not come again.
const numbersAfterDoubt = 1 << 16

// recover finds the segments, repairs the last one and makes it active, or
// begins a new one behind it. Only the last segment is read; the others are
// verified when their entries are.
func (s *Spool) recover(rebooted bool) error {
	found, err := listSegments(s.options.Dir)
	if err != nil {
		return err
	}
	floor := s.acked // the next sequence number is above it
	if s.segments, err = s.readHeaders(found); err != nil {
		return err
	}
	for _, seg := range s.segments {
		s.bytes += seg.size
	}
	if n := len(found); n > 0 && (len(s.segments) == 0 || s.segments[len(s.segments)-1] != found[n-1]) {
		floor = max(floor, found[n-1].first-1)
		if found[n-1].bad {
			floor += numbersAfterDoubt
		}
	}
	if len(s.segments) == 0 {
		return s.beginSegment(floor + 1)
	}
	return s.resume(s.segments[len(s.segments)-1], floor, rebooted)
}

// readHeaders sets size and last of all segments but the last one's last, and
// leaves out files that are no segments.
func (s *Spool) readHeaders(found []*segment) ([]*segment, error) {
	var good []*segment
	adjacent := false
	for i, seg := range found {
		previous, err := s.readHeader(seg)
		if isCorrupt(err) {
			if err := s.setAside(seg, i == len(found)-1, err); err != nil {
				return nil, err
			}
			if n := len(good); adjacent { // what it would have told about the one before is gone
				good[n-1].last = seg.first - 1
			}
			adjacent = false
			continue
		}
		if err != nil {
			return nil, err
		}
		if n := len(good); adjacent {
			good[n-1].last = max(previous, good[n-1].first-1)
		}
		good = append(good, seg)
		adjacent = true
	}
	return good, nil
}

func (s *Spool) readHeader(seg *segment) (uint64, error) {
	f, err := s.fs.Open(seg.name, os.O_RDONLY)
	if err != nil {
		return 0, fmt.Errorf("open spool segment: %w", err)
	}
	defer f.Close()
	if seg.size, err = f.Size(); err != nil {
		return 0, fmt.Errorf("open spool segment %s: %w", seg.name, err)
	}
	header := make([]byte, min(segmentHeaderBytes, seg.size))
	if err := readFull(f, header, 0); err != nil {
		return 0, fmt.Errorf("read spool segment %s: %w", seg.name, err)
	}
	return decodeSegmentHeader(header, seg.first)
}

// setAside renames a file with a bad header. A last one that is only a piece of
// a header is what a crash leaves: it goes.
func (s *Spool) setAside(seg *segment, last bool, why error) error {
	if last && seg.size <= segmentHeaderBytes {
		if err := s.fs.Remove(seg.name); err != nil {
			return fmt.Errorf("remove torn spool segment: %w", err)
		}
		return nil
	}
	seg.bad = true
	s.complain("corrupt", "spool segment is corrupt, setting it aside", "segment", seg.name, "bytes", seg.size, "error", why)
	if err := s.fs.Rename(seg.name, seg.name+quarantineSuffix); err != nil {
		return fmt.Errorf("set corrupt spool segment aside: %w", err)
	}
	return nil
}

// resume reads the last segment, cuts off a torn tail and goes on in it, or in
// a new one where its numbers are in doubt.
func (s *Spool) resume(seg *segment, floor uint64, rebooted bool) error {
	f, err := s.fs.Open(seg.name, os.O_RDWR)
	if err != nil {
		return fmt.Errorf("open spool segment: %w", err)
	}
	s.active = f
	c := newCursor(f, seg.first, seg.size)
	why, err := drain(c)
	if err != nil {
		return fmt.Errorf("read spool segment %s: %w", seg.name, err)
	}
	seg.last = c.want - 1
	next := max(seg.last, floor) + 1
	if rebooted || why != nil {
		next += numbersAfterDoubt
	}
	if why != nil {
		later, err := s.repair(seg, c, why)
		if err != nil {
			return err
		}
		next = max(next, later+1)
	}
	if next == seg.last+1 {
		return nil
	}
	return s.beginSegment(next)
}

// drain reads to the end. It returns what is wrong with the bytes at the
// cursor, or the disk's error.
func drain(c *cursor) (corrupt, failed error) {
	for {
		_, err := c.next()
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case isCorrupt(err):
			return err, nil
		case err != nil:
			return nil, err
		}
	}
}

// repair truncates a torn tail. Where whole entries follow the bad bytes it was
// no torn write: the file stays as it is for a look, and the highest sequence
// number seen is returned.
func (s *Spool) repair(seg *segment, c *cursor, why error) (uint64, error) {
	rest := seg.size - c.off
	later, err := highestLater(c)
	if err != nil {
		return 0, fmt.Errorf("read spool segment %s: %w", seg.name, err)
	}
	s.bytes -= rest
	seg.size = c.off
	if later == 0 {
		s.log.Warn("cut off a torn write at the end of the spool", "segment", seg.name, "offset", c.off, "bytes", rest)
		if err := s.active.Truncate(c.off); err != nil {
			return 0, fmt.Errorf("cut off torn write in %s: %w", seg.name, err)
		}
		return 0, nil
	}
	seg.bad = true
	s.metrics.quarantinedEntries.Add(later - seg.last)
	s.complain("corrupt", "spool segment is corrupt, passing over its rest", "segment", seg.name,
		"offset", c.off, "bytes", rest, "entries", later-seg.last, "error", why)
	return later, nil
}

// highestLater looks for whole entries behind the cursor at any offset, and
// returns the highest sequence number among them, or 0.
func highestLater(c *cursor) (uint64, error) {
	var highest uint64
	probe := &cursor{source: c.source, end: c.end}
	for off := c.off; c.end-off >= entryHeaderBytes; {
		raw, err := c.window(off, entryHeaderBytes)
		if err != nil {
			return 0, err
		}
		h := decodeEntryHeader(raw)
		plausible := h.seq >= c.want && h.seq-c.want < numbersAfterDoubt && int64(h.length) <= c.end-off-entryHeaderBytes && h.nanos > 0
		if plausible {
			probe.off, probe.want = off, h.seq
			if _, err := probe.next(); err == nil {
				highest = max(highest, h.seq)
				off = probe.off
				continue
			}
		}
		off++
	}
	return highest, nil
}
