package rollup

import (
	"slices"
	"strings"
	"time"

	"github.com/lubberline/lubberline/catalog"
)

// computation turns what the intake holds into one batch. It keeps its memory
// from batch to batch. Owner: Rollup.mu.
type computation struct {
	in  *intake
	end int64 // end of the window, milliseconds
	// oldest is the time before which a sample no longer counts; oldestSlow is
	// that for series sent at their sender's own interval.
	oldest, oldestSlow int64

	readings   map[catalog.ObjectKind]slotReadings
	container  *row
	pod        *row
	cluster    *row
	namespaces map[string]*row
	nodes      map[string]*row // what containers on the node add up to
	own        *row
	sets       []*MetricSet
	values     []Value        // slab of the batch
	labeled    []LabeledValue // slab of the batch
}

func newComputation(in *intake) *computation {
	n := len(in.plan.figures)
	c := &computation{
		in: in, readings: map[catalog.ObjectKind]slotReadings{},
		container: newRow(n), pod: newRow(n), cluster: newRow(n), own: newRow(n),
	}
	for kind, k := range in.plan.kinds {
		c.readings[kind] = make(slotReadings, k.slots)
	}
	return c
}

// batch computes all objects at the end of the window. keep is how long a
// sample counts.
func (c *computation) batch(end int64, keep, keepSlow time.Duration) *Batch {
	c.end, c.oldest, c.oldestSlow = end, end-keep.Milliseconds(), end-keepSlow.Milliseconds()
	c.cluster.reset()
	c.namespaces, c.nodes = map[string]*row{}, map[string]*row{}
	c.sets = make([]*MetricSet, 0, len(c.in.objects)+16)
	c.values = make([]Value, 0, cap(c.values))
	c.labeled = make([]LabeledValue, 0, cap(c.labeled))
	for _, o := range c.in.objects {
		if o.kind == catalog.Pod {
			c.podAndContainers(o)
		}
	}
	for _, o := range c.in.objects {
		switch o.kind {
		case catalog.Node:
			c.node(o)
		case catalog.SystemContainer:
			c.own.reset()
			c.figures(o, c.own, nil)
			c.publish(o, c.own)
		}
	}
	c.sums()
	slices.SortFunc(c.sets, func(a, b *MetricSet) int { return strings.Compare(a.Key, b.Key) })
	return &Batch{Time: time.UnixMilli(end).UTC(), Sets: c.sets}
}

// podAndContainers publishes a pod's containers and the pod, and adds them to
// what lies above.
func (c *computation) podAndContainers(pod *object) {
	c.pod.reset()
	children := 0
	for _, o := range pod.children {
		c.container.reset()
		c.figures(o, c.container, nil)
		if c.container.empty() || c.container.newest == 0 {
			continue
		}
		children++
		c.publish(o, c.container)
		c.up(catalog.Pod, c.container, c.pod)
		c.up(catalog.Node, c.container, c.rowOf(c.nodes, o.node))
	}
	below := &podBelow{single: children == 1}
	c.figures(pod, c.pod, below)
	if c.pod.newest == 0 {
		return
	}
	c.publish(pod, c.pod)
	c.up(catalog.Namespace, c.pod, c.rowOf(c.namespaces, pod.namespace))
	c.up(catalog.Cluster, c.pod, c.cluster)
}

func (c *computation) rowOf(rows map[string]*row, name string) *row {
	r, ok := rows[name]
	if !ok {
		r = newRow(len(c.in.plan.figures))
		rows[name] = r
	}
	return r
}

// up adds the figures of an object to those of one above, as the kind above has
// them: sums, and single containers' own.
func (c *computation) up(kind catalog.ObjectKind, from, to *row) {
	to.seen(from)
	for i := range c.in.plan.kinds[kind].figures {
		f := &c.in.plan.kinds[kind].figures[i]
		for _, w := range f.ways {
			if w.How != catalog.SumOf && w.How != catalog.Only {
				continue
			}
			if from.have[f.figure] {
				to.addPlain(f.figure, from.plain[f.figure], w.Max)
			}
			for _, cell := range from.labeled {
				if cell.figure == f.figure {
					to.addLabeled(cell, w.Max)
				}
			}
		}
	}
}

func (c *computation) node(o *object) {
	c.own.reset()
	if below, ok := c.nodes[o.node]; ok {
		c.up(catalog.Node, below, c.own)
		c.own.newest, c.own.start = 0, 0 // the node's own counts
	}
	c.figures(o, c.own, nil)
	if c.own.newest != 0 {
		c.publish(o, c.own)
	}
}

// sums publishes namespaces and the cluster.
func (c *computation) sums() {
	for name, r := range c.namespaces {
		c.publish(&object{kind: catalog.Namespace, key: "namespace:" + name, namespace: name}, withoutStart(r))
	}
	if len(c.sets) > 0 {
		if c.cluster.newest == 0 {
			c.cluster.newest = c.end
		}
		c.publish(&object{kind: catalog.Cluster, key: "cluster"}, withoutStart(c.cluster))
	}
}

func withoutStart(r *row) *row {
	r.start = 0
	return r
}

// publish appends the row as a metric set of the batch.
func (c *computation) publish(o *object, r *row) {
	if r.newest == 0 {
		return
	}
	from, fromLabeled := len(c.values), len(c.labeled)
	for i, have := range r.have {
		if have {
			c.values = append(c.values, Value{c.in.plan.figures[i], r.plain[i].i, r.plain[i].f})
		}
	}
	slices.SortFunc(r.labeled, c.in.sets.compare)
	for _, cell := range r.labeled {
		v := Value{c.in.plan.figures[cell.figure], cell.i, cell.f}
		c.labeled = append(c.labeled, LabeledValue{v, c.in.sets.sets[cell.label]})
	}
	set := &MetricSet{
		Key: o.key, Kind: o.kind, Labels: o.labelSet(c.nodeOf(o)), ScrapeTime: time.UnixMilli(r.newest).UTC(),
		Values: c.values[from:len(c.values):len(c.values)], Labeled: c.labeled[fromLabeled:len(c.labeled):len(c.labeled)],
	}
	if r.start != 0 {
		set.CollectionStart = time.UnixMilli(r.start).UTC()
	}
	c.sets = append(c.sets, set)
}

func (c *computation) nodeOf(o *object) *object {
	if o.kind == catalog.Node {
		return o
	}
	if o.node == "" {
		return nil
	}
	return c.in.objects["node:"+o.node]
}
