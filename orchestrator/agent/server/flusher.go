package server

import (
	"net/http"
	"sync"
	"time"
)

// flushDelay is how long output may wait for more of it.
const flushDelay = 50 * time.Millisecond

// flusher sends what is written on at once after a pause, and else together
// with what comes within the flush delay: a log that is read as fast as it goes
// must not be sent line by line.
type flusher struct {
	w http.ResponseWriter
	c *http.ResponseController

	mu      sync.Mutex
	last    time.Time
	pending *time.Timer
	over    bool
}

func (f *flusher) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.w.Write(b)
	if err != nil || f.pending != nil {
		return n, err
	}
	if wait := flushDelay - time.Since(f.last); wait > 0 {
		f.pending = time.AfterFunc(wait, f.late)
		return n, nil
	}
	f.last = time.Now()
	return n, f.c.Flush()
}

func (f *flusher) late() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pending = nil
	if f.over {
		return
	}
	f.last = time.Now()
	_ = f.c.Flush()
}

// flush sends the head of the answer.
func (f *flusher) flush() {
	f.mu.Lock()
	defer f.mu.Unlock()
	_ = f.c.Flush()
}

// end must be called before the handler returns: nothing is sent afterwards.
func (f *flusher) end() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	if f.pending != nil {
		f.pending.Stop()
	}
}
