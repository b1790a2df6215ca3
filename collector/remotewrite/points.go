package remotewrite

import (
	"slices"
	"strings"

	"github.com/lubberline/lubberline/collector/series"
)

// encodePoints writes the machine's points and "up".
func (e *encoder) encodePoints(millis int64, points []series.Point) {
	e.base = e.req.pairs(e.base[:0], e.source)
	e.encodePoint(&series.Point{Name: upMetric.Name, Value: 1}, millis)
	for i := range points {
		e.encodePoint(&points[i], millis)
	}
	e.endPoints(points, millis)
	e.previous = append(e.previous[:0], points...)
}

func (e *encoder) encodePoint(p *series.Point, millis int64) {
	i, ok := e.points[p.Name]
	if !ok {
		return // the catalog is the list of what is published
	}
	refs := e.req.metric(i, &e.catalog[i-len(e.rows)-1])
	e.req.startSeries(refs)
	e.more = e.req.pairs(e.more[:0], p.Labels)
	e.req.refs = appendPairs(e.req.refs, e.base, e.more)
	e.req.endSeries(refs, p.Value, millis)
	if e.req.count >= e.limit {
		e.flushIfOver(0)
		e.base = e.req.pairs(e.base[:0], e.source)
	}
}

// endPoints writes stale markers for points of the last tick that are not in
// this one: of a disk, an interface or a mount that has gone.
func (e *encoder) endPoints(points []series.Point, millis int64) {
	if slices.EqualFunc(e.previous, points, samePoint) {
		return
	}
	still := make(map[string]bool, len(points))
	for i := range points {
		still[pointKey(&points[i])] = true
	}
	for _, p := range e.previous {
		if !still[pointKey(&p)] {
			p.Value = staleNaN
			e.encodePoint(&p, millis)
		}
	}
}

func samePoint(a, b series.Point) bool {
	if a.Name != b.Name || len(a.Labels) != len(b.Labels) {
		return false
	}
	if len(a.Labels) == 0 || &a.Labels[0] == &b.Labels[0] {
		return true
	}
	return slices.Equal(a.Labels, b.Labels)
}

func pointKey(p *series.Point) string {
	var key strings.Builder
	key.WriteString(p.Name)
	for _, l := range p.Labels {
		key.WriteString("\xff" + l.Name + "\xff" + l.Value)
	}
	return key.String()
}
