package grafana

import (
	"encoding/json"

	"github.com/lubberline/lubberline/dashboards/model"
	"github.com/lubberline/lubberline/dashboards/render"
)

// everything is the value of "All": a regular expression that series without
// the label match, too.
const everything = ".*"

// variables are the data sources' and the dashboard's own.
func (r *renderer) variables() []Variable {
	all := []Variable{}
	for _, name := range r.sources(r.dashboard) {
		all = append(all, r.sourceVariable(name))
	}
	for i := range r.dashboard.Variables {
		all = append(all, r.variable(&r.dashboard.Variables[i]))
	}
	return all
}

// sources are the variables of data sources that a dashboard has.
func (r *renderer) sources(d *model.Dashboard) []string {
	metrics, logs := false, len(d.Annotations) > 0
	for _, p := range panels(d) {
		for i := range p.Targets {
			metrics = metrics || p.Targets[i].Logs == nil
			logs = logs || p.Targets[i].Logs != nil
		}
	}
	for i := range d.Variables {
		metrics = metrics || d.Variables[i].Values.Metric != ""
		logs = logs || d.Variables[i].Values.Field != ""
	}
	var all []string
	if metrics {
		all = append(all, metricsSource)
	}
	if logs {
		all = append(all, logsSource)
	}
	return all
}

func (r *renderer) sourceVariable(name string) Variable {
	s := DefaultSource(r.language)
	label := "Metrics"
	if name == logsSource {
		s, label = LogSource(), "Logs"
	}
	return Variable{
		Type: "datasource", Name: name, Label: label, Query: s.Type, Regex: new(""), Refresh: new(1), Multi: new(false), IncludeAll: new(false),
		Current: &Choice{Selected: true, Text: s.Name, Value: s.UID}, Options: &[]Choice{},
	}
}

func (r *renderer) variable(v *model.Variable) Variable {
	out := Variable{Name: v.Name, Label: v.Label}
	if v.Hidden {
		out.Hide = 2
	}
	switch {
	case len(v.Choices) > 0:
		return fixed(out, v)
	case v.Values.Field != "":
		out.Source = r.source(true)
		text := fieldQuery(&v.Values)
		out.Query, out.Definition = text, text
	case v.Values.Metric != "" && r.language == model.PromQL:
		out.Source = r.source(false)
		text := render.PromValues(&v.Values)
		out.Query, out.Definition = Object{"qryType": 1, "query": text, "refId": "PrometheusVariableQueryEditor-VariableQuery"}, text
	default:
		text, ok := render.InfluxValues(r.language, &v.Values)
		if v.Values.Metric == "" || !ok {
			return textBox(out, v)
		}
		out.Source = r.source(false)
		out.Query, out.Definition = text, text
	}
	out.Type, out.Refresh, out.Sort, out.Regex = "query", new(2), new(1), new("")
	out.Multi, out.IncludeAll, out.Options = new(v.Multi), new(v.All), &[]Choice{}
	if v.All {
		out.AllValue = everything
		out.Current = &Choice{Selected: true, Text: "All", Value: "$__all"}
		if v.Multi {
			out.Current = &Choice{Selected: true, Text: []string{"All"}, Value: []string{"$__all"}}
		}
	}
	return out
}

// fieldQuery asks Elasticsearch for the values of a field.
func fieldQuery(v *model.Values) string {
	text, err := json.Marshal(struct {
		Find  string `json:"find"`
		Field string `json:"field"`
		Query string `json:"query,omitempty"`
		Size  int    `json:"size"`
	}{"terms", v.Field, v.Lucene, 1000})
	if err != nil {
		panic("BUG: dashboards: " + err.Error()) // texts and numbers cannot fail
	}
	return string(text)
}

func fixed(out Variable, v *model.Variable) Variable {
	choices, query := []Choice{}, ""
	for i, c := range v.Choices {
		choices = append(choices, Choice{Selected: i == 0, Text: c, Value: c})
		if i > 0 {
			query += ","
		}
		query += c
	}
	out.Type, out.Query, out.Options, out.Current = "custom", query, &choices, &choices[0]
	out.Multi, out.IncludeAll = new(false), new(false)
	return out
}

// textBox begins with v.Text, or with what matches everything where the store
// cannot tell the values.
func textBox(out Variable, v *model.Variable) Variable {
	text := v.Text
	if v.Values.Metric != "" {
		text = everything
	}
	choice := Choice{Selected: true, Text: text, Value: text}
	out.Type, out.Query, out.Current, out.Options = "textbox", text, &choice, &[]Choice{choice}
	return out
}

// annotations are Grafana's own, and the dashboard's from log records.
func (r *renderer) annotations() Annotations {
	all := []Annotation{{
		Name: "Annotations & Alerts", Source: Source{Type: "grafana", UID: "-- Grafana --"}, Enable: true, Hide: true, BuiltIn: 1, Type: "dashboard",
		Color: "rgba(0, 211, 255, 1)", Target: Object{"limit": 100, "matchAny": false, "tags": []string{}, "type": "dashboard"},
	}}
	for _, a := range r.dashboard.Annotations {
		all = append(all, Annotation{
			Name: a.Name, Source: *r.source(true), Enable: true, Color: a.Color,
			TimeField: render.TimeField, TextField: "log", TagsField: "reason",
			Query: a.Query.Lucene,
			Target: Object{
				"refId": "annotation", "query": a.Query.Lucene, "timeField": render.TimeField, "alias": "", "bucketAggs": []Object{},
				"metrics": []Object{{"id": "1", "type": "logs", "settings": Object{"limit": "100"}}},
			},
		})
	}
	return Annotations{List: all}
}
