package position

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/lubberline/lubberline/collector/chunk"
	"github.com/lubberline/lubberline/spool"
)

// pastKept is how many earlier contents of an inode are remembered, to know
// copies of them.
const pastKept = 4

// Options describe a store.
type Options struct {
	// Path is the checkpoint file; its directory must be there.
	Path string
	// Logger may be nil.
	Logger *slog.Logger
}

// Store holds the newest position of every file. All methods may be called from
// any goroutine.
type Store struct {
	path string
	log  *slog.Logger

	commitMu sync.Mutex // held from before an append until its positions count
	saveMu   sync.Mutex // held while the checkpoint is written; before mu

	mu        sync.Mutex
	files     map[key][]*entry // contents of an inode, the newest last
	applied   uint64           // all chunks of ours up to this sequence number count
	recovered bool
	changed   bool // since the checkpoint
}

type key struct{ device, inode uint64 }

type entry struct {
	chunk.Position
	touched time.Time
}

// errNotRecovered keeps the spool from deleting what Recover has not read.
var errNotRecovered = errors.New("log positions are not recovered yet")

// Open reads the checkpoint, if there is one. Recover has to follow.
func Open(o Options) (*Store, error) {
	if o.Path == "" {
		return nil, errors.New("log positions without a path")
	}
	s := &Store{path: o.Path, log: o.Logger, files: make(map[key][]*entry)}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	data, err := os.ReadFile(o.Path)
	if errors.Is(err, os.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read log positions: %w", err)
	}
	positions, err := read(data)
	if err != nil {
		return s, s.quarantine(err)
	}
	for _, p := range positions {
		s.put(p)
	}
	s.changed = false
	return s, nil
}

func (s *Store) quarantine(why error) error {
	aside := s.path + ".corrupt-" + time.Now().UTC().Format("20060102T150405")
	if err := os.Rename(s.path, aside); err != nil {
		return fmt.Errorf("set aside log positions: %w", err)
	}
	s.log.Warn("log positions cannot be read, using what the spool holds; lines that were shipped before may come again",
		"path", s.path, "kept", aside, "error", why)
	return nil
}

// Recover takes the positions of the chunks on disk; scan is Spool.Scan. An
// entry that is no chunk is passed over.
func (s *Store) Recover(scan func(func(spool.Entry) error) error) error {
	err := scan(func(e spool.Entry) error {
		c, err := chunk.Decode(e.Data)
		if err != nil {
			s.log.Warn("spool entry is no chunk", "seq", e.Seq, "error", err)
			return nil
		}
		s.apply(e.Seq, c.Advance)
		return nil
	})
	if err != nil {
		return fmt.Errorf("recover log positions: %w", err)
	}
	s.mu.Lock()
	s.recovered = true
	s.mu.Unlock()
	return nil
}

// Commit runs appendChunks, which returns the last sequence number that it
// wrote, and on success lets positions count. No chunk is deleted between.
func (s *Store) Commit(positions []chunk.Position, appendChunks func() (uint64, error)) error {
	s.commitMu.Lock()
	defer s.commitMu.Unlock()
	last, err := appendChunks()
	if err != nil {
		return err
	}
	s.apply(last, positions)
	return nil
}

func (s *Store) apply(seq uint64, positions []chunk.Position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.applied = max(s.applied, seq)
	for _, p := range positions {
		s.put(p)
	}
}

// Put records a position that no unwritten chunk stands behind.
func (s *Store) Put(p chunk.Position) { s.apply(0, []chunk.Position{p}) }

// put keeps the further one of two positions of a content; it needs mu, or
// nobody else around.
func (s *Store) put(p chunk.Position) {
	k := key{p.Device, p.Inode}
	s.changed = true
	list := s.files[k]
	for _, e := range list {
		if e.Seen != p.Seen {
			continue
		}
		if p.End > e.End || p.End == e.End && p.Start() >= e.Start() {
			e.Position = p
		}
		e.touched = time.Now()
		return
	}
	list = append(list, &entry{Position: p, touched: time.Now()})
	slices.SortStableFunc(list, func(a, b *entry) int { return int(min(1, max(-1, a.Seen-b.Seen))) })
	s.files[k] = list[max(0, len(list)-pastKept):]
}

// Of returns what is known of an inode, the newest content first.
func (s *Store) Of(device, inode uint64) []chunk.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.files[key{device, inode}]
	out := make([]chunk.Position, 0, len(list))
	for _, e := range slices.Backward(list) {
		out = append(out, e.Position)
	}
	return out
}

// Select returns the positions that match.
func (s *Store) Select(match func(*chunk.Position) bool) []chunk.Position {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []chunk.Position
	for _, list := range s.files {
		for _, e := range list {
			if match(&e.Position) {
				out = append(out, e.Position)
			}
		}
	}
	return out
}

// Prune forgets positions that have not moved for an age and are not in use.
func (s *Store) Prune(age time.Duration, inUse func(*chunk.Position) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for k, list := range s.files {
		kept := slices.DeleteFunc(list, func(e *entry) bool {
			return time.Since(e.touched) > age && !inUse(&e.Position)
		})
		if len(kept) == len(list) {
			continue
		}
		s.changed = true
		if s.files[k] = kept; len(kept) == 0 {
			delete(s.files, k)
		}
	}
}
