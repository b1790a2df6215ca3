package forwardship

import (
	"sync"
	"time"
)

// sent is a chunk that was sent. An empty id needs no acknowledgement: there was
// nothing that could be sent.
type sent struct {
	seq   uint64
	id    string
	bytes int
	at    time.Time
	acked bool
}

// window is the chunks of a session that are sent and not acknowledged, in the
// queue's order. Acknowledgements may come in any order; the queue hears of the
// longest acknowledged beginning.
type window struct {
	maxBytes, maxChunks int

	mu      sync.Mutex
	changed sync.Cond
	chunks  []sent
	bytes   int // of those that are not acknowledged
	failed  error
}

func newWindow(maxBytes, maxChunks int) *window {
	w := &window{maxBytes: maxBytes, maxChunks: maxChunks}
	w.changed.L = &w.mu
	return w
}

// reset empties the window for a new session.
func (w *window) reset() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.chunks, w.bytes, w.failed = nil, 0, nil
}

// fail ends the session: waiting calls return err.
func (w *window) fail(err error) {
	w.mu.Lock()
	if w.failed == nil {
		w.failed = err
	}
	w.mu.Unlock()
	w.changed.Broadcast()
}

// fits tells whether a chunk can be sent now.
func (w *window) fits(bytes int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.room(bytes)
}

func (w *window) room(bytes int) bool {
	return len(w.chunks) == 0 || w.bytes == 0 || len(w.chunks) < w.maxChunks && w.bytes+bytes <= w.maxBytes
}

// await waits until a chunk fits, or the session failed.
func (w *window) await(bytes int) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for !w.room(bytes) && w.failed == nil {
		w.changed.Wait()
	}
	return w.failed
}

// add puts a chunk in the window before it is sent.
func (w *window) add(c sent) {
	w.mu.Lock()
	defer w.mu.Unlock()
	c.acked = c.id == ""
	w.chunks = append(w.chunks, c)
	if !c.acked {
		w.bytes += c.bytes
	}
}

// ack marks the first unacknowledged chunk with an id. It returns the highest
// sequence number up to which all is acknowledged, when that has grown, and how
// long the chunk took.
func (w *window) ack(id string) (known bool, upTo uint64, took time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range w.chunks {
		c := &w.chunks[i]
		if c.id != id || c.acked {
			continue
		}
		c.acked = true
		w.bytes -= c.bytes
		took = time.Since(c.at)
		known = true
		break
	}
	upTo = w.shift()
	w.changed.Broadcast()
	return known, upTo, took
}

// settle is ack for chunks that needed none.
func (w *window) settle() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.shift()
}

// shift drops the acknowledged beginning and returns its last number, or 0.
func (w *window) shift() (upTo uint64) {
	n := 0
	for n < len(w.chunks) && w.chunks[n].acked {
		upTo = w.chunks[n].seq
		n++
	}
	w.chunks = w.chunks[n:]
	return upTo
}

// overdue tells whether the oldest unacknowledged chunk was sent before a time.
func (w *window) overdue(before time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range w.chunks {
		if !c.acked {
			return c.at.Before(before)
		}
	}
	return false
}

// inFlight is what waits for acknowledgements.
func (w *window) inFlight() (chunks, bytes int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.chunks), w.bytes
}

// drain waits until nothing is in flight, the session failed, or stop is closed.
func (w *window) drain() {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.chunks) > 0 && w.failed == nil {
		w.changed.Wait()
	}
}
