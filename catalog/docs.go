package catalog

import (
	"fmt"
	"strings"
)

// Markdown is docs/metrics.md: every metric by group, then Heapster's figures
// and what each is derived from.
func Markdown() string {
	var b strings.Builder
	b.WriteString("# Metrics\n\nGenerated from the catalog by `make docs`; do not edit.\n\n")
	b.WriteString("Every container series has the labels ")
	b.WriteString(codeList(IdentityLabels))
	b.WriteString(" (empty ones are left out), and what a collector ships has ")
	b.WriteString(codeList(SourceLabels))
	b.WriteString(" as well. A value that the kernel does not give is absent, never 0.\n")
	for _, group := range groupsInOrder() {
		writeGroup(&b, group)
	}
	writeHeapster(&b)
	return b.String()
}

func groupsInOrder() []Group {
	var order []Group
	seen := map[Group]bool{}
	for _, m := range Metrics() {
		if !seen[m.Group] {
			seen[m.Group] = true
			order = append(order, m.Group)
		}
	}
	return order
}

func writeGroup(b *strings.Builder, group Group) {
	fmt.Fprintf(b, "\n## %s\n\n| metric | kind | unit | labels | meaning |\n|---|---|---|---|---|\n", strings.ToUpper(string(group[:1]))+string(group[1:]))
	for _, m := range Metrics() {
		if m.Group == group {
			fmt.Fprintf(b, "| `%s` | %s | %s | %s | %s |\n", m.Name, m.Kind, m.Unit, codeList(m.Labels), m.Help)
		}
	}
}

func codeList(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "`" + strings.Join(names, "`, `") + "`"
}

// writeHeapster lists Heapster's figures with the objects that have them, and
// how a container's, or else the node's, is derived.
func writeHeapster(b *strings.Builder) {
	b.WriteString("\n## Heapster's figures\n\nServed by `/api/v1/model`, `/api/v1/metric-export` and the InfluxDB and Elasticsearch sinks. " +
		"The last column is the query that gives the same figure.\n\n| figure | type | unit | labels | objects | derived, for one kind of object |\n|---|---|---|---|---|---|\n")
	for _, m := range HeapsterMetrics() {
		objects, query := describeObjects(m)
		fmt.Fprintf(b, "| `%s` | %s %s | %s | %s | %s | %s |\n", m.Name, m.Type, m.ValueType, m.Units, codeList(m.Labels), objects, query)
	}
}

// describeObjects names the kinds of objects that have the figure, and writes
// the query for the most telling of them.
func describeObjects(m *HeapsterMetric) (objects, query string) {
	var kinds []string
	for _, kind := range []ObjectKind{PodContainer, Pod, Namespace, Cluster, Node, SystemContainer} {
		if len(m.For(kind)) == 0 {
			continue
		}
		kinds = append(kinds, string(kind))
		if q, ok := m.PromQL(kind, nil, "1m"); ok && query == "" {
			query = fmt.Sprintf("%s: `%s`", kind, strings.ReplaceAll(q, "|", "\\|"))
		}
	}
	return strings.Join(kinds, ", "), query
}
