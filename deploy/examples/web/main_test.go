package main

import (
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestWeb(t *testing.T) {
	t.Setenv("DATA", t.TempDir())
	t.Setenv("VERSION", "7")
	w := newWeb(slog.New(slog.DiscardHandler))
	w.host = "pod"
	require.Equal(t, "version 7 from pod\n", ask(t, w.public(), "GET", "/", 200))
	require.Equal(t, "ok\n", ask(t, w.public(), "GET", "/healthz", 200))
	require.Equal(t, "broken\n", ask(t, w.public(), "POST", "/break", 200))
	require.Equal(t, "no\n", ask(t, w.public(), "GET", "/healthz", 500))
	require.Equal(t, "ok\n", ask(t, w.public(), "GET", "/ready", 200))
	require.Contains(t, ask(t, w.private(), "GET", "/metrics", 200), `web_requests_total{version="7"} 1`)
	ask(t, w.public(), "GET", "/nothing", 404)

	again := newWeb(w.log)
	require.Equal(t, "1\n", ask(t, again.public(), "GET", "/count", 200), "the count is kept")
	again.readyAt = time.Now().Add(time.Hour)
	require.Equal(t, "no\n", ask(t, again.public(), "GET", "/ready", 503))
}

func ask(t *testing.T, h http.Handler, method, path string, status int) string {
	t.Helper()
	answer := httptest.NewRecorder()
	h.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), method, path, nil))
	require.Equal(t, status, answer.Code)
	return answer.Body.String()
}
