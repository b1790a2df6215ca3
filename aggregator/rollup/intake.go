package rollup

import (
	"math"
	"slices"
	"strings"

	"github.com/cespare/xxhash/v2"
	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/value"

	"github.com/lubberline/lubberline/catalog"
)

// point is a sample: milliseconds and value. The zero point is none.
type point struct {
	t int64
	v float64
}

// entry is what is kept of one series for one slot. Owner: Rollup.mu.
type entry struct {
	base   point // what the last batch was made from: rates start here
	cur    point // the newest within the window under way
	next   point // the newest beyond it
	hash   uint64
	ref    uint64 // the series' reference, 0 before its first live sample
	owner  *object
	cgroup cgroup
	label  int32 // index of the label set that the slot's values differ by; 0 is none
	chain  int32 // next entry fed by the same series, none at the end
	slot   uint16
	slow   bool
}

const none int32 = -1

// infoSlot marks the entries of info series: they have no figures, but live and
// go with their object.
const infoSlot = math.MaxUint16

var infoFeed = feed{slot: infoSlot}

// intake knows every series that figures are made from. Owner: Rollup.mu.
type intake struct {
	plan    *plan
	refs    refTable
	entries []entry
	free    []int32
	objects map[string]*object
	sets    labelSets
	end     int64 // end of the window under way, in milliseconds
}

func newIntake(p *plan) *intake {
	return &intake{plan: p, objects: map[string]*object{}, sets: newLabelSets()}
}

// take puts one sample where it belongs.
func (in *intake) take(s *Sample) {
	first := in.refs.get(uint64(s.Ref))
	if first == unknownRef {
		first = in.attach(uint64(s.Ref), s.Labels, s.T)
		in.refs.set(uint64(s.Ref), first)
	}
	if first != ignoredRef {
		in.put(first, s.T, s.V)
	}
}

func (in *intake) put(first int32, t int64, v float64) {
	for i := first; i != none; i = in.entries[i].chain {
		e := &in.entries[i]
		if e.owner == nil {
			return // dropped since the samples were read back
		}
		e.put(point{t, v}, in.end)
		if t > e.owner.newest {
			e.owner.newest = t
		}
	}
}

func (e *entry) put(p point, end int64) {
	switch {
	case p.t <= e.cur.t:
	case p.t <= end:
		e.cur = p
	case p.t > e.next.t:
		e.next = p
	}
}

// promote makes the sample that waited the newest, when the window reaches it.
func (e *entry) promote(end int64) {
	if e.next.t != 0 && e.next.t <= end {
		e.cur, e.next = e.next, point{}
	}
}

// fresh reports whether the entry's newest value still counts at the time.
func (e *entry) fresh(oldest, oldestSlow int64) bool {
	if e.slow {
		oldest = oldestSlow
	}
	return e.cur.t >= oldest && e.cur.t != 0 && !math.IsNaN(e.cur.v)
}

func (e *entry) stale() bool { return value.IsStaleNaN(e.cur.v) }

// attach finds or makes the entries of a series and returns the first.
func (in *intake) attach(ref uint64, l labels.Labels, t int64) int32 {
	name := l.Get(model.MetricNameLabel)
	feeds := in.plan.feeds[name]
	if len(feeds) == 0 && name != containerInfo && name != podInfo && name != nodeInfo {
		return ignoredRef
	}
	id, ok := identity(name, l)
	if !ok {
		return ignoredRef
	}
	first := ignoredRef
	for i := range feeds {
		if o := in.ownerOf(&id, &feeds[i], l); o != nil && feeds[i].takes(l) {
			first = in.attachTo(o, &feeds[i], ref, l, t, first)
		}
	}
	if len(feeds) == 0 {
		first = in.attachTo(in.object(&id), &infoFeed, ref, l, t, first)
		in.inform(&id, name, l)
	}
	return first
}

// ownerOf returns the object whose slot the feed is, or nil when the series is
// another kind's.
func (in *intake) ownerOf(id *object, f *feed, l labels.Labels) *object {
	if f.kind == catalog.Pod && f.scope == catalog.AnyOfPod && id.pod != "" {
		return in.podOf(id)
	}
	if f.kind != id.kind {
		return nil
	}
	if id.kind == catalog.Pod && f.scope == catalog.Own && l.Has("image") {
		return nil // the sandbox's
	}
	return in.object(id)
}

// inform applies the labels of an info series.
func (in *intake) inform(id *object, name string, l labels.Labels) {
	in.object(id).learn(name, l)
	if id.kind == catalog.PodContainer {
		in.podOf(id).learn(name, l)
	}
	if name == podInfo {
		for _, c := range in.podOf(id).children {
			c.learn(name, l)
		}
	}
}

func (in *intake) object(id *object) *object {
	if o, ok := in.objects[id.key]; ok {
		return o
	}
	o := &object{
		kind: id.kind, key: id.key, node: strings.Clone(id.node), namespace: strings.Clone(id.namespace),
		pod: strings.Clone(id.pod), container: strings.Clone(id.container),
	}
	in.objects[o.key] = o
	if o.kind == catalog.PodContainer {
		pod := in.podOf(o)
		o.controller, o.joined = pod.controller, pod.joined
		if pod.joined {
			o.podLabels = pod.podLabels
		}
		pod.children = append(pod.children, o)
		slices.SortFunc(pod.children, func(a, b *object) int { return strings.Compare(a.container, b.container) })
	}
	return o
}

func (in *intake) podOf(id *object) *object {
	return in.object(&object{
		kind: catalog.Pod, key: "namespace:" + id.namespace + "/pod:" + id.pod,
		node: id.node, namespace: id.namespace, pod: id.pod,
	})
}

func hash32(s string) uint32 {
	if s == "" {
		return 0
	}
	return uint32(xxhash.Sum64String(s)) | 1
}

// attachTo finds or makes the entry of one feed, and puts it before first.
func (in *intake) attachTo(o *object, f *feed, ref uint64, l labels.Labels, t int64, first int32) int32 {
	o.learn("", l)
	at, hash := cgroup{hash32(l.Get("node")), hash32(l.Get("id"))}, l.Hash()
	if o.kind == catalog.PodContainer && at.id != 0 && !in.current(o, at, t) {
		return first // an older cgroup of the same name, heard of late
	}
	for _, i := range o.entries {
		if e := &in.entries[i]; e.hash == hash && int(e.slot) == f.slot {
			e.chain, e.ref = chained(first), ref
			return i
		}
	}
	i := in.newEntry()
	in.entries[i] = entry{
		hash: hash, ref: ref, owner: o, cgroup: at, label: in.sets.of(f, l),
		chain: chained(first), slot: uint16(f.slot), slow: f.slow,
	}
	o.entries = append(o.entries, i)
	return i
}

func chained(first int32) int32 {
	if first == ignoredRef {
		return none
	}
	return first
}

// current makes the cgroup the container's on its node. What came from the
// cgroup before it is dropped: the container was made anew under the same name.
// False when the cgroup itself is the older one.
func (in *intake) current(o *object, at cgroup, t int64) bool {
	for i, old := range o.cgroups {
		if old.node != at.node || old == at {
			continue
		}
		if t < o.newest {
			return false
		}
		o.cgroups[i] = at
		gone := func(e *entry) bool { return e.cgroup == old }
		in.drop(o, gone)
		in.drop(in.podOf(o), gone)
		return true
	}
	if !slices.Contains(o.cgroups, at) {
		o.cgroups = append(o.cgroups, at)
	}
	return true
}

func (in *intake) newEntry() int32 {
	if n := len(in.free); n > 0 {
		i := in.free[n-1]
		in.free = in.free[:n-1]
		return i
	}
	in.entries = append(in.entries, entry{})
	return int32(len(in.entries) - 1)
}

// sweep forgets series that ended or no longer come, and objects without any.
func (in *intake) sweep(oldest, oldestSlow int64) {
	gone := func(e *entry) bool {
		newest, limit := max(e.cur.t, e.next.t), oldest
		if e.slow {
			limit = oldestSlow
		}
		return newest != 0 && newest < limit || (e.stale() && e.next.t == 0)
	}
	for key, o := range in.objects {
		if in.drop(o, gone); len(o.entries) > 0 || len(o.children) > 0 {
			continue
		}
		delete(in.objects, key)
		if o.kind == catalog.PodContainer {
			pod := in.podOf(o)
			pod.children = slices.DeleteFunc(pod.children, func(c *object) bool { return c == o })
		}
	}
}

// drop forgets the object's entries for which gone is true. References to them
// are forgotten too: a series that goes on is attached again, which also mends
// the chain of its other entries.
func (in *intake) drop(o *object, gone func(*entry) bool) {
	kept := o.entries[:0]
	for _, i := range o.entries {
		if !gone(&in.entries[i]) {
			kept = append(kept, i)
			continue
		}
		if ref := in.entries[i].ref; ref != 0 {
			in.refs.set(ref, unknownRef)
		}
		in.entries[i] = entry{chain: none}
		in.free = append(in.free, i)
	}
	o.entries = kept
}

// open makes end the end of the window under way.
func (in *intake) open(end int64) {
	if end == in.end {
		return
	}
	in.end = end
	for i := range in.entries {
		in.entries[i].promote(end)
	}
}

// close ends the window after its batch was made: the next one ends at end.
func (in *intake) close(end, oldest, oldestSlow int64) {
	in.sweep(oldest, oldestSlow)
	in.end = end
	for i := range in.entries {
		if e := &in.entries[i]; e.cur.t > e.base.t {
			e.base = e.cur
		}
		in.entries[i].promote(end)
	}
}
