package elastic

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/logstore"
	"github.com/lubberline/lubberline/logrecord"
)

// fuzzStore is a store with the lines that a fuzz target searches.
func fuzzStore(f *testing.F) *handlers {
	store, err := logstore.Open(logstore.Options{Dir: f.TempDir(), Now: nowNoon})
	require.NoError(f, err)
	f.Cleanup(func() { store.Close() })
	var b logrecord.Batch
	for _, l := range lines {
		b.Records = append(b.Records, logrecord.Record{Time: noon.UnixNano(), Log: l.text, Fields: l.fields, Stream: l.stream})
	}
	require.NoError(f, store.Append(f.Context(), []logrecord.Batch{b}))
	return &handlers{store: store, now: nowNoon}
}

// check runs the search: whatever the parsers take, the engine must take too.
func check(t *testing.T, h *handlers, body object) {
	req, err := parseSearch(body, noon)
	if err != nil {
		status, o := errorBody(err)
		require.Equal(t, 400, status, err)
		require.NotEmpty(t, o["error"].(gin.H)["reason"])
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if _, err := h.run(ctx, req); err != nil {
		status, _ := errorBody(err)
		require.Equal(t, 400, status, err.Error())
	}
}

func FuzzQueryString(f *testing.F) {
	for _, s := range []string{"a AND b", `level:error OR "x y"~2`, "duration:[10 TO 30}", "a:>=5", `\(a\)`, "/re+/", "k.*:x", "((a)", "+a -b !c",
		"@timestamp:>now-1d/d", "_exists_:x", "a^2", "*", "日本?", "a:b:c", "\xff", "\x00", "a~:"} {
		f.Add(s)
	}
	h := fuzzStore(f)
	f.Fuzz(func(t *testing.T, s string) {
		check(t, h, object{"query": object{"query_string": object{"query": s}}})
	})
}

func FuzzSearch(f *testing.F) {
	for _, s := range []string{`{"query":{"bool":{"must":[{"term":{"a":1}}],"must_not":{"exists":{"field":"x"}}}}}`,
		`{"aggs":{"a":{"terms":{"field":"level","missing":"x"},"aggs":{"b":{"date_histogram":{"field":"@timestamp","interval":"1m"}}}}}}`,
		`{"aggs":{"a":{"filters":{"filters":{"x":{"match":{"log":"y"}}}}},"p":{"percentiles":{"field":"d"}}}}`,
		`{"aggs":{"a":{"histogram":{"field":"duration","interval":5}},"t":{"top_hits":{}}}}`,
		`{"sort":[{"duration":"asc"},"_doc"],"search_after":["1",2],"size":3}`,
		`{"query":{"range":{"@timestamp":{"gte":"now-1h","lt":1e18,"format":"epoch_second"}}}}`,
		`{"query":{"regexp":{"tag":"a{1,3}"}},"fields":["log",{"field":"a.b"}]}`} {
		f.Add(s)
	}
	h := fuzzStore(f)
	f.Fuzz(func(t *testing.T, s string) {
		body, err := parseObject([]byte(s))
		if err != nil || strings.Count(s, "aggs") > 4 {
			return
		}
		check(t, h, body)
	})
}

func FuzzBulk(f *testing.F) {
	f.Add([]byte("{\"create\":{\"_id\":\"a\"}}\n{\"@timestamp\":\"2026-11-24\",\"log\":\"x\",\"kubernetes\":{\"labels\":{\"a\":1}}}\n"))
	f.Add([]byte("{\"index\":{}}\n{\"@timestamp\":1e30}\n{\"delete\":{}}\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		items, err := parseBulk(body, "i", noon)
		if err != nil {
			return
		}
		batches := batchesOf(items, body)
		stored := make([]bool, len(batches))
		for i := range items {
			status, result := items[i].result(stored)
			require.GreaterOrEqual(t, status, 200)
			require.NotNil(t, result)
		}
	})
}

func FuzzMsearch(f *testing.F) {
	f.Add([]byte("{}\n{\"size\":0}\n"))
	f.Add([]byte("{}\n\n{}\n{}\n"))
	f.Fuzz(func(t *testing.T, body []byte) {
		bodies, err := splitSearches(body)
		if err == nil && (len(bodies) == 0 || len(bodies) > maxSearches) {
			t.Fatal(len(bodies))
		}
	})
}
