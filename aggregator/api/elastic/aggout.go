package elastic

import (
	"cmp"
	"math"
	"sort"
	"strconv"
	"strings"
	"time"
)

// isoMillis is how dates are written as text.
const isoMillis = "2006-01-02T15:04:05.000Z"

// output writes the aggregations of a bucket of the set into o; row is nil for
// a bucket without documents.
func (s *searcher) output(set *groupingSet, row *bucketRow, o object) {
	empty := make([]any, s.plan.columns)
	for _, m := range set.agg.metrics {
		columns := empty
		if row != nil {
			columns = row.metrics
		}
		o[m.name] = m.result(columns, s)
	}
	path := "\x00none"
	if row != nil {
		path = row.path
	}
	for _, child := range set.agg.children {
		o[child.name] = s.buckets(child, set.children[child], path)
	}
}

// buckets writes the buckets of an aggregation inside the bucket at path.
func (s *searcher) buckets(agg *bucketAgg, sets []*groupingSet, path string) any {
	switch agg.kind {
	case "filters":
		return s.filterBuckets(agg, sets, path)
	case "filter", "missing":
		return s.filterBucket(sets[0], path)
	}
	set := sets[0]
	rows := set.rows[path]
	if agg.kind == "terms" {
		return s.termsBuckets(agg, set, rows)
	}
	numbers := make(map[float64]*bucketRow, len(rows))
	for _, r := range rows {
		if f, ok := agg.numberKey(r.key); ok && r.count >= agg.minCount {
			numbers[f] = r
		}
	}
	keys := agg.numberKeys(numbers)
	list := make([]object, 0, len(keys))
	for _, k := range keys {
		list = append(list, s.numberBucket(agg, set, k, numbers[k]))
	}
	return object{"buckets": list}
}

func (s *searcher) filterBuckets(agg *bucketAgg, sets []*groupingSet, path string) any {
	named, list := object{}, []any{}
	for i, set := range sets {
		b := s.filterBucket(set, path)
		named[agg.labels[i]] = b
		list = append(list, b)
	}
	if agg.keyed {
		return object{"buckets": named}
	}
	return object{"buckets": list}
}

func (s *searcher) filterBucket(set *groupingSet, path string) object {
	var row *bucketRow
	if rows := set.rows[path]; len(rows) > 0 {
		row = rows[0]
	}
	b := object{"doc_count": int64(0)}
	if row != nil {
		b["doc_count"] = row.count
	}
	s.output(set, row, b)
	return b
}

func (s *searcher) termsBuckets(agg *bucketAgg, set *groupingSet, rows []*bucketRow) any {
	type bucket struct {
		row *bucketRow
		o   object
	}
	list := make([]bucket, 0, len(rows))
	for _, r := range rows {
		if r.count < agg.minCount {
			continue
		}
		o := object{"key": r.key, "doc_count": r.count}
		for _, m := range agg.metrics {
			o[m.name] = m.result(r.metrics, s)
		}
		list = append(list, bucket{r, o})
	}
	sort.SliceStable(list, func(i, j int) bool {
		for _, k := range agg.order {
			c := compareBuckets(k.path, list[i].o, list[j].o)
			if k.desc {
				c = -c
			}
			if c != 0 {
				return c < 0
			}
		}
		return false
	})
	others := int64(0)
	for _, b := range list[min(agg.size, len(list)):] {
		others += b.row.count
	}
	out := make([]object, 0, min(agg.size, len(list)))
	for _, b := range list[:min(agg.size, len(list))] {
		s.output(set, b.row, b.o)
		out = append(out, b.o)
	}
	return object{"doc_count_error_upper_bound": 0, "sum_other_doc_count": others, "buckets": out}
}

// compareBuckets compares by "_count", "_key", "metric", "metric.property" or
// "metric[property]".
func compareBuckets(path string, a, b object) int {
	switch path {
	case "_count":
		return cmp.Compare(intOf(a["doc_count"]), intOf(b["doc_count"]))
	case "_key":
		return strings.Compare(scalarText(a["key"]), scalarText(b["key"]))
	}
	return cmp.Compare(metricAt(path, a), metricAt(path, b))
}

func metricAt(path string, o object) float64 {
	name, property, _ := strings.Cut(strings.NewReplacer("[", ".", "]", "").Replace(path), ".")
	m, ok := o[name].(object)
	if !ok {
		return math.Inf(-1)
	}
	if property == "" {
		property = "value"
	}
	v, ok := m[property]
	if values, isMap := m["values"].(object); !ok && isMap {
		if p, err := strconv.ParseFloat(property, 64); err == nil {
			v = values[percentKey(p)]
		}
	}
	switch n := v.(type) {
	case float64:
		return n
	case int64:
		return float64(n)
	}
	return math.Inf(-1)
}

// numberKey reads a key of a histogram; a date's in milliseconds, which a
// float holds exactly.
func (agg *bucketAgg) numberKey(text string) (float64, bool) {
	if agg.step == nil {
		f, err := strconv.ParseFloat(text, 64)
		return f, err == nil
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return milliseconds(n), err == nil
}

func milliseconds(ns int64) float64 { return math.Floor(float64(ns/1000) / 1000) }

// numberKeys returns the keys of a histogram in order, with those of the empty
// buckets when they are asked for.
func (agg *bucketAgg) numberKeys(rows map[float64]*bucketRow) []float64 {
	keys := make([]float64, 0, len(rows))
	for k := range rows {
		keys = append(keys, k)
	}
	sort.Float64s(keys)
	first, last := math.Inf(1), math.Inf(-1)
	if len(keys) > 0 {
		first, last = keys[0], keys[len(keys)-1]
	}
	if agg.bounds != nil {
		first = min(first, milliseconds(agg.step.floor(agg.bounds[0])))
		last = max(last, milliseconds(agg.step.floor(agg.bounds[1])))
	}
	if agg.minCount == 0 && first <= last {
		keys = agg.fill(keys, first, last)
	}
	if agg.kind == "date_histogram" && len(agg.order) > 0 && agg.order[0] == (orderKey{"_key", true}) {
		sort.Sort(sort.Reverse(sort.Float64Slice(keys)))
	}
	return keys
}

// fill adds the keys between first and last, unless they are too many.
func (agg *bucketAgg) fill(keys []float64, first, last float64) []float64 {
	filled := make([]float64, 0, len(keys))
	at := first
	for len(filled) <= maxBuckets {
		if at > last {
			return filled
		}
		filled = append(filled, at)
		if agg.step != nil {
			at = milliseconds(agg.step.next(int64(at) * int64(time.Millisecond)))
		} else {
			at = first + float64(len(filled))*agg.width
		}
	}
	return keys
}

func (s *searcher) numberBucket(agg *bucketAgg, set *groupingSet, key float64, row *bucketRow) object {
	b := object{"doc_count": int64(0), "key": key}
	if row != nil {
		b["doc_count"] = row.count
	}
	if agg.kind == "date_histogram" {
		ms := int64(key)
		b["key"] = ms
		b["key_as_string"] = time.UnixMilli(ms).UTC().Format(isoMillis)
		if strings.Contains(agg.format, "epoch_millis") {
			b["key_as_string"] = itoa(ms)
		}
	}
	s.output(set, row, b)
	return b
}
