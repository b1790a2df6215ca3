package app

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/collector/logs"
	"github.com/lubberline/lubberline/collector/reading"
)

// held are the sources that a tailer has.
type held map[string]logs.Source

func (h held) Add(s logs.Source) error { h[s.ID] = s; return nil }
func (h held) Remove(id string)        { delete(h, id) }

func TestLogsOfPodsThatNoSampleSaw(t *testing.T) {
	dir, sources := t.TempDir(), held{}
	write := func(name string) string {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, nil, 0o600))
		return path
	}
	short := write("shop_web-1_u1/main/0.log")
	write("shop_web-1_u1/main/0.log.20261125-010203.gz")
	write("shop_web-1_u1/main/notes.log")
	n := newNames("node-1", sources, dir, slog.New(slog.DiscardHandler))
	now := time.Now()
	n.observe(observation{time: now})
	require.Len(t, sources, 1)
	require.Equal(t, "kubernetes.shop.web-1.main", sources[short].Tag)
	require.Equal(t, "u1", sources[short].Meta.PodUID)
	require.Equal(t, reading.CRI, sources[short].Format)

	// A container that samples see is read once, under all that is known of it.
	seen := write("shop_web-2_u2/main/1.log")
	identity := &reading.Identity{ContainerID: "c2", Namespace: "shop", Pod: "web-2", PodUID: "u2", Container: "main", Image: "web:1", LogPath: seen, LogFormat: reading.CRI}
	n.observe(observation{time: now.Add(podLogsEvery), containers: []*reading.Container{{ID: "/kubepods/c2", Identity: identity}}})
	require.Len(t, sources, 2)
	require.Equal(t, "c2", sources[seen].Meta.ContainerID)

	// It goes on being read when the container is gone, until the file is.
	n.observe(observation{time: now.Add(2 * podLogsEvery)})
	require.Contains(t, sources, seen)
	require.Equal(t, "web:1", sources[seen].Meta.Image)
	require.NoError(t, os.RemoveAll(filepath.Join(dir, "shop_web-2_u2")))
	n.observe(observation{time: now.Add(3 * podLogsEvery)})
	require.NotContains(t, sources, seen)
	require.Contains(t, sources, short)
}
