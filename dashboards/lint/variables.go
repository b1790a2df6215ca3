package lint

import (
	"maps"
	"regexp"
	"slices"
	"strings"
)

// reference finds $name, ${name} and ${name:format}; [[name]] is of the past.
var reference = regexp.MustCompile(`\$(?:\{([a-zA-Z_]\w*)[^}]*\}|([a-zA-Z_]\w*))`)

// builtIn are Grafana's own variables and InfluxDB's macros.
func builtIn(name string) bool {
	return strings.HasPrefix(name, "__") || strings.HasPrefix(name, "tag_") ||
		slices.Contains([]string{"timeFilter", "interval", "measurement", "col"}, name)
}

// variables wants every variable that is used to be defined.
func (b *board) variables() {
	missing := map[string]bool{}
	walk(b.raw, func(key, s string) {
		for _, m := range reference.FindAllStringSubmatch(s, -1) {
			name := m[1] + m[2]
			if !builtIn(name) && b.defined(name) == "" {
				missing[name] = true
			}
		}
	})
	for _, name := range slices.Sorted(maps.Keys(missing)) {
		b.add(nil, "uses the variable %q, which it does not define", name)
	}
}

// walk calls f for every text.
func walk(v any, f func(key, s string)) { walkKey("", v, f) }

func walkKey(key string, v any, f func(key, s string)) {
	switch v := v.(type) {
	case string:
		f(key, v)
	case object:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			walkKey(k, v[k], f)
		}
	case []any:
		for _, item := range v {
			walkKey(key, item, f)
		}
	}
}

var dashboardLink = regexp.MustCompile(`^/d/([^/?]+)`)

// links wants the dashboards that links lead to.
func (b *board) links(o object) {
	reported := map[string]bool{}
	walk(o, func(key, s string) {
		m := dashboardLink.FindStringSubmatch(s)
		if key != "url" || m == nil || reported[m[1]] {
			return
		}
		if _, ok := b.uids[m[1]]; !ok {
			reported[m[1]] = true
			b.add(nil, "links to a dashboard %q, which does not exist", m[1])
		}
	})
}
