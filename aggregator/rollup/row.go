package rollup

import (
	"math"
	"slices"

	"github.com/lubberline/lubberline/catalog"
)

// number is a figure on its way: exact integers for int64 metrics.
type number struct {
	i int64
	f float64
}

// cell is a labelled figure on its way.
type cell struct {
	figure int
	label  int32
	number
}

// row holds the figures of one object while they are computed, one place for
// each figure of the plan.
type row struct {
	have    []bool
	plain   []number
	labeled []cell
	newest  int64 // newest sample that went in, milliseconds
	start   int64 // when the object started, milliseconds; 0 is not known
}

func newRow(figures int) *row {
	return &row{have: make([]bool, figures), plain: make([]number, figures)}
}

func (r *row) reset() {
	clear(r.have)
	r.labeled = r.labeled[:0]
	r.newest, r.start = 0, 0
}

// toNumber rounds to the nearest integer for int64 metrics: counters of seconds
// are floating point, and 99.99999 millicores are 100.
func toNumber(m *catalog.HeapsterMetric, v float64) number {
	if m.ValueType == catalog.Double {
		return number{f: v}
	}
	switch v = math.Round(v); {
	case v >= math.MaxInt64:
		return number{i: math.MaxInt64}
	case v <= math.MinInt64:
		return number{i: math.MinInt64}
	}
	return number{i: int64(v)}
}

// addPlain adds to a figure, or takes the greatest.
func (r *row) addPlain(figure int, n number, greatest bool) {
	if !r.have[figure] {
		r.have[figure], r.plain[figure] = true, n
		return
	}
	r.plain[figure] = joined(r.plain[figure], n, greatest)
}

func joined(a, b number, greatest bool) number {
	if greatest {
		return number{max(a.i, b.i), max(a.f, b.f)}
	}
	return number{a.i + b.i, a.f + b.f}
}

func (r *row) addLabeled(c cell, greatest bool) {
	for i := range r.labeled {
		if at := &r.labeled[i]; at.figure == c.figure && at.label == c.label {
			at.number = joined(at.number, c.number, greatest)
			return
		}
	}
	r.labeled = append(r.labeled, c)
}

func (r *row) empty() bool { return !slices.Contains(r.have, true) && len(r.labeled) == 0 }

// seen widens the times of the row by those of an object below.
func (r *row) seen(below *row) {
	r.newest = max(r.newest, below.newest)
	if below.start != 0 && (r.start == 0 || below.start < r.start) {
		r.start = below.start
	}
}

// reading is what the series of one slot say, for one label set.
type reading struct {
	label              int32
	sum, max, min      float64
	rate, baseMin      float64
	hasRate, hasBefore bool
}

// slotReadings gathers an object's entries by slot.
type slotReadings [][]reading

func (s slotReadings) reset() {
	for i := range s {
		s[i] = s[i][:0]
	}
}

func (s slotReadings) of(slot uint16, label int32) *reading {
	list := s[slot]
	for i := range list {
		if list[i].label == label {
			return &list[i]
		}
	}
	s[slot] = append(list, reading{label: label, max: math.Inf(-1), min: math.Inf(1), baseMin: math.Inf(1)})
	return &s[slot][len(list)]
}

// add takes one entry in. A rate needs a strictly newer sample than that of the
// batch before; a counter that went back gives none.
func (r *reading) add(e *entry, oldest int64) {
	v := e.cur.v
	r.sum += v
	r.max, r.min = max(r.max, v), min(r.min, v)
	if e.base.t < oldest || e.base.t == 0 || math.IsNaN(e.base.v) {
		return
	}
	r.baseMin, r.hasBefore = min(r.baseMin, e.base.v), true
	if e.cur.t > e.base.t && v >= e.base.v {
		r.rate += (v - e.base.v) / (float64(e.cur.t-e.base.t) / 1000)
		r.hasRate = true
	}
}
