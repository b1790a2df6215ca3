package model

import "github.com/lubberline/lubberline/catalog"

// Language is what metrics are asked in.
type Language string

// The languages: of Prometheus, which the aggregator answers, of InfluxDB 2,
// and of InfluxDB 1.8.
const (
	PromQL   Language = "promql"
	Flux     Language = "flux"
	InfluxQL Language = "influxql"
)

// Languages returns all of them.
func Languages() []Language { return []Language{PromQL, Flux, InfluxQL} }

// Query states once what is asked of the metrics: which, of what, summed over
// what. One of Figure, Metric and Expr is set. A Figure can be asked in every
// language; the others are not in InfluxDB, which has Heapster's schema.
type Query struct {
	// Figure is one of Heapster's ("cpu/usage_rate") of objects of Kind.
	Figure string
	Kind   catalog.ObjectKind
	// Metric is a Prometheus metric. Rate asks for its growth a second.
	Metric string
	Rate   bool
	// Expr is PromQL, for what is more than one aggregation of one metric.
	// Variables stand in it as $name.
	Expr string

	// Agg joins the series of equal labels By: "sum" where it is empty; "none"
	// leaves them apart.
	Agg string
	By  []string
	// Where narrows the series, by the labels of Prometheus.
	Where []Match
	// Over divides the sum by that of another query, label set by label set.
	Over *Query
	// Above leaves out values that are not greater than it, for tables and bars
	// of what there is.
	Above *float64
	// Top keeps the greatest.
	Top int
}

// Match narrows a query to the series whose label matches: one value, a
// variable "$namespace", or a regular expression.
type Match struct {
	Label, Value string
	Regex, Not   bool
}

// Values asks for the values of a label, or of a field of log records, that a
// variable can have.
type Values struct {
	// Metric and Label: of the series of the metric that Where leaves.
	Metric, Label string
	Where         []Match
	// Kind is the kind of Heapster's objects that have the label, in InfluxDB.
	// Empty where only Prometheus knows the values.
	Kind catalog.ObjectKind
	// Field is of log records that Lucene leaves, instead.
	Field, Lucene string
}

// Logs asks for log records.
type Logs struct {
	// Lucene narrows them; variables stand in it as $name.
	Lucene string
	// CountBy counts them over time, one line a value of the field; Total
	// counts without one. Neither gives the records themselves.
	CountBy string
	Total   bool
	// Rows counts by several fields, for a table, instead of over time.
	Rows []string
	// Limit is how many records or values, 0 for the kind's own.
	Limit int
}
