package spool

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Spool is a queue on disk. All methods may be called from any goroutine; Next
// from one at a time.
//
// Locks are taken in the order readMu, writeMu, sweepMu, mu; none is held while
// BeforeDelete runs but sweepMu.
type Spool struct {
	options Options
	log     *slog.Logger
	fs      fileSystem
	id      string
	lock    *os.File
	metrics *metrics

	queueMu sync.Mutex
	queue   []*appendRequest

	writeMu sync.Mutex // held while a group is written
	active  file       // of the last segment
	rotate  bool       // the active segment takes no more: a write to it failed
	headers []byte     // reused by writes
	vector  [][]byte   // reused by writes

	readMu sync.Mutex
	reader reader
	oldest reader // for OldestAge: stands before the first unacknowledged

	sweepMu sync.Mutex // held while segments are deleted

	mu       sync.Mutex
	segments []*segment // in order; the last one is active
	bytes    int64      // sum of the segments' sizes
	acked    uint64
	position file // where acked is kept
	closed   bool
	room     chan struct{} // closed and replaced when a segment is deleted

	readable chan struct{} // holds one token when something was appended
	sweeps   chan struct{} // holds one token when there may be work for the sweeper
	done     chan struct{} // closed by Close
	finished chan struct{} // closed by the sweeper

	complaints map[string]*rate.Sometimes // by subject; fixed after Open
}

// Open opens or makes the spool of a directory and repairs what a crash left.
func Open(o Options) (*Spool, error) {
	if err := o.complete(); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o750); err != nil {
		return nil, fmt.Errorf("make spool directory: %w", err)
	}
	s := &Spool{
		options:    o,
		log:        o.Logger.With("spool", o.Name, "dir", o.Dir),
		fs:         o.fs,
		room:       make(chan struct{}),
		readable:   make(chan struct{}, 1),
		sweeps:     make(chan struct{}, 1),
		done:       make(chan struct{}),
		finished:   make(chan struct{}),
		complaints: newComplaints(),
	}
	s.metrics = newMetrics(s)
	if err := s.open(); err != nil {
		s.release()
		return nil, err
	}
	if err := s.metrics.register(o.Registerer); err != nil {
		s.release()
		return nil, fmt.Errorf("spool %s: register metrics: %w", o.Dir, err)
	}
	go s.sweepLoop()
	poke(s.sweeps)
	return s, nil
}

func (s *Spool) open() error {
	rebooted, err := s.acquire()
	if err != nil {
		return err
	}
	if s.id, err = loadID(s.options.Dir); err != nil {
		return err
	}
	if err := s.openPosition(); err != nil {
		return err
	}
	return s.recover(rebooted)
}

// release gives back what open took, as far as it came.
func (s *Spool) release() {
	for _, f := range []file{s.active, s.position, s.reader.file, s.oldest.file} {
		if f != nil {
			f.Close()
		}
	}
	if s.lock != nil {
		s.lock.Close()
	}
}

// Close waits for calls that are under way and lets go of the directory. What
// is not acknowledged stays for the next Open.
func (s *Spool) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return nil
	}
	s.closed = true
	close(s.done)
	s.mu.Unlock()
	<-s.finished
	s.metrics.unregister(s.options.Registerer)

	s.readMu.Lock()
	defer s.readMu.Unlock()
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	if s.rotate { // a partial write could not be taken back then; it may be possible now
		s.mu.Lock()
		_, size, _ := describe(s.segments[len(s.segments)-1])
		s.mu.Unlock()
		if err := s.active.Truncate(size); err != nil {
			s.complain("append", "cannot take back a partial write; it comes back at the next start", "error", err)
		}
	}
	s.release()
	return nil
}

func (s *Spool) isClosed() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// ID is 16 random hex digits, made once for the directory.
func (s *Spool) ID() string { return s.id }

// Stats tells what the spool holds. It reads the disk for OldestAge only when
// the oldest unacknowledged entry is another one than at the last call.
func (s *Spool) Stats() Stats {
	oldest := s.oldestTime()
	s.mu.Lock()
	st := Stats{
		Entries:  s.unacknowledged(),
		Bytes:    s.bytes,
		FirstSeq: s.firstRetained(),
		NextSeq:  s.nextSeq(),
		AckedSeq: s.acked,
	}
	s.mu.Unlock()
	st.Shed, st.ShedBytes = s.metrics.shedEntries.Load(), s.metrics.shedBytes.Load()
	st.Quarantined = s.metrics.quarantinedEntries.Load()
	if !oldest.IsZero() {
		st.OldestAge = max(0, time.Since(oldest))
	}
	return st
}

// nextSeq needs s.mu.
func (s *Spool) nextSeq() uint64 { return s.segments[len(s.segments)-1].last + 1 }

// firstRetained needs s.mu.
func (s *Spool) firstRetained() uint64 {
	for _, seg := range s.segments {
		if seg.last >= seg.first {
			return seg.first
		}
	}
	return s.nextSeq()
}

// unacknowledged counts entries; it needs s.mu.
func (s *Spool) unacknowledged() uint64 {
	var n uint64
	for _, seg := range s.segments {
		n += seg.countAfter(s.acked)
	}
	return n
}

// countAfter is how many entries of the segment are above acked.
func (seg *segment) countAfter(acked uint64) uint64 {
	from := max(seg.first, acked+1)
	if seg.last < from {
		return 0
	}
	return seg.last - from + 1
}

// firstUnacked returns the segment of the first unacknowledged entry, nil when
// there is none; it needs s.mu.
func (s *Spool) firstUnacked() *segment {
	for _, seg := range s.segments {
		if seg.countAfter(s.acked) > 0 {
			return seg
		}
	}
	return nil
}

// poke leaves a token in a channel of capacity one.
func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// newComplaints makes one rate limit for each kind of trouble.
func newComplaints() map[string]*rate.Sometimes {
	m := make(map[string]*rate.Sometimes)
	for _, subject := range []string{"append", "shed", "delete", "position", "corrupt"} {
		m[subject] = &rate.Sometimes{First: 3, Interval: 10 * time.Second}
	}
	return m
}

// complain logs an error of one subject, not too often.
func (s *Spool) complain(subject, message string, args ...any) {
	s.complaints[subject].Do(func() { s.log.Error(message, args...) }) //nolint:sloglint // callers pass constants
}

func (s *Spool) path(name string) string { return filepath.Join(s.options.Dir, name) }
