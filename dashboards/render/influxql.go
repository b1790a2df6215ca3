package render

import (
	"strconv"
	"strings"

	"github.com/lubberline/lubberline/dashboards/model"
)

// influxQL takes the mean of each object's figure in each interval and adds
// the objects up. Heapster's own dashboards took the mean over objects, which
// shows the average one and not the whole.
func influxQL(f *influx, column string) string {
	per, outer, value, name := "GROUP BY time($__interval)", "GROUP BY time($__interval)", "mean", "value"
	if column != "" {
		per, outer, value, name = "GROUP BY ", "GROUP BY ", "last", column
	}
	inner := "SELECT " + value + `("value") AS "value" FROM "` + f.figure.Name + `" WHERE ` +
		influxQLMatches(append([]model.Match{{Label: "type", Value: f.kind}}, f.matches...)) + " AND $timeFilter " +
		grouping(per, f.identity) + " fill(none)"
	scale := ""
	if f.divisor != "" {
		scale = " / " + f.divisor
	}
	return "SELECT " + f.agg + `("value")` + scale + ` AS "` + name + `" FROM (` + inner + ") WHERE $timeFilter " +
		grouping(outer, f.by) + " fill(none)"
}

// grouping adds tags to a GROUP BY, which must not stay empty.
func grouping(clause string, tags []string) string {
	quoted := make([]string, len(tags))
	for i, t := range tags {
		quoted[i] = `"` + t + `"`
	}
	list := strings.Join(quoted, ", ")
	switch {
	case list == "" && strings.HasSuffix(clause, "BY "):
		return ""
	case list == "" || strings.HasSuffix(clause, "BY "):
		return clause + list
	}
	return clause + ", " + list
}

// influxQLMatches are conditions on tags. Variables are written as a regular
// expression by Grafana.
func influxQLMatches(matches []model.Match) string {
	all := make([]string, len(matches))
	for i, m := range matches {
		switch {
		case strings.HasPrefix(m.Value, "$"):
			all[i] = `"` + m.Label + `"` + not(m, " !~ ", " =~ ") + "/^${" + m.Value[1:] + ":regex}$/"
		case m.Regex:
			all[i] = `"` + m.Label + `"` + not(m, " !~ ", " =~ ") + "/^(" + strings.ReplaceAll(m.Value, "/", `\/`) + ")$/"
		default:
			all[i] = `"` + m.Label + `"` + not(m, " != ", " = ") + "'" + m.Value + "'"
		}
	}
	return strings.Join(all, " AND ")
}

func not(m model.Match, yes, no string) string {
	if m.Not {
		return yes
	}
	return no
}

func quoteList(all []string) string {
	quoted := make([]string, len(all))
	for i, s := range all {
		quoted[i] = strconv.Quote(s)
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}
