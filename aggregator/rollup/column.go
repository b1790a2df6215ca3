package rollup

import "math"

// column is one figure's recent values, one place for each batch. It takes as
// little memory as the values allow: nothing while they are all the same, four
// bytes each while they lie close together, eight else. Owner: History.mu.
type column struct {
	base int64 // the value while data is nil; else what narrow places count from
	// data has a word a place (narrow: value - base), or two (wide: the value, low
	// word first).
	data  []uint32
	first int32 // number of the batch at which the run of equal values began
	last  int32 // number of the newest value's batch; 0 is none
	wide  bool
}

const (
	missing     = math.MaxUint32 // a narrow place without a value
	missingWide = math.MinInt64  // a wide one
)

// places is for how many batches there is room.
func (c *column) places() int {
	if c.wide {
		return len(c.data) / 2
	}
	return len(c.data)
}

// place is where batch seq stands.
func (c *column) place(seq int32) int { return int(seq) % c.places() }

func (c *column) put(place int, v int64) {
	if c.wide {
		c.data[2*place], c.data[2*place+1] = uint32(v), uint32(uint64(v)>>32)
		return
	}
	c.data[place] = missing
	if v != missingWide {
		c.data[place] = uint32(v - c.base)
	}
}

func (c *column) get(place int) int64 {
	if c.wide {
		return int64(uint64(c.data[2*place]) | uint64(c.data[2*place+1])<<32)
	}
	if c.data[place] == missing {
		return missingWide
	}
	return c.base + int64(c.data[place])
}

// add puts the value of batch seq; size is how many batches are kept.
func (c *column) add(seq int32, v int64, size int) {
	if v == missingWide {
		v++
	}
	if c.last == 0 || c.last <= seq-int32(size) {
		*c = column{base: v, first: seq, last: seq}
		return
	}
	if c.data == nil {
		if v == c.base && c.last == seq-1 {
			c.last = seq
			return
		}
		c.spread(seq, v, size)
	}
	for s := max(c.last+1, seq-int32(size)+1); s < seq; s++ {
		c.put(c.place(s), missingWide) // batches that were passed over
	}
	c.last = seq
	if !c.wide && !near(c.base, v) {
		c.put(c.place(seq), missingWide)
		c.rebase(v)
	}
	c.put(c.place(seq), v)
}

// spread turns a run of equal values into a place for each.
func (c *column) spread(seq int32, v int64, size int) {
	same := c.base
	c.base = lowered(min(same, v))
	c.wide = !near(c.base, same)
	words := size
	if c.wide {
		words *= 2
	}
	c.data = make([]uint32, words)
	for place := range size {
		c.put(place, missingWide)
	}
	for s := max(c.first, seq-int32(size)+1); s <= c.last; s++ {
		c.put(c.place(s), same)
	}
}

// near reports whether v can stand in a narrow place.
func near(base, v int64) bool { return v >= base && uint64(v-base) < missing }

// lowered leaves room for gauges to fall below the values seen so far.
func lowered(v int64) int64 {
	const room = 1 << 28
	if v < math.MinInt64+room {
		return math.MinInt64 + 1
	}
	return v - room
}

// rebase makes room for v: by another base, or by wide places when the values
// lie too far apart.
func (c *column) rebase(v int64) {
	values := make([]int64, c.places())
	lo, hi := v, v
	for i := range values {
		if values[i] = c.get(i); values[i] != missingWide {
			lo, hi = min(lo, values[i]), max(hi, values[i])
		}
	}
	c.base = lowered(lo)
	if !near(c.base, hi) {
		c.wide, c.data = true, make([]uint32, 2*len(values))
	}
	for i, old := range values {
		c.put(i, old)
	}
}

// at returns the value of batch seq, which must be among those kept.
func (c *column) at(seq int32) (int64, bool) {
	switch {
	case c.last == 0 || seq > c.last:
		return 0, false
	case c.data == nil:
		return c.base, seq >= c.first
	}
	v := c.get(c.place(seq))
	return v, v != missingWide
}
