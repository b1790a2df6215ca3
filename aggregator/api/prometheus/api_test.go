package prometheus_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/stretchr/testify/require"

	api "github.com/lubberline/lubberline/aggregator/api/prometheus"
	"github.com/lubberline/lubberline/aggregator/metricstore"
)

var now = time.Now().Truncate(time.Second)

func newServer(t *testing.T) http.Handler {
	t.Helper()
	store, err := metricstore.Open(metricstore.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	engine := api.NewEngine(api.EngineOptions{MaxSamples: 300})
	t.Cleanup(func() { require.NoError(t, engine.Close()) })
	app := store.Appender(context.Background())
	for n := range 13 {
		for _, pod := range []string{"a", "b"} {
			_, err := app.Append(0, labels.FromStrings("__name__", "m_total", "pod", pod), now.Add(time.Duration(n-12)*5*time.Second).UnixMilli(), float64(10*n))
			require.NoError(t, err)
		}
	}
	require.NoError(t, app.Commit())
	a, err := api.New(api.Options{Engine: engine, Store: store, Version: "1.2.3", MaxBody: 1000})
	require.NoError(t, err)
	gin.SetMode(gin.TestMode)
	g := gin.New()
	a.Register(g)
	return g
}

func ask(t *testing.T, h http.Handler, method, path string, form url.Values) (int, map[string]any) {
	t.Helper()
	r := httptest.NewRequest(method, path+"?"+form.Encode(), nil)
	if method == http.MethodPost {
		r = httptest.NewRequest(method, path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	var v map[string]any
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &v), w.Body)
	return w.Code, v
}

func TestQueries(t *testing.T) {
	h := newServer(t)
	at := now.Format(time.RFC3339)
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		code, v := ask(t, h, method, "/api/v1/query", url.Values{"query": {"sum(rate(m_total[30s]))"}, "time": {at}})
		require.Equal(t, http.StatusOK, code)
		data := v["data"].(map[string]any)
		require.Equal(t, "vector", data["resultType"])
		require.Equal(t, "4", data["result"].([]any)[0].(map[string]any)["value"].([]any)[1])

		code, v = ask(t, h, method, "/api/v1/query_range", url.Values{
			"query": {`m_total{pod="a"}`}, "start": {now.Add(-20 * time.Second).Format(time.RFC3339)}, "end": {at}, "step": {"5s"},
		})
		require.Equal(t, http.StatusOK, code)
		require.Len(t, v["data"].(map[string]any)["result"].([]any)[0].(map[string]any)["values"], 5)

		code, v = ask(t, h, method, "/api/v1/series", url.Values{"match[]": {"m_total"}})
		require.Equal(t, http.StatusOK, code)
		require.Len(t, v["data"], 2)

		code, v = ask(t, h, method, "/api/v1/labels", nil)
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, []any{"__name__", "pod"}, v["data"])
	}
	_, v := ask(t, h, http.MethodGet, "/api/v1/label/pod/values", nil)
	require.Equal(t, []any{"a", "b"}, v["data"])
	_, v = ask(t, h, http.MethodGet, "/api/v1/format_query", url.Values{"query": {"sum  (m_total)"}})
	require.Equal(t, "sum(m_total)", v["data"])
	_, v = ask(t, h, http.MethodGet, "/api/v1/status/buildinfo", nil)
	require.Equal(t, "1.2.3", v["data"].(map[string]any)["version"])
}

func TestErrorsAndLimits(t *testing.T) {
	h := newServer(t)
	code, v := ask(t, h, http.MethodGet, "/api/v1/query", url.Values{"query": {"sum("}})
	require.Equal(t, http.StatusBadRequest, code)
	require.Equal(t, "bad_data", v["errorType"])
	code, v = ask(t, h, http.MethodGet, "/api/v1/query_range", url.Values{
		"query": {"m_total"}, "start": {now.Add(-time.Hour).Format(time.RFC3339)}, "end": {now.Add(time.Hour).Format(time.RFC3339)}, "step": {"1s"},
	})
	require.Equal(t, http.StatusUnprocessableEntity, code)
	require.Contains(t, v["error"], "too many samples")
	code, _ = ask(t, h, http.MethodPost, "/api/v1/query", url.Values{"query": {strings.Repeat("1+", 600) + "1"}})
	require.GreaterOrEqual(t, code, http.StatusBadRequest)
}

func TestExemplarsAreNone(t *testing.T) {
	h := newServer(t)
	form := url.Values{"query": {`rate(m_total{pod="a"}[1m])`}, "start": {"0"}, "end": {"60"}}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		code, v := ask(t, h, method, "/api/v1/query_exemplars", form)
		require.Equal(t, http.StatusOK, code)
		require.Equal(t, map[string]any{"status": "success", "data": []any{}}, v)
	}
	code, _ := ask(t, h, http.MethodGet, "/api/v1/query_exemplars", url.Values{"query": {"rate("}, "start": {"0"}, "end": {"60"}})
	require.Equal(t, http.StatusBadRequest, code)
}

func TestMetadataIsTheCatalogs(t *testing.T) {
	h := newServer(t)
	_, v := ask(t, h, http.MethodGet, "/api/v1/metadata", url.Values{"metric": {"container_memory_rss"}})
	require.Equal(t, map[string]any{"container_memory_rss": []any{
		map[string]any{"type": "gauge", "help": "Anonymous memory, swap cache included.", "unit": "bytes"},
	}}, v["data"])
	_, v = ask(t, h, http.MethodGet, "/api/v1/metadata", url.Values{"limit": {"2"}})
	require.Len(t, v["data"], 2)
	code, _ := ask(t, h, http.MethodGet, "/api/v1/metadata", url.Values{"limit": {"x"}})
	require.Equal(t, http.StatusBadRequest, code)
}
