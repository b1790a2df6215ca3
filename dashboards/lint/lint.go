// Package lint finds what is wrong in Grafana's dashboards: units that Grafana
// does not know, panels that lie on each other, variables that nobody defined,
// links that lead nowhere. It reads JSON, so that it checks dashboards of others,
// too.
package lint

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// File is a dashboard's JSON with a name for messages.
type File struct {
	Name string
	Text []byte
}

// Problem is one thing that is wrong.
type Problem struct {
	File, Panel, What string
}

// String names the file, the panel and what is wrong.
func (p Problem) String() string {
	if p.Panel == "" {
		return p.File + ": " + p.What
	}
	return p.File + ": panel " + p.Panel + ": " + p.What
}

// Check returns what is wrong in the dashboards, which may link to each other
// and to those whose UIDs are known otherwise.
func Check(files []File, known ...string) []Problem {
	var all []Problem
	uids, titles := map[string]string{}, map[string]string{}
	var boards []*board
	for _, f := range files {
		b := &board{file: f.Name}
		if err := json.Unmarshal(f.Text, &b.raw); err != nil {
			all = append(all, Problem{File: f.Name, What: "is not a dashboard: " + err.Error()})
			continue
		}
		all = append(all, unique(uids, text(b.raw, "uid"), "UID", f.Name)...)
		all = append(all, unique(titles, text(b.raw, "title"), "title", f.Name)...)
		boards = append(boards, b)
	}
	for _, u := range known {
		uids[u] = ""
	}
	for _, b := range boards {
		b.uids = uids
		all = append(all, b.check()...)
	}
	return all
}

func unique(seen map[string]string, value, what, file string) []Problem {
	if value == "" {
		return []Problem{{File: file, What: "has no " + what}}
	}
	if other, twice := seen[value]; twice {
		return []Problem{{File: file, What: fmt.Sprintf("%s %q is that of %s, too", what, value, other)}}
	}
	seen[value] = file
	return nil
}

type object = map[string]any

// board is one dashboard.
type board struct {
	file     string
	raw      object
	uids     map[string]string // of all dashboards
	problems []Problem
}

func (b *board) add(panel object, format string, args ...any) {
	b.problems = append(b.problems, Problem{File: b.file, Panel: label(panel), What: fmt.Sprintf(format, args...)})
}

func label(panel object) string {
	if panel == nil {
		return ""
	}
	return fmt.Sprintf("%v %q", panel["id"], text(panel, "title"))
}

func (b *board) check() []Problem {
	if uid := text(b.raw, "uid"); len(uid) > 40 {
		b.add(nil, "UID %q is longer than 40 characters", uid)
	}
	rows := objects(b.raw, "panels")
	all := flat(rows)
	b.ids(all)
	b.grid(rows)
	for _, row := range rows {
		b.grid(objects(row, "panels"))
	}
	for _, p := range all {
		b.units(p)
		b.sources(p)
	}
	b.variables()
	b.links(b.raw)
	return b.problems
}

// flat are the panels with those in collapsed rows.
func flat(panels []object) []object {
	var all []object
	for _, p := range panels {
		all = append(append(all, p), objects(p, "panels")...)
	}
	return all
}

func (b *board) ids(panels []object) {
	seen := map[any]bool{}
	for _, p := range panels {
		if p["id"] == nil || seen[p["id"]] {
			b.add(p, "its id is missing or another panel's, too")
		}
		seen[p["id"]] = true
	}
}

// columns is the width of Grafana's grid.
const columns = 24

func (b *board) grid(panels []object) {
	type place struct{ x, y, w, h int }
	var places []place
	for _, p := range panels {
		g, _ := p["gridPos"].(object)
		at := place{integer(g, "x"), integer(g, "y"), integer(g, "w"), integer(g, "h")}
		if at.w < 1 || at.h < 1 || at.x < 0 || at.x+at.w > columns {
			b.add(p, "does not lie in the grid of %d columns: %+v", columns, at)
		}
		for j, other := range places {
			if at.x < other.x+other.w && other.x < at.x+at.w && at.y < other.y+other.h && other.y < at.y+at.h {
				b.add(p, "lies on panel %s", label(panels[j]))
			}
		}
		places = append(places, at)
	}
}

//go:embed units.txt
var unitList string

// unitKnown says whether Grafana has the unit, or makes it of a pattern.
func unitKnown(unit string) bool {
	for _, prefix := range []string{"suffix:", "prefix:", "time:", "si:", "count:", "currency:", "bool:"} {
		if strings.HasPrefix(unit, prefix) {
			return true
		}
	}
	return slices.Contains(strings.Fields(unitList), unit)
}

// withUnit are the panels that draw numbers.
var withUnit = []string{"timeseries", "stat", "gauge", "bargauge", "state-timeline", "barchart", "histogram", "heatmap", "piechart"}

func (b *board) units(p object) {
	config, _ := p["fieldConfig"].(object)
	defaults, _ := config["defaults"].(object)
	unit := text(defaults, "unit")
	if unit == "" && slices.Contains(withUnit, text(p, "type")) {
		b.add(p, "has no unit")
	}
	units := []string{unit}
	for _, o := range objects(config, "overrides") {
		for _, property := range objects(o, "properties") {
			if text(property, "id") == "unit" {
				units = append(units, text(property, "value"))
			}
		}
	}
	for _, u := range units {
		if u != "" && !unitKnown(u) {
			b.add(p, "Grafana has no unit %q", u)
		}
	}
}

// sources wants queries to go to a data source that can be chosen.
func (b *board) sources(p object) {
	for _, t := range objects(p, "targets") {
		source, _ := t["datasource"].(object)
		uid := text(source, "uid")
		name, ok := strings.CutPrefix(uid, "${")
		if !ok || b.defined(strings.TrimSuffix(name, "}")) != "datasource" {
			b.add(p, "query %s asks the data source %q, which is no variable", text(t, "refId"), uid)
		}
	}
}

// defined is the type of a variable, or empty.
func (b *board) defined(name string) string {
	templating, _ := b.raw["templating"].(object)
	for _, v := range objects(templating, "list") {
		if text(v, "name") == name {
			return text(v, "type")
		}
	}
	return ""
}

func text(o object, key string) string {
	s, _ := o[key].(string)
	return s
}

func integer(o object, key string) int {
	f, _ := o[key].(float64)
	return int(f)
}

func objects(o object, key string) []object {
	list, _ := o[key].([]any)
	var all []object
	for _, v := range list {
		if item, ok := v.(object); ok {
			all = append(all, item)
		}
	}
	return all
}
