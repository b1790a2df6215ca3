package scheduler

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

const noNodes = "no nodes available to schedule pods"

// unavailable says in Kubernetes' words for how many nodes which reason holds.
func unavailable(nodes int, reasons map[string]int) string {
	lines := make([]string, 0, len(reasons))
	for reason, n := range maps.All(reasons) {
		lines = append(lines, fmt.Sprintf("%d %s", n, reason))
	}
	slices.Sort(lines)
	message := fmt.Sprintf("0/%d nodes are available:", nodes)
	if len(lines) > 0 {
		message += " " + strings.Join(lines, ", ") + "."
	}
	return message
}
