package elastic

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sort"
	"strconv"
	"strings"
	"time"
)

// Bounds on what a query may hold.
const (
	maxDepth   = 32
	maxClauses = 1024
)

// object is a decoded JSON object; numbers are json.Number.
type object = map[string]any

// decode reads one JSON value.
func decode(body []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, badRequest("x_content_parse_exception", "not a JSON document: %v", err)
	}
	if d.More() {
		return nil, badRequest("x_content_parse_exception", "more than one JSON document")
	}
	return v, nil
}

// scalarText writes a JSON scalar as text.
func scalarText(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case json.Number:
		return v.String()
	case bool:
		return strconv.FormatBool(v)
	case nil:
		return ""
	}
	return fmt.Sprint(v)
}

func isScalar(v any) bool {
	switch v.(type) {
	case string, json.Number, bool:
		return true
	}
	return false
}

// compiler turns queries into conditions.
type compiler struct {
	now     time.Time
	clauses int
	depth   int
}

// enter counts a clause; leave must follow.
func (c *compiler) enter() error {
	c.clauses++
	c.depth++
	if c.clauses > maxClauses {
		return badRequest("query_shard_exception", "too many clauses, at most %d", maxClauses)
	}
	if c.depth > maxDepth {
		return badRequest("query_shard_exception", "query nested deeper than %d", maxDepth)
	}
	return nil
}

func (c *compiler) leave() { c.depth-- }

// query compiles a query clause: an object with one key, the kind of query.
func (c *compiler) query(v any) (*expr, error) {
	if err := c.enter(); err != nil {
		return nil, err
	}
	defer c.leave()
	if v == nil {
		return everything(), nil
	}
	o, ok := v.(object)
	if !ok {
		return nil, parsingError("[query] malformed, expected an object")
	}
	if len(o) == 0 {
		return everything(), nil // Grafana's empty builder
	}
	if len(o) > 1 {
		return nil, parsingError("[query] malformed, expected one kind of query but found [%s]", strings.Join(keysOf(o), ", "))
	}
	name := keysOf(o)[0]
	body, isObject := o[name].(object)
	if !isObject {
		return nil, parsingError("[%.100s] query malformed, expected an object", name)
	}
	switch name {
	case "match_all":
		return everything(), nil
	case "match_none":
		return nothing(), nil
	case "bool":
		return c.boolean(body)
	case "constant_score":
		return c.query(body["filter"])
	case "query_string", "simple_query_string":
		return c.queryString(body)
	case "multi_match":
		return c.multiMatch(body)
	case "exists":
		return fieldFor(scalarText(body["field"])).exists(), nil
	case "ids":
		return idsQuery(body)
	case "terms":
		return c.terms(body)
	}
	return c.fieldQuery(name, body)
}

func keysOf(o object) []string {
	keys := make([]string, 0, len(o))
	for k := range o {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// clauseList reads an object or an array of them.
func (c *compiler) clauseList(v any) ([]*expr, error) {
	if v == nil {
		return nil, nil
	}
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make([]*expr, 0, len(list))
	for _, item := range list {
		e, err := c.query(item)
		if err != nil {
			return nil, err
		}
		out = append(out, e)
	}
	return out, nil
}

func (c *compiler) boolean(body object) (*expr, error) {
	var must, should []*expr
	for _, key := range keysOf(body) {
		switch key {
		case "must", "filter", "should", "must_not":
			list, err := c.clauseList(body[key])
			if err != nil {
				return nil, err
			}
			switch key {
			case "should":
				should = list
			case "must_not":
				for _, e := range list {
					must = append(must, not(e))
				}
			default:
				must = append(must, list...)
			}
		case "minimum_should_match", "boost", "_name", "adjust_pure_negative":
		default:
			return nil, unsupported("key of a bool query", key)
		}
	}
	if len(should) == 0 {
		return and(must...), nil
	}
	needed := 0
	if body["must"] == nil && body["filter"] == nil {
		needed = 1
	}
	if m := body["minimum_should_match"]; m != nil {
		n, err := strconv.Atoi(scalarText(m))
		if err != nil || n < 0 {
			return nil, unsupported("minimum_should_match", scalarText(m))
		}
		needed = n
	}
	return and(append(must, atLeast(needed, should))...), nil
}

func (c *compiler) queryString(body object) (*expr, error) {
	and := strings.EqualFold(scalarText(body["default_operator"]), "and")
	def := scalarText(body["default_field"])
	if list, ok := body["fields"].([]any); ok && len(list) == 1 {
		def = scalarText(list[0])
	}
	if def == "*" {
		def = ""
	}
	return c.lucene(scalarText(body["query"]), def, and)
}

// fieldOf reads {"field": value} where the value is a scalar or an object of
// options; it returns the options with the scalar under the given key.
func fieldOf(name string, body object, key string) (f field, options object, err error) {
	fieldName := ""
	for _, k := range keysOf(body) {
		if k == "boost" || k == "_name" {
			continue
		}
		if fieldName != "" {
			return f, nil, parsingError("[%s] query doesn't support multiple fields, found [%.100s] and [%.100s]", name, fieldName, k)
		}
		fieldName = k
	}
	if fieldName == "" {
		return f, nil, parsingError("[%s] query malformed, no field", name)
	}
	f = fieldFor(fieldName)
	switch v := body[fieldName].(type) {
	case object:
		return f, v, nil
	default:
		if !isScalar(v) {
			return f, nil, parsingError("[%s] query on field [%.100s] malformed, expected a value", name, fieldName)
		}
		return f, object{key: v}, nil
	}
}

// fieldQuery compiles the queries that are about one field.
func (c *compiler) fieldQuery(name string, body object) (*expr, error) {
	key := map[string]string{"term": "value", "match": "query", "match_phrase": "query", "match_phrase_prefix": "query",
		"prefix": "value", "wildcard": "value", "regexp": "value", "range": "gte"}[name]
	if key == "" {
		return nil, unsupported("query", name)
	}
	f, o, err := fieldOf(name, body, key)
	if err != nil {
		return nil, err
	}
	if name == "range" {
		return c.rangeQuery(f, o)
	}
	if name == "wildcard" && o["value"] == nil {
		o["value"] = o["wildcard"]
	}
	if !isScalar(o[key]) {
		return nil, parsingError("[%s] query on field [%.100s] malformed, no [%s]", name, f.name, key)
	}
	value := scalarText(o[key])
	ignoreCase := scalarText(o["case_insensitive"]) == "true"
	switch name {
	case "term":
		return f.equals(value)
	case "match":
		return matchField(f, value, strings.EqualFold(scalarText(o["operator"]), "and"))
	case "match_phrase", "match_phrase_prefix":
		if f.kind == kindText {
			return matchWords("message", []string{value}), nil
		}
		return f.equals(value)
	case "prefix":
		p := pattern{}
		for _, r := range value {
			p.add(r, false)
		}
		p.add('*', true)
		return p.matches(f, ignoreCase), nil
	case "wildcard":
		p := parsePattern(value)
		return p.matches(f, ignoreCase), nil
	default:
		return matchRegex(f, value)
	}
}

// matchField is true where any of the words occurs, or all with the operator
// and.
func matchField(f field, value string, all bool) (*expr, error) {
	if f.kind != kindText {
		return f.equals(value)
	}
	var list []*expr
	for _, w := range words(value) {
		list = append(list, matchWords("message", []string{w}))
	}
	if len(list) > maxClauses {
		return nil, badRequest("query_shard_exception", "too many words, at most %d", maxClauses)
	}
	if all {
		return and(list...), nil
	}
	return or(list...), nil
}

func (c *compiler) multiMatch(body object) (*expr, error) {
	fields, ok := body["fields"].([]any)
	if !ok || len(fields) == 0 {
		fields = []any{"log"}
	}
	all := strings.EqualFold(scalarText(body["operator"]), "and")
	var list []*expr
	for _, name := range fields {
		base, _, _ := strings.Cut(scalarText(name), "^")
		e, err := matchField(fieldFor(base), scalarText(body["query"]), all)
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return or(list...), nil
}

func (c *compiler) terms(body object) (*expr, error) {
	f, o := field{}, []any(nil)
	for _, k := range keysOf(body) {
		if k == "boost" || k == "_name" {
			continue
		}
		list, ok := body[k].([]any)
		if !ok || o != nil {
			return nil, parsingError("[terms] query malformed at [%.100s], expected one field with an array", k)
		}
		f, o = fieldFor(k), list
	}
	if len(o) > maxClauses {
		return nil, badRequest("query_shard_exception", "too many terms, at most %d", maxClauses)
	}
	var list []*expr
	for _, v := range o {
		e, err := f.equals(scalarText(v))
		if err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return or(list...), nil
}

func (c *compiler) rangeQuery(f field, o object) (*expr, error) {
	r := rangeBounds{format: scalarText(o["format"]), now: c.now, gte: o["gte"], gt: o["gt"], lte: o["lte"], lt: o["lt"]}
	for _, k := range keysOf(o) {
		switch k {
		case "gt", "gte", "lt", "lte", "format", "time_zone", "boost", "relation", "_name", "include_lower", "include_upper":
		case "from":
			r.gte = o[k]
		case "to":
			r.lte = o[k]
		default:
			return nil, unsupported("key of a range query", k)
		}
	}
	for _, v := range []any{r.gt, r.gte, r.lt, r.lte} {
		if v != nil && !isScalar(v) {
			return nil, parsingError("[range] query on field [%.100s] malformed, a bound is no value", f.name)
		}
	}
	if f.kind == kindTime {
		return timeRange(r)
	}
	return valueRange(f, r), nil
}

// valueRange is a range on a field other than the time: of numbers when the
// bounds are numbers, else of text.
func valueRange(f field, r rangeBounds) *expr {
	if f.kind == kindNone {
		return nothing()
	}
	var parts []*expr
	for _, b := range []struct {
		value    any
		operator string
	}{{r.gte, ">="}, {r.gt, ">"}, {r.lte, "<="}, {r.lt, "<"}} {
		if b.value == nil {
			continue
		}
		text := scalarText(b.value)
		if n, err := strconv.ParseFloat(text, 64); err == nil {
			parts = append(parts, f.with(f.number()+" "+b.operator+" ?", n))
		} else {
			parts = append(parts, f.with(f.sql+" "+b.operator+" ?", text))
		}
	}
	if len(parts) == 0 {
		return f.exists()
	}
	return and(parts...)
}

// documentID is a document's id: the record's time and number.
func documentID(time, seq int64) string { return itoa(time) + "-" + itoa(seq) }

func idsQuery(body object) (*expr, error) {
	values, ok := body["values"].([]any)
	if !ok || len(values) > maxClauses {
		return nil, parsingError("[ids] query malformed, expected at most %d [values]", maxClauses)
	}
	var list []*expr
	for _, v := range values {
		i := strings.LastIndexByte(scalarText(v), '-')
		if i <= 0 {
			continue
		}
		t, err1 := strconv.ParseInt(scalarText(v)[:i], 10, 64)
		n, err2 := strconv.ParseInt(scalarText(v)[i+1:], 10, 64)
		if err1 != nil || err2 != nil || t == maxTime {
			continue
		}
		e := condition("time = ? AND seq = ?", t, n)
		e.from, e.to = t, t+1
		list = append(list, e)
	}
	return or(list...), nil
}
