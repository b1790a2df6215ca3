package elastic

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/lubberline/lubberline/aggregator/logstore"
)

// groupingSet is a set of keys that the one statement groups by: the keys from
// the root to an aggregation, and for each filter on the way one of them.
type groupingSet struct {
	agg    *bucketAgg
	branch int // of filters
	keys   []int
	// children are the sets below, by aggregation, in order of their branch.
	children map[*bucketAgg][]*groupingSet
	// rows are the buckets, by the keys of the bucket they are in.
	rows map[string][]*bucketRow
}

// bucketRow is a bucket of one grouping set.
type bucketRow struct {
	key     string // its own
	path    string // all keys from the root
	count   int64
	metrics []any
}

// aggPlan is the statement for a tree of aggregations.
type aggPlan struct {
	root    *groupingSet
	sets    []*groupingSet
	keys    []keySQL
	metrics []*metricAgg
	columns int
}

func newPlan(root *bucketAgg) *aggPlan {
	p := &aggPlan{}
	p.root = p.add(root, 0, nil)
	return p
}

func (p *aggPlan) add(agg *bucketAgg, branch int, keys []int) *groupingSet {
	s := &groupingSet{agg: agg, branch: branch, keys: keys, children: map[*bucketAgg][]*groupingSet{}, rows: map[string][]*bucketRow{}}
	p.sets = append(p.sets, s)
	if branch == 0 {
		for _, m := range agg.metrics {
			p.addMetric(m)
		}
	}
	for _, child := range agg.children {
		for i, key := range child.keys {
			p.keys = append(p.keys, key)
			below := append(append([]int{}, keys...), len(p.keys)-1)
			s.children[child] = append(s.children[child], p.add(child, i, below))
		}
	}
	return s
}

// addMetric gives the metric its columns, once: an aggregation below filters
// is met once for each of them.
func (p *aggPlan) addMetric(m *metricAgg) {
	if slices.Contains(p.metrics, m) {
		return
	}
	m.first = p.columns
	p.columns += len(m.columns)
	p.metrics = append(p.metrics, m)
}

// source says whether keys or metrics need the columns of the sources.
func (p *aggPlan) source() bool {
	for _, k := range p.keys {
		if k.source {
			return true
		}
	}
	for _, m := range p.metrics {
		if m.source {
			return true
		}
	}
	return false
}

// statement groups the records of the relation that match the filter.
func (p *aggPlan) statement(relation string, filter *expr) (sql string, args []any) {
	inner, outer := []string{"*"}, []string{}
	names := make([]string, len(p.keys))
	for i, k := range p.keys {
		names[i] = fmt.Sprintf("k%d", i)
		inner = append(inner, "("+k.sql+")::VARCHAR AS "+names[i])
		args = append(args, k.args...)
	}
	for i, m := range p.metrics {
		value := fmt.Sprintf("m%d", i)
		inner = append(inner, "("+m.value+") AS "+value)
		args = append(args, m.args...)
		for _, c := range m.columns {
			outer = append(outer, strings.ReplaceAll(c, "%s", value))
		}
	}
	grouping, by := "0::BIGINT", ""
	if len(p.keys) > 0 {
		grouping = "GROUPING_ID(" + strings.Join(names, ", ") + ")::BIGINT"
		by = " GROUP BY GROUPING SETS (" + strings.Join(p.setList(names), ", ") + ")"
	}
	columns := append(append([]string{grouping, "count(*)"}, names...), outer...)
	return "WITH base AS (SELECT " + strings.Join(inner, ", ") + " FROM " + relation + " WHERE " + filter.sql + ") SELECT " +
		strings.Join(columns, ", ") + " FROM base" + by, append(args, filter.args...)
}

func (p *aggPlan) setList(names []string) []string {
	list := make([]string, len(p.sets))
	for i, s := range p.sets {
		of := make([]string, len(s.keys))
		for j, k := range s.keys {
			of[j] = names[k]
		}
		list[i] = "(" + strings.Join(of, ", ") + ")"
	}
	return list
}

// mask is what GROUPING_ID returns for the set: a bit for each key left out,
// the first key's the highest.
func (p *aggPlan) mask(s *groupingSet) int64 {
	mask := int64(1)<<len(p.keys) - 1
	for _, k := range s.keys {
		mask &^= 1 << (len(p.keys) - 1 - k)
	}
	return mask
}

// read runs the statement and sorts its rows into the sets. It returns the
// number of documents and the metrics of the root.
func (p *aggPlan) read(ctx context.Context, r *logstore.Reader, filter *expr) error {
	sql, args := p.statement(r.Relation(filter.source || p.source()), filter)
	rows, err := r.Query(ctx, sql, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	byMask := map[int64]*groupingSet{}
	for _, s := range p.sets {
		byMask[p.mask(s)] = s
		clear(s.rows)
	}
	values := make([]any, 2+len(p.keys)+p.columns)
	pointers := make([]any, len(values))
	for i := range values {
		pointers[i] = &values[i]
	}
	for n := 0; rows.Next(); n++ {
		if n > maxBuckets {
			return badRequest("too_many_buckets_exception", "trying to create too many buckets, at most [%d]: narrow the range or use a longer interval", maxBuckets)
		}
		if err := rows.Scan(pointers...); err != nil {
			return err
		}
		if s := byMask[intOf(values[0])]; s != nil {
			p.put(s, values)
		}
	}
	return rows.Err()
}

// put adds a row to its set, unless a key of it is missing or a filter false.
func (p *aggPlan) put(s *groupingSet, values []any) {
	keys := values[2 : 2+len(p.keys)]
	row := &bucketRow{count: intOf(values[1]), metrics: append([]any{}, values[2+len(p.keys):]...)}
	parent := ""
	for i, k := range s.keys {
		text, ok := keys[k].(string)
		if !ok || p.isFilter(k) && text != "true" {
			return
		}
		if i == len(s.keys)-1 {
			parent, row.key = row.path, text
		}
		row.path += fmt.Sprintf("%d:%s", len(text), text)
	}
	s.rows[parent] = append(s.rows[parent], row)
}

func (p *aggPlan) isFilter(key int) bool {
	for _, s := range p.sets {
		if n := len(s.keys); n > 0 && s.keys[n-1] == key {
			return s.agg.kind == "filters" || s.agg.kind == "filter" || s.agg.kind == "missing"
		}
	}
	return false
}
