package render

import (
	"strings"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards/model"
)

// Tag returns Heapster's name of a label of Prometheus: the tag in InfluxDB.
func Tag(label string) string {
	switch label {
	case "namespace":
		return "namespace_name"
	case "pod":
		return "pod_name"
	case "container", "id":
		return "container_name"
	case "node":
		return "nodename"
	case "device":
		return "resource_id"
	}
	return label
}

// influx is a query as InfluxDB's languages see it.
type influx struct {
	figure   *catalog.HeapsterMetric
	kind     string
	matches  []model.Match // by tag
	identity []string      // tags that tell the series of the objects apart
	by       []string      // tags that the answer keeps
	divisor  string        // "1000" for thousandths of cores, else empty
	agg      string
	top      int
}

// inInflux translates the query; false where Heapster's schema cannot answer it.
func inInflux(q *model.Query) (*influx, bool) {
	if q.Figure == "" || q.Expr != "" || q.Agg == "none" {
		return nil, false
	}
	m, ok := catalog.LookupHeapster(q.Figure)
	if !ok || len(m.For(q.Kind)) == 0 {
		return nil, false
	}
	f := &influx{figure: m, kind: string(q.Kind), agg: q.Agg, top: q.Top}
	if f.agg == "" {
		f.agg = "sum"
	}
	for _, label := range catalog.IdentityOf(q.Kind) {
		f.identity = append(f.identity, Tag(label))
	}
	if m.Labeled() {
		f.identity = append(f.identity, "resource_id")
	}
	for _, label := range q.By {
		f.by = append(f.by, Tag(label))
	}
	for _, match := range q.Where {
		match.Label = Tag(match.Label)
		f.matches = append(f.matches, match)
	}
	if m.Units == "millicores" {
		f.divisor = "1000"
	}
	return f, true
}

// Influx writes the query in one of InfluxDB's languages, over time or, with
// the title of the value's column, as one row for each label set. False where
// Heapster's schema cannot answer it.
func Influx(language model.Language, q *model.Query, column string) (string, bool) {
	f, ok := inInflux(q)
	if !ok || q.Above != nil {
		return "", false
	}
	var over *influx
	if q.Over != nil {
		if over, ok = inInflux(q.Over); !ok {
			return "", false
		}
	}
	if language == model.Flux {
		return flux(f, over, column), true
	}
	if over != nil { // InfluxQL has no join
		return "", false
	}
	return influxQL(f, column), true
}

// InfluxValues asks for the values of a variable; false where Heapster's schema
// does not have them.
func InfluxValues(language model.Language, v *model.Values) (string, bool) {
	if v.Kind == "" {
		return "", false
	}
	matches := []model.Match{{Label: "type", Value: string(v.Kind)}}
	for _, m := range v.Where {
		if strings.HasPrefix(m.Value, "$") {
			matches = append(matches, model.Match{Label: Tag(m.Label), Value: m.Value})
		}
	}
	if language == model.Flux {
		return fluxValues(Tag(v.Label), matches), true
	}
	return "SHOW TAG VALUES FROM \"" + presence + "\" WITH KEY = \"" + Tag(v.Label) + "\" WHERE " + influxQLMatches(matches), true
}

// presence is the figure that all objects with tags of their own have.
const presence = "uptime"
