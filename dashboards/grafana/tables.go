package grafana

import (
	"github.com/lubberline/lubberline/dashboards/model"
	"github.com/lubberline/lubberline/dashboards/render"
)

// transformations make one table of the answers: a row for each label set, the
// labels first, then the values under their titles, no time.
func (r *renderer) transformations(p *model.Panel) []Transform {
	if p.Kind != model.Table {
		return nil
	}
	rename, order := Object{}, Object{}
	position := 0
	name := func(from, to string) {
		rename[from], order[from] = to, position
	}
	for _, c := range p.Columns {
		name(r.columnField(p, c.Label), c.Title)
		position++
	}
	for i := range p.Targets {
		for _, field := range r.valueFields(p, i) {
			name(field, p.Targets[i].Legend)
		}
		position++
	}
	return []Transform{
		{ID: "merge", Options: Object{}},
		{ID: "organize", Options: Object{
			"excludeByName": Object{"Time": true, "_time": true, "time": true}, "indexByName": order, "renameByName": rename, "includeByName": Object{},
		}},
	}
}

// columnField is the name under which the store returns a label.
func (r *renderer) columnField(p *model.Panel, label string) string {
	if p.Targets[0].Logs != nil || r.language == model.PromQL {
		return label
	}
	return render.Tag(label)
}

// valueFields are the names that the i-th query's values may have: Prometheus
// numbers them where there are several.
func (r *renderer) valueFields(p *model.Panel, i int) []string {
	switch {
	case p.Targets[i].Logs != nil:
		return []string{"Count"}
	case r.language != model.PromQL:
		return []string{p.Targets[i].Legend}
	case len(p.Targets) == 1:
		return []string{"Value", "Value #A"}
	}
	return []string{"Value #" + refID(i)}
}
