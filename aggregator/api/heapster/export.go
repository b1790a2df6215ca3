package heapster

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
)

// exportedLabels go with every exported set, in this order. Heapster left
// namespace_name out.
var exportedLabels = []string{
	"container_name", "container_base_image", "pod_name", "pod_id", "namespace_name", "namespace_id",
	"labels", "nodename", "hostname", "host_id",
}

// flushBytes is how much of an export is gathered before it is sent.
const flushBytes = 64 << 10

// export streams the newest batch.
func (a *API) export(c *gin.Context) {
	c.Header("Content-Type", jsonType)
	c.Status(http.StatusOK)
	b := a.model.Latest()
	if a.disableExport {
		b = &rollup.Batch{}
	}
	if err := writeExport(c.Writer, b); err != nil {
		_ = c.Error(fmt.Errorf("send export: %w", err)) // the client went away
	}
}

// writeExport writes nodes, pods and containers as one JSON array; null where
// there is no batch.
func writeExport(w io.Writer, b *rollup.Batch) error {
	if b == nil {
		_, err := io.WriteString(w, "null")
		return err
	}
	e := exporter{end: appendTime(nil, b.Time), encoded: map[string][]byte{}}
	e.buf = append(e.buf, '[')
	first := true
	for _, set := range b.Sets {
		if set.Kind == catalog.Cluster || set.Kind == catalog.Namespace {
			continue
		}
		if !first {
			e.buf = append(e.buf, ',')
		}
		first = false
		e.set(set)
		if len(e.buf) >= flushBytes {
			if _, err := w.Write(e.buf); err != nil {
				return err
			}
			e.buf = e.buf[:0]
		}
	}
	_, err := w.Write(append(e.buf, ']'))
	return err
}

// exporter appends the JSON of one set after another.
type exporter struct {
	buf     []byte
	end     []byte            // the batch's time, quoted
	start   []byte            // the set's start, quoted
	encoded map[string][]byte // strings that come again, quoted
}

func appendTime(b []byte, at time.Time) []byte {
	b = append(b, '"')
	b = at.UTC().AppendFormat(b, time.RFC3339)
	return append(b, '"')
}

// quoted appends a JSON string.
func (e *exporter) quoted(s string) {
	q, ok := e.encoded[s]
	if !ok {
		q, _ = json.Marshal(s) // strings always encode
		if len(e.encoded) > 10_000 {
			clear(e.encoded)
		}
		e.encoded[s] = q
	}
	e.buf = append(e.buf, q...)
}

func (e *exporter) set(set *rollup.MetricSet) {
	e.start = e.end
	if !set.CollectionStart.IsZero() {
		e.start = appendTime(nil, set.CollectionStart)
	}
	e.buf = append(e.buf, `{"metrics":{`...)
	last := ""
	// Both lists are sorted and no name is in both.
	for i, k := 0, 0; i < len(set.Values) || k < len(set.Labeled); {
		if k == len(set.Labeled) || i < len(set.Values) && set.Values[i].Metric.Name < set.Labeled[k].Metric.Name {
			last = e.value(&set.Values[i], nil, last)
			i++
			continue
		}
		last = e.value(&set.Labeled[k].Value, set.Labeled[k].Labels, last)
		k++
	}
	if last != "" {
		e.buf = append(e.buf, ']')
	}
	e.buf = append(e.buf, `},"labels":{`...)
	e.labels(set)
	e.buf = append(e.buf, `}}`...)
}

// value appends one point, and the metric's name before the first of it.
func (e *exporter) value(v *rollup.Value, labels map[string]string, last string) string {
	m := v.Metric
	if !m.Exported || m.ValueType == catalog.Double && (math.IsNaN(v.Float) || math.IsInf(v.Float, 0)) {
		return last
	}
	switch {
	case m.Name == last:
		e.buf = append(e.buf, ',')
	case last != "":
		e.buf = append(e.buf, `],`...)
		fallthrough
	default:
		e.quoted(m.Name)
		e.buf = append(e.buf, `:[`...)
	}
	start := e.end
	if m.Type == catalog.Cumulative {
		start = e.start
	}
	e.buf = append(append(e.buf, `{"start":`...), start...)
	e.buf = append(append(e.buf, `,"end":`...), e.end...)
	if labels != nil {
		e.buf = append(e.buf, `,"labels":{`...)
		for i, k := range slices.Sorted(maps.Keys(labels)) {
			e.label(k, labels[k], i > 0)
		}
		e.buf = append(e.buf, '}')
	}
	e.buf = append(e.buf, `,"value":`...)
	if m.ValueType == catalog.Double {
		e.buf = strconv.AppendFloat(e.buf, v.Float, 'g', -1, 64)
	} else {
		e.buf = strconv.AppendInt(e.buf, v.Int, 10)
	}
	e.buf = append(e.buf, '}')
	return m.Name
}

func (e *exporter) label(key, value string, comma bool) {
	if comma {
		e.buf = append(e.buf, ',')
	}
	e.quoted(key)
	e.buf = append(e.buf, ':')
	e.quoted(value)
}

// labels appends the set's labels. Nodes and pods have container names of their
// own there.
func (e *exporter) labels(set *rollup.MetricSet) {
	comma := false
	for _, name := range exportedLabels {
		value := set.Labels[name]
		if name == "container_name" {
			value = exportedContainer(set.Kind, value)
		}
		if value != "" {
			e.label(name, value, comma)
			comma = true
		}
	}
}

func exportedContainer(kind catalog.ObjectKind, name string) string {
	switch kind {
	case catalog.Node:
		return "machine"
	case catalog.Pod:
		return "/pod"
	default:
		return name
	}
}
