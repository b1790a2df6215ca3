package elastic

import (
	"context"
	"encoding/json"
	"sort"
	"strings"
	"time"

	"github.com/lubberline/lubberline/aggregator/logstore"
)

// sortKey is a key that hits are sorted by.
type sortKey struct {
	sql    string
	desc   bool
	whole  bool // its values are whole numbers
	source bool
}

// parseSort reads the sort in any of its forms and adds the record's number,
// so that the order is total. The time sorts by its milliseconds, which every
// client can hold, and the record's number after it.
func parseSort(v any) ([]sortKey, error) {
	list, ok := v.([]any)
	if !ok && v != nil {
		list = []any{v}
	}
	var keys []sortKey
	for _, item := range list {
		o, ok := item.(object)
		if !ok {
			o = object{scalarText(item): "asc"}
		}
		names := keysOf(o)
		sort.SliceStable(names, func(i, j int) bool { return names[i] != "_doc" && names[j] == "_doc" })
		for _, name := range names {
			direction := o[name]
			if options, ok := direction.(object); ok {
				direction = options["order"]
			}
			k, err := sortKeyFor(name, strings.ToLower(scalarText(direction)))
			if err != nil {
				return nil, err
			}
			if k != nil {
				keys = append(keys, *k)
			}
		}
	}
	if len(keys) == 0 {
		keys = []sortKey{{sql: timeSort, desc: true, whole: true}}
	}
	if len(keys) > 8 {
		return nil, badRequest("illegal_argument_exception", "too many sort keys, at most 8")
	}
	if last := keys[len(keys)-1]; last.sql != "seq" {
		keys = append(keys, sortKey{sql: "seq", desc: last.desc, whole: true})
	}
	return keys, nil
}

const timeSort = "time // 1000000"

func sortKeyFor(name, direction string) (*sortKey, error) {
	if direction != "" && direction != "asc" && direction != "desc" {
		return nil, parsingError("unknown sort order [%.100s] of [%.100s]", direction, name)
	}
	desc := direction == "desc"
	switch name {
	case "_score":
		return nil, nil
	case "_doc", "_shard_doc", "_id":
		return &sortKey{sql: "seq", desc: desc, whole: true}, nil
	}
	f := fieldFor(name)
	if f.kind == kindTime {
		return &sortKey{sql: timeSort, desc: desc, whole: true}, nil
	}
	return &sortKey{sql: f.sql, desc: desc, source: f.source}, nil
}

// searchAfter is true for the hits behind the one with the given sort values.
func searchAfter(v any, keys []sortKey) (*expr, error) {
	values, ok := v.([]any)
	if !ok || len(values) == 0 || len(values) > len(keys) {
		return nil, badRequest("illegal_argument_exception", "search_after has %d value(s) but sort has %d", len(values), len(keys))
	}
	var either []*expr
	var equal []*expr
	for i, value := range values {
		k := keys[i]
		arg := any(scalarText(value))
		if k.whole {
			n, ok := number(value)
			if !ok {
				return nil, badRequest("illegal_argument_exception", "search_after value [%.100s] is no number", scalarText(value))
			}
			arg = n
		}
		operator := " > ?"
		if k.desc {
			operator = " < ?"
		}
		behind, same := condition(k.sql+operator, arg), condition(k.sql+" = ?", arg)
		behind.source, same.source = k.source, k.source
		either = append(either, and(append(append([]*expr{}, equal...), behind)...))
		equal = append(equal, same)
	}
	return or(either...), nil
}

// row is a record as it is read for a hit.
type row struct {
	day, time, seq  int64
	source          int32
	level           uint8
	message, fields string
	sort            []any
}

// hits reads the page of hits.
func (s *searcher) hits(ctx context.Context) ([]any, error) {
	if s.req.size == 0 {
		return []any{}, nil
	}
	filter := s.req.filter
	if s.req.after != nil {
		filter = and(filter, s.req.after)
	}
	var columns, order []string
	source := filter.source
	for _, k := range s.req.sort {
		direction := " ASC"
		if k.desc {
			direction = " DESC"
		}
		columns = append(columns, k.sql)
		order = append(order, k.sql+direction+" NULLS LAST")
		source = source || k.source
	}
	rows, err := s.reader.Query(ctx, "SELECT day, source, time, seq, level, coalesce(message, ''), coalesce(fields, ''), "+
		strings.Join(columns, ", ")+" FROM "+s.reader.Relation(source)+" WHERE "+filter.sql+" ORDER BY "+strings.Join(order, ", ")+
		" LIMIT ? OFFSET ?", append(append([]any{}, filter.args...), s.req.size, s.req.from)...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	list := []any{}
	for rows.Next() {
		r := row{sort: make([]any, len(columns))}
		targets := []any{&r.day, &r.source, &r.time, &r.seq, &r.level, &r.message, &r.fields}
		for i := range r.sort {
			targets = append(targets, &r.sort[i])
		}
		if err := rows.Scan(targets...); err != nil {
			return nil, err
		}
		list = append(list, s.hit(&r))
	}
	return list, rows.Err()
}

// hit writes a record as a hit.
func (s *searcher) hit(r *row) object {
	doc := document(r, s.reader.Origin(r.day, r.source))
	hit := object{"_index": indexName, "_id": documentID(r.time, r.seq), "_score": nil}
	if s.req.source {
		hit["_source"] = doc
	}
	if r.sort != nil {
		hit["sort"] = r.sort
	}
	if len(s.req.fields) > 0 {
		values := object{}
		for _, f := range s.req.fields {
			if v := f.value(r, doc); v != nil && values[f.name] == nil {
				values[f.name] = []any{v}
			}
		}
		hit["fields"] = values
	}
	return hit
}

// document writes a record as Fluentd's Kubernetes metadata plugin does.
func document(r *row, o *logstore.Origin) object {
	doc := object{}
	if r.fields != "" {
		d := json.NewDecoder(strings.NewReader(r.fields))
		d.UseNumber()
		if err := d.Decode(&doc); err != nil || doc == nil {
			doc = object{"invalid_fields": r.fields}
		}
	}
	doc[timeField] = time.Unix(0, r.time).UTC().Format(time.RFC3339Nano)
	kubernetes, docker := inner(doc, "kubernetes"), inner(doc, "docker")
	for _, f := range []struct {
		o           object
		name, value string
	}{
		{doc, "log", r.message}, {doc, "stream", o.Stream}, {doc, "tag", o.Tag}, {doc, "level", logstore.Level(r.level).String()},
		{kubernetes, "namespace_name", o.Namespace}, {kubernetes, "pod_name", o.Pod}, {kubernetes, "pod_id", o.PodUID}, {kubernetes, "controller", o.Controller},
		{kubernetes, "container_name", o.Container}, {kubernetes, "container_image", o.Image}, {kubernetes, "host", o.Node},
		{docker, "container_id", o.ContainerID},
	} {
		if f.value != "" {
			f.o[f.name] = f.value
		}
	}
	if len(o.Labels) > 0 {
		kubernetes["labels"] = o.Labels
	}
	if len(kubernetes) > 0 {
		doc["kubernetes"] = kubernetes
	}
	if len(docker) > 0 {
		doc["docker"] = docker
	}
	return doc
}

// inner is the object that the further fields of a record have under the name,
// or a new one.
func inner(doc object, name string) object {
	if o, ok := doc[name].(object); ok {
		return o
	}
	return object{}
}

// fieldFormat is a field that is asked for beside _source.
type fieldFormat struct{ name, format string }

func parseFields(v any) []fieldFormat {
	list, _ := v.([]any)
	var out []fieldFormat
	for _, item := range list {
		if o, ok := item.(object); ok {
			out = append(out, fieldFormat{scalarText(o["field"]), scalarText(o["format"])})
			continue
		}
		out = append(out, fieldFormat{name: scalarText(item)})
	}
	return out
}

// value is the field's value in a document; nil when it has none.
func (f fieldFormat) value(r *row, doc object) any {
	name := strings.TrimSuffix(f.name, ".keyword")
	if name == timeField {
		if strings.Contains(f.format, "epoch_millis") {
			return itoa(r.time / int64(time.Millisecond))
		}
		if strings.Contains(f.format, "nanos") {
			return time.Unix(0, r.time).UTC().Format(time.RFC3339Nano)
		}
		return time.Unix(0, r.time).UTC().Format(isoMillis)
	}
	if v, ok := doc[name]; ok {
		return v
	}
	var at any = doc
	for key := range strings.SplitSeq(name, ".") {
		switch o := at.(type) {
		case object:
			at = o[key]
		default:
			return nil
		}
	}
	return at
}

// topHits writes the list of structs that the statement made for top_hits.
func (s *searcher) topHits(v any) object {
	list, _ := v.([]any)
	out := []any{}
	for _, item := range list {
		m, ok := item.(map[string]any)
		if !ok {
			continue
		}
		r := &row{day: intOf(m["day"]), source: int32(intOf(m["source"])), time: intOf(m["time"]), seq: intOf(m["seq"]), level: uint8(intOf(m["level"]))}
		r.message, _ = m["message"].(string)
		r.fields, _ = m["fields"].(string)
		out = append(out, s.hit(r))
	}
	return object{"total": object{"value": len(out), "relation": "eq"}, "max_score": nil, "hits": out}
}
