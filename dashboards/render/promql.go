// Package render writes the queries of the model in the languages of the
// stores: PromQL for the aggregator or any Prometheus, Flux for InfluxDB 2,
// InfluxQL for InfluxDB 1.8 (both on Heapster's schema, as aggregator/sink/influxdb
// writes it), and Lucene with aggregations for Elasticsearch. What comes out holds
// Grafana's variables and macros.
package render

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards/model"
)

// window is Grafana's: at least four intervals of the data source, so that
// every rate has two samples.
const window = "$__rate_interval"

// PromQL writes the query for Prometheus. With instant it is for one moment, as
// tables want.
func PromQL(q *model.Query) string {
	s := aggregated(q)
	if q.Over != nil {
		s = "(" + s + ") / (" + PromQL(q.Over) + ")"
	}
	if q.Above != nil {
		s += " > " + number(*q.Above)
	}
	if q.Top > 0 {
		s = fmt.Sprintf("topk(%d, %s)", q.Top, s)
	}
	return s
}

func aggregated(q *model.Query) string {
	if q.Expr != "" {
		return q.Expr
	}
	inner := q.Metric + promMatches(q.Where)
	switch {
	case q.Figure != "":
		inner = figure(q)
	case q.Rate:
		inner = "rate(" + inner + "[" + window + "])"
	}
	return aggregate(q.Agg, q.By, inner)
}

func aggregate(how string, by []string, inner string) string {
	switch how {
	case "none":
		return inner
	case "":
		how = "sum"
	}
	if len(by) == 0 {
		return how + "(" + inner + ")"
	}
	return how + " by (" + strings.Join(by, ", ") + ") (" + inner + ")"
}

// figure is the catalog's expression of the figure with the matches in it.
// Graphs smooth over the window where the rollup takes two samples, and show
// cores where Heapster counts thousandths.
func figure(q *model.Query) string {
	m, ok := catalog.LookupHeapster(q.Figure)
	if !ok {
		panic(fmt.Sprintf("BUG: dashboards: no figure %q", q.Figure))
	}
	of := catalog.Selector{}
	for _, match := range q.Where {
		of[match.Label] = match.Value
	}
	s, ok := m.PromQL(q.Kind, of, window)
	if !ok {
		panic(fmt.Sprintf("BUG: dashboards: objects of kind %q have no figure %q", q.Kind, q.Figure))
	}
	for _, match := range q.Where {
		s = strings.ReplaceAll(s, match.Label+"="+strconv.Quote(match.Value), promMatch(match))
	}
	if m.Units == "millicores" {
		s = strings.ReplaceAll(s, "1000 * ", "")
	}
	return strings.ReplaceAll(s, "irate(", "rate(")
}

func promMatches(where []model.Match) string {
	if len(where) == 0 {
		return ""
	}
	all := make([]string, len(where))
	for i, m := range where {
		all[i] = promMatch(m)
	}
	return "{" + strings.Join(all, ",") + "}"
}

// promMatch writes a match. Variables may hold several values, which Grafana
// writes as a regular expression.
func promMatch(m model.Match) string {
	op := "="
	regex := m.Regex || strings.HasPrefix(m.Value, "$")
	switch {
	case regex && m.Not:
		op = "!~"
	case regex:
		op = "=~"
	case m.Not:
		op = "!="
	}
	return m.Label + op + strconv.Quote(m.Value)
}

func number(f float64) string { return strconv.FormatFloat(f, 'g', -1, 64) }

// PromValues asks Prometheus for the values of a variable.
func PromValues(v *model.Values) string {
	return "label_values(" + v.Metric + promMatches(v.Where) + ", " + v.Label + ")"
}
