package grafana

import (
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/lubberline/lubberline/dashboards/model"
	"github.com/lubberline/lubberline/dashboards/render"
)

// links are those at the top of the page. They carry the variables that are
// chosen, and the time.
func (r *renderer) links() []Link {
	all := []Link{}
	for _, name := range r.dashboard.Links {
		d := r.find(name)
		if d == nil {
			continue
		}
		all = append(all, Link{
			Title: d.Title, Type: "link", Icon: "dashboard", Tooltip: d.Description, URL: "/d/" + r.uid(d),
			Tags: []string{}, IncludeVars: true, KeepTime: true,
		})
	}
	return all
}

// find returns the dashboard of that name that a link leads to, or nil. Those
// of log records are there for every language.
func (r *renderer) find(name string) *model.Dashboard {
	for _, d := range r.set.linked {
		if d.Name == name {
			return d
		}
	}
	return nil
}

func (r *renderer) uid(d *model.Dashboard) string { return UID(r.language, d.Name, logsOnly(d)) }

// drill is the link from a value: its labels fill variables of the other
// dashboard, and the time goes along. Further variables of this dashboard go
// along where the other has them, too.
func (r *renderer) drill(d model.Drill, labels string) (Link, bool) {
	to := r.find(d.Dashboard)
	if to == nil {
		return Link{}, false
	}
	var b strings.Builder
	b.WriteString("/d/" + r.uid(to) + "?${__url_time_range}")
	for _, v := range slices.Sorted(maps.Keys(d.Variables)) {
		b.WriteString("&var-" + url.QueryEscape(v) + "=${" + labels + "." + r.label(d.Variables[v]) + "}")
	}
	for _, own := range r.sources(r.dashboard) {
		if slices.Contains(r.sources(to), own) {
			b.WriteString("&var-" + own + "=${" + own + "}")
		}
	}
	for i := range r.dashboard.Variables {
		name := r.dashboard.Variables[i].Name
		if _, set := d.Variables[name]; !set && hasVariable(to, name) {
			b.WriteString("&${" + name + ":queryparam}")
		}
	}
	return Link{Title: d.Title, Type: "link", URL: b.String(), Tags: []string{}}, true
}

// label is the name of a label in the store's answers.
func (r *renderer) label(label string) string {
	if r.language == model.PromQL {
		return label
	}
	return render.Tag(label)
}

func hasVariable(d *model.Dashboard, name string) bool {
	return slices.ContainsFunc(d.Variables, func(v model.Variable) bool { return v.Name == name })
}
