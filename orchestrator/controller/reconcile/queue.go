package reconcile

import (
	"container/heap"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// queue holds the keys that must be reconciled, now or later. A key is in it at
// most once however often it is added, and is never given to two workers at the
// same time: what is added while it is being worked on is given out afterwards.
type queue struct {
	clock clock.Clock

	mu       sync.Mutex
	changed  *sync.Cond          // ready is not empty, or closed
	ready    []string            // in the order of their first add
	queued   map[string]struct{} // in ready, or to be put there when their worker is done
	active   map[string]struct{} // being worked on
	delayed  delayHeap
	due      map[string]*delay
	failures map[string]int // in a row, since the last success
	closed   bool

	earlier chan struct{} // the earliest due time has moved; one slot
}

func newQueue(c clock.Clock) *queue {
	q := &queue{
		clock:  c,
		queued: map[string]struct{}{}, active: map[string]struct{}{},
		due: map[string]*delay{}, failures: map[string]int{},
		earlier: make(chan struct{}, 1),
	}
	q.changed = sync.NewCond(&q.mu)
	return q
}

func (q *queue) add(key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.addLocked(key)
}

func (q *queue) addLocked(key string) {
	if _, already := q.queued[key]; already || q.closed {
		return
	}
	q.queued[key] = struct{}{}
	if _, busy := q.active[key]; busy {
		return
	}
	q.ready = append(q.ready, key)
	q.changed.Signal()
}

// addAfter adds the key when d has passed, or at the time asked for before,
// whichever is earlier.
func (q *queue) addAfter(key string, d time.Duration) {
	if d <= 0 {
		q.add(key)
		return
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	at := q.clock.Now().Add(d)
	switch known := q.due[key]; {
	case q.closed || known != nil && !at.Before(known.at):
		return
	case known != nil:
		known.at = at
		heap.Fix(&q.delayed, known.index)
	default:
		known = &delay{key: key, at: at}
		q.due[key] = known
		heap.Push(&q.delayed, known)
	}
	if q.delayed[0].key == key {
		select {
		case q.earlier <- struct{}{}:
		default:
		}
	}
}

// promote makes ready what is due and returns when the next one is.
func (q *queue) promote() (next time.Time, any bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for now := q.clock.Now(); len(q.delayed) > 0; {
		if q.delayed[0].at.After(now) {
			return q.delayed[0].at, true
		}
		d := heap.Pop(&q.delayed).(*delay)
		delete(q.due, d.key)
		q.addLocked(d.key)
	}
	return time.Time{}, false
}

// get waits for a key; false when the queue is closed.
func (q *queue) get() (string, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.ready) == 0 && !q.closed {
		q.changed.Wait()
	}
	if q.closed {
		return "", false
	}
	return q.takeLocked(0), true
}

// tryGet is get without waiting; pick chooses among n ready keys.
func (q *queue) tryGet(pick func(n int) int) (string, bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.ready) == 0 || q.closed {
		return "", false
	}
	return q.takeLocked(pick(len(q.ready))), true
}

func (q *queue) takeLocked(i int) string {
	key := q.ready[i]
	if i == 0 {
		q.ready = q.ready[1:]
	} else {
		q.ready = append(q.ready[:i:i], q.ready[i+1:]...)
	}
	delete(q.queued, key)
	q.active[key] = struct{}{}
	return key
}

// done ends the work on a key that get gave out.
func (q *queue) done(key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.active, key)
	if _, again := q.queued[key]; again && !q.closed {
		q.ready = append(q.ready, key)
		q.changed.Signal()
	}
}

// failed counts a failure and returns how many there were in a row.
func (q *queue) failed(key string) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.failures[key]++
	return q.failures[key]
}

func (q *queue) succeeded(key string) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.failures, key)
}

func (q *queue) depth() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.ready)
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.changed.Broadcast()
}

// delay is a key that becomes ready at a time.
type delay struct {
	key   string
	at    time.Time
	index int
}

type delayHeap []*delay

func (h delayHeap) Len() int           { return len(h) }
func (h delayHeap) Less(i, j int) bool { return h[i].at.Before(h[j].at) }
func (h delayHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}

func (h *delayHeap) Push(x any) {
	d := x.(*delay)
	d.index = len(*h)
	*h = append(*h, d)
}

func (h *delayHeap) Pop() any {
	last := len(*h) - 1
	d := (*h)[last]
	(*h)[last] = nil
	*h = (*h)[:last]
	return d
}
