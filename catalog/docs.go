package catalog

import (
	"fmt"
	"strings"
)

// Markdown is docs/metrics.md: every metric by group.

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
