package logstore

import (
	"context"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// followBuffer is how many records a follower may be behind.
const followBuffer = 4096

// Event is what a follower gets: an entry, or a number of entries that it was
// too slow for.
type Event struct {
	Entry   *Entry
	Skipped int
}

// Subscription delivers the records that are committed after it began.
type Subscription struct {
	// C is closed when the subscription or the store is closed.
	C <-chan Event

	filter  *filter
	c       chan Event
	skipped int // guarded by subscribers.mu
	owner   *subscribers
	onSkip  func(int)
}

// Close ends the subscription; it may be called more than once.
func (sub *Subscription) Close() { sub.owner.remove(sub) }

// subscribers are the followers of a store.
type subscribers struct {
	mu   sync.Mutex
	all  map[*Subscription]struct{}
	done bool
}

// Subscribe delivers the records that q selects as they are committed; its
// range, limit and order do not matter. A reader that is more than a few
// thousand records behind loses records and is told how many.
func (s *Store) Subscribe(q Query) (*Subscription, error) {
	f, err := newFilter(&q)
	if err != nil {
		return nil, err
	}
	s.writeMu.Lock()
	defer s.writeMu.Unlock()
	return s.subscribe(f)
}

func (s *Store) subscribe(f *filter) (*Subscription, error) {
	c := make(chan Event, followBuffer)
	sub := &Subscription{C: c, c: c, filter: f, owner: &s.subs, onSkip: func(n int) { s.metrics.skipped.Add(float64(n)) }}
	if !s.subs.add(sub) {
		return nil, ErrClosed
	}
	return sub, nil
}

// Follow returns the newest q.Limit records of q's range, oldest first, and a
// subscription to those that follow: none is missing between them and none
// comes twice.
func (s *Store) Follow(ctx context.Context, q Query) ([]Entry, *Subscription, error) {
	f, err := newFilter(&q)
	if err != nil {
		return nil, nil, err
	}
	s.writeMu.Lock()
	sub, err := s.subscribe(f)
	q.below = s.seq
	s.writeMu.Unlock()
	if err != nil {
		return nil, nil, err
	}
	q.Ascending, q.After, q.To = false, nil, time.Time{}
	entries, err := s.Query(ctx, q)
	if err != nil {
		sub.Close()
		return nil, nil, err
	}
	slices.Reverse(entries)
	return entries, sub, nil
}

func (l *subscribers) add(sub *Subscription) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return false
	}
	if l.all == nil {
		l.all = map[*Subscription]struct{}{}
	}
	l.all[sub] = struct{}{}
	return true
}

func (l *subscribers) remove(sub *Subscription) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.all[sub]; ok {
		delete(l.all, sub)
		close(sub.c)
	}
}

func (l *subscribers) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done = true
	for sub := range l.all {
		close(sub.c)
	}
	l.all = nil
}

func (l *subscribers) len() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.all)
}

func (l *subscribers) any() bool { return l.len() > 0 }

// publish offers the committed records to every follower without waiting.
func (l *subscribers) publish(list []pending, sources *sourceTable) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range list {
		p := &list[i]
		e := &Entry{Time: p.time, Seq: p.seq, Level: p.level, Message: validText(p.record.Log),
			Fields: validText(p.record.Fields), Origin: sources.origin(p.source)}
		for sub := range l.all {
			if sub.filter.matches(e) {
				sub.offer(e)
			}
		}
	}
}

// offer delivers the entry, after the number of those skipped before it. The
// caller holds subscribers.mu.
func (sub *Subscription) offer(e *Entry) {
	if sub.skipped > 0 && cap(sub.c)-len(sub.c) > 1 {
		sub.c <- Event{Skipped: sub.skipped}
		sub.skipped = 0
	}
	if sub.skipped == 0 {
		select {
		case sub.c <- Event{Entry: e}:
			return
		default:
		}
	}
	sub.skipped++
	sub.onSkip(1)
}

// filter decides in Go what a Query's conditions decide in SQL.
type filter struct {
	q     Query
	text  string
	regex *regexp.Regexp
}

func newFilter(q *Query) (*filter, error) {
	if err := q.check(); err != nil {
		return nil, err
	}
	f := &filter{q: *q, text: q.Text}
	if q.IgnoreCase {
		f.text = strings.ToLower(q.Text)
	}
	if q.Regex != "" {
		f.regex = regexp.MustCompile(q.Regex) // check has compiled it
	}
	return f, nil
}

func (f *filter) matches(e *Entry) bool {
	o := e.Origin
	if !oneOf(f.q.Namespaces, o.Namespace) || !oneOf(f.q.Pods, o.Pod) || !oneOf(f.q.Containers, o.Container) ||
		!oneOf(f.q.Nodes, o.Node) || !oneOf(f.q.Streams, o.Stream) {
		return false
	}
	if len(f.q.Levels) > 0 && !slices.Contains(f.q.Levels, e.Level) {
		return false
	}
	if f.text != "" && !f.contains(e.Message) && !f.contains(e.Fields) {
		return false
	}
	return f.regex == nil || f.regex.MatchString(e.Message)
}

func (f *filter) contains(s string) bool {
	if f.q.IgnoreCase {
		s = strings.ToLower(s)
	}
	return strings.Contains(s, f.text)
}

func oneOf(list []string, value string) bool {
	return len(list) == 0 || slices.Contains(list, value)
}
