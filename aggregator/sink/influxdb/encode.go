package influxdb

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
)

// plainField is the field of a point that has one figure only.
const plainField = "value"

// idTags are the labels that Heapster did not write.
var idTags = []string{"pod_id", "namespace_id", "hostname", "host_id"}

// counters are the figures that have a rate beside them.
var counters = []string{
	"cpu/usage", "network/rx", "network/rx_errors", "network/tx", "network/tx_errors",
	"memory/page_faults", "memory/major_page_faults", "disk/io_read_bytes", "disk/io_write_bytes",
}

// encoder writes a batch as line protocol, in texts of at most maxPoints lines.
type encoder struct {
	options *Options
	out     [][]byte
	line    []byte // the text being written
	points  int    // in line
	open    string // measurement of the point that may get another field
}

// encode returns the batch as texts of line protocol, each of at most
// o.MaxPoints points. Figures that InfluxDB has no form for (NaN, infinite) are
// left out.
func encode(o *Options, b *rollup.Batch) [][]byte {
	e := &encoder{options: o}
	nanos := strconv.AppendInt([]byte{' '}, b.Time.UnixNano(), 10)
	for _, set := range b.Sets {
		tags := e.tags(set.Labels)
		for i := range set.Values {
			e.value(&set.Values[i], tags, nil, nanos)
		}
		e.finish(nanos)
		e.labeled(set.Labeled, tags, nanos)
	}
	e.finishText()
	return e.out
}

// labeled writes the labelled figures. Those of one family and the same labels
// share a point where fields are in use.
func (e *encoder) labeled(values []rollup.LabeledValue, tags, nanos []byte) {
	type entry struct {
		key   string
		value *rollup.LabeledValue
		tags  []byte
	}
	entries := make([]entry, 0, len(values))
	for i := range values {
		v := &values[i]
		if v.Metric == nil {
			continue
		}
		own := appendTags(nil, v.Labels)
		measurement, _ := e.names(v.Metric.Name)
		entries = append(entries, entry{measurement + "\x00" + string(own), v, own})
	}
	slices.SortStableFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	last := ""
	for _, en := range entries {
		if en.key != last {
			e.finish(nanos)
			last = en.key
		}
		e.value(&en.value.Value, tags, en.tags, nanos)
	}
	e.finish(nanos)
}

// value writes one figure: as a field of the open point if it belongs there,
// else as a new point, left open for the fields that follow.
func (e *encoder) value(v *rollup.Value, tags, more, nanos []byte) {
	if v.Metric == nil || !writable(v) || (e.options.DisableCounters && slices.Contains(counters, v.Metric.Name)) {
		return
	}
	measurement, field := e.names(v.Metric.Name)
	if e.open != measurement {
		e.finish(nanos)
		e.line = appendEscaped(e.line, measurement, ", ")
		e.line = append(append(e.line, tags...), more...)
		e.line = append(e.line, ' ')
	} else {
		e.line = append(e.line, ',')
	}
	e.open = measurement
	e.line = appendEscaped(e.line, field, ",= ")
	e.line = append(e.line, '=')
	if v.Metric.ValueType == catalog.Int64 {
		e.line = append(strconv.AppendInt(e.line, v.Int, 10), 'i')
	} else {
		e.line = strconv.AppendFloat(e.line, v.Float, 'g', -1, 64)
	}
	if !e.options.WithFields {
		e.finish(nanos)
	}
}

func writable(v *rollup.Value) bool {
	return v.Metric.ValueType == catalog.Int64 || !(math.IsNaN(v.Float) || math.IsInf(v.Float, 0))
}

// finish ends the open point, and the text when it is full.
func (e *encoder) finish(nanos []byte) {
	if e.open == "" {
		return
	}
	e.line = append(append(e.line, nanos...), '\n')
	e.open = ""
	e.points++
	if e.points >= e.options.MaxPoints {
		e.finishText()
	}
}

func (e *encoder) finishText() {
	if e.points > 0 {
		e.out = append(e.out, e.line)
	}
	e.line, e.points = nil, 0
}

// names returns the measurement and the field of a metric.
func (e *encoder) names(metric string) (measurement, field string) {
	return names(e.options, metric)
}

func names(o *Options, metric string) (measurement, field string) {
	if !o.WithFields {
		return metric, plainField
	}
	family, rest, found := strings.Cut(metric, "/")
	if !found {
		return metric, plainField
	}
	return family, rest
}

// tags returns the tags of an object, each with a comma before it.
func (e *encoder) tags(labels map[string]string) []byte {
	keep := make(map[string]string, len(labels)+1)
	for k, v := range labels {
		if !(k == "labels" && e.options.OmitLabelsTag) && (e.options.IDTags || !slices.Contains(idTags, k)) {
			keep[k] = v
		}
	}
	keep["cluster_name"] = e.options.ClusterName
	return appendTags(nil, keep)
}

func appendTags(b []byte, tags map[string]string) []byte {
	keys := make([]string, 0, len(tags))
	for k := range tags {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	for _, k := range keys {
		v := cleanTag(tags[k])
		if v == "" || k == "" {
			continue
		}
		b = appendEscaped(append(b, ','), k, ",= ")
		b = appendEscaped(append(b, '='), v, ",= ")
	}
	return b
}

// cleanTag takes away what line protocol cannot carry in a tag: line ends
// become spaces, and backslashes at the end go, which would swallow the
// separator after them.
func cleanTag(v string) string {
	if strings.ContainsAny(v, "\n\r\t") {
		v = strings.NewReplacer("\n", " ", "\r", " ", "\t", " ").Replace(v)
	}
	return strings.TrimRight(v, `\`)
}

func appendEscaped(b []byte, s, special string) []byte {
	for i := range len(s) {
		if strings.IndexByte(special, s[i]) >= 0 {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return b
}
