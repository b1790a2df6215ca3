package grafana

import (
	"strings"

	"github.com/lubberline/lubberline/catalog"
	"github.com/lubberline/lubberline/dashboards/model"
	"github.com/lubberline/lubberline/dashboards/render"
)

func refID(i int) string { return string(rune('A' + i)) }

// sourceType is the id of the data source's plugin.
func (r *renderer) sourceType(logs bool) string {
	switch {
	case logs:
		return "elasticsearch"
	case r.language == model.PromQL:
		return "prometheus"
	}
	return "influxdb"
}

func (r *renderer) source(logs bool) *Source {
	name := metricsSource
	if logs {
		name = logsSource
	}
	return &Source{Type: r.sourceType(logs), UID: "${" + name + "}"}
}

// targets renders the queries that the store can answer.
func (r *renderer) targets(p *model.Panel) []Object {
	all := []Object{}
	for i := range p.Targets {
		t := &p.Targets[i]
		var o Object
		switch {
		case t.Logs != nil:
			o = elasticTarget(t)
		case r.language == model.PromQL:
			o = promTarget(p, t)
		default:
			o = r.influxTarget(p, t)
		}
		if o == nil {
			continue
		}
		o["refId"], o["datasource"], o["hide"] = refID(i), r.source(t.Logs != nil), false
		all = append(all, o)
	}
	return all
}

// instant says whether a panel wants one value of each series.
func instant(p *model.Panel) bool {
	return p.Instant || p.Kind == model.Table || p.Kind == model.BarGauge || p.Kind == model.Gauge || p.Kind == model.NodeGraph
}

func tabular(p *model.Panel) bool { return p.Kind == model.Table || p.Kind == model.NodeGraph }

func promTarget(p *model.Panel, t *model.Target) Object {
	o := Object{
		"editorMode": "code", "expr": render.PromQL(&t.Query), "legendFormat": t.Legend, "format": "time_series",
		"instant": instant(p), "range": !instant(p), "exemplar": false,
	}
	if tabular(p) {
		o["format"] = "table"
	}
	return o
}

func (r *renderer) influxTarget(p *model.Panel, t *model.Target) Object {
	column := ""
	if tabular(p) {
		column = t.Legend
	}
	query, ok := render.Influx(r.language, &t.Query, column)
	if !ok {
		return nil
	}
	if r.language == model.Flux {
		return Object{"query": query}
	}
	o := Object{
		"rawQuery": true, "query": query, "resultFormat": "time_series", "alias": influxAlias(t.Legend),
		"policy": "default", "orderByTime": "ASC", "groupBy": []Object{}, "select": []any{}, "tags": []Object{},
	}
	if column != "" {
		o["resultFormat"], o["alias"] = "table", ""
	}
	return o
}

// influxAlias writes {{label}} as InfluxDB's data source does, $tag_name.
func influxAlias(legend string) string {
	return replaceLabels(legend, func(label string) string { return "$tag_" + render.Tag(label) })
}

// fluxName writes {{label}} as a field's display name does.
func fluxName(legend string) string {
	return replaceLabels(legend, func(label string) string { return "${__field.labels." + render.Tag(label) + "}" })
}

func replaceLabels(legend string, with func(string) string) string {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(legend, "{{")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		label, after, _ := strings.Cut(rest, "}}")
		b.WriteString(with(strings.TrimSpace(label)))
		legend = after
	}
}

func elasticTarget(t *model.Target) Object {
	metrics, buckets := render.Elasticsearch(t.Logs)
	return Object{
		"query": t.Logs.Lucene, "alias": t.Legend, "metrics": metrics, "bucketAggs": buckets, "timeField": render.TimeField,
	}
}

// unit is that of the panel's values.
func (r *renderer) unit(p *model.Panel) model.Unit {
	if p.Unit != "" || len(p.Targets) == 0 {
		return p.Unit
	}
	return r.targetUnit(p, &p.Targets[0])
}

func (r *renderer) targetUnit(p *model.Panel, t *model.Target) model.Unit {
	switch {
	case t.Unit != "":
		return t.Unit
	case p.Unit != "":
		return p.Unit
	case t.Logs != nil:
		return model.Number
	}
	return QueryUnit(&t.Query)
}

// QueryUnit is the unit that the catalog gives the query's values.
func QueryUnit(q *model.Query) model.Unit {
	switch {
	case q.Over != nil:
		return model.Share
	case q.Agg == "count":
		return model.Number
	case q.Figure != "":
		return figureUnit(q.Figure)
	}
	if m, ok := catalog.Lookup(q.Metric); ok {
		return model.UnitOf(m.Unit, q.Rate)
	}
	return model.UnitOf(unitOfName(q.Metric), q.Rate)
}

func figureUnit(name string) model.Unit {
	m, _ := catalog.LookupHeapster(name)
	switch m.Units {
	case "millicores":
		return model.Cores
	case "bytes":
		return model.Bytes
	case "ms":
		return model.Milliseconds
	case "ns":
		return model.Nanoseconds
	}
	if base, ok := strings.CutSuffix(name, "_rate"); ok {
		if of, ok := catalog.LookupHeapster(base); ok && of.Units == "bytes" {
			return model.BytesPerSec
		}
		return model.PerSecond
	}
	if strings.HasSuffix(name, "utilization") || strings.HasSuffix(name, "reservation") {
		return model.Share
	}
	return model.Number
}

// unitOfName reads the unit off the name of a metric that the catalog does not
// have, as Prometheus's rules for names put it there.
func unitOfName(name string) catalog.Unit {
	name = strings.TrimSuffix(name, "_total")
	switch {
	case strings.HasSuffix(name, "_bytes"):
		return catalog.Bytes
	case strings.HasSuffix(name, "_timestamp_seconds"):
		return catalog.Timestamp
	case strings.HasSuffix(name, "_seconds"):
		return catalog.Seconds
	case strings.HasSuffix(name, "_ratio"):
		return catalog.Ratio
	}
	return catalog.None
}

// describe is what the catalog says of the panel's metrics, and what the panel
// adds, or the panel's own help.
func (r *renderer) describe(p *model.Panel) string {
	if p.Help != "" {
		return p.Help
	}
	var parts []string
	add := func(s string) {
		if s != "" && !strings.Contains(strings.Join(parts, " "), s) {
			parts = append(parts, s)
		}
	}
	add(p.Description)
	for i := range p.Targets {
		q := &p.Targets[i].Query
		if m, ok := catalog.LookupHeapster(q.Figure); ok {
			add(m.Description)
		} else if m, ok := catalog.Lookup(q.Metric); ok {
			add(m.Help)
		}
	}
	return strings.Join(parts, " ")
}
