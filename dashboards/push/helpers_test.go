package push

import (
	"encoding/json"
	"testing"

	"github.com/grafana-tools/sdk"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/dashboards/grafana"
)

func mustClient(t *testing.T, o Options) *sdk.Client {
	c, err := newClient(o.URL, o.Credentials, nil)
	require.NoError(t, err)
	return c
}

// renamed is the dashboard under another UID, with its right revision.
func renamed(t *testing.T, text []byte, uid string) []byte {
	var all map[string]any
	require.NoError(t, json.Unmarshal(text, &all))
	all["uid"], all["title"] = uid, "Cluster"
	out, err := json.Marshal(all)
	require.NoError(t, err)
	revision, err := grafana.RevisionOf(out)
	require.NoError(t, err)
	all["revision"] = revision
	out, err = json.Marshal(all)
	require.NoError(t, err)
	return out
}
