package rollup

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
)

// What a reference may lead to besides an entry.
const (
	unknownRef int32 = -2
	ignoredRef int32 = -3
)

const pageBits = 10

// refTable leads from a series reference to its first entry, at four bytes a
// series: the store numbers series one after another.
type refTable struct {
	pages map[uint64]*[1 << pageBits]int32 // value + 4; 0 is unknown
	last  *[1 << pageBits]int32
	at    uint64
}

func (r *refTable) page(ref uint64) *[1 << pageBits]int32 {
	n := ref >> pageBits
	if r.last == nil || r.at != n {
		r.last, r.at = r.pages[n], n
	}
	return r.last
}

func (r *refTable) get(ref uint64) int32 {
	page := r.page(ref)
	if page == nil {
		return unknownRef
	}
	v := page[ref&(1<<pageBits-1)]
	if v == 0 {
		return unknownRef
	}
	return v - 4
}

func (r *refTable) set(ref uint64, to int32) {
	page := r.page(ref)
	if page == nil {
		page = new([1 << pageBits]int32)
		if r.pages == nil {
			r.pages = map[uint64]*[1 << pageBits]int32{}
		}
		r.pages[ref>>pageBits], r.last = page, page
	}
	page[ref&(1<<pageBits-1)] = to + 4
}

// labelSets are the label sets of labelled figures, each kept once.
type labelSets struct {
	index map[string]int32
	sets  []map[string]string
}

func newLabelSets() labelSets {
	return labelSets{index: map[string]int32{}, sets: []map[string]string{nil}}
}

// of returns the index of the label set that the series has in the slot, 0 when
// the slot is of plain figures.
func (s *labelSets) of(f *feed, l labels.Labels) int32 {
	if len(f.from) == 0 {
		return 0
	}
	values := make([]string, len(f.from))
	for i, name := range f.from {
		values[i] = l.Get(name)
	}
	key := strings.Join(f.keys, "\x00") + "\x01" + strings.Join(values, "\x00")
	if i, ok := s.index[key]; ok {
		return i
	}
	set := make(map[string]string, len(values))
	for i, v := range values {
		set[f.keys[i]] = strings.Clone(v)
	}
	i := int32(len(s.sets))
	s.sets = append(s.sets, set)
	s.index[key] = i
	return i
}

// compare orders cells by figure, then by label values.
func (s *labelSets) compare(a, b cell) int {
	if c := cmp.Compare(a.figure, b.figure); c != 0 || a.label == b.label {
		return c
	}
	x, y := s.sets[a.label], s.sets[b.label]
	for _, k := range slices.Sorted(maps.Keys(x)) {
		if c := strings.Compare(x[k], y[k]); c != 0 {
			return c
		}
	}
	return 0
}
