package logstore

// restingMemory is what the engine keeps of the day files in memory while
// nothing is written.
const restingMemory = 16 << 20

// rest gives back the memory of a burst once nothing was written for a whole
// round of maintenance. What queries then need comes from the system's page
// cache.
func (s *Store) rest() {
	s.writeMu.Lock()
	seq := s.seq
	s.writeMu.Unlock()
	if seq != s.restSeq {
		s.restSeq, s.resting = seq, false
		return
	}
	if s.resting {
		return
	}
	s.resting = s.engine.release(s.opts.MemoryLimit)
}

// release makes the engine drop what it keeps of files in memory, unless it is
// in use: a statement that met the lower limit would fail. limit is the one that
// holds afterwards. It reports whether that was done.
func (e *engine) release(limit int64) bool {
	if !e.ample.TryLock() {
		return false
	}
	defer e.ample.Unlock()
	if !e.mu.TryLock() {
		return false
	}
	defer e.mu.Unlock()
	// When not so little can be reached, DuckDB says so and has evicted the rest.
	_, _ = e.db.Exec(memorySetting(restingMemory))
	_, err := e.db.Exec(memorySetting(limit))
	return err == nil
}
