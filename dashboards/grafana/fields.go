package grafana

import (
	"math"
	"strconv"
	"strings"

	"github.com/lubberline/lubberline/dashboards/model"
)

// fieldConfig is how a panel's values look: its unit, colours, words, links,
// and what single columns or lines have of their own.
func (r *renderer) fieldConfig(p *model.Panel) *FieldConfig {
	f := &FieldConfig{Overrides: []Override{}}
	f.Defaults = Defaults{
		Unit: string(r.unit(p)), Decimals: p.Decimals, Min: p.Min, Max: p.Max, NoValue: p.NoValue,
		Color: color(p), Mappings: mappings(p.States), Thresholds: thresholds(p.Steps), Custom: custom(p),
	}
	for _, d := range p.Drill {
		if link, ok := r.drill(d, "__field.labels"); ok {
			f.Defaults.Links = append(f.Defaults.Links, link)
		}
	}
	switch p.Kind {
	case model.Text, model.LogLines, model.NodeGraph:
		f.Defaults.Unit = ""
	case model.Table:
		f.Defaults.Unit = ""
		r.columnOverrides(p, f)
	case model.TimeSeries:
		r.dashedOverrides(p, f)
	}
	if r.language == model.Flux && p.Kind != model.Table {
		r.fluxNames(p, f)
	}
	return f
}

func color(p *model.Panel) Object {
	switch {
	case p.Kind == model.TimeSeries, p.Kind == model.LogLines, p.Kind == model.NodeGraph:
		return Object{"mode": "palette-classic"}
	case len(p.Steps) == 0 && len(p.States) == 0 && p.Kind == model.Stat:
		return Object{"mode": "fixed", "fixedColor": "text"}
	case len(p.Steps) == 0 && len(p.States) == 0 && p.Kind == model.BarGauge:
		return Object{"mode": "continuous-BlPu"}
	}
	return Object{"mode": "thresholds"}
}

func mappings(states []model.State) []Object {
	if len(states) == 0 {
		return []Object{}
	}
	options := Object{}
	for i, s := range states {
		options[strconv.FormatFloat(s.Value, 'g', -1, 64)] = Object{"text": s.Text, "color": s.Color, "index": i}
	}
	return []Object{{"type": "value", "options": options}}
}

// thresholds are green from below unless the first step says otherwise.
func thresholds(steps []model.Step) *Thresholds {
	t := &Thresholds{Mode: "absolute"}
	if len(steps) == 0 || !math.IsInf(steps[0].At, -1) {
		t.Steps = append(t.Steps, Step{Color: "green"})
	}
	for _, s := range steps {
		if math.IsInf(s.At, -1) {
			t.Steps = append(t.Steps, Step{Color: s.Color})
			continue
		}
		t.Steps = append(t.Steps, Step{Color: s.Color, Value: new(s.At)})
	}
	return t
}

// custom are the options of values that the kind's plugin adds.
func custom(p *model.Panel) Object {
	nowhere := Object{"legend": false, "tooltip": false, "viz": false}
	switch p.Kind {
	case model.TimeSeries:
		return lines(p, nowhere)
	case model.StateTimeline:
		return Object{"lineWidth": 0, "fillOpacity": 70, "spanNulls": false, "insertNulls": false, "hideFrom": nowhere}
	case model.Table:
		return Object{"align": "auto", "cellOptions": Object{"type": "auto"}, "inspect": false, "filterable": true}
	}
	return nil
}

func lines(p *model.Panel, nowhere Object) Object {
	o := Object{
		"drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "fillOpacity": 10, "gradientMode": "none",
		"showPoints": "never", "pointSize": 5, "spanNulls": false, "insertNulls": false, "barAlignment": 0,
		"stacking":  Object{"group": "A", "mode": "none"},
		"axisLabel": "", "axisPlacement": "auto", "axisColorMode": "text", "axisCenteredZero": false, "axisBorderShow": false,
		"scaleDistribution": Object{"type": "linear"}, "hideFrom": nowhere, "thresholdsStyle": Object{"mode": "off"},
	}
	if p.Stack {
		o["fillOpacity"], o["stacking"] = 40, Object{"group": "A", "mode": "normal"}
	}
	if p.Bars {
		o["drawStyle"], o["fillOpacity"] = "bars", 70
	}
	if len(p.Steps) > 0 {
		o["thresholdsStyle"] = Object{"mode": "dashed"}
	}
	return o
}

// dashedOverrides draw limits as dashes, outside the stack.
func (r *renderer) dashedOverrides(p *model.Panel, f *FieldConfig) {
	for i := range p.Targets {
		if !p.Targets[i].Dashed {
			continue
		}
		f.Overrides = append(f.Overrides, Override{
			Matcher: Matcher{"byFrameRefID", refID(i)},
			Properties: []Property{
				{"custom.lineStyle", Object{"fill": "dash", "dash": []int{10, 10}}},
				{"custom.fillOpacity", 0},
				{"custom.stacking", Object{"group": "A", "mode": "none"}},
			},
		})
	}
}

// columnOverrides give the columns of a table their units, colours, bars and
// links. They match by title, which the renaming has set by then.
func (r *renderer) columnOverrides(p *model.Panel, f *FieldConfig) {
	for _, c := range p.Columns {
		if c.Drill == nil {
			continue
		}
		link, ok := r.drill(*c.Drill, "__data.fields")
		if !ok {
			continue
		}
		link.URL = r.columnURL(p, link.URL)
		f.Overrides = append(f.Overrides, Override{Matcher{"byName", c.Title}, []Property{{"links", []Link{link}}}})
	}
	for i := range p.Targets {
		t := &p.Targets[i]
		properties := []Property{{"unit", string(r.targetUnit(p, t))}}
		if t.Bar {
			properties = append(properties,
				Property{"custom.cellOptions", Object{"type": "gauge", "mode": "gradient"}},
				Property{"min", 0}, Property{"max", 1})
		}
		if len(t.Steps) > 0 {
			properties = append(properties, Property{"thresholds", thresholds(t.Steps)})
			if !t.Bar {
				properties = append(properties, Property{"custom.cellOptions", Object{"type": "color-text"}})
			}
		}
		if len(p.States) > 0 {
			properties = append(properties, Property{"custom.cellOptions", Object{"type": "color-text"}})
		}
		f.Overrides = append(f.Overrides, Override{Matcher{"byName", t.Legend}, properties})
	}
}

// columnURL names the fields of a row as the table does after the renaming:
// ${__data.fields["Namespace"]}.
func (r *renderer) columnURL(p *model.Panel, url string) string {
	for _, c := range p.Columns {
		url = strings.ReplaceAll(url, "${__data.fields."+r.label(c.Label)+"}", `${__data.fields["`+c.Title+`"]}`)
	}
	return url
}

// fluxNames name lines by their labels: Flux itself has no legends.
func (r *renderer) fluxNames(p *model.Panel, f *FieldConfig) {
	for i := range p.Targets {
		if p.Targets[i].Logs == nil && p.Targets[i].Legend != "" {
			f.Overrides = append(f.Overrides, Override{Matcher{"byFrameRefID", refID(i)}, []Property{{"displayName", fluxName(p.Targets[i].Legend)}}})
		}
	}
}
