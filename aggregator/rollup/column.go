package rollup

import "math"

// column is one figure's recent values, one place for each batch. It takes as
// little memory as the values allow: nothing while they are all the same, four
// bytes each while they lie close together, eight else. Owner: History.mu.
type column struct {
	base   int64    // the value while narrow and wide are nil; else what narrow counts from
	narrow []uint32 // value - base, absent is missing
	wide   []int64  // absent is missingWide
	first  int64    // sequence number of the first value of the same-valued run
	last   int64    // sequence number of the newest value
}

const (
	missing     = math.MaxUint32
	missingWide = math.MinInt64
)

// add puts the value of batch seq; size is how many batches are kept.
func (c *column) add(seq int64, v int64, size int) {
	if v == missingWide {
		v++
	}
	fresh := c.last == 0 || c.last <= seq-int64(size)
	if fresh {
		*c = column{base: v, first: seq, last: seq}
		return
	}
	if c.narrow == nil && c.wide == nil {
		if v == c.base && c.last == seq-1 {
			c.last = seq
			return
		}
		c.spread(seq, v, size)
	}
	c.blank(seq, size)
	c.last = seq
	if c.narrow != nil && !c.putNarrow(seq, v, size) {
		c.widen()
	}
	if c.wide != nil {
		c.wide[seq%int64(size)] = v
	}
}

// spread turns a run of equal values into a place for each.
func (c *column) spread(seq, v int64, size int) {
	same := c.base
	c.narrow = make([]uint32, size)
	for i := range c.narrow {
		c.narrow[i] = missing
	}
	c.base = lowered(min(same, v))
	from := max(c.first, seq-int64(size)+1)
	if uint64(same-c.base) >= missing {
		c.narrow, c.wide = nil, make([]int64, size)
		for i := range c.wide {
			c.wide[i] = missingWide
		}
		for s := from; s <= c.last; s++ {
			c.wide[s%int64(size)] = same
		}
		return
	}
	for s := from; s <= c.last; s++ {
		c.narrow[s%int64(size)] = uint32(same - c.base)
	}
}

// lowered leaves room for gauges to fall below the first values seen.
func lowered(v int64) int64 {
	const room = 1 << 28
	if v < math.MinInt64+room {
		return math.MinInt64 + 1
	}
	return v - room
}

// blank empties the places of batches that were passed over.
func (c *column) blank(seq int64, size int) {
	for s := max(c.last+1, seq-int64(size)+1); s < seq; s++ {
		if c.narrow != nil {
			c.narrow[s%int64(size)] = missing
		} else {
			c.wide[s%int64(size)] = missingWide
		}
	}
}

// putNarrow stores the value if it is near enough, moving the base when need be.
func (c *column) putNarrow(seq, v int64, size int) bool {
	place := seq % int64(size)
	c.narrow[place] = missing
	if v < c.base || uint64(v-c.base) >= missing {
		if !c.rebase(v) {
			return false
		}
	}
	c.narrow[place] = uint32(v - c.base)
	return true
}

// rebase finds a base for all values kept and v; false when they lie too far
// apart.
func (c *column) rebase(v int64) bool {
	lo, hi := v, v
	for _, d := range c.narrow {
		if d != missing {
			lo, hi = min(lo, c.base+int64(d)), max(hi, c.base+int64(d))
		}
	}
	if uint64(hi-lo) >= missing/2 {
		return false
	}
	base := lowered(lo)
	if uint64(hi-base) >= missing {
		return false
	}
	for i, d := range c.narrow {
		if d != missing {
			c.narrow[i] = uint32(c.base + int64(d) - base)
		}
	}
	c.base = base
	return true
}

func (c *column) widen() {
	c.wide = make([]int64, len(c.narrow))
	for i, d := range c.narrow {
		c.wide[i] = missingWide
		if d != missing {
			c.wide[i] = c.base + int64(d)
		}
	}
	c.narrow = nil
}

// at returns the value of batch seq, which must be among those kept.
func (c *column) at(seq int64) (int64, bool) {
	switch {
	case c.last == 0 || seq > c.last:
		return 0, false
	case c.narrow != nil:
		d := c.narrow[seq%int64(len(c.narrow))]
		return c.base + int64(d), d != missing
	case c.wide != nil:
		v := c.wide[seq%int64(len(c.wide))]
		return v, v != missingWide
	}
	return c.base, seq >= c.first
}
