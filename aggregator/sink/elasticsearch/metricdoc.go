package elasticsearch

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lubberline/lubberline/aggregator/rollup"
	"github.com/lubberline/lubberline/catalog"
)

// family is one of Heapster's groups of figures, each with an alias.
type family struct {
	alias string // also the part of a metric's name before the slash
	title string
}

func (f family) timestamp() string { return f.title + "MetricsTimestamp" }

// general is the family of all figures that no other has.
var general = family{"general", "General"}

var families = []family{{"cpu", "Cpu"}, {"memory", "Memory"}, {"network", "Network"}, {"filesystem", "Filesystem"}, general}

func familyOf(metric string) family {
	before, _, found := strings.Cut(metric, "/")
	i := slices.IndexFunc(families, func(f family) bool { return f.alias == before })
	if !found || i < 0 {
		return general
	}
	return families[i]
}

// metricEncoder renders the sets of one batch as documents.
type metricEncoder struct {
	options *MetricsOptions
	builder *builder
	at      time.Time
}

// figure is a value of a set with the labels it has beside the set's.
type figure struct {
	rollup.Value
	family family
	more   map[string]string
	labels string // more, rendered: what tells documents of a family apart
}

// set renders a set: one document for each family and each set of labels, and
// one for each figure without a family.
func (e *metricEncoder) set(set *rollup.MetricSet) {
	figures := figuresOf(set)
	for len(figures) > 0 {
		first := figures[0]
		n := 1
		for first.family != general && n < len(figures) && figures[n].family == first.family && figures[n].labels == first.labels {
			n++
		}
		e.document(set, figures[:n])
		figures = figures[n:]
	}
}

// figuresOf returns the figures that JSON can hold, those of one document
// together.
func figuresOf(set *rollup.MetricSet) []figure {
	figures := make([]figure, 0, len(set.Values)+len(set.Labeled))
	add := func(v rollup.Value, more map[string]string) {
		if v.Metric == nil || (v.Metric.ValueType != catalog.Int64 && (math.IsNaN(v.Float) || math.IsInf(v.Float, 0))) {
			return
		}
		figures = append(figures, figure{Value: v, family: familyOf(v.Metric.Name), more: more, labels: string(appendTags(nil, nil, more))})
	}
	for _, v := range set.Values {
		add(v, nil)
	}
	for _, v := range set.Labeled {
		add(v.Value, v.Labels)
	}
	slices.SortStableFunc(figures, func(a, b figure) int {
		if c := strings.Compare(a.family.alias, b.family.alias); c != 0 {
			return c
		}
		return strings.Compare(a.labels, b.labels)
	})
	return figures
}

// document renders figures of one family and with the same labels.
func (e *metricEncoder) document(set *rollup.MetricSet, figures []figure) {
	f := figures[0].family
	b := e.builder
	b.action(e.options.Index+"-"+e.at.Format(dayFormat), e.id(set, figures))
	b.body = append(b.body, '{')
	b.body = appendField(b.body, f.timestamp(), e.at.Format(time.RFC3339Nano))
	if f == general {
		b.body = appendField(b.body, "MetricsName", figures[0].Metric.Name)
		b.body = appendKey(b.body, "MetricsValue")
		b.body = appendValue(b.body, figures[0].Value)
	} else {
		b.body = append(appendKey(b.body, "Metrics"), '{')
		for _, v := range figures {
			b.body = appendKey(b.body, v.Metric.Name)
			b.body = appendValue(b.body, v.Value)
		}
		b.body = append(b.body, '}')
	}
	b.body = append(appendKey(b.body, "MetricsTags"), '{')
	b.body = appendField(b.body, "cluster_name", e.options.ClusterName)
	b.body = appendTags(b.body, set.Labels, figures[0].more)
	b.body = append(b.body, "}}"...)
	b.end()
}

// id follows from what the document is about: moment, object, family, labels.
func (e *metricEncoder) id(set *rollup.MetricSet, figures []figure) string {
	f := figures[0]
	parts := []string{strconv.FormatInt(e.at.UnixNano(), 10), e.options.ClusterName, set.Key, f.family.alias, f.labels}
	if f.family == general {
		parts = append(parts, f.Metric.Name)
	}
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return base64.RawURLEncoding.EncodeToString(sum[:15])
}

// appendTags appends the fields of two sets of tags, sorted in each; b must end
// within an object or be empty. A tag of more replaces one of tags.
func appendTags(b []byte, tags, more map[string]string) []byte {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if _, replaced := more[k]; !replaced {
			b = appendTag(b, k, tags[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(more)) {
		b = appendTag(b, k, more[k])
	}
	return b
}

func appendTag(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	if len(b) > 0 && b[len(b)-1] != '{' {
		b = append(b, ',')
	}
	b = append(appendString(b, name), ':')
	return appendString(b, value)
}

func appendValue(b []byte, v rollup.Value) []byte {
	b = append(b, `{"value":`...)
	if v.Metric.ValueType == catalog.Int64 {
		b = strconv.AppendInt(b, v.Int, 10)
	} else {
		b = strconv.AppendFloat(b, v.Float, 'g', -1, 64)
	}
	return append(b, '}')
}
