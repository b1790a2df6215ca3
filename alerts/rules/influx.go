package rules

import (
	"fmt"
	"strings"
)

// influxLanguage is one of the languages in which Grafana asks an InfluxDB.
type influxLanguage interface {
	// name is the file's; source the UID of the data source.
	name() string
	source() string
	// model is the query that gives a figure of a rule's objects, as the data
	// source's plugin has it; positive leaves out what is 0.
	model(h *HeapsterRule, figure string, positive bool) map[string]any
}

// silenceWindow is how long an object must be without a figure; a count of it is
// compared with 0.
const silenceWindow = "5m"

type influxQL struct{}

func (influxQL) name() string   { return "influxql" }
func (influxQL) source() string { return "lubberline-influxql" }

func (q influxQL) model(h *HeapsterRule, figure string, positive bool) map[string]any {
	return map[string]any{"rawQuery": true, "resultFormat": "time_series", "query": q.query(h, figure, positive)}
}

func (influxQL) query(h *HeapsterRule, figure string, positive bool) string {
	tags := make([]string, len(h.By))
	for i, tag := range h.By {
		tags[i] = `"` + tag + `"`
	}
	by := strings.Join(tags, ", ")
	only := ""
	if positive {
		only = ` AND "value" > 0`
	}
	from := fmt.Sprintf(`FROM "%s" WHERE "type" = '%s'%s AND $timeFilter GROUP BY `, figure, h.Kind, only)
	switch {
	case h.Silence:
		return `SELECT count("value") ` + from + "time(" + silenceWindow + "), " + by + " fill(0)"
	case h.Growth > 0:
		return `SELECT spread("value") ` + from + by
	default:
		return `SELECT mean("value") ` + from + "time(1m), " + by + " fill(none)"
	}
}

type flux struct{}

func (flux) name() string   { return "flux" }
func (flux) source() string { return "lubberline-flux" }

func (f flux) model(h *HeapsterRule, figure string, positive bool) map[string]any {
	return map[string]any{"query": f.query(h, figure, positive)}
}

func (flux) query(h *HeapsterRule, figure string, positive bool) string {
	by := `["` + strings.Join(h.By, `", "`) + `"]`
	lines := []string{
		"from(bucket: v.defaultBucket)",
		"  |> range(start: v.timeRangeStart, stop: v.timeRangeStop)",
		fmt.Sprintf(`  |> filter(fn: (r) => r._measurement == "%s" and r._field == "value" and r.type == "%s")`, figure, h.Kind),
		"  |> group(columns: " + by + ")",
	}
	switch {
	case h.Silence:
		lines = append(lines, "  |> aggregateWindow(every: "+silenceWindow+", fn: count, createEmpty: true)")
	case h.Growth > 0: // over the whole range: a window would begin anew at times of the clock
		lines = append(lines, "  |> spread()", "  |> map(fn: (r) => ({r with _time: v.timeRangeStop}))")
	default:
		lines = append(lines, "  |> aggregateWindow(every: 1m, fn: mean, createEmpty: false)")
	}
	if positive {
		lines = append(lines, "  |> filter(fn: (r) => r._value > 0.0)")
	}
	return strings.Join(append(lines, `  |> keep(columns: ["_time", "_value", "`+strings.Join(h.By, `", "`)+`"])`), "\n")
}
