package grafana

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lubberline/lubberline/dashboards/model"
)

// The names of the variables that hold the data sources.
const (
	metricsSource = "datasource"
	logsSource    = "logs"
)

// UID returns the UID of a dashboard of that name: "lubberline-pod" for the
// aggregator's, "lubberline-flux-pod" for InfluxDB's. It never changes.
// Dashboards that ask for log records only are the same in every language.
func UID(language model.Language, name string, logsOnly bool) string {
	if language == model.PromQL || logsOnly {
		return "lubberline-" + name
	}
	return "lubberline-" + string(language) + "-" + name
}

// Set is the dashboards that can link to each other.
type Set struct {
	Language model.Language
	all      []*model.Dashboard
	// linked are all and, for InfluxDB, those of log records.
	linked []*model.Dashboard
}

// NewSet returns those of the dashboards that the language has anything to
// show of; dashboards of log records are left to PromQL's set.
func NewSet(language model.Language, all []*model.Dashboard) *Set {
	s := &Set{Language: language}
	for _, d := range all {
		if language == model.PromQL || (!logsOnly(d) && s.shows(d)) {
			s.all = append(s.all, d)
			s.linked = append(s.linked, d)
		} else if logsOnly(d) {
			s.linked = append(s.linked, d)
		}
	}
	return s
}

// Dashboards returns those of the set, in order.
func (s *Set) Dashboards() []*model.Dashboard { return s.all }

// logsOnly says whether no panel asks for metrics.
func logsOnly(d *model.Dashboard) bool {
	for _, p := range panels(d) {
		if len(p.Targets) > 0 && p.Targets[0].Logs == nil {
			return false
		}
	}
	return true
}

// enough is how many panels make a dashboard.
const enough = 4

// shows says whether enough of the panels can be drawn.
func (s *Set) shows(d *model.Dashboard) bool {
	r := &renderer{set: s, language: s.Language}
	drawn := 0
	for _, p := range panels(d) {
		if len(p.Targets) == 0 || p.Targets[0].Logs != nil {
			continue
		}
		if len(r.targets(p)) > 0 {
			drawn++
		}
	}
	return drawn >= enough
}

func panels(d *model.Dashboard) []*model.Panel {
	var all []*model.Panel
	for i := range d.Rows {
		for j := range d.Rows[i].Panels {
			all = append(all, &d.Rows[i].Panels[j])
		}
	}
	return all
}

// Render returns the dashboard as Grafana's JSON, and the titles of the panels
// that are left out because the store does not have what they show.
func (s *Set) Render(d *model.Dashboard) (*JSON, []string) {
	r := &renderer{set: s, language: s.Language, dashboard: d}
	body := r.rows()
	j := &JSON{
		UID: UID(s.Language, d.Name, logsOnly(d)), Title: d.Title, Description: d.Description, Tags: []string{"lubberline"}, Timezone: "browser",
		Editable: true, Tooltip: 1, Time: TimeRange{From: d.From, To: "now"}, Refresh: d.Refresh, Schema: SchemaVersion,
		TimePicker: Object{"refresh_intervals": []string{"5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "2h", "1d"}},
		Panels:     body, Templating: Templating{List: r.variables()}, Annotations: r.annotations(), Links: r.links(),
	}
	if s.Language != model.PromQL {
		j.Title += " (" + languageName(s.Language) + ")"
		j.Tags = append(j.Tags, string(s.Language))
	}
	if len(r.left) > 0 {
		j.Description += " Left out, as Heapster's schema does not have it: " + strings.Join(r.left, ", ") + "."
	}
	j.Revision = Revision(j)
	return j, r.left
}

func languageName(l model.Language) string {
	if l == model.Flux {
		return "InfluxDB 2"
	}
	return "InfluxDB 1.8"
}

// Encode returns the JSON's text, indented, with a line end behind it.
func (j *JSON) Encode() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(j); err != nil {
		return nil, fmt.Errorf("encode dashboard %s: %w", j.UID, err)
	}
	return b.Bytes(), nil
}

// renderer renders one dashboard.
type renderer struct {
	set       *Set
	language  model.Language
	dashboard *model.Dashboard
	id        int
	left      []string
}

// rows places all panels. A collapsed row holds its panels itself.
func (r *renderer) rows() []Panel {
	var all []Panel
	place := &placer{}
	for i := range r.dashboard.Rows {
		row := &r.dashboard.Rows[i]
		title := Panel{Type: "row", Title: row.Title, Collapsed: new(row.Collapsed), Panels: &[]Panel{}}
		r.id++
		title.ID = r.id
		below := &placer{y: place.y + 1}
		drawn := r.place(below, row.Panels)
		if len(drawn) == 0 {
			continue
		}
		title.Grid = Grid{H: 1, W: Columns, Y: place.y}
		place.y++
		if row.Collapsed {
			title.Panels = &drawn
			all = append(all, title)
			continue
		}
		place.y = below.y
		all = append(append(all, title), drawn...)
	}
	return all
}

func (r *renderer) place(at *placer, panels []model.Panel) []Panel {
	drawn := make([]Panel, 0, len(panels))
	for i := range panels {
		if p, ok := r.panel(&panels[i]); ok {
			drawn = append(drawn, p)
		}
	}
	grids := make([]Grid, len(drawn))
	for i := range drawn {
		at.place(&grids[i], drawn[i].Grid.W, drawn[i].Grid.H)
	}
	at.newLine()
	for i := range drawn {
		drawn[i].Grid = grids[i]
	}
	return drawn
}

// panel renders one panel; false where the store does not have what it shows.
func (r *renderer) panel(p *model.Panel) (Panel, bool) {
	out := Panel{
		Type: string(p.Kind), Title: p.Title, Description: r.describe(p), PluginVersion: pluginVersion,
		FieldConfig: r.fieldConfig(p), Options: options(p),
	}
	out.Grid.W, out.Grid.H = size(p)
	if len(p.Targets) > 0 {
		out.Targets = r.targets(p)
		out.Source = r.source(p.Targets[0].Logs != nil)
		out.Transformations = r.transformations(p)
		if len(out.Targets) == 0 {
			if !slices.Contains(r.left, p.Title) {
				r.left = append(r.left, p.Title)
			}
			return Panel{}, false
		}
	}
	r.id++
	out.ID = r.id
	return out, true
}
