package elastic

import (
	"encoding/json"
	"flag"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/lubberline/lubberline/aggregator/logstore"
	"github.com/lubberline/lubberline/logrecord"
)

var update = flag.Bool("update", false, "write the golden files")

func TestMain(m *testing.M) {
	gin.SetMode(gin.TestMode)
	goleak.VerifyTestMain(m, goleak.IgnoreTopFunction("net/http.(*persistConn).writeLoop"),
		goleak.IgnoreTopFunction("internal/poll.runtime_pollWait"))
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// lines are the documents of the tests, a minute apart; the last one is of
// 11:59.
var lines = []struct {
	pod, stream, text, fields string
}{
	{"db-1", "stderr", "[INFO] zero started", ""},
	{"web-1", "stdout", "[ERROR] one: connection refused", `{"duration":10,"user":{"name":"ann"},"path":"/a/b"}`},
	{"web-1", "stdout", "two connections", `{"duration":30,"user":{"name":"bob"},"ok":true}`},
	{"db-1", "stderr", "level=warn three", ""},
	{"web-2", "stdout", "[ERROR] four disk-full on sda1", `{"duration":100}`},
	{"web-2", "stdout", `{"level":"info","msg":"five","status":503,"http.method":"GET"}`, ""},
}

// serve starts the handlers on a store with the lines.
func serve(t testing.TB) (string, *logstore.Store) {
	now := func() time.Time { return noon }
	store, err := logstore.Open(logstore.Options{Dir: t.TempDir(), Now: now})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, store.Close()) })
	var b logrecord.Batch
	for i, l := range lines {
		s := &logrecord.Source{Namespace: "shop", Pod: l.pod, PodUID: "uid-" + l.pod, Container: "app", ContainerID: "c-" + l.pod,
			Image: "img:1", Host: "node-a", Labels: map[string]string{"app": "web", "app.kubernetes.io/name": l.pod}}
		if l.pod == "db-1" {
			s.Namespace, s.Labels = "data", nil
		}
		b.Records = append(b.Records, logrecord.Record{Time: noon.Add(time.Duration(i-6) * time.Minute).UnixNano(), Tag: "kubernetes." + l.pod,
			Stream: l.stream, Source: s, Log: l.text, Fields: l.fields})
	}
	require.NoError(t, store.Append(t.Context(), []logrecord.Batch{b}))
	engine := gin.New()
	register(engine.Group("/elastic"), &handlers{store: store, now: now})
	server := httptest.NewServer(engine)
	t.Cleanup(server.Close)
	return server.URL + "/elastic", store
}

func do(t testing.TB, method, url, body string) (int, object) {
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	require.NoError(t, err)
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	require.Equal(t, "Elasticsearch", resp.Header.Get("X-Elastic-Product"))
	content, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	var o object
	require.NoError(t, json.Unmarshal(content, &o), string(content))
	return resp.StatusCode, o
}

// found returns which of the lines a query finds, as digits in order.
func found(t testing.TB, base, query string) string {
	status, o := do(t, "POST", base+"/lubberline-logs/_search", `{"size":100,"sort":[{"@timestamp":"asc"}],"query":`+query+`}`)
	require.Equal(t, 200, status, o)
	var digits strings.Builder
	for _, hit := range o["hits"].(object)["hits"].([]any) {
		text := hit.(object)["_source"].(object)["log"].(string)
		for i, l := range lines {
			if l.text == text {
				digits.WriteString(itoa(int64(i)))
			}
		}
	}
	total := o["hits"].(object)["total"].(object)["value"].(float64)
	require.Len(t, digits.String(), int(total))
	return digits.String()
}

func quoted(t testing.TB, s string) string {
	b, err := json.Marshal(s)
	require.NoError(t, err)
	return string(b)
}

func TestQueryString(t *testing.T) {
	base, _ := serve(t)
	for query, want := range map[string]string{
		"":                                  "012345",
		"*":                                 "012345",
		"*:*":                               "012345",
		"connection":                        "1",
		"CONNECTION":                        "1",
		"connect*":                          "12",
		"*nection?":                         "2",
		"*nect*":                            "12",
		"one four":                          "14",
		"one OR four":                       "14",
		"one || four":                       "14",
		"one AND refused":                   "1",
		"one && four":                       "",
		"error AND NOT one":                 "4",
		"error -one":                        "4",
		"error !one":                        "4",
		"+error +disk":                      "4",
		"NOT error":                         "0235",
		"-error":                            "0235",
		`"connection refused"`:              "1",
		`"refused connection"`:              "",
		`"disk-full"`:                       "4",
		"disk-full":                         "4",
		"(one OR two) AND stdout":           "",
		"(one OR two) AND stream:stdout":    "12",
		"level:error":                       "14",
		"level:ERROR":                       "14",
		"level:(error OR warn)":             "134",
		"level:(error warn)":                "134",
		"level:err*":                        "14",
		"level:nonsense":                    "",
		"-level:error":                      "0235",
		"_exists_:level":                    "01345",
		"level:*":                           "01345",
		"NOT _exists_:user.name":            "0345",
		"kubernetes.pod_name:web-1":         "12",
		`kubernetes.pod_name:"web-1"`:       "12",
		"kubernetes.pod_name.keyword:web-1": "12",
		"kubernetes.pod_name:web*":          "1245",
		"kubernetes.pod_name:/web-[2-9]/":   "45",
		"kubernetes.pod_name:web":           "",
		"kubernetes.namespace_name:data":    "03",
		"kubernetes.labels.app:web":         "1245",
		"kubernetes.labels.app.kubernetes.io/name:web-2": "45",
		"docker.container_id:c-db-1":                     "03",
		"tag:kubernetes.web-1":                           "12",
		"user.name:ann":                                  "1",
		"ann":                                            "1",
		"path:\\/a\\/b":                                  "1",
		`path:"/a/b"`:                                    "1",
		"ok:true":                                        "2",
		"status:503":                                     "5",
		"http.method:GET":                                "5",
		"duration:>20":                                   "24",
		"duration:>=30 AND duration:<100":                "2",
		"duration:[10 TO 30]":                            "12",
		"duration:{10 TO 30]":                            "2",
		"duration:[30 TO *]":                             "24",
		"nosuchfield:x":                                  "",
		"nosuchfield:[1 TO 2]":                           "",
		"log:/disk.full/":                                "4",
		"one^2 AND refused^0.5":                          "1",
		"@timestamp:>now-2m":                             "5",
		`@timestamp:[2026-11-24T11:54:00Z TO "2026-11-24T11:55:00Z"]`: "01",
		"@timestamp:1795521480000":                                    "4",
		"日本":                                                          "",
		"a AND (b":                                                    "!missing [)]",
		"level:":                                                      "!no value for field [level]",
		"AND":                                                         "!missing value",
		"one AND":                                                     "!missing value",
		`"open`:                                                       `!missing ["]`,
		"fuzzy~1":                                                     "!fuzzy",
		"log:/a(/":                                                    "!bad regular expression",
		"duration:[1 2]":                                              "!missing [TO]",
		"kubernetes.*:x":                                              "!wildcards in field names",
		")":                                                           "!nothing to search for",
		"@timestamp:>never":                                           "!failed to parse date",
	} {
		t.Run(query, func(t *testing.T) {
			body := `{"query_string":{"analyze_wildcard":true,"query":` + quoted(t, query) + `}}`
			reason, wantError := strings.CutPrefix(want, "!")
			if !wantError {
				require.Equal(t, want, found(t, base, body))
				return
			}
			status, o := do(t, "POST", base+"/_search", `{"query":`+body+`}`)
			require.Equal(t, 400, status)
			require.Contains(t, o["error"].(object)["reason"], reason)
			require.NotEmpty(t, o["error"].(object)["root_cause"])
		})
	}
}

func TestQueryDSL(t *testing.T) {
	base, _ := serve(t)
	for query, want := range map[string]string{
		`{"match_all":{}}`:  "012345",
		`{"match_none":{}}`: "",
		`{}`:                "012345",
		`{"bool":{}}`:       "012345",
		`{"term":{"kubernetes.pod_name":"web-1"}}`:                                                                                       "12",
		`{"term":{"level":{"value":"error","boost":2}}}`:                                                                                 "14",
		`{"terms":{"kubernetes.pod_name":["web-1","db-1"]}}`:                                                                             "0123",
		`{"terms":{"level":[]}}`:                                                                                                         "",
		`{"match":{"log":"refused disk"}}`:                                                                                               "14",
		`{"match":{"log":{"query":"refused connection","operator":"and"}}}`:                                                              "1",
		`{"match":{"kubernetes.pod_name":"web-2"}}`:                                                                                      "45",
		`{"match_phrase":{"log":"connection refused"}}`:                                                                                  "1",
		`{"match_phrase":{"kubernetes.namespace_name":{"query":"data"}}}`:                                                                "03",
		`{"multi_match":{"query":"web-1","fields":["kubernetes.pod_name^3","log"]}}`:                                                     "12",
		`{"prefix":{"kubernetes.pod_name":{"value":"web"}}}`:                                                                             "1245",
		`{"wildcard":{"kubernetes.pod_name":{"value":"*-1"}}}`:                                                                           "0123",
		`{"wildcard":{"kubernetes.pod_name":{"wildcard":"WEB-?","case_insensitive":true}}}`:                                              "1245",
		`{"regexp":{"kubernetes.pod_name":"(db|web)-1"}}`:                                                                                "0123",
		`{"exists":{"field":"duration"}}`:                                                                                                "124",
		`{"bool":{"must_not":{"exists":{"field":"duration"}}}}`:                                                                          "035",
		`{"range":{"duration":{"gte":30,"lt":100}}}`:                                                                                     "2",
		`{"range":{"duration":{"gt":"29.5"}}}`:                                                                                           "24",
		`{"range":{"kubernetes.pod_name":{"gte":"web-2"}}}`:                                                                              "45",
		`{"range":{"@timestamp":{"gte":"2026-11-24T11:58:00.000Z"}}}`:                                                                    "45",
		`{"range":{"@timestamp":{"gte":"2026-11-24","lte":"2026-11-24"}}}`:                                                               "012345",
		`{"range":{"@timestamp":{"gt":"2026-11-24"}}}`:                                                                                   "",
		`{"range":{"@timestamp":{"gte":"now-2m/m","lt":"now"}}}`:                                                                         "45",
		`{"range":{"@timestamp":{"gte":"2026-11-24T11:57:00Z||-1m"}}}`:                                                                   "2345",
		`{"range":{"@timestamp":{"gte":1795521480,"format":"epoch_second"}}}`:                                                            "45",
		`{"range":{"@timestamp":{"lte":1795521240000}}}`:                                                                                 "0",
		`{"range":{"@timestamp":{"lt":1795521240000}}}`:                                                                                  "",
		`{"range":{"@timestamp":{"from":1795521480000,"to":null}}}`:                                                                      "45",
		`{"bool":{"must":[{"term":{"stream":"stdout"}}],"filter":{"term":{"level":"error"}},"must_not":[{"match":{"log":"disk"}}]}}`:     "1",
		`{"bool":{"should":[{"match":{"log":"one"}},{"match":{"log":"two"}}]}}`:                                                          "12",
		`{"bool":{"filter":{"match_all":{}},"should":{"match":{"log":"one"}}}}`:                                                          "012345",
		`{"bool":{"filter":{"match_all":{}},"should":{"match":{"log":"one"}},"minimum_should_match":1}}`:                                 "1",
		`{"bool":{"should":[{"match":{"log":"one"}},{"term":{"level":"error"}},{"term":{"stream":"stderr"}}],"minimum_should_match":2}}`: "1",
		`{"constant_score":{"filter":{"term":{"level":"warn"}}}}`:                                                                        "3",
		`{"ids":{"values":["1-2","x"]}}`:                                                                                                 "",
		`{"query_string":{"query":"connection one","default_operator":"AND","default_field":"log"}}`:                                     "1",
		`{"geo_distance":{}}`:                     "!unsupported query [geo_distance]",
		`{"bool":{"mustnt":[]}}`:                  "!unsupported key of a bool query [mustnt]",
		`{"term":{"a":1},"match":{"b":2}}`:        "!expected one kind of query but found [match, term]",
		`{"term":{"a":"b","c":"d"}}`:              "!doesn't support multiple fields",
		`{"term":{}}`:                             "!no field",
		`{"term":{"a":{"b":"c"}}}`:                "!no [value]",
		`{"range":{"@timestamp":{"gte":"soon"}}}`: "!failed to parse date field [soon]",
		`{"range":{"a":{"within":1}}}`:            "!unsupported key of a range query [within]",
		`{"regexp":{"kubernetes.pod_name":"("}}`:  "!bad regular expression",
		`{"bool":{"should":[{"match_all":{}}],"minimum_should_match":"75%"}}`: "!unsupported minimum_should_match [75%]",
		`[]`: "!expected an object",
		strings.Repeat(`{"bool":{"must":`, 40) + `{}` + strings.Repeat(`}}`, 40): "!nested deeper",
	} {
		t.Run(query, func(t *testing.T) {
			reason, wantError := strings.CutPrefix(want, "!")
			if !wantError {
				require.Equal(t, want, found(t, base, query))
				return
			}
			status, o := do(t, "POST", base+"/_search", `{"query":`+query+`}`)
			require.Equal(t, 400, status)
			require.Contains(t, o["error"].(object)["reason"], reason)
		})
	}
}

// TestGrafana sends what Grafana 10 and 11 send and compares the answers with
// golden files.
func TestGrafana(t *testing.T) {
	base, _ := serve(t)
	files, err := filepath.Glob("testdata/grafana/*.ndjson")
	require.NoError(t, err)
	require.Len(t, files, 5)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			request, err := os.ReadFile(file)
			require.NoError(t, err)
			status, o := do(t, "POST", base+"/_msearch?max_concurrent_shard_requests=5", string(request))
			require.Equal(t, 200, status)
			got, err := json.MarshalIndent(o, "", " ")
			require.NoError(t, err)
			// The time it took, and the numbers of records, differ from run to run.
			got = regexp.MustCompile(`"took": \d+`).ReplaceAll(got, []byte(`"took": 0`))
			got = regexp.MustCompile(`17955\d{8,12}-\d+|\b17955\d{5}000000(\d{3})?-\d+`).ReplaceAll(got, []byte("ID"))
			got = regexp.MustCompile(`(?m)^(\s+)1795\d{12}$`).ReplaceAll(got, []byte("${1}SEQ"))
			golden := strings.TrimSuffix(file, ".ndjson") + ".golden"
			if *update {
				require.NoError(t, os.WriteFile(golden, append(got, '\n'), 0o600))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), string(got)+"\n")
		})
	}
}

func TestSearchAfterPages(t *testing.T) {
	base, store := serve(t)
	same := logrecord.Batch{}
	for range 5 { // within one millisecond
		same.Records = append(same.Records, logrecord.Record{Time: noon.Add(time.Duration(len(same.Records))).UnixNano(), Log: "same"})
	}
	require.NoError(t, store.Append(t.Context(), []logrecord.Batch{same}))
	for _, order := range []string{"asc", "desc"} {
		seen, after := map[string]bool{}, ""
		for range 10 {
			_, o := do(t, "POST", base+"/_search", `{"size":3,"sort":{"@timestamp":{"order":"`+order+`"},"_doc":{"order":"`+order+`"}}`+after+`}`)
			hits := o["hits"].(object)["hits"].([]any)
			if len(hits) == 0 {
				break
			}
			for _, hit := range hits {
				id := hit.(object)["_id"].(string)
				require.False(t, seen[id], id)
				seen[id] = true
			}
			last, err := json.Marshal(hits[len(hits)-1].(object)["sort"]) // as floats, like Grafana
			require.NoError(t, err)
			after = `,"search_after":` + string(last)
		}
		require.Len(t, seen, 11)
	}
	_, o := do(t, "POST", base+"/_search", `{"size":1}`)
	id := o["hits"].(object)["hits"].([]any)[0].(object)["_id"].(string)
	_, o = do(t, "POST", base+"/_search", `{"query":{"ids":{"values":["`+id+`"]}}}`)
	require.InDelta(t, 1, o["hits"].(object)["total"].(object)["value"], 0)
}

func TestDocumentShape(t *testing.T) {
	base, _ := serve(t)
	_, o := do(t, "GET", base+"/_search?q=one&size=1", "")
	require.Equal(t, object{"@timestamp": "2026-11-24T11:55:00Z", "log": "[ERROR] one: connection refused", "stream": "stdout",
		"level": "error", "tag": "kubernetes.web-1", "duration": 10.0, "user": object{"name": "ann"}, "path": "/a/b",
		"docker": object{"container_id": "c-web-1"},
		"kubernetes": object{"namespace_name": "shop", "pod_name": "web-1", "pod_id": "uid-web-1", "container_name": "app",
			"container_image": "img:1", "host": "node-a", "labels": object{"app": "web", "app.kubernetes.io/name": "web-1"}},
	}, o["hits"].(object)["hits"].([]any)[0].(object)["_source"])
}

func TestBadSearches(t *testing.T) {
	base, _ := serve(t)
	for body, want := range map[string]string{
		`{`:                         "not a JSON document",
		`[]`:                        "expected a JSON object",
		`{} {}`:                     "more than one",
		`{"knn":{}}`:                "unsupported key of a search [knn]",
		`{"script_fields":{"a":1}}`: "unsupported key of a search [script_fields]",
		`{"size":-1}`:               "[size] parameter",
		`{"size":10001}`:            "Result window is too large",
		`{"sort":{"a":"up"}}`:       "unknown sort order [up]",
		`{"search_after":["x"]}`:    "search_after value [x] is no number",
		`{"search_after":[1,2,3]}`:  "search_after has 3 value(s)",
		`{"aggs":{"a":{"geohash_grid":{"field":"x"}}}}`:      "unsupported aggregation type [geohash_grid]",
		`{"aggs":{"a":{"moving_avg":{"buckets_path":"x"}}}}`: "unsupported aggregation type [moving_avg]",
		`{"aggs":{"a":{}}}`: "missing definition",
		`{"aggs":{"a":{"avg":{"field":"x"},"sum":{"field":"x"}}}}`:                                    "two aggregation type definitions",
		`{"aggs":{"a":{"avg":{"field":"x"},"aggs":{"b":{"avg":{"field":"x"}}}}}}`:                     "cannot accept sub-aggregations",
		`{"aggs":{"a":{"avg":{"script":"1"}}}}`:                                                       "unsupported script",
		`{"aggs":{"a":{"terms":{"field":"x","include":"a.*"}}}}`:                                      "unsupported key of a terms aggregation [include]",
		`{"aggs":{"a":{"date_histogram":{"field":"x","interval":"1m"}}}}`:                             "needs the field [@timestamp]",
		`{"aggs":{"a":{"date_histogram":{"field":"@timestamp","fixed_interval":"1x"}}}}`:              "failed to parse interval [1x]",
		`{"aggs":{"a":{"date_histogram":{"field":"@timestamp","fixed_interval":"0s"}}}}`:              "at least a millisecond",
		`{"aggs":{"a":{"date_histogram":{"field":"@timestamp","interval":"1m","time_zone":"Mars"}}}}`: "unknown time zone [Mars]",
		`{"aggs":{"a":{"histogram":{"field":"x","interval":0}}}}`:                                     "must be > 0",
		`{"aggs":{"a":{"filters":{}}}}`:                                                               "cannot be empty",
		`{"aggs":{"a":{"percentiles":{"field":"x","percents":[101]}}}}`:                               "must be in [0,100]",
		`{"aggs":{"a":{"terms":{"field":"x","order":{"_count":"sideways"}}}}}`:                        "unknown order direction",
	} {
		t.Run(body, func(t *testing.T) {
			status, o := do(t, "POST", base+"/_search", body)
			require.Equal(t, 400, status)
			require.InDelta(t, 400, o["status"], 0)
			require.Contains(t, o["error"].(object)["reason"], want)
			require.NotEmpty(t, o["error"].(object)["type"])
		})
	}
}

func TestMsearchKeepsErrorsApart(t *testing.T) {
	base, _ := serve(t)
	status, o := do(t, "POST", base+"/x/_msearch?rest_total_hits_as_int=true", "{}\n{\"query\":{\"nope\":{}}}\n{}\n{\"size\":0}\n")
	require.Equal(t, 200, status)
	responses := o["responses"].([]any)
	require.InDelta(t, 400, responses[0].(object)["status"], 0)
	require.Contains(t, responses[0].(object)["error"].(object)["reason"], "[nope]")
	require.InDelta(t, 6, responses[1].(object)["hits"].(object)["total"], 0)
	for _, body := range []string{"", "{}\n", "{}\n{}\n{}\n", "x\n{}\n"} {
		status, _ = do(t, "POST", base+"/_msearch", body)
		require.Equal(t, 400, status, body)
	}
}

func TestEmptyStore(t *testing.T) {
	store, err := logstore.Open(logstore.Options{Dir: t.TempDir()})
	require.NoError(t, err)
	defer store.Close()
	engine := gin.New()
	Register(engine, store)
	server := httptest.NewServer(engine)
	defer server.Close()
	status, o := do(t, "POST", server.URL+"/_search", `{"aggs":{"t":{"terms":{"field":"level"}},"d":{"date_histogram":{"field":"@timestamp",
		"interval":"1m","min_doc_count":0,"extended_bounds":{"min":0,"max":60000}}},"f":{"filters":{"filters":{"a":{"match_all":{}}}}},"m":{"avg":{"field":"x"}}}}`)
	require.Equal(t, 200, status)
	got, err := json.Marshal(o["aggregations"])
	require.NoError(t, err)
	require.JSONEq(t, `{"t":{"doc_count_error_upper_bound":0,"sum_other_doc_count":0,"buckets":[]},"m":{"value":null},
		"d":{"buckets":[{"key":0,"key_as_string":"1970-01-01T00:00:00.000Z","doc_count":0},{"key":60000,"key_as_string":"1970-01-01T00:01:00.000Z","doc_count":0}]},
		"f":{"buckets":{"a":{"doc_count":0}}}}`, string(got))
	require.InDelta(t, 0, o["hits"].(object)["total"].(object)["value"], 0)
}

func TestClusterEndpoints(t *testing.T) {
	base, _ := serve(t)
	_, o := do(t, "GET", base+"/", "")
	require.Equal(t, "8.15.3", o["version"].(object)["number"])
	for _, path := range []string{"/_cluster/health", "/_cluster/health/lubberline-*"} { // Grafana 10 and 11 ask before a data source is saved
		_, o = do(t, "GET", base+path+"?wait_for_status=yellow", "")
		require.Equal(t, "green", o["status"])
	}
	_, o = do(t, "GET", base+"/_count", "")
	require.InDelta(t, 6, o["count"], 0)
	resp, err := http.Get(base + "/_cat/indices?format=json")
	require.NoError(t, err)
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.JSONEq(t, `[{"health":"green","status":"open","index":"lubberline-logs","pri":"1","rep":"0","docs.count":"6"}]`, string(body))
}

func TestMappingAndFieldCaps(t *testing.T) {
	base, _ := serve(t)
	_, o := do(t, "GET", base+"/lubberline-logs/_mapping", "")
	p := o["lubberline-logs"].(object)["mappings"].(object)["properties"].(object)
	require.Equal(t, object{"type": "date"}, p["@timestamp"])
	require.Equal(t, object{"type": "text"}, p["log"])
	require.Equal(t, object{"type": "double"}, p["duration"])
	require.Equal(t, object{"properties": object{"name": object{"type": "keyword"}}}, p["user"])
	k := p["kubernetes"].(object)["properties"].(object)
	require.Equal(t, object{"type": "keyword"}, k["pod_name"])
	require.Contains(t, k["labels"].(object)["properties"], "app.kubernetes.io/name")
	_, o = do(t, "GET", base+"/lubberline-logs/_field_caps?fields=@timestamp,kubernetes.pod*", "")
	require.Equal(t, []any{"lubberline-logs"}, o["indices"])
	fields := o["fields"].(object)
	require.Len(t, fields, 3)
	require.Equal(t, object{"date": object{"type": "date", "metadata_field": false, "searchable": true, "aggregatable": true}}, fields["@timestamp"])
	_, o = do(t, "POST", base+"/_field_caps?fields=*", "")
	require.Greater(t, len(o["fields"].(object)), 15)
}
