package app

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open makes an aggregator on free ports; its parts are released at the end.
func open(t *testing.T, change func(*Config)) *App {
	t.Helper()
	cfg := DefaultConfig()
	cfg.HTTP, cfg.Forward.Listen = "127.0.0.1:0", "127.0.0.1:0"
	if change != nil {
		change(&cfg)
	}
	require.NoError(t, cfg.Validate())
	a, err := New(t.Context(), Options{Config: cfg, DataDir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	require.NoError(t, err)
	return a
}

// start runs an aggregator until the test ends.
func start(t *testing.T, a *App) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
		http.DefaultClient.CloseIdleConnections()
	})
}

func get(t *testing.T, a *App, path string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+a.HTTPAddr().String()+path, nil)
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(r)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

var ginVariable = regexp.MustCompile(`:(\w+)`)

// TestEveryRouteIsDescribed compares what is answered with /openapi.yaml, both
// ways.
func TestEveryRouteIsDescribed(t *testing.T) {
	a := open(t, nil)
	start(t, a)
	status, text := get(t, a, "/openapi.yaml")
	require.Equal(t, http.StatusOK, status)
	var doc struct {
		Paths map[string]map[string]any
	}
	require.NoError(t, yaml.Unmarshal([]byte(text), &doc))

	routed := map[string]bool{}
	for _, route := range a.router.Routes() {
		path := ginVariable.ReplaceAllString(route.Path, "{$1}")
		routed[route.Method+" "+path] = true
		if strings.HasPrefix(path, "/debug/pprof/") || strings.HasSuffix(path, "/*path") {
			continue // Go's own; and Heapster's, which has routes of its own below
		}
		require.Contains(t, doc.Paths[path], strings.ToLower(route.Method), "%s is not described", path)
	}
	for path, item := range doc.Paths {
		for method := range item {
			below := strings.HasPrefix(path, "/api/v1/model/") || strings.HasPrefix(path, "/api/v1/historical/")
			require.True(t, below || routed[strings.ToUpper(method)+" "+path], "%s %s is not routed", method, path)
		}
	}
}
