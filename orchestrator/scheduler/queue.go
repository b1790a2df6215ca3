package scheduler

import (
	"container/heap"
	"time"

	"k8s.io/apimachinery/pkg/types"

	"github.com/lubberline/lubberline/orchestrator/scheduler/filter"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// How long a pod that could not be placed waits at least before it is tried
// again, doubled with each attempt; and at most when no event comes that could
// help.
const (
	firstBackoff = time.Second
	maxBackoff   = 10 * time.Second
	longestWait  = 5 * time.Minute
)

// place is the part of the queue that an item is in.
type place uint8

const (
	nowhere place = iota // being bound
	active               // to be tried
	backoff              // to be tried after a while
	waiting              // for an event
	gated                // for its scheduling gates to be removed
)

// item is a pod that is not placed.
type item struct {
	pod      *snapshot.Pod
	added    time.Time // when it came; of equal priority, the first goes first
	order    uint64
	attempts int
	tried    time.Time
	ready    time.Time // end of the back-off
	rules    filter.Rules
	place    place
	index    int // in its heap
}

// queue is the pods that are not placed. It has no clock: all times are given.
type queue struct {
	items   map[types.UID]*item
	active  itemHeap
	backoff itemHeap
	waiting map[*snapshot.Template]*crowd
	counts  [gated + 1]int
	orders  uint64
}

// crowd is the pods of one template that wait for an event.
type crowd struct {
	rules filter.Rules // that failed for any of them
	items map[types.UID]*item
}

func newQueue() *queue {
	return &queue{
		items: map[types.UID]*item{}, waiting: map[*snapshot.Template]*crowd{},
		active: itemHeap{less: beforeInLine}, backoff: itemHeap{less: func(a, b *item) bool { return a.ready.Before(b.ready) }},
	}
}

func beforeInLine(a, b *item) bool {
	if pa, pb := a.pod.Template.Priority, b.pod.Template.Priority; pa != pb {
		return pa > pb
	}
	if !a.added.Equal(b.added) {
		return a.added.Before(b.added)
	}
	return a.order < b.order
}

// add puts a new pod into the line.
func (q *queue) add(p *snapshot.Pod, now time.Time) *item {
	q.orders++
	it := &item{pod: p, added: now, order: q.orders}
	q.items[p.Object.UID] = it
	q.counts[nowhere]++
	if len(p.Object.Spec.SchedulingGates) > 0 {
		q.move(it, gated)
	} else {
		q.move(it, active)
	}
	return it
}

// remove forgets a pod.
func (q *queue) remove(it *item) {
	q.move(it, nowhere)
	q.counts[nowhere]--
	delete(q.items, it.pod.Object.UID)
}

// move takes the item from where it is to another part.
func (q *queue) move(it *item, to place) {
	switch it.place {
	case active:
		heap.Remove(&q.active, it.index)
	case backoff:
		heap.Remove(&q.backoff, it.index)
	case waiting:
		c := q.waiting[it.pod.Template]
		if delete(c.items, it.pod.Object.UID); len(c.items) == 0 {
			delete(q.waiting, it.pod.Template)
		}
	}
	q.counts[it.place]--
	q.counts[to]++
	it.place = to
	switch to {
	case active:
		heap.Push(&q.active, it)
	case backoff:
		heap.Push(&q.backoff, it)
	case waiting:
		c := q.waiting[it.pod.Template]
		if c == nil {
			c = &crowd{items: map[types.UID]*item{}}
			q.waiting[it.pod.Template] = c
		}
		c.rules |= it.rules
		c.items[it.pod.Object.UID] = it
	}
}

// pop takes the next pod to try; nil when there is none.
func (q *queue) pop(now time.Time) *item {
	q.flush(now)
	if q.active.Len() == 0 {
		return nil
	}
	it := q.active.items[0]
	q.move(it, nowhere)
	it.attempts++
	it.tried = now
	it.ready = now.Add(pause(it.attempts))
	return it
}

// flush moves on the pods whose back-off has ended.
func (q *queue) flush(now time.Time) {
	for q.backoff.Len() > 0 && !q.backoff.items[0].ready.After(now) {
		q.move(q.backoff.items[0], active)
	}
}

// retry sends the item to be tried again once its back-off has ended.
func (q *queue) retry(it *item, now time.Time) {
	if it.ready.After(now) {
		q.move(it, backoff)
	} else {
		q.move(it, active)
	}
}

// retryOld retries what has waited for long, in case an event was not seen as
// one that helps.
func (q *queue) retryOld(now time.Time) {
	for _, c := range q.waiting {
		for _, it := range c.items {
			if now.Sub(it.tried) >= longestWait {
				q.retry(it, now)
			}
		}
	}
}

// next is when something is due: the end of a back-off.
func (q *queue) next() (time.Time, bool) {
	if q.backoff.Len() == 0 {
		return time.Time{}, false
	}
	return q.backoff.items[0].ready, true
}

// pause is the back-off after so many attempts.
func pause(attempts int) time.Duration {
	d := firstBackoff
	for range attempts - 1 {
		if d *= 2; d >= maxBackoff {
			return maxBackoff
		}
	}
	return d
}

// itemHeap implements heap.Interface.
type itemHeap struct {
	items []*item
	less  func(a, b *item) bool
}

func (h *itemHeap) Len() int           { return len(h.items) }
func (h *itemHeap) Less(i, j int) bool { return h.less(h.items[i], h.items[j]) }

func (h *itemHeap) Swap(i, j int) {
	h.items[i], h.items[j] = h.items[j], h.items[i]
	h.items[i].index, h.items[j].index = i, j
}

func (h *itemHeap) Push(x any) {
	it := x.(*item)
	it.index = len(h.items)
	h.items = append(h.items, it)
}

func (h *itemHeap) Pop() any {
	last := len(h.items) - 1
	it := h.items[last]
	h.items[last] = nil
	h.items = h.items[:last]
	return it
}
