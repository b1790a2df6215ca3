package grafana

import (
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/dashboards"
	"github.com/lubberline/lubberline/dashboards/model"
	"github.com/lubberline/lubberline/dashboards/render"
	"github.com/lubberline/lubberline/test/machine"
	"github.com/lubberline/lubberline/test/peers"
)

// TestPanelsUnderLoad puts every query of every panel to the aggregator, to
// InfluxDB and to Elasticsearch, all fed by one node with pods.
func TestPanelsUnderLoad(t *testing.T) {
	peers.RequireReal(t)
	l := start(t)
	t.Run("PromQL has data", l.everyPromQL)
	t.Run("the same figures", l.sameFigures)
	t.Run("the same records", l.sameRecords)
}

// choice are the values of variables.
type choice map[string]string

var variable = regexp.MustCompile(`\$\{?(\w+)(:regex|:raw)?\}?`)

// in puts the choice into a query, as Grafana does.
func (c choice) in(query string) string {
	return variable.ReplaceAllStringFunc(query, func(s string) string {
		name := variable.FindStringSubmatch(s)[1]
		if v, ok := c[name]; ok {
			return v
		}
		switch {
		case name == "__rate_interval":
			return "1m"
		case strings.HasPrefix(name, "__"), strings.HasPrefix(name, "timeFilter"), name[0] >= '0' && name[0] <= '9':
			return s
		}
		return map[bool]string{true: "*", false: ".*"}[strings.Contains(s, ":raw")]
	})
}

// fine is Grafana's window of rates where a sample comes every second and a point
// of the graph every five.
// Only the test's own namespace is chosen, since other pods come and go.
var fine = choice{"__rate_interval": "6s", "namespace": "shop"}

// ours are values that the test's own pods have. Other containers of the machine
// come and go.
var ours = regexp.MustCompile(`^(shop|(api|web)-.*|main|busy|client|` + machine.Node + `)$`)

func (c choice) ofTest() bool {
	for _, v := range c {
		if ours.MatchString(strings.ReplaceAll(v, `\`, "")) {
			return true
		}
	}
	return false
}

// choices are all of everything, and then each value of each variable.
func (l *live) choices(t *testing.T, d *model.Dashboard) []choice {
	all := []choice{{}}
	for _, v := range d.Variables {
		if v.Values.Metric == "" {
			continue
		}
		values := l.values(t, &v.Values)
		require.NotEmpty(t, values, "%s: the variable %s", d.Name, v.Name)
		for _, one := range values {
			all = append(all, choice{v.Name: regexp.QuoteMeta(one)})
		}
	}
	return all
}

var labelValues = regexp.MustCompile(`^label_values\((.*), (\w+)\)$`)

// values asks for a variable's values as Grafana does.
func (l *live) values(t *testing.T, v *model.Values) []string {
	parts := labelValues.FindStringSubmatch(render.PromValues(v))
	require.Len(t, parts, 3)
	var found []string
	q := url.Values{"match[]": {choice{}.in(parts[1])}, "start": {strconv.FormatInt(l.from.Unix(), 10)}, "end": {strconv.FormatInt(l.to.Unix(), 10)}}
	require.NoError(t, l.api("/api/v1/label/"+parts[2]+"/values", q, &found))
	return found
}

// everyPromQL wants data of each query while all is chosen, or the panel's
// reason why there may be none; and an answer for each value.
func (l *live) everyPromQL(t *testing.T) {
	data, reasons, values, answered := 0, map[string]int{}, 0, 0
	for _, d := range dashboards.All() {
		for n, c := range l.choices(t, d) {
			eachOf(d, func(name string, p *model.Panel, target *model.Target) {
				if target.Logs != nil {
					return
				}
				query := c.in(render.PromQL(&target.Query))
				found, err := l.promQL(query, !p.Instant && p.Kind != model.Table)
				require.NoError(t, err, name)
				switch {
				case n > 0:
					values++
					answered += min(1, len(found))
					if len(found) == 0 && p.Empty == "" && c.ofTest() {
						t.Errorf("no data and no reason: %v: %s, %s: %s", c, name, target.Legend, query)
					}
				case len(found) > 0:
					data++
				case p.Empty != "":
					reasons[p.Empty+" ("+name+" "+target.Legend+")"]++
				default:
					t.Errorf("no data and no reason: %s, %s: %s", name, target.Legend, query)
				}
			})
		}
	}
	require.Greater(t, data, 250)
	t.Logf("PromQL: %d queries have data, %d have none and a reason; of %d with one value chosen, %d have data", data, len(reasons), values, answered)
	for _, why := range slices.Sorted(maps.Keys(reasons)) {
		t.Log("empty: " + why)
	}
}

// within is by how much the mean over the time may differ between the
// languages: a part of the greater, and what a figure moves by itself.
// The disk is also of all others on the machine, who write in bursts, and a burst
// at the edge is in the window of one language only: of it just the lines are
// compared.
func within(p *model.Panel, t *model.Target, a, b float64) bool {
	if strings.HasPrefix(t.Query.Figure, "disk/") {
		return true
	}
	slack := 1.0
	switch {
	case strings.HasPrefix(t.Query.Figure, "cpu/"):
		slack = 0.1
	case strings.HasPrefix(t.Query.Figure, "memory/"), strings.HasPrefix(t.Query.Figure, "filesystem/"), strings.HasPrefix(t.Query.Figure, "ephemeral"):
		slack = 8 << 20
	case strings.HasSuffix(t.Query.Figure, "_rate"):
		slack = 64 << 10
	case t.Query.Figure == "uptime":
		slack = 30
	}
	if p.Kind == model.Gauge || strings.HasSuffix(t.Query.Figure, "utilization") || strings.HasSuffix(t.Query.Figure, "reservation") {
		slack = 0.1
	}
	return max(a-b, b-a) <= 0.25*max(a, b)+slack
}

// sameFigures compares the lines of each query that all languages know.
func (l *live) sameFigures(t *testing.T) {
	lines, queries, apart := 0, 0, []string{}
	for _, d := range dashboards.All() {
		eachOf(d, func(name string, p *model.Panel, target *model.Target) {
			if target.Logs != nil {
				return
			}
			column := ""
			if p.Kind == model.Table {
				column = target.Legend
			}
			flux, ok := render.Influx(model.Flux, &target.Query, column)
			if !ok {
				return
			}
			queries++
			found, err := l.promQL(fine.in(render.PromQL(&target.Query)), column == "")
			require.NoError(t, err, name)
			want := byLabels(found, target.Query.By)
			answers := map[string]map[string]float64{"Flux": l.influx.meansOfFlux(t, name, flux, column, target.Query.By)}
			if ql, ok := render.Influx(model.InfluxQL, &target.Query, column); ok {
				answers["InfluxQL"] = l.influx.meansOfQL(t, name, ql, target.Query.By)
			}
			for language, got := range answers {
				if !slices.Equal(slices.Sorted(maps.Keys(want)), slices.Sorted(maps.Keys(got))) {
					apart = append(apart, fmt.Sprintf("%s, %s: lines of PromQL %v, %s %v", name, target.Legend, want, language, got))
					continue
				}
				for key, v := range want {
					lines++
					if !within(p, target, v, got[key]) {
						apart = append(apart, fmt.Sprintf("%s, %s: %q is %v in PromQL, %v in %s", name, target.Legend, key, v, got[key], language))
					}
				}
			}
		})
	}
	require.Greater(t, lines, 400)
	t.Logf("%d lines of %d queries compared", lines, queries)
	require.Empty(t, apart, "%d differ:\n%s", len(apart), strings.Join(apart, "\n"))
}

func byLabels(found []series, by []string) map[string]float64 {
	all := map[string]float64{}
	for _, s := range found {
		all[key(s.Metric, by, func(label string) string { return label })] = s.mean()
	}
	return ofTest(all, by)
}

// ofTest leaves out lines of other pods.
func ofTest(lines map[string]float64, by []string) map[string]float64 {
	maps.DeleteFunc(lines, func(k string, _ float64) bool {
		return slices.ContainsFunc(by, func(l string) bool { return l == "namespace" || l == "pod" || l == "container" }) &&
			slices.ContainsFunc(strings.Split(k, " "), func(v string) bool { return !ours.MatchString(v) })
	})
	return lines
}

// key is what a line is known by.
func key(labels map[string]string, by []string, name func(string) string) string {
	parts := make([]string, len(by))
	for i, l := range by {
		parts[i] = labels[name(l)]
	}
	return strings.Join(parts, " ")
}

func (db *influx) meansOfFlux(t *testing.T, name, query, column string, by []string) map[string]float64 {
	if column == "" {
		column = "_value"
	}
	values := map[string][]float64{}
	for _, row := range db.rows(t, name, query) {
		v, err := strconv.ParseFloat(row[column], 64)
		require.NoError(t, err, "%s: %v", name, row)
		k := key(row, by, render.Tag)
		values[k] = append(values[k], v)
	}
	return ofTest(means(values), by)
}

func (db *influx) meansOfQL(t *testing.T, name, query string, by []string) map[string]float64 {
	values := map[string][]float64{}
	for _, s := range db.series(t, name, query) {
		k := key(s.Tags, by, render.Tag)
		for _, v := range s.Values {
			if f, ok := v[1].(float64); ok {
				values[k] = append(values[k], f)
			}
		}
	}
	return ofTest(means(values), by)
}

func means(values map[string][]float64) map[string]float64 {
	all := map[string]float64{}
	for k, list := range values {
		for _, v := range list {
			all[k] += v / float64(len(list))
		}
	}
	return all
}
