package render

import (
	"slices"
	"strconv"
	"strings"

	"github.com/lubberline/lubberline/dashboards/model"
)

// flux writes the query for InfluxDB 2. The bucket is the data source's own.
func flux(f, over *influx, column string) string {
	if over == nil {
		return fluxTable(f, column) + fluxEnd(f, column)
	}
	on := fluxKeys(f, column)
	s := "above = " + fluxTable(f, column) + "\n\nbelow = " + fluxTable(over, column) + "\n\n" +
		"join(tables: {above: above, below: below}, on: " + quoteList(on) + ")\n" +
		"  |> filter(fn: (r) => r._value_below > 0.0)\n" +
		"  |> map(fn: (r) => ({r with _value: r._value_above / r._value_below}))\n" +
		"  |> drop(columns: [\"_value_above\", \"_value_below\"])"
	return s + fluxEnd(f, column)
}

// fluxKeys are the columns that a row of the sums is known by.
func fluxKeys(f *influx, column string) []string {
	if column != "" {
		return f.by
	}
	return append(slices.Clone(f.by), "_time")
}

// fluxTable adds the objects up: one row for each interval and label set, or
// for each label set. No row is grouped.
func fluxTable(f *influx, column string) string {
	lines := []string{
		"from(bucket: v.defaultBucket)",
		"range(start: v.timeRangeStart, stop: v.timeRangeStop)",
		"filter(fn: (r) => r._measurement == " + strconv.Quote(f.figure.Name) + ` and r._field == "value" and ` +
			fluxMatches(append([]model.Match{{Label: "type", Value: f.kind}}, f.matches...)) + ")",
		"group(columns: " + quoteList(f.identity) + ")",
	}
	if column == "" {
		lines = append(lines, "aggregateWindow(every: v.windowPeriod, fn: mean, createEmpty: false)")
	} else {
		lines = append(lines, `sort(columns: ["_time"])`, "last()")
	}
	lines = append(lines, "toFloat()", "group(columns: "+quoteList(fluxKeys(f, column))+")", f.agg+"()")
	if f.divisor != "" {
		lines = append(lines, "map(fn: (r) => ({r with _value: r._value / "+f.divisor+".0}))")
	}
	return strings.Join(append(lines, "group()"), "\n  |> ")
}

// fluxEnd groups lines by their labels, or names the columns of a table.
func fluxEnd(f *influx, column string) string {
	if column != "" {
		keep := quoteList(append(slices.Clone(f.by), column))
		s := "\n  |> rename(columns: {_value: " + strconv.Quote(column) + "})\n  |> keep(columns: " + keep + ")"
		if f.top > 0 {
			s += "\n  |> top(n: " + strconv.Itoa(f.top) + ", columns: [" + strconv.Quote(column) + "])"
		}
		return s
	}
	return "\n  |> group(columns: " + quoteList(f.by) + ")\n  |> sort(columns: [\"_time\"])"
}

func fluxMatches(matches []model.Match) string {
	all := make([]string, len(matches))
	for i, m := range matches {
		r := "r." + m.Label
		switch {
		case strings.HasPrefix(m.Value, "$"):
			all[i] = r + not(m, " !~ ", " =~ ") + "/^${" + m.Value[1:] + ":regex}$/"
		case m.Regex:
			all[i] = r + not(m, " !~ ", " =~ ") + "/^(" + strings.ReplaceAll(m.Value, "/", `\/`) + ")$/"
		default:
			all[i] = r + not(m, " != ", " == ") + strconv.Quote(m.Value)
		}
	}
	return strings.Join(all, " and ")
}

// fluxValues asks for the values of a tag in the time shown, without a package
// that not every InfluxDB has.
func fluxValues(tag string, matches []model.Match) string {
	return strings.Join([]string{
		"from(bucket: v.defaultBucket)",
		"range(start: v.timeRangeStart, stop: v.timeRangeStop)",
		"filter(fn: (r) => r._measurement == " + strconv.Quote(presence) + ` and r._field == "value" and ` + fluxMatches(matches) + ")",
		"last()",
		"keep(columns: [" + strconv.Quote(tag) + "])",
		"group()",
		"distinct(column: " + strconv.Quote(tag) + ")",
		`sort(columns: ["_value"])`,
	}, "\n  |> ")
}
