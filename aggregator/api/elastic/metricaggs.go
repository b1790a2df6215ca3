package elastic

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"
)

// metricAgg is an aggregation that yields figures of a bucket's documents.
type metricAgg struct {
	name, kind string
	field      field
	// value is the SQL of a document's value, and columns the SQL functions over
	// it, in which %s stands for the value.
	value    string
	args     []any
	source   bool
	columns  []string
	percents []float64
	sigma    float64
	hits     int
	// first is the place of the metric's first column in a row.
	first int
}

const statsColumns = 5

// metric reads a metric aggregation; ok is false when the kind is none.
func (p *aggParser) metric(name, kind string, o object) (m *metricAgg, ok bool, err error) {
	m = &metricAgg{name: name, kind: kind, field: fieldFor(scalarText(o["field"])), sigma: 2}
	m.value, m.source = m.field.number(), m.field.source
	stats := []string{"count(%s)", "min(%s)", "max(%s)", "avg(%s)", "sum(%s)"}
	switch kind {
	case "avg", "min", "max", "sum":
		m.columns = []string{kind + "(%s)"}
	case "value_count":
		m.value, m.columns = m.field.sql, []string{"count(%s)"}
	case "cardinality":
		m.value, m.columns = m.field.sql, []string{"count(DISTINCT %s)"}
	case "stats":
		m.columns = stats
	case "extended_stats":
		m.columns = append(slices.Clone(stats), "var_pop(%s)", "var_samp(%s)", "sum((%s) * (%s))")
		if s, err := strconv.ParseFloat(scalarText(o["sigma"]), 64); err == nil {
			m.sigma = s
		}
	case "percentiles":
		err = m.parsePercents(o)
	case "top_hits":
		err = m.parseTopHits(o)
	default:
		return nil, false, nil
	}
	if err == nil && o["script"] != nil {
		err = unsupported("script of aggregation", name)
	}
	if missing := o["missing"]; err == nil && missing != nil && kind != "top_hits" {
		err = m.parseMissing(missing)
	}
	return m, true, err
}

func (m *metricAgg) parseMissing(v any) error {
	if m.kind == "value_count" || m.kind == "cardinality" {
		m.value, m.args = "coalesce("+m.value+", ?)", []any{scalarText(v)}
		return nil
	}
	n, err := strconv.ParseFloat(scalarText(v), 64)
	if err != nil {
		return badRequest("illegal_argument_exception", "[missing] must be a number in [%.100s]", m.name)
	}
	m.value, m.args = "coalesce("+m.value+", ?)", []any{n}
	return nil
}

func (m *metricAgg) parsePercents(o object) error {
	list, ok := o["percents"].([]any)
	if !ok {
		list = []any{"1", "5", "25", "50", "75", "95", "99"}
	}
	for _, v := range list {
		p, err := strconv.ParseFloat(scalarText(v), 64)
		if err != nil || p < 0 || p > 100 || len(m.percents) > 20 {
			return badRequest("illegal_argument_exception", "percent [%.100s] must be in [0,100]", scalarText(v))
		}
		m.percents = append(m.percents, p)
		m.columns = append(m.columns, "approx_quantile(%s, "+strconv.FormatFloat(p/100, 'f', -1, 64)+")")
	}
	return nil
}

func (m *metricAgg) parseTopHits(o object) error {
	m.hits = 3
	if n := o["size"]; n != nil {
		v, err := strconv.Atoi(scalarText(n))
		if err != nil || v < 1 || v > 100 {
			return badRequest("illegal_argument_exception", "[size] of top_hits must be from 1 to 100 in [%.100s]", m.name)
		}
		m.hits = v
	}
	m.value = "{'day': day, 'source': source, 'time': time, 'seq': seq, 'level': level, 'message': message, 'fields': fields}"
	m.source = false
	m.columns = []string{"max_by(%s, time, " + strconv.Itoa(m.hits) + ")"}
	return nil
}

// result writes the metric of a bucket from its columns.
func (m *metricAgg) result(columns []any, s *searcher) any {
	v := columns[m.first : m.first+len(m.columns)]
	switch m.kind {
	case "value_count", "cardinality":
		return object{"value": intOf(v[0])}
	case "percentiles":
		values := object{}
		for i, p := range m.percents {
			values[percentKey(p)] = jsonNumber(v[i])
		}
		return object{"values": values}
	case "stats", "extended_stats":
		return m.stats(v)
	case "top_hits":
		return object{"hits": s.topHits(v[0])}
	}
	out := object{"value": jsonNumber(v[0])}
	if f, ok := v[0].(float64); ok && m.field.kind == kindTime && m.kind != "sum" {
		out["value_as_string"] = time.UnixMilli(int64(f)).UTC().Format(isoMillis)
	}
	return out
}

func (m *metricAgg) stats(v []any) object {
	out := object{"count": intOf(v[0]), "min": jsonNumber(v[1]), "max": jsonNumber(v[2]), "avg": jsonNumber(v[3]), "sum": jsonNumber(v[4])}
	if out["sum"] == nil {
		out["sum"] = 0.0
	}
	if m.kind == "stats" {
		return out
	}
	variance, sampling := jsonNumber(v[statsColumns]), jsonNumber(v[statsColumns+1])
	out["variance"], out["variance_population"], out["variance_sampling"] = variance, variance, sampling
	out["sum_of_squares"] = jsonNumber(v[statsColumns+2])
	out["std_deviation"], out["std_deviation_population"] = root(variance), root(variance)
	out["std_deviation_sampling"] = root(sampling)
	bounds := object{"upper": nil, "lower": nil, "upper_population": nil, "lower_population": nil}
	if avg, ok := out["avg"].(float64); ok && variance != nil {
		d := m.sigma * root(variance).(float64)
		bounds = object{"upper": avg + d, "lower": avg - d, "upper_population": avg + d, "lower_population": avg - d}
	}
	out["std_deviation_bounds"] = bounds
	return out
}

func root(v any) any {
	if f, ok := v.(float64); ok && f >= 0 {
		return math.Sqrt(f)
	}
	return nil
}

// percentKey writes a percent as Elasticsearch does: "95.0", "99.9".
func percentKey(p float64) string {
	if p == math.Trunc(p) {
		return strconv.FormatFloat(p, 'f', 1, 64)
	}
	return strconv.FormatFloat(p, 'f', -1, 64)
}

// jsonNumber is a float that JSON can hold, or nil.
func jsonNumber(v any) any {
	switch n := v.(type) {
	case float64:
		if math.IsNaN(n) || math.IsInf(n, 0) {
			return nil
		}
		return n
	case int64:
		return float64(n)
	case nil:
		return nil
	}
	f, err := strconv.ParseFloat(fmt.Sprint(v), 64)
	if err != nil {
		return nil
	}
	return f
}

func intOf(v any) int64 {
	switch n := v.(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	case nil:
		return 0
	}
	n, err := strconv.ParseInt(fmt.Sprint(v), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
