package provision

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/grafana/grafana-foundation-sdk/go/cog/plugins"
	"github.com/grafana/grafana-foundation-sdk/go/dashboard"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/dashboards"
	"github.com/lubberline/lubberline/dashboards/grafana"
	"github.com/lubberline/lubberline/dashboards/lint"
	"github.com/lubberline/lubberline/dashboards/model"
)

var update = flag.Bool("update", false, "write deploy/grafana anew")

const deployed = "../../deploy/grafana"

// TestDeployedFiles holds what is committed to what the generator writes: a
// golden file for each dashboard in each language.
func TestDeployedFiles(t *testing.T) {
	files, err := Files(DefaultOptions())
	require.NoError(t, err)
	require.Greater(t, len(files), 25)
	if *update {
		require.NoError(t, os.RemoveAll(filepath.Join(deployed, "dashboards")))
		for name, text := range files {
			require.NoError(t, os.MkdirAll(filepath.Dir(filepath.Join(deployed, name)), 0o755))
			require.NoError(t, os.WriteFile(filepath.Join(deployed, name), text, 0o644))
		}
	}
	for name, want := range files {
		have, err := os.ReadFile(filepath.Join(deployed, name))
		require.NoError(t, err, "run go test ./dashboards/provision -update")
		require.Equal(t, string(want), string(have), "%s is not what the generator writes; run go test ./dashboards/provision -update", name)
	}
	again, err := Files(DefaultOptions())
	require.NoError(t, err)
	require.Equal(t, files, again, "equal input gives equal bytes")
	var committed []string
	require.NoError(t, filepath.WalkDir(filepath.Join(deployed, "dashboards"), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			name, _ := filepath.Rel(deployed, path)
			committed = append(committed, name)
		}
		return err
	}))
	maps.DeleteFunc(files, func(name string, _ []byte) bool { return !strings.HasPrefix(name, "dashboards/") })
	require.ElementsMatch(t, slices.Collect(maps.Keys(files)), committed, "files of dashboards that are gone")
}

// TestPublishedSchema decodes every dashboard strictly: a missing, unknown or
// wrong field anywhere is an error.
func TestPublishedSchema(t *testing.T) {
	plugins.RegisterDefaultPlugins()
	pages, err := Pages(model.Languages()...)
	require.NoError(t, err)
	for _, p := range pages {
		var d dashboard.Dashboard
		require.NoError(t, strictError(d.UnmarshalJSONStrict(withoutPluginFields(t, p.JSON))), "%s in %s", p.Name, p.Language)
		require.Equal(t, p.UID, *d.Uid)
		require.NotEmpty(t, d.Panels)
	}
}

// strictError makes nil of the empty list that the decoder returns.
func strictError(err error) error {
	if err == nil || err.Error() == "" {
		return nil
	}
	return err
}

// withoutPluginFields takes away what Grafana's Elasticsearch data source reads
// from annotations and the published schema does not have.
func withoutPluginFields(t *testing.T, text []byte) []byte {
	var all map[string]any
	require.NoError(t, json.Unmarshal(text, &all))
	for _, a := range all["annotations"].(map[string]any)["list"].([]any) {
		for _, key := range []string{"query", "timeField", "textField", "tagsField"} {
			delete(a.(map[string]any), key)
		}
	}
	out, err := json.Marshal(all)
	require.NoError(t, err)
	return out
}

func TestLint(t *testing.T) {
	pages, err := Pages(model.Languages()...)
	require.NoError(t, err)
	var files []lint.File
	for _, p := range pages {
		files = append(files, lint.File{Name: string(p.Language) + "/" + p.Name, Text: p.JSON})
	}
	require.Empty(t, lint.Check(files))
}

// TestNothingIsLostUnsaid wants every panel of every dashboard in the
// aggregator's language, and each that InfluxDB cannot fill to be named.
func TestNothingIsLostUnsaid(t *testing.T) {
	pages, err := Pages(model.Languages()...)
	require.NoError(t, err)
	drawn := map[model.Language]int{}
	for _, p := range pages {
		var j grafana.JSON
		require.NoError(t, json.Unmarshal(p.JSON, &j))
		drawn[p.Language]++
		if p.Language == model.PromQL {
			require.Empty(t, p.Left, p.Name)
			continue
		}
		for _, title := range p.Left {
			require.Contains(t, j.Description, title)
		}
	}
	require.Equal(t, len(dashboards.All()), drawn[model.PromQL])
	t.Log(drawn)
}

func TestRevisionTellsChanges(t *testing.T) {
	pages, err := Pages(model.PromQL)
	require.NoError(t, err)
	text := pages[0].JSON
	var j grafana.JSON
	require.NoError(t, json.Unmarshal(text, &j))
	have, err := grafana.RevisionOf(text)
	require.NoError(t, err)
	require.Equal(t, j.Revision, have)
	changed, err := grafana.RevisionOf(bytes.Replace(text, []byte(`"Cluster"`), []byte(`"Mine"`), 1))
	require.NoError(t, err)
	require.NotEqual(t, have, changed)
	saved, err := grafana.RevisionOf(bytes.Replace(text, []byte(`"version": 0`), []byte(`"id": 7, "version": 3`), 1))
	require.NoError(t, err)
	require.Equal(t, have, saved, "what Grafana sets does not count")
}
