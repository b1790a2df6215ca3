package remotewrite

import (
	"slices"
	"time"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/collector/series"
)

// encoder turns ticks into requests. It remembers which series were in the
// last tick, so that those that end get a stale marker. For one goroutine.
type encoder struct {
	rows     []series.Row
	fixed    [][]series.Label // by row
	info     catalog.Metric
	points   map[string]int // by name: index into pointMetrics
	catalog  []catalog.Metric
	source   []series.Label // job, instance, node
	limit    int            // of samples in a request
	req      *request
	flush    func(*request)
	tracked  map[string]*tracked // by cgroup path: one that is made anew goes on
	round    uint64
	previous []series.Point // the machine's points of the last tick
	samples  int            // of this tick

	// State of the container being written.
	now        *tracked
	row        int
	millis     int64
	stale      bool
	base, more []pair
	baseRefs   []byte
	emit       series.Emit
}

// tracked is what is known of a container from its last tick.
type tracked struct {
	identity *reading.Identity
	labels   []series.Label // of its identity and the source
	info     []series.Label
	keys     []seriesKey // of the last tick
	next     []seriesKey // of this one; the two change places
	sampled  int64       // reading.Sample.Time that was sent
	round    uint64
}

// seriesKey names a series among those of its container.
type seriesKey struct {
	row   int
	extra string
}

// newEncoder makes an encoder that hands each full request to flush, which must
// be done with it when it returns.
func newEncoder(node string, limit int, flush func(*request)) *encoder {
	e := &encoder{
		rows: series.Rows(), info: catalog.MustLookup(series.InfoMetric),
		points: make(map[string]int), limit: limit, flush: flush,
		source:  []series.Label{{Name: "instance", Value: node}, {Name: "job", Value: "collector"}, {Name: "node", Value: node}},
		tracked: make(map[string]*tracked),
	}
	for i := range e.rows {
		e.fixed = append(e.fixed, e.rows[i].Fixed)
	}
	e.catalog = append(catalog.Metrics(), upMetric)
	for i, m := range e.catalog {
		e.points[m.Name] = len(e.rows) + 1 + i
	}
	e.req = newRequest(len(e.rows) + 1 + len(e.catalog))
	e.emit = e.emitValue
	return e
}

// encode writes one tick and returns the number of samples in it.
func (e *encoder) encode(tick time.Time, cs []*reading.Container, points []series.Point) int {
	e.round++
	e.samples = 0
	millis := tick.UnixMilli()
	e.encodePoints(millis, points)
	for _, c := range cs {
		e.encodeContainer(c, millis)
	}
	if len(e.tracked) > len(cs) {
		e.endGone(millis)
	}
	e.flushIfOver(0)
	return e.samples
}

// flushIfOver hands the request over when it has more than n samples.
func (e *encoder) flushIfOver(n int) {
	if e.req.count > n {
		e.samples += e.req.count
		e.flush(e.req)
		e.req.reset()
	}
}

func (e *encoder) encodeContainer(c *reading.Container, millis int64) {
	t := e.track(c, millis)
	if c.Sample.Time == 0 || c.Sample.Time == t.sampled {
		return // not read anew since the last tick: nothing to say
	}
	t.sampled = c.Sample.Time
	e.begin(t, c.Sample.Time/1e6, false)
	for e.row = range e.rows {
		e.rows[e.row].Each(c, e.emit)
	}
	if e.row = len(e.rows); t.info != nil {
		e.emitValue("", series.Value{N: 1})
	}
	e.endMissing(t, max(millis, c.Sample.Time/1e6))
	t.keys, t.next = t.next, t.keys
	e.flushIfOver(e.limit - 1)
}

// track returns the container's record. When the identity is another than in
// the last tick, the series under the old labels end.
func (e *encoder) track(c *reading.Container, millis int64) *tracked {
	t := e.tracked[c.ID]
	if t != nil && t.identity == c.Identity {
		t.round = e.round
		return t
	}
	labels, info := series.Merge(series.Identity(c), e.source), series.Info(c.Identity)
	if t != nil && slices.Equal(t.labels, labels) && slices.Equal(t.info, info) {
		t.identity, t.round = c.Identity, e.round
		return t
	}
	if t != nil {
		e.endAll(t, millis)
	}
	t = &tracked{identity: c.Identity, labels: labels, info: info, round: e.round}
	e.tracked[c.ID] = t
	return t
}

// begin prepares for series of one container, with samples at one time.
func (e *encoder) begin(t *tracked, millis int64, stale bool) {
	e.now, e.millis, e.stale = t, millis, stale
	e.base = e.req.pairs(e.base[:0], t.labels)
	e.baseRefs = appendPairs(e.baseRefs[:0], e.base, nil)
	if !stale {
		t.next = t.next[:0]
	}
}

// emitValue writes one series of e.now in e.row.
func (e *encoder) emitValue(extra string, v series.Value) {
	if !e.stale {
		e.now.next = append(e.now.next, seriesKey{e.row, extra})
	}
	metric, fixed, extraName := &e.info, e.now.info, ""
	if e.row < len(e.rows) {
		metric, fixed, extraName = &e.rows[e.row].Metric, e.fixed[e.row], e.rows[e.row].Extra
	}
	refs := e.req.metric(e.row, metric)
	e.req.startSeries(refs)
	if fixed == nil && extraName == "" {
		e.req.refs = append(e.req.refs, e.baseRefs...)
	} else {
		e.more = e.req.pairs(e.more[:0], fixed)
		if extraName != "" {
			e.more = append(e.more, pair{extraName, e.req.symbols.ref(extraName), e.req.symbols.ref(extra)})
		}
		e.req.refs = appendPairs(e.req.refs, e.base, e.more)
	}
	value := v.Float()
	if e.stale {
		value = staleNaN
	}
	e.req.endSeries(refs, value, e.millis)
}

// endMissing writes stale markers for the series of t.keys that are not in
// t.next.
func (e *encoder) endMissing(t *tracked, millis int64) {
	if slices.Equal(t.keys, t.next) {
		return
	}
	still := make(map[seriesKey]bool, len(t.next))
	for _, key := range t.next {
		still[key] = true
	}
	e.begin(t, millis, true)
	for _, key := range t.keys {
		if !still[key] {
			e.row = key.row
			e.emitValue(key.extra, series.Value{})
		}
	}
}

// endAll writes stale markers for all series of the last tick.
func (e *encoder) endAll(t *tracked, millis int64) {
	e.begin(t, max(millis, t.sampled/1e6+1), true)
	for _, key := range t.keys {
		e.row = key.row
		e.emitValue(key.extra, series.Value{})
	}
	e.flushIfOver(e.limit - 1)
}

// endGone ends the series of containers that were not in this tick.
func (e *encoder) endGone(millis int64) {
	for id, t := range e.tracked {
		if t.round != e.round {
			e.endAll(t, millis)
			delete(e.tracked, id)
		}
	}
}
