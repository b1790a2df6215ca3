package spool

import (
	"fmt"
	"os"
	"path/filepath"
	"sort"
	"time"
)

// quarantinedKept is how many segments with corrupt parts stay for a look.
const quarantinedKept = 4

// sweepRetry is when a refused deletion is tried again.
const sweepRetry = time.Second

// sweepLoop deletes segments until Close.
func (s *Spool) sweepLoop() {
	defer close(s.finished)
	retry := time.NewTimer(0)
	defer retry.Stop()
	for {
		select {
		case <-s.done:
			return
		case <-s.sweeps:
		case <-retry.C:
		}
		if err := s.sweep(); err != nil {
			s.complain("delete", "cannot delete spool segments", "error", err)
			retry.Reset(sweepRetry)
		}
	}
}

// sweep deletes the segments that are acknowledged, and then the oldest while
// the spool is over its cap.
func (s *Spool) sweep() error {
	s.sweepMu.Lock()
	defer s.sweepMu.Unlock()
	for {
		seg, shed := s.deletable()
		if seg == nil {
			return nil
		}
		if before := s.options.BeforeDelete; before != nil {
			if err := before(seg.last); err != nil {
				return fmt.Errorf("before deleting %s: %w", seg.name, err)
			}
		}
		if err := s.remove(seg, shed); err != nil {
			return err
		}
	}
}

// deletable returns the first segment when it may go, and whether that sheds.
func (s *Spool) deletable() (seg *segment, shed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.segments) < 2 {
		return nil, false
	}
	first := s.segments[0]
	switch {
	case first.last <= s.acked:
		return first, false
	case s.bytes > s.options.MaxBytes:
		return first, true
	}
	return nil, false
}

// remove takes a segment off the disk and out of the list.
func (s *Spool) remove(seg *segment, shed bool) error {
	var err error
	if seg.bad {
		err = s.fs.Rename(seg.name, seg.name+quarantineSuffix)
		s.limitQuarantined()
	} else {
		err = s.fs.Remove(seg.name)
	}
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("delete spool segment: %w", err)
	}
	s.mu.Lock()
	lost := seg.countAfter(s.acked)
	s.segments = s.segments[1:]
	s.bytes -= seg.size
	s.acked = max(s.acked, seg.last)
	if lost > 0 {
		s.writePosition()
	}
	close(s.room)
	s.room = make(chan struct{})
	s.mu.Unlock()
	if shed && lost > 0 {
		s.metrics.shedEntries.Add(lost)
		s.metrics.shedBytes.Add(uint64(seg.size))
		s.complain("shed", "spool is over its size cap, shedding the oldest entries",
			"segment", seg.name, "entries", lost, "bytes", seg.size, "cap", s.options.MaxBytes)
	}
	return nil
}

// limitQuarantined deletes all but the newest few quarantined segments.
func (s *Spool) limitQuarantined() {
	names, _ := filepath.Glob(filepath.Join(s.options.Dir, "*"+quarantineSuffix))
	sort.Strings(names)
	for len(names) > quarantinedKept {
		_ = s.fs.Remove(names[0]) // tried again at the next one
		names = names[1:]
	}
}
