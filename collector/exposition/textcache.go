package exposition

import (
	"strconv"
	"sync"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/collector/reading"
	"github.com/lubberline/lubberline/collector/series"
)

// textCache writes the series of containers. It keeps each container's label
// text for as long as its identity stays the same.
type textCache struct {
	rows []series.Row
	info catalog.Metric

	mu    sync.Mutex // guards what follows: one answer is made at a time
	cache map[*reading.Container]*containerText
	round uint64
	texts []*containerText // of this answer's containers; reused
	line  lineWriter
}

// containerText is the part of a container's lines that does not change.
type containerText struct {
	identity *reading.Identity
	labels   []byte // `id="/docker/4f",name="web"`
	info     []byte // the further labels of lubberline_container_info; nil for none
	time     []byte // of this answer: " 1764072000000\n"
	round    uint64 // the last answer the container was in
}

func newTextCache() *textCache {
	return &textCache{
		rows:  series.Rows(),
		info:  catalog.MustLookup(series.InfoMetric),
		cache: make(map[*reading.Container]*containerText),
	}
}

// append writes all series of the containers, metric by metric.
func (t *textCache) append(b []byte, cs []*reading.Container) []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.prepare(cs)
	w := &t.line
	w.out = b
	emit := w.emit
	for i := range t.rows {
		row := &t.rows[i]
		w.startRow(row, i > 0 && t.rows[i-1].Metric.Name == row.Metric.Name)
		for j, c := range cs {
			w.text = t.texts[j]
			row.Each(c, emit)
		}
	}
	t.appendInfo(w, cs)
	b = w.out
	w.out, w.text = nil, nil
	return b
}

func (t *textCache) appendInfo(w *lineWriter, cs []*reading.Container) {
	w.startMetric(t.info)
	for j := range cs {
		if w.text = t.texts[j]; w.text.info != nil {
			w.fixed = w.text.info
			w.emit("", series.Value{N: 1})
		}
	}
}

// prepare finds or makes the text of each container, and forgets those of
// containers that have gone.
func (t *textCache) prepare(cs []*reading.Container) {
	t.round++
	t.texts = t.texts[:0]
	for _, c := range cs {
		text := t.cache[c]
		if text == nil || text.identity != c.Identity {
			text = newContainerText(c)
			t.cache[c] = text
		}
		text.round = t.round
		text.setTime(c.Sample.Time)
		t.texts = append(t.texts, text)
	}
	if len(t.cache) == len(cs) {
		return
	}
	for c, text := range t.cache {
		if text.round != t.round {
			delete(t.cache, c)
		}
	}
}

func newContainerText(c *reading.Container) *containerText {
	text := &containerText{identity: c.Identity, labels: appendLabels(nil, series.Identity(c))}
	if info := series.Info(c.Identity); info != nil {
		text.info = appendLabels(nil, info)
	}
	return text
}

// setTime writes the sample's time in milliseconds, as the end of a line.
func (t *containerText) setTime(nanoseconds int64) {
	t.time = append(t.time[:0], ' ')
	t.time = strconv.AppendInt(t.time, nanoseconds/1e6, 10)
	t.time = append(t.time, '\n')
}

// lineWriter writes the lines of one row after another.
type lineWriter struct {
	out    []byte
	metric catalog.Metric
	headed bool   // the head of the metric is written
	fixed  []byte // label text of the row
	extra  string // name of the row's last label
	text   *containerText
}

// startRow begins a row; more says that it belongs to the metric of the last one.
func (w *lineWriter) startRow(row *series.Row, more bool) {
	if !more {
		w.startMetric(row.Metric)
	}
	w.extra = row.Extra
	w.fixed = nil
	if row.Fixed != nil {
		w.fixed = appendLabels(nil, row.Fixed)
	}
}

func (w *lineWriter) startMetric(m catalog.Metric) {
	w.metric, w.headed, w.extra, w.fixed = m, false, "", nil
}

// emit writes one line, and before the first the head of the metric.
func (w *lineWriter) emit(extra string, v series.Value) {
	b := w.out
	if !w.headed {
		b = appendHead(b, w.metric)
		w.headed = true
	}
	b = append(b, w.metric.Name...)
	b = append(b, '{')
	b = append(b, w.text.labels...)
	if w.fixed != nil {
		b = append(b, ',')
		b = append(b, w.fixed...)
	}
	if w.extra != "" {
		b = append(b, ',')
		b = appendLabel(b, w.extra, extra)
	}
	b = append(b, '}', ' ')
	b = v.Append(b)
	w.out = append(b, w.text.time...)
}
