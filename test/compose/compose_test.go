package compose

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"github.com/lubberline/lubberline/test/peers"
)

// resolved is what compose makes of the file.
type resolved struct {
	Services map[string]struct {
		Image       string
		Healthcheck any
		Privileged  bool
		Ports       []any
		Networks    any
		Volumes     []any
		MemLimit    any `yaml:"mem_limit"`
		Build       any
		Profiles    []string
	}
	Networks map[string]struct{ Internal bool }
	Volumes  map[string]any
}

// TestBothGenerationsTakeTheFile resolves the real file.
func TestBothGenerationsTakeTheFile(t *testing.T) {
	peers.RequireReal(t)
	for _, g := range generations(t) {
		t.Run(g.name, func(t *testing.T) {
			args := []string{"-f", filepath.Join(repository(t), "docker-compose.yml"), "--profile", "orchestrator", "config"}
			text := g.run(t, nil, args...)
			require.NotContains(t, text, "warning")
			var r resolved
			require.NoError(t, yaml.Unmarshal([]byte(text), &r))
			require.Len(t, r.Services, 9)
			for name, s := range r.Services {
				require.NotEmpty(t, s.Image, name)
				require.NotContains(t, s.Image, ":latest@", name)
				require.Equal(t, name == "orchestrator", s.Privileged, name)
				if !slices.Contains([]string{"credentials", "customers"}, name) {
					require.NotEmpty(t, s.Healthcheck, name)
				}
				if name != "credentials" {
					require.NotEmpty(t, s.MemLimit, name)
				}
				if s.Build == nil {
					require.Regexp(t, `:\d+\.\d+\.\d+$`, s.Image, "%s: others' images are pinned", name)
				}
				for _, port := range s.Ports {
					out, err := yaml.Marshal(port)
					require.NoError(t, err)
					require.Contains(t, string(out), "127.0.0.1", "%s is published beyond loopback", name)
				}
			}
			require.True(t, r.Networks["stores"].Internal)
			for _, store := range []string{"influxdb", "elasticsearch"} {
				require.Empty(t, r.Services[store].Ports)
				out, err := yaml.Marshal(r.Services[store].Networks)
				require.NoError(t, err)
				require.NotContains(t, strings.ReplaceAll(string(out), "stores", ""), "lubberline", "%s is on other networks", store)
			}
		})
	}
}
