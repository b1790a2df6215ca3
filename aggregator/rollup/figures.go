package rollup

import (
	"math"

	"github.com/lubberline/lubberline/catalog"
)

// podBelow says what a pod's containers amount to.
type podBelow struct {
	single bool // exactly one container delivered
}

// figures computes what an object's own series give and puts it into the row,
// which holds the sums from below already.
func (c *computation) figures(o *object, r *row, below *podBelow) {
	k := c.in.plan.kinds[o.kind]
	readings := c.readings[o.kind]
	readings.reset()
	alive := c.gather(o, readings, r)
	steady := c.startOf(k, readings, r)
	for i := range k.figures {
		f := &k.figures[i]
		if below != nil && !below.single {
			c.withoutOnly(f, r)
		}
		c.figure(f, readings, r, steady, alive)
	}
}

// gather sorts the fresh entries into slots. It reports whether there were any.
func (c *computation) gather(o *object, readings slotReadings, r *row) bool {
	alive := false
	for _, i := range o.entries {
		e := &c.in.entries[i]
		if !e.fresh(c.oldest, c.oldestSlow) {
			continue
		}
		alive = true
		r.newest = max(r.newest, e.cur.t)
		if e.slot == infoSlot {
			continue
		}
		oldest := c.oldest
		if e.slow {
			oldest = c.oldestSlow
		}
		readings.of(e.slot, e.label).add(e, oldest)
	}
	return alive
}

// startOf notes the object's start. It reports false when the object was
// started anew since the last batch, so that counters cannot be compared.
func (c *computation) startOf(k *kindPlan, readings slotReadings, r *row) bool {
	if k.start < 0 || len(readings[k.start]) == 0 {
		return true
	}
	s := &readings[k.start][0]
	if at := int64(math.Round(s.min * 1000)); r.start == 0 || at < r.start {
		r.start = at
	}
	return !s.hasBefore || s.baseMin == s.min
}

// withoutOnly takes back what several containers added up to, for figures that
// only a single container may lend its pod.
func (c *computation) withoutOnly(f *figurePlan, r *row) {
	for _, w := range f.ways {
		if w.How != catalog.Only {
			continue
		}
		r.have[f.figure] = false
		kept := r.labeled[:0]
		for _, cell := range r.labeled {
			if cell.figure != f.figure {
				kept = append(kept, cell)
			}
		}
		r.labeled = kept
	}
}

// figure tries the ways in order; the first that gives a value counts. A sum
// from below is in the row already and gives way to an own value before it.
func (c *computation) figure(f *figurePlan, readings slotReadings, r *row, steady, alive bool) {
	m := c.in.plan.figures[f.figure]
	for i := range f.ways {
		w := &f.ways[i]
		switch w.How {
		case catalog.SumOf, catalog.Only:
			if r.have[f.figure] {
				return
			}
			continue
		case catalog.Zero:
			if alive {
				r.have[f.figure], r.plain[f.figure] = true, number{}
			}
			return
		case catalog.Share:
			c.share(w, f.figure, r)
			return
		case catalog.Age:
			if r.start != 0 {
				r.have[f.figure] = true
				r.plain[f.figure] = toNumber(m, float64(c.end-r.start)/1000*w.Scale)
			}
			return
		}
		if c.measured(w, m, f.figure, readings, r, steady) {
			return
		}
	}
}

// share divides one figure of the row by another; both must be known.
func (c *computation) share(w *way, figure int, r *row) {
	if !r.have[w.slot] || !r.have[w.second] {
		return
	}
	below := r.plain[w.second].f
	if below == 0 {
		return
	}
	above := r.plain[w.slot].f + float64(r.plain[w.slot].i) // one of them is 0
	r.have[figure], r.plain[figure] = true, number{f: above / below}
}

// measured computes Last and Rate.
func (c *computation) measured(w *way, m *catalog.HeapsterMetric, figure int, readings slotReadings, r *row, steady bool) bool {
	if w.How == catalog.Rate && !steady {
		return false
	}
	found := false
	for i := range readings[w.slot] {
		at := &readings[w.slot][i]
		v, ok := measure(w, at, readings)
		if !ok {
			continue
		}
		n := toNumber(m, v*w.Scale)
		if m.Labeled() {
			if !found {
				r.labeled = dropFigure(r.labeled, figure)
			}
			r.labeled = append(r.labeled, cell{figure, at.label, n})
		} else {
			r.have[figure], r.plain[figure] = true, n
		}
		found = true
	}
	return found
}

func dropFigure(cells []cell, figure int) []cell {
	kept := cells[:0]
	for _, c := range cells {
		if c.figure != figure {
			kept = append(kept, c)
		}
	}
	return kept
}

// measure is the value of one label set: two metrics are joined after each was
// gathered, as the catalog's PromQL does.
func measure(w *way, at *reading, readings slotReadings) (float64, bool) {
	if w.How == catalog.Rate {
		return at.rate, at.hasRate
	}
	v := at.gathered(w.Max)
	if w.second < 0 {
		return v, true
	}
	for i := range readings[w.second] {
		other := &readings[w.second][i]
		if other.label != at.label {
			continue
		}
		d := other.gathered(w.Max)
		switch w.Op {
		case catalog.Plus:
			return v + d, true
		case catalog.Minus:
			return v - d, true
		}
		return v / d, d != 0
	}
	return 0, false
}

func (r *reading) gathered(greatest bool) float64 {
	if greatest {
		return r.max
	}
	return r.sum
}
