package elastic

import (
	"strconv"
	"strings"
	"time"
)

// Bounds on aggregations.
const (
	maxAggDepth = 5
	maxAggKeys  = 48
	maxBuckets  = 65_536
)

// bucketAgg is an aggregation that sorts documents into buckets. The root of
// the tree, of kind "", has one bucket: everything.
type bucketAgg struct {
	name, kind string
	// keys are the SQL keys: one, or one true-or-false key per filter.
	keys     []keySQL
	labels   []string // of filters
	keyed    bool     // filters by name
	field    field
	size     int
	minCount int64
	order    []orderKey
	step     *interval
	width    float64   // of histogram
	bounds   *[2]int64 // nanoseconds
	format   string

	children []*bucketAgg
	metrics  []*metricAgg
}

// keySQL is a key of a bucket as text.
type keySQL struct {
	sql    string
	args   []any
	source bool
}

// orderKey sorts buckets: by "_count", "_key" or the path of a metric.
type orderKey struct {
	path string
	desc bool
}

// aggParser reads the object of aggregations.
type aggParser struct {
	c    *compiler
	keys int
}

// parse reads the aggregations below the parent.
func (p *aggParser) parse(v any, parent *bucketAgg, depth int) error {
	if v == nil {
		return nil
	}
	all, ok := v.(object)
	if !ok {
		return parsingError("[aggs] malformed, expected an object")
	}
	if depth > maxAggDepth {
		return badRequest("illegal_argument_exception", "aggregations nested deeper than %d", maxAggDepth)
	}
	for _, name := range keysOf(all) {
		body, ok := all[name].(object)
		if !ok {
			return parsingError("aggregation [%.100s] malformed, expected an object", name)
		}
		if err := p.one(name, body, parent, depth); err != nil {
			return err
		}
	}
	return nil
}

// one reads one aggregation: its kind beside "aggs" and "meta".
func (p *aggParser) one(name string, body object, parent *bucketAgg, depth int) error {
	kind := ""
	var below any
	for _, k := range keysOf(body) {
		switch k {
		case "aggs", "aggregations":
			below = body[k]
		case "meta":
		default:
			if kind != "" {
				return parsingError("found two aggregation type definitions in [%.100s]: [%s] and [%.100s]", name, kind, k)
			}
			kind = k
		}
	}
	o, ok := body[kind].(object)
	if !ok {
		return parsingError("missing definition for aggregation [%.100s]", name)
	}
	if m, ok, err := p.metric(name, kind, o); ok || err != nil {
		if err == nil && below != nil {
			err = badRequest("aggregation_initialization_exception", "aggregator [%.100s] of type [%s] cannot accept sub-aggregations", name, kind)
		}
		parent.metrics = append(parent.metrics, m)
		return err
	}
	b, err := p.bucket(name, kind, o)
	if err != nil {
		return err
	}
	if p.keys += len(b.keys); p.keys > maxAggKeys {
		return badRequest("illegal_argument_exception", "too many aggregations, at most %d", maxAggKeys)
	}
	parent.children = append(parent.children, b)
	return p.parse(below, b, depth+1)
}

func (p *aggParser) bucket(name, kind string, o object) (*bucketAgg, error) {
	b := &bucketAgg{name: name, kind: kind, minCount: 1, field: fieldFor(scalarText(o["field"]))}
	if o["script"] != nil {
		return nil, unsupported("script of aggregation", name)
	}
	if n := o["min_doc_count"]; n != nil {
		v, err := strconv.ParseInt(scalarText(n), 10, 64)
		if err != nil || v < 0 {
			return nil, badRequest("illegal_argument_exception", "[min_doc_count] must be a number >= 0 in [%.100s]", name)
		}
		b.minCount = v
	} else if kind != "terms" {
		b.minCount = 0
	}
	var err error
	switch kind {
	case "terms":
		err = b.parseTerms(o)
	case "date_histogram":
		err = b.parseDateHistogram(o, p.c.now)
	case "histogram":
		err = b.parseHistogram(o)
	case "filters":
		err = b.parseFilters(o, p.c)
	case "filter":
		var e *expr
		if e, err = p.c.query(o); err == nil {
			b.addFilter("", e)
		}
	case "missing":
		b.addFilter("", not(b.field.exists()))
	default:
		return nil, unsupported("aggregation type", kind)
	}
	return b, err
}

func (b *bucketAgg) addFilter(label string, e *expr) {
	b.labels = append(b.labels, label)
	b.keys = append(b.keys, keySQL{sql: "(" + e.sql + ")", args: e.args, source: e.source})
}

func (b *bucketAgg) parseTerms(o object) error {
	for _, k := range keysOf(o) {
		switch k {
		case "field", "size", "order", "missing", "min_doc_count", "shard_size", "shard_min_doc_count", "show_term_doc_count_error",
			"collect_mode", "execution_hint", "value_type", "format":
		default:
			return unsupported("key of a terms aggregation", k)
		}
	}
	b.size = 10
	if n := o["size"]; n != nil {
		v, err := strconv.Atoi(scalarText(n))
		if err != nil || v < 0 {
			return badRequest("illegal_argument_exception", "[size] must be a number > 0 in [%.100s]", b.name)
		}
		b.size = v
	}
	if b.size == 0 {
		b.size = maxBuckets
	}
	key := keySQL{sql: b.field.sql, source: b.field.source}
	if m := o["missing"]; m != nil {
		key.sql, key.args = "coalesce("+key.sql+", ?)", []any{scalarText(m)}
	}
	b.keys = []keySQL{key}
	return b.parseOrder(o["order"])
}

func (b *bucketAgg) parseOrder(v any) error {
	list, ok := v.([]any)
	if !ok && v != nil {
		list = []any{v}
	}
	for _, item := range list {
		o, ok := item.(object)
		if !ok {
			return parsingError("[order] malformed in [%.100s]", b.name)
		}
		for _, path := range keysOf(o) {
			direction := strings.ToLower(scalarText(o[path]))
			if direction != "asc" && direction != "desc" {
				return parsingError("unknown order direction [%.100s] in [%.100s]", direction, b.name)
			}
			if path == "_term" {
				path = "_key"
			}
			b.order = append(b.order, orderKey{path: path, desc: direction == "desc"})
		}
	}
	if len(b.order) == 0 && b.kind == "terms" {
		b.order = []orderKey{{"_count", true}}
	}
	b.order = append(b.order, orderKey{"_key", false})
	return nil
}

func (b *bucketAgg) parseHistogram(o object) error {
	for _, k := range keysOf(o) {
		switch k {
		case "field", "interval", "min_doc_count", "missing", "keyed", "order":
		default:
			return unsupported("key of a histogram aggregation", k)
		}
	}
	width, err := strconv.ParseFloat(scalarText(o["interval"]), 64)
	if err != nil || !(width > 0) {
		return badRequest("illegal_argument_exception", "[interval] must be > 0 in histogram [%.100s]", b.name)
	}
	b.width = width
	value, args := b.field.number(), []any{width, width}
	if m := o["missing"]; m != nil {
		n, err := strconv.ParseFloat(scalarText(m), 64)
		if err != nil {
			return badRequest("illegal_argument_exception", "[missing] must be a number in histogram [%.100s]", b.name)
		}
		value, args = "coalesce("+value+", ?)", []any{n, width, width}
	}
	b.keys = []keySQL{{sql: "floor(" + value + " / ?::DOUBLE) * ?::DOUBLE", args: args, source: b.field.source}}
	return nil
}

func (b *bucketAgg) parseFilters(o object, c *compiler) error {
	if o["other_bucket"] != nil || o["other_bucket_key"] != nil {
		return unsupported("key of a filters aggregation", "other_bucket")
	}
	switch list := o["filters"].(type) {
	case object:
		b.keyed = true
		for _, label := range keysOf(list) {
			e, err := c.query(list[label])
			if err != nil {
				return err
			}
			b.addFilter(label, e)
		}
	case []any:
		for _, q := range list {
			e, err := c.query(q)
			if err != nil {
				return err
			}
			b.addFilter("", e)
		}
	}
	if len(b.keys) == 0 {
		return parsingError("[filters] cannot be empty in [%.100s]", b.name)
	}
	return nil
}

// parseDateHistogram reads the interval, the offset of the zone and the bounds
// that empty buckets fill.
func (b *bucketAgg) parseDateHistogram(o object, now time.Time) error {
	if b.field.kind != kindTime {
		return badRequest("illegal_argument_exception", "date_histogram [%.100s] needs the field [@timestamp], not [%.100s]", b.name, b.field.name)
	}
	step, err := parseStep(o)
	if err != nil {
		return err
	}
	b.step, b.format = step, scalarText(o["format"])
	b.keys = []keySQL{step.key()}
	for _, key := range []string{"extended_bounds", "hard_bounds"} {
		bounds, ok := o[key].(object)
		if !ok || key == "hard_bounds" {
			continue
		}
		var pair [2]int64
		for i, side := range []string{"min", "max"} {
			at, _, err := parseDate(bounds[side], b.format, now)
			if err != nil {
				return err
			}
			pair[i] = at
		}
		b.bounds = &pair
	}
	return b.parseOrder(o["order"])
}
