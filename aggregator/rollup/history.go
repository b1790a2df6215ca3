package rollup

import (
	"maps"
	"math"
	"sync"
	"time"

	"github.com/lubberline/lubberline/catalog"
)

// How long figures are kept for the model API.
const (
	longHistory  = 15 * time.Minute // cpu/usage_rate and memory/usage
	shortHistory = 140 * time.Second
)

// History is the recent past of every figure of every object. It is filled from
// the batches themselves, so that what it answers is what was exported; values
// are kept as columns over one common time axis. After a restart it is filled
// by making the batches of the last minutes again from the stored samples, with
// the same code, instead of asking the store at each request: a request then
// costs no query, and no second derivation can differ from the first.
type History struct {
	long, short int // places of a column

	mu      sync.RWMutex // guards what follows
	seq     int64        // number of the newest batch; the first is 1
	times   []int64      // milliseconds, by seq modulo long
	objects map[string]*past
}

// past is what is kept of one object.
type past struct {
	columns []namedColumn
	last    int64 // newest batch it was in
}

type namedColumn struct {
	metric *catalog.HeapsterMetric
	labels map[string]string
	column
}

// SeriesPoint is one value of one figure.
type SeriesPoint struct {
	Time time.Time
	// Int is the value where the metric's ValueType is int64, Float where it is
	// double.
	Int   int64
	Float float64
}

// NewHistory makes an empty history for batches at that distance.
func NewHistory(resolution time.Duration) *History {
	places := func(d time.Duration) int { return int((d+resolution-1)/resolution) + 1 }
	h := &History{long: places(longHistory), short: places(shortHistory), objects: map[string]*past{}}
	h.times = make([]int64, h.long)
	return h
}

// Add takes the next batch. Batches that are not newer than the last are
// ignored.
func (h *History) Add(b *Batch) {
	h.mu.Lock()
	defer h.mu.Unlock()
	at := b.Time.UnixMilli()
	if h.seq > 0 && at <= h.times[h.seq%int64(h.long)] {
		return
	}
	h.seq++
	h.times[h.seq%int64(h.long)] = at
	for _, set := range b.Sets {
		h.addSet(set)
	}
	for key, p := range h.objects {
		if p.last <= h.seq-int64(h.long) {
			delete(h.objects, key)
		}
	}
}

func (h *History) addSet(set *MetricSet) {
	p, ok := h.objects[set.Key]
	if !ok {
		p = &past{columns: make([]namedColumn, 0, len(set.Values)+len(set.Labeled))}
		h.objects[set.Key] = p
	}
	p.last = h.seq
	next := 0
	for i := range set.Values {
		next = h.addValue(p, next, &set.Values[i], nil)
	}
	for i := range set.Labeled {
		next = h.addValue(p, next, &set.Labeled[i].Value, set.Labeled[i].Labels)
	}
}

// addValue puts a value into its column, looking first where the last one's
// neighbour is: batches list figures in the same order.
func (h *History) addValue(p *past, from int, v *Value, labels map[string]string) int {
	i := p.find(from, v.Metric, labels)
	if i < 0 {
		i = len(p.columns)
		if i == cap(p.columns) { // objects rarely get new figures after the first rates
			p.columns = append(make([]namedColumn, 0, i+4), p.columns...)
		}
		p.columns = append(p.columns, namedColumn{metric: v.Metric, labels: labels})
	}
	raw := v.Int
	if v.Metric.ValueType == catalog.Double {
		raw = int64(math.Float64bits(v.Float))
	}
	p.columns[i].add(int32(h.seq), raw, h.places(v.Metric.Name))
	return i + 1
}

func (p *past) find(from int, m *catalog.HeapsterMetric, labels map[string]string) int {
	for n := range p.columns {
		i := (from + n) % len(p.columns)
		if c := &p.columns[i]; c.metric == m && (labels == nil) == (c.labels == nil) && maps.Equal(c.labels, labels) {
			return i
		}
	}
	return -1
}

func (h *History) places(metric string) int {
	if metric == "cpu/usage_rate" || metric == "memory/usage" {
		return h.long
	}
	return h.short
}

// Series returns the values of one figure of the object with that key, in
// [start, end], oldest first. labels must be the point's, all of them; nil for
// plain figures.
func (h *History) Series(key, metric string, labels map[string]string, start, end time.Time) []SeriesPoint {
	h.mu.RLock()
	defer h.mu.RUnlock()
	p, ok := h.objects[key]
	if !ok {
		return nil
	}
	for i := range p.columns {
		c := &p.columns[i]
		if c.metric.Name == metric && len(c.labels) == len(labels) && maps.Equal(c.labels, labels) {
			return h.points(c, start.UnixMilli(), end.UnixMilli())
		}
	}
	return nil
}

func (h *History) points(c *namedColumn, start, end int64) []SeriesPoint {
	var all []SeriesPoint
	for seq := max(1, h.seq-int64(h.places(c.metric.Name))+1); seq <= h.seq; seq++ {
		at := h.times[seq%int64(h.long)]
		raw, ok := c.at(int32(seq))
		if !ok || at < start || at > end {
			continue
		}
		p := SeriesPoint{Time: time.UnixMilli(at).UTC(), Int: raw}
		if c.metric.ValueType == catalog.Double {
			p.Int, p.Float = 0, math.Float64frombits(uint64(raw))
		}
		all = append(all, p)
	}
	return all
}
