package dashboards

import (
	"math"
	"strings"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards/model"
)

// The words that the builders are written in.

func by(labels ...string) []string { return labels }

// is matches a value, isnt all but a value.
func is(label, value string) model.Match   { return model.Match{Label: label, Value: value} }
func isnt(label, value string) model.Match { return model.Match{Label: label, Value: value, Not: true} }

// like matches a regular expression, unlike what does not match it.
func like(label, value string) model.Match {
	return model.Match{Label: label, Value: value, Regex: true}
}
func unlike(label, value string) model.Match {
	return model.Match{Label: label, Value: value, Regex: true, Not: true}
}

// chosen matches what is chosen in the variables of the labels' names.
func chosen(labels ...string) []model.Match {
	all := make([]model.Match, len(labels))
	for i, l := range labels {
		all[i] = is(l, "$"+l)
	}
	return all
}

func and(where []model.Match, more ...model.Match) []model.Match {
	return append(append([]model.Match{}, where...), more...)
}

// figure asks for one of Heapster's figures, summed by labels.
func figure(name string, kind catalog.ObjectKind, by []string, where ...model.Match) model.Query {
	return model.Query{Figure: name, Kind: kind, By: by, Where: where}
}

// sum and rate ask for a metric of Prometheus, summed by labels.
func sum(metric string, by []string, where ...model.Match) model.Query {
	return model.Query{Metric: metric, By: by, Where: where}
}

func rate(metric string, by []string, where ...model.Match) model.Query {
	return model.Query{Metric: metric, Rate: true, By: by, Where: where}
}

func expr(promql string) model.Query { return model.Query{Expr: promql, Agg: "none"} }

func count(q model.Query) model.Query { q.Agg = "count"; return q }

func over(q, below model.Query) model.Query { q.Over = &below; return q }

func top(n int, q model.Query) model.Query { q.Top = n; return q }

func above(v float64, q model.Query) model.Query { q.Above = &v; return q }

func line(legend string, q model.Query) model.Target { return model.Target{Legend: legend, Query: q} }

// limit is a dashed line.
func limit(legend string, q model.Query) model.Target {
	return model.Target{Legend: legend, Query: q, Dashed: true}
}

// cell is the column of a table, share one with a bar that goes from 0 to 1.
func cell(title string, q model.Query) model.Target { return model.Target{Legend: title, Query: q} }
func share(title string, q model.Query) model.Target {
	return model.Target{Legend: title, Query: q, Bar: true, Unit: model.Share, Steps: full()}
}

func in(unit model.Unit, t model.Target) model.Target { t.Unit = unit; return t }

// full colours shares of what there is; bad colours whatever is more than none.
func full() []model.Step { return []model.Step{{At: 0.75, Color: "orange"}, {At: 0.9, Color: "red"}} }
func bad() []model.Step  { return []model.Step{{At: 1, Color: "red"}} }
func none() []model.Step { return []model.Step{{At: math.Inf(-1), Color: "blue"}} }

func graph(title string, targets ...model.Target) model.Panel {
	return model.Panel{Kind: model.TimeSeries, Title: title, Targets: targets, Min: new(0.0)}
}

func stacked(title string, targets ...model.Target) model.Panel {
	p := graph(title, targets...)
	p.Stack = true
	return p
}

func stat(title string, q model.Query) model.Panel {
	return model.Panel{Kind: model.Stat, Title: title, Targets: []model.Target{line(title, q)}}
}

func gauge(title string, q model.Query) model.Panel {
	return model.Panel{Kind: model.Gauge, Title: title, Targets: []model.Target{line(title, q)}, Unit: model.Share, Min: new(0.0), Max: new(1.0), Steps: full()}
}

func bars(title string, targets ...model.Target) model.Panel {
	return model.Panel{Kind: model.BarGauge, Title: title, Targets: targets, Min: new(0.0)}
}

func table(title string, columns []model.Column, cells ...model.Target) model.Panel {
	return model.Panel{Kind: model.Table, Title: title, Columns: columns, Targets: cells}
}

func states(title string, states []model.State, targets ...model.Target) model.Panel {
	return model.Panel{Kind: model.StateTimeline, Title: title, States: states, Targets: targets, Unit: model.Whole}
}

func yesNo(yes, no string) []model.State {
	return []model.State{{Value: 1, Text: yes, Color: "green"}, {Value: 0, Text: no, Color: "red"}}
}

func wide(w int, p model.Panel) model.Panel { p.Width = w; return p }
func high(h int, p model.Panel) model.Panel { p.Height = h; return p }
func unit(u model.Unit, p model.Panel) model.Panel {
	p.Unit = u
	return p
}
func help(text string, p model.Panel) model.Panel  { p.Help = text; return p }
func about(text string, p model.Panel) model.Panel { p.Description = text; return p }
func steps(s []model.Step, p model.Panel) model.Panel {
	p.Steps = s
	return p
}
func sorted(title string, p model.Panel) model.Panel { p.SortBy = title; return p }

// empty tells why a panel may have nothing to show.
func empty(why string, p model.Panel) model.Panel { p.Empty = why; return p }

// nothingOnDisk: kernels count what a control group reads and writes from the
// first time on, and no kernel counts it without the controller io or blkio.
const nothingOnDisk = "the container has read and written nothing, or the kernel does not count it"

func noValue(text string, p model.Panel) model.Panel { p.NoValue = text; return p }

func drill(d model.Drill, p model.Panel) model.Panel { p.Drill = append(p.Drill, d); return p }

func row(title string, panels ...model.Panel) model.Row {
	return model.Row{Title: title, Panels: panels}
}

func closed(title string, panels ...model.Panel) model.Row {
	return model.Row{Title: title, Panels: panels, Collapsed: true}
}

// Log records.

func records(title, lucene string) model.Panel {
	return model.Panel{Kind: model.LogLines, Title: title, Targets: []model.Target{{Logs: &model.Logs{Lucene: lucene}}}}
}

// volume counts log records over time, by a field.
func volume(title, lucene, field string) model.Panel {
	p := model.Panel{Kind: model.TimeSeries, Title: title, Stack: true, Bars: true, Min: new(0.0), Unit: model.Number,
		Targets: []model.Target{{Legend: "{{" + field + "}}", Logs: &model.Logs{Lucene: lucene, CountBy: field}}}}
	return p
}

func counted(title, lucene string, columns []model.Column) model.Panel {
	rows := make([]string, len(columns))
	for i, c := range columns {
		rows[i] = c.Label
	}
	return model.Panel{Kind: model.Table, Title: title, Columns: columns, SortBy: "Records", Unit: model.Number,
		Targets: []model.Target{{Legend: "Records", Logs: &model.Logs{Lucene: lucene, Rows: rows}}}}
}

// only narrows log records to what is chosen in a variable. Records without
// the field are there while all is chosen: then the value is .* and matches the
// stream, which every record has.
func only(field, variable string) string {
	value := "/${" + variable + ":regex}/"
	return "(" + field + ":" + value + " OR (NOT _exists_:" + field + " AND stream:" + value + "))"
}

func all(clauses ...string) string { return strings.Join(clauses, " AND ") }

// The fields of log records, and what tells events from the rest.
const (
	fieldNamespace = "kubernetes.namespace_name"
	fieldPod       = "kubernetes.pod_name"
	fieldContainer = "kubernetes.container_name"
	fieldNode      = "kubernetes.host"
	events         = `tag:"kubernetes.events"`
	notEvents      = "NOT " + events
)

func sized(w, h int, p model.Panel) model.Panel { p.Width, p.Height = w, h; return p }
