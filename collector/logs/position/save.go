package position

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/lubberline/lubberline/collector/chunk"
)

// BeforeDelete is for spool.Options: it makes sure that the checkpoint covers
// all chunks up to a sequence number before the spool deletes them.
func (s *Store) BeforeDelete(lastSeq uint64) error {
	s.mu.Lock()
	recovered, applied := s.recovered, s.applied
	s.mu.Unlock()
	if !recovered {
		return errNotRecovered
	}
	if lastSeq > applied {
		// A chunk of ours may be among them that is on disk while its positions
		// do not count yet: wait for the append that is under way.
		s.commitMu.Lock()
		defer s.commitMu.Unlock()
	}
	return s.Save()
}

// Save writes the checkpoint if anything changed.
func (s *Store) Save() error {
	s.saveMu.Lock()
	defer s.saveMu.Unlock()
	positions, changed := s.snapshot()
	if !changed {
		return nil
	}
	if err := replace(s.path, format(positions)); err != nil {
		s.mu.Lock()
		s.changed = true
		s.mu.Unlock()
		return fmt.Errorf("write log positions: %w", err)
	}
	return nil
}

// snapshot returns all positions in a settled order.
func (s *Store) snapshot() ([]chunk.Position, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.changed {
		return nil, false
	}
	s.changed = false
	out := make([]chunk.Position, 0, len(s.files))
	for _, list := range s.files {
		for _, e := range list {
			out = append(out, e.Position)
		}
	}
	slices.SortFunc(out, func(a, b chunk.Position) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Inode, b.Inode), cmp.Compare(a.Seen, b.Seen))
	})
	return out, true
}

// replace puts data in a file's place, durably.
func replace(path string, data []byte) error {
	temporary := path + ".tmp"
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o640)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		os.Remove(temporary)
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}
