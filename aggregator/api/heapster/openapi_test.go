package heapster_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/lubberline/lubberline/aggregator/api/heapster"
)

// TestEveryDescribedPathAnswers asks each path of the description, with names
// that exist in the place of its parameters.
func TestEveryDescribedPathAnswers(t *testing.T) {
	var doc struct {
		Paths map[string]map[string]struct {
			Parameters []struct {
				Ref string `yaml:"$ref"`
			}
		}
		Components struct{ Parameters map[string]any }
	}
	require.NoError(t, yaml.Unmarshal(heapster.OpenAPI(), &doc))
	require.Greater(t, len(doc.Paths), 50)
	h := newServer(t, newModel(), &past{})
	for path, item := range doc.Paths {
		fill := strings.NewReplacer("{node}", "n1", "{namespace}", "shop", "{pod}", "web-1", "{podId}", "uid-1", "{pods}", "web-1,none",
			"{podIds}", "uid-1", "{metric}", "memory/usage", "{aggs}", "max,count", "{container}", "nginx")
		filled := fill.Replace(strings.ReplaceAll(path, "freecontainers/{container}", "freecontainers/system.slice/ssh.service"))
		if strings.HasPrefix(path, "/api/v1/historical") {
			filled += pastRange
		}
		require.Equal(t, http.StatusOK, get(h, filled).Code, filled)
		for _, p := range item["get"].Parameters {
			require.Contains(t, doc.Components.Parameters, strings.TrimPrefix(p.Ref, "#/components/parameters/"), path)
		}
	}
}
