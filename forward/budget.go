package forward

import "sync"

// budget bounds the bytes that a server has handed to its handler. Waiting for
// it holds nothing that others wait for.
type budget struct {
	capacity int64
	slots    chan struct{} // decompressions at a time

	mu       sync.Mutex
	changed  sync.Cond
	used     int64
	expanded int64 // part of used that came out of decompression
	closed   bool
}

// decompressions is how many chunks are unpacked at a time.
const decompressions = 2

func newBudget(capacity int64) *budget {
	b := &budget{capacity: capacity, slots: make(chan struct{}, decompressions)}
	b.changed.L = &b.mu
	return b
}

// acquire waits for n bytes; false when the budget was closed.
func (b *budget) acquire(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for b.used > 0 && b.used+n > b.capacity && !b.closed {
		b.changed.Wait()
	}
	b.used += n
	return !b.closed
}

// expand runs unpack, which returns the bytes that came out, once there is room
// for more. The bytes count until release.
func (b *budget) expand(unpack func() (int64, error)) (int64, error) {
	b.slots <- struct{}{}
	defer func() { <-b.slots }()
	b.mu.Lock()
	for b.expanded > b.capacity/2 && !b.closed {
		b.changed.Wait()
	}
	b.mu.Unlock()
	n, err := unpack()
	if err != nil {
		return 0, err
	}
	b.mu.Lock()
	b.used += n
	b.expanded += n
	b.mu.Unlock()
	return n, nil
}

func (b *budget) release(n, expanded int64) {
	b.mu.Lock()
	b.used -= n + expanded
	b.expanded -= expanded
	b.mu.Unlock()
	b.changed.Broadcast()
}

func (b *budget) inUse() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.used
}

// close lets all waiters go.
func (b *budget) close() {
	b.mu.Lock()
	b.closed = true
	b.mu.Unlock()
	b.changed.Broadcast()
}
