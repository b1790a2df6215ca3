package scheduler

import (
	"github.com/lubberline/lubberline/orchestrator/scheduler/placement"
	"github.com/lubberline/lubberline/orchestrator/scheduler/snapshot"
)

// All ledgers together may have so many entries, of some 150 bytes each.
const (
	maxEntries = 400_000
	minLedgers = 16
)

// ledgers keeps those used last.
type ledgers struct {
	of   map[*snapshot.Template]*lease
	uses uint64
}

type lease struct {
	ledger *placement.Ledger
	used   uint64
}

func (c *ledgers) get(s *snapshot.Snapshot, t *snapshot.Template, seed uint64) *placement.Ledger {
	c.uses++
	if l := c.of[t]; l != nil {
		l.used = c.uses
		return l.ledger
	}
	for limit := max(minLedgers, maxEntries/max(1, s.Len())); len(c.of) >= limit; {
		c.evict()
	}
	l := &lease{ledger: placement.NewLedger(s, t, seed), used: c.uses}
	c.of[t] = l
	return l.ledger
}

func (c *ledgers) has(t *snapshot.Template) bool { return c.of[t] != nil }

func (c *ledgers) evict() {
	var oldest *snapshot.Template
	for t, l := range c.of {
		if oldest == nil || l.used < c.of[oldest].used {
			oldest = t
		}
	}
	c.of[oldest].ledger.Close()
	delete(c.of, oldest)
}
