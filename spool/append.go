package spool

import (
	"fmt"
	"os"
	"time"
)

// appendRequest is one call of Append in the queue. The fields below entries
// are guarded by Spool.writeMu.
type appendRequest struct {
	entries [][]byte
	first   uint64
	err     error
	done    bool
}

// Append adds entries, all or none, and returns the sequence number of the
// first when they are durable; the others follow it. Callers that come while
// another's entries are being written share the next fsync. On an error nothing
// was added and the call can be repeated; the error names the file.
//
// Over the size cap the oldest segments are shed. When they cannot be, Append
// waits a second for room and then returns ErrFull.
func (s *Spool) Append(entries ...[]byte) (uint64, error) {
	if err := s.check(entries); err != nil {
		return 0, err
	}
	if err := s.awaitRoom(); err != nil {
		return 0, err
	}
	request := &appendRequest{entries: entries}
	s.queueMu.Lock()
	s.queue = append(s.queue, request)
	s.queueMu.Unlock()

	s.writeMu.Lock()
	if !request.done {
		s.commit(s.takeQueue())
	}
	s.writeMu.Unlock()
	if request.err != nil {
		s.metrics.appendErrors.Add(1)
		s.complain("append", "cannot append to the spool", "error", request.err)
	}
	return request.first, request.err
}

func (s *Spool) check(entries [][]byte) error {
	if len(entries) == 0 {
		return fmt.Errorf("spool %s: append of no entries", s.options.Dir)
	}
	for _, e := range entries {
		if len(e) > MaxEntryBytes || int64(len(e)) > s.options.MaxBytes {
			return fmt.Errorf("spool %s: entry of %d bytes is too long", s.options.Dir, len(e))
		}
	}
	return nil
}

// awaitRoom waits while the spool is far over its cap.
func (s *Spool) awaitRoom() error {
	var deadline <-chan time.Time
	for {
		s.mu.Lock()
		over := s.bytes > s.options.MaxBytes+s.options.SegmentBytes && len(s.segments) > 1
		room := s.room
		s.mu.Unlock()
		if !over {
			return nil
		}
		poke(s.sweeps)
		if deadline == nil {
			timer := time.NewTimer(time.Second)
			defer timer.Stop()
			deadline = timer.C
		}
		select {
		case <-room:
		case <-deadline:
			return fmt.Errorf("spool %s: %w", s.options.Dir, ErrFull)
		case <-s.done:
			return ErrClosed
		}
	}
}

func (s *Spool) takeQueue() []*appendRequest {
	s.queueMu.Lock()
	defer s.queueMu.Unlock()
	group := s.queue
	s.queue = nil
	return group
}

// commit writes a group with one fsync; it needs writeMu.
func (s *Spool) commit(group []*appendRequest) {
	err := ErrClosed
	if !s.isClosed() {
		err = s.write(group)
	}
	for _, r := range group {
		r.done, r.err = true, err
		if err != nil {
			r.first = 0
		}
	}
}

func (s *Spool) write(group []*appendRequest) error {
	count, size := measure(group)
	if err := s.makeReady(size); err != nil {
		return err
	}
	s.mu.Lock()
	seg := s.segments[len(s.segments)-1]
	next, off := seg.last+1, seg.size
	s.mu.Unlock()

	vector := s.assemble(group, count, next)
	err := s.active.WriteVec(vector, off)
	if err == nil {
		s.metrics.syncs.Add(1)
		if err = s.active.Sync(); err != nil {
			s.rotate = true // what a failed fsync leaves in the file is unknown
		}
	}
	clear(s.vector) // lets go of the callers' memory
	if err != nil {
		s.undo(seg.name, off)
		return fmt.Errorf("append to spool segment %s: %w", seg.name, err)
	}
	s.publish(seg, count, size)
	return nil
}

func measure(group []*appendRequest) (count int, size int64) {
	for _, r := range group {
		count += len(r.entries)
		for _, e := range r.entries {
			size += entryHeaderBytes + int64(len(e))
		}
	}
	return count, size
}

// assemble lays out headers and data for one vectored write.
func (s *Spool) assemble(group []*appendRequest, count int, next uint64) [][]byte {
	if need := count * entryHeaderBytes; cap(s.headers) < need {
		s.headers = make([]byte, need)
	}
	headers := s.headers[:count*entryHeaderBytes]
	s.vector = s.vector[:0]
	nanos := time.Now().UnixNano()
	for _, r := range group {
		r.first = next
		for _, e := range r.entries {
			header := headers[:entryHeaderBytes]
			headers = headers[entryHeaderBytes:]
			putEntryHeader(header, next, nanos, e)
			s.vector = append(s.vector, header, e)
			next++
		}
	}
	return s.vector
}

// undo takes back a partial write.
func (s *Spool) undo(name string, off int64) {
	if err := s.active.Truncate(off); err != nil {
		s.rotate = true
		s.complain("append", "cannot take back a partial write, beginning a new segment", "segment", name, "error", err)
	}
}

// publish lets readers see what was written.
func (s *Spool) publish(seg *segment, count int, size int64) {
	s.mu.Lock()
	seg.last += uint64(count)
	seg.size += size
	s.bytes += size
	over := s.bytes > s.options.MaxBytes
	s.mu.Unlock()
	s.metrics.appendedEntries.Add(uint64(count))
	s.metrics.appendedBytes.Add(uint64(size))
	poke(s.readable)
	if over {
		poke(s.sweeps)
	}
}

// makeReady begins a new segment when the active one is full or broken.
func (s *Spool) makeReady(size int64) error {
	s.mu.Lock()
	seg := s.segments[len(s.segments)-1]
	full := seg.last >= seg.first && seg.size+size > s.options.SegmentBytes
	next, used := seg.last+1, seg.last >= seg.first
	s.mu.Unlock()
	if !full && !s.rotate {
		return nil
	}
	if !used { // the broken segment holds nothing: its name is free again only for another number
		next++
	}
	return s.beginSegment(next)
}

// beginSegment makes first the next sequence number, in a file of its own. It
// needs writeMu, or nobody else around.
func (s *Spool) beginSegment(first uint64) error {
	name := segmentName(s.options.Dir, first)
	f, err := s.fs.Open(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC)
	if err != nil {
		return fmt.Errorf("begin spool segment: %w", err)
	}
	s.mu.Lock()
	var previous uint64
	if n := len(s.segments); n > 0 {
		previous = s.segments[n-1].last
	}
	s.mu.Unlock()
	err = f.WriteVec([][]byte{encodeSegmentHeader(first, previous)}, 0)
	if err == nil {
		err = s.fs.SyncDir(s.options.Dir)
	}
	if err != nil {
		f.Close()
		_ = s.fs.Remove(name) // the next attempt writes over it
		return fmt.Errorf("begin spool segment %s: %w", name, err)
	}
	if s.active != nil {
		s.active.Close()
	}
	s.active, s.rotate = f, false
	s.mu.Lock()
	s.segments = append(s.segments, &segment{name: name, first: first, last: first - 1, size: segmentHeaderBytes})
	s.bytes += segmentHeaderBytes
	s.mu.Unlock()
	return nil
}
