package rules

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/dashboards"
)

// Alerts open dashboards that exist, with variables that those have.
func TestAlertsLinkToDashboards(t *testing.T) {
	variables := map[string]map[string]bool{}
	for _, d := range dashboards.All() {
		variables[d.Name] = map[string]bool{}
		for _, v := range d.Variables {
			variables[d.Name][v.Name] = true
		}
	}
	for _, topic := range Standard() {
		for _, r := range topic.Rules {
			require.Contains(t, variables, r.Of.Dashboard, r.Name)
			for _, v := range r.Of.Variables {
				require.True(t, variables[r.Of.Dashboard][v], "%s: dashboard %s has no variable %s", r.Name, r.Of.Dashboard, v)
			}
		}
	}
}
