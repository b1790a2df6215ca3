package snapshot

import "slices"

// Counter counts the pods on each node whose template matches. Counters with
// the same key are one, and are kept up to date with every change.
type Counter struct {
	key     string
	match   func(*Template) bool
	live    bool // terminating pods do not count
	perNode []int32
	total   int
	refs    int
}

// On is the number of matching pods on the node.
func (c *Counter) On(n *Node) int32 {
	if n.Slot >= len(c.perNode) {
		return 0
	}
	return c.perNode[n.Slot]
}

// Total is the number of matching pods on all nodes.
func (c *Counter) Total() int { return c.total }

// Counts says whether the counter counts this pod.
func (c *Counter) Counts(p *Pod) bool {
	return (!c.live || !p.Terminating) && slices.Contains(p.Template.counters, c)
}

func (c *Counter) add(n *Node, delta int32) {
	if n.Slot >= len(c.perNode) {
		c.perNode = append(c.perNode, make([]int32, n.Slot+1-len(c.perNode))...)
	}
	c.perNode[n.Slot] += delta
	c.total += int(delta)
}

// Acquire returns the counter with this key, made when there is none. live
// leaves terminating pods out. ReleaseCounter gives it back.
func (s *Snapshot) Acquire(key string, live bool, match func(*Template) bool) *Counter {
	if live {
		key = "live " + key
	}
	c := s.counters[key]
	if c == nil {
		c = &Counter{key: key, live: live, match: match}
		s.counters[key] = c
		s.count(c)
	}
	c.refs++
	return c
}

// ReleaseCounter ends one use of a counter.
func (s *Snapshot) ReleaseCounter(c *Counter) {
	if c.refs--; c.refs > 0 {
		return
	}
	delete(s.counters, c.key)
	for _, t := range s.templates {
		t.forget(c)
	}
}

func (t *Template) forget(c *Counter) {
	if i := slices.Index(t.counters, c); i >= 0 {
		t.counters = slices.Delete(t.counters, i, i+1)
	}
}

// count counts from nothing.
func (s *Snapshot) count(c *Counter) {
	clear(c.perNode)
	c.total = 0
	for _, t := range s.templates {
		t.forget(c)
		if c.match(t) {
			t.counters = append(t.counters, c)
		}
	}
	for _, n := range s.slots {
		if n == nil {
			continue
		}
		for _, p := range n.Pods {
			if c.Counts(p) {
				c.add(n, 1)
			}
		}
	}
}
