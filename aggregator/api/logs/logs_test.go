package logs

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
	"go.yaml.in/yaml/v3"

	"github.com/lubberline/lubberline/aggregator/logstore"
	"github.com/lubberline/lubberline/logrecord"
)

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"))
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

var web = &logrecord.Source{Namespace: "shop", Pod: "web-1", Container: "nginx", Host: "node-a", Labels: map[string]string{"app": "web"}}

// serve starts the handlers on a store with six lines, a minute apart.
func serve(t *testing.T) (string, *logstore.Store) {
	t.Helper()
	now := func() time.Time { return noon }
	store, err := logstore.Open(logstore.Options{Dir: t.TempDir(), Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	db := &logrecord.Source{Namespace: "data", Pod: "db-1", Container: "postgres", Host: "node-b"}
	var b logrecord.Batch
	for i, text := range []string{"[INFO] zero", "[ERROR] one", "two", "level=warn three", "[ERROR] four", "five"} {
		r := logrecord.Record{Time: noon.Add(time.Duration(i-6) * time.Minute).UnixNano(), Log: text, Stream: "stdout", Source: web}
		if i%3 == 0 {
			r.Source, r.Stream = db, "stderr"
		}
		b.Records = append(b.Records, r)
	}
	b.Records[5].Fields = `{"user":"ann"}`
	require.NoError(t, store.Append(t.Context(), []logrecord.Batch{b}))
	engine := gin.New()
	register(engine, &handlers{store: store, now: now, heartbeat: 20 * time.Millisecond})
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	return server.URL, store
}

func get(t *testing.T, url string) (int, string) {
	t.Helper()
	resp, err := http.Get(url)
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	return resp.StatusCode, string(body)
}

func page(t *testing.T, url string) (list []string, next string) {
	t.Helper()
	status, body := get(t, url)
	require.Equal(t, 200, status, body)
	var p Page
	require.NoError(t, json.Unmarshal([]byte(body), &p))
	for _, e := range p.Entries {
		words := strings.Fields(e.Message)
		list = append(list, words[len(words)-1])
	}
	return list, p.Next
}

func TestSearch(t *testing.T) {
	base, _ := serve(t)
	for query, want := range map[string]string{
		"":                               "five four three two one zero",
		"?order=asc&limit=2":             "zero one",
		"?namespace=shop":                "five four two one",
		"?pod=db-1,web-1&stream=stderr":  "three zero",
		"?container=nginx&node=node-a":   "five four two one",
		"?level=error,warn":              "four three one",
		"?level=unknown":                 "five two",
		"?text=ONE":                      "",
		"?text=ONE&ignore_case=true":     "one",
		"?text=ann":                      "five",
		"?regex=t.*o$":                   "two",
		"?start=-2m":                     "five four",
		"?start=now-2m&end=now-1m":       "four",
		"?start=2026-11-24T11:58:00Z":    "five four",
		"?start=1795521480":              "five four",
		"?start=1795521480000":           "five four",
		"?start=1795521480000000":        "five four",
		"?start=1795521480000000000":     "five four",
		"?start=1795521480.0&end=-0m":    "five four",
		"?end=-5m":                       "zero",
		"?namespace=a&namespace=b, shop": "five four two one",
	} {
		t.Run(query, func(t *testing.T) {
			list, _ := page(t, base+"/api/v1/logs"+strings.ReplaceAll(query, " ", "%20"))
			require.Equal(t, want, strings.Join(list, " "))
		})
	}
}

func TestEntryShape(t *testing.T) {
	base, _ := serve(t)
	_, body := get(t, base+"/api/v1/logs?limit=1")
	var got map[string]any
	require.NoError(t, json.Unmarshal([]byte(body), &got))
	entry := got["entries"].([]any)[0].(map[string]any)
	require.NotEmpty(t, entry["cursor"])
	require.Equal(t, entry["cursor"], got["next"])
	delete(entry, "cursor")
	require.Equal(t, map[string]any{"time": "2026-11-24T11:59:00Z", "namespace": "shop", "pod": "web-1", "container": "nginx",
		"node": "node-a", "stream": "stdout", "message": "five", "labels": map[string]any{"app": "web"},
		"fields": map[string]any{"user": "ann"}}, entry)
}

func TestPaging(t *testing.T) {
	base, _ := serve(t)
	var all []string
	cursor := ""
	for range 10 {
		list, next := page(t, base+"/api/v1/logs?limit=2&cursor="+cursor)
		all = append(all, list...)
		if next == "" {
			break
		}
		cursor = next
	}
	require.Equal(t, "five four three two one zero", strings.Join(all, " "))
}

func TestText(t *testing.T) {
	base, _ := serve(t)
	_, body := get(t, base+"/api/v1/logs?format=text&limit=2")
	require.Equal(t, "2026-11-24T11:59:00.000Z -     shop/web-1/nginx five\n2026-11-24T11:58:00.000Z error shop/web-1/nginx [ERROR] four\n", body)
	_, body = get(t, base+"/api/v1/logs?format=text&limit=2&order=tail")
	require.Equal(t, "2026-11-24T11:58:00.000Z error shop/web-1/nginx [ERROR] four\n2026-11-24T11:59:00.000Z -     shop/web-1/nginx five\n", body)
}

func TestBadParameters(t *testing.T) {
	base, _ := serve(t)
	for query, want := range map[string]string{
		"?start=yesterday":          `start "yesterday": not a time`,
		"?end=-x":                   `end "-x"`,
		"?start=now&end=-1h":        `end "-1h": before start`,
		"?limit=0":                  `limit "0"`,
		"?limit=10001":              `limit "10001"`,
		"?limit=many":               `limit "many"`,
		"?order=up":                 `order "up": not one of desc, asc`,
		"?format=xml":               `format "xml"`,
		"?level=loud":               `level "loud"`,
		"?regex=(":                  `regex "(": error parsing regexp`,
		"?cursor=x":                 `cursor "x"`,
		"?follow=maybe":             `follow "maybe"`,
		"?histogram=1parsec":        `histogram "1parsec"`,
		"?pods=web":                 `pods "web": unknown parameter`,
		"?a=%zz":                    `query "a=%zz"`,
		"/histogram?by=message":     `field "message"`,
		"/histogram?interval=1ns":   `interval "1ns"`,
		"/fields/message/values":    `field "message"`,
		"/fields/pod/values?x=1":    `x "1"`,
		"/histogram?interval=-1h":   `interval "-1h"`,
		"?histogram=1ms&start=-10d": `too short for the range`,
	} {
		t.Run(query, func(t *testing.T) {
			status, body := get(t, base+"/api/v1/logs"+query)
			require.Equal(t, 400, status)
			var e Error
			require.NoError(t, json.Unmarshal([]byte(body), &e))
			require.Contains(t, e.Error, want)
		})
	}
}

func TestHistogram(t *testing.T) {
	base, _ := serve(t)
	for _, path := range []string{"?histogram=3m", "/histogram?interval=3m"} {
		_, body := get(t, base+"/api/v1/logs"+path)
		require.JSONEq(t, `{"interval":"3m0s","by":"level","buckets":[
			{"start":"2026-11-24T11:54:00Z","total":3,"counts":{"info":1,"error":1,"unknown":1}},
			{"start":"2026-11-24T11:57:00Z","total":3,"counts":{"warn":1,"error":1,"unknown":1}}]}`, body)
	}
	_, body := get(t, base+"/api/v1/logs/histogram?by=pod&start=-2m&end=now")
	require.JSONEq(t, `{"interval":"1s","by":"pod","buckets":[
		{"start":"2026-11-24T11:58:00Z","total":1,"counts":{"web-1":1}},
		{"start":"2026-11-24T11:59:00Z","total":1,"counts":{"web-1":1}}]}`, body)
}

func TestFieldValues(t *testing.T) {
	base, _ := serve(t)
	_, body := get(t, base+"/api/v1/logs/fields/pod/values")
	require.JSONEq(t, `{"field":"pod","values":[{"value":"web-1","count":4},{"value":"db-1","count":2}]}`, body)
	_, body = get(t, base+"/api/v1/logs/fields/level/values?namespace=shop")
	require.JSONEq(t, `{"field":"level","values":[{"value":"error","count":2}]}`, body)
	_, body = get(t, base+"/api/v1/logs/fields")
	require.Contains(t, body, `"namespace"`)
}

// open starts a stream and returns its lines.
func open(t *testing.T, url string, header http.Header) (lines *bufio.Scanner, end func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	require.NoError(t, err)
	maps.Copy(req.Header, header)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	require.Equal(t, 200, resp.StatusCode)
	return bufio.NewScanner(resp.Body), func() { cancel(); resp.Body.Close() }
}

// until reads lines up to one with the prefix.
func until(t *testing.T, lines *bufio.Scanner, prefix string) string {
	t.Helper()
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), prefix) {
			return lines.Text()
		}
	}
	t.Fatalf("stream ended before %q: %v", prefix, lines.Err())
	return ""
}

func TestFollowEvents(t *testing.T) {
	base, store := serve(t)
	lines, end := open(t, base+"/api/v1/logs?follow=true&limit=2&pod=web-1", nil)
	defer end()
	require.Contains(t, until(t, lines, "data: "), `"message":"[ERROR] four"`)
	id := until(t, lines, "id: ")
	require.Contains(t, until(t, lines, "data: "), `"message":"five"`)
	until(t, lines, ": still here")
	require.NoError(t, store.Append(t.Context(), []logrecord.Batch{{Records: []logrecord.Record{
		{Time: noon.UnixNano(), Log: "live", Source: web}, {Time: noon.UnixNano(), Log: "other"}}}}))
	require.Equal(t, "event: log", until(t, lines, "event: "))
	require.Contains(t, until(t, lines, "data: "), `"message":"live"`)

	again, end2 := open(t, base+"/api/v1/logs?follow=true", http.Header{"Last-Event-Id": {strings.TrimPrefix(id, "id: ")}})
	defer end2()
	require.Contains(t, until(t, again, "data: "), `"message":"live"`)
}

func TestFollowTextEndsWithTheStore(t *testing.T) {
	base, store := serve(t)
	lines, end := open(t, base+"/api/v1/logs?follow=1&format=text&limit=1&text=fi", nil)
	defer end()
	require.True(t, lines.Scan())
	require.Contains(t, lines.Text(), "five")
	require.NoError(t, store.Close())
	require.False(t, lines.Scan())
	require.NoError(t, lines.Err())
}

func TestStreamTellsWhatWasSkipped(t *testing.T) {
	var out strings.Builder
	s := &stream{w: &out, control: http.NewResponseController(httptest.NewRecorder())}
	live := make(chan logstore.Event, 2)
	live <- logstore.Event{Skipped: 7}
	close(live)
	require.NoError(t, s.run(nil, nil, live, time.Hour))
	require.Equal(t, "event: skipped\ndata: {\"skipped\":7}\n\n", out.String())
}

func TestBadLastEventID(t *testing.T) {
	base, _ := serve(t)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+"/api/v1/logs?follow=true", nil)
	require.NoError(t, err)
	req.Header.Set("Last-Event-ID", "x")
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	require.Equal(t, 400, resp.StatusCode)
}

func TestOpenAPICoversTheRoutes(t *testing.T) {
	content, err := os.ReadFile("openapi.yaml")
	require.NoError(t, err)
	var doc struct {
		Paths map[string]map[string]any `yaml:"paths"`
	}
	require.NoError(t, yaml.Unmarshal(content, &doc))
	engine := gin.New()
	Register(engine, nil)
	var routes []string
	for _, r := range engine.Routes() {
		path := strings.ReplaceAll(r.Path, ":field", "{field}")
		routes = append(routes, path)
		require.Contains(t, doc.Paths[path], strings.ToLower(r.Method), path)
	}
	require.Len(t, doc.Paths, len(routes))
}

func FuzzParameters(f *testing.F) {
	for _, s := range []string{"start=-15m&end=now", "cursor=1.2&limit=5", "level=info,warn&follow", "a=%zz", "start=now-", "end=1e400"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		c := &gin.Context{Request: &http.Request{URL: &url.URL{RawQuery: raw}}}
		p := newParams(c, noon)
		q := p.query()
		if err := p.done(); err == nil && (q.Limit < 1 || q.Limit > MaxLimit) {
			t.Fatal(fmt.Sprint("limit ", q.Limit))
		}
	})
}
