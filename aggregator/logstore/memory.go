package logstore

import (
	"strconv"
	"strings"
)

// ampleMemory is the memory limit, in bytes, of what the ordinary limit was too
// small for: a chunk with very much text, or a stretch of very long lines.
const ampleMemory = 1 << 30

// isOutOfMemory reports that a statement wanted more memory than the limit.
func isOutOfMemory(err error) bool {
	if err == nil {
		return false
	}
	for _, text := range []string{"Out of Memory", "could not allocate block", "failed to allocate data", "failed to pin block"} {
		if strings.Contains(err.Error(), text) {
			return true
		}
	}
	return false
}

// withEnoughMemory runs f, and once more with ampleMemory when it failed for
// want of it: long text must neither be refused for ever nor make what lies
// around it unreadable. Only one such run is under way at a time.
func (s *Store) withEnoughMemory(f func() error) error {
	err := f()
	if !isOutOfMemory(err) || s.opts.MemoryLimit >= ampleMemory {
		return err
	}
	e := s.engine
	e.ample.Lock()
	defer e.ample.Unlock()
	if err := e.setMemory(ampleMemory); err != nil {
		return err
	}
	defer func() {
		if err := e.setMemory(s.opts.MemoryLimit); err != nil {
			s.warn("the log store's memory limit stays raised for now", "error", err)
		}
	}()
	s.metrics.ample.Inc()
	return f()
}

func (e *engine) setMemory(limit int64) error {
	e.mu.RLock()
	defer e.mu.RUnlock()
	_, err := e.db.Exec(memorySetting(limit))
	return err
}

func memorySetting(limit int64) string {
	return "SET memory_limit = '" + strconv.FormatInt(limit>>10, 10) + "KiB'"
}
