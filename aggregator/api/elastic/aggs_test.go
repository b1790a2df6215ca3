package elastic

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestAggregations(t *testing.T) {
	base, _ := serve(t)
	for name, tc := range map[string]struct{ aggs, want string }{
		"metrics of everything": {
			`{"n":{"value_count":{"field":"duration"}},"pods":{"cardinality":{"field":"kubernetes.pod_name"}},"sum":{"sum":{"field":"duration"}},
			  "last":{"max":{"field":"@timestamp"}},"none":{"avg":{"field":"nosuch"}},"filled":{"avg":{"field":"duration","missing":0}}}`,
			`{"n":{"value":3},"pods":{"value":3},"sum":{"value":140},"last":{"value":1795521540000,"value_as_string":"2026-11-24T11:59:00.000Z"},
			  "none":{"value":null},"filled":{"value":23.333333333333332}}`},
		"stats": {`{"s":{"stats":{"field":"duration"}}}`, `{"s":{"count":3,"min":10,"max":100,"avg":46.666666666666664,"sum":140}}`},
		"terms by count, others counted": {
			`{"t":{"terms":{"field":"stream","size":1}}}`,
			`{"t":{"doc_count_error_upper_bound":0,"sum_other_doc_count":2,"buckets":[{"key":"stdout","doc_count":4}]}}`},
		"terms by a property": {
			`{"t":{"terms":{"field":"kubernetes.pod_name","order":{"s.max":"asc"}},"aggs":{"s":{"stats":{"field":"duration"}},"l":{"terms":{"field":"level"}}}}}`, ``},
		"numbers": {
			`{"h":{"histogram":{"field":"duration","interval":"50"}}}`,
			`{"h":{"buckets":[{"key":0,"doc_count":2},{"key":50,"doc_count":0},{"key":100,"doc_count":1}]}}`},
		"siblings": {
			`{"a":{"terms":{"field":"stream","order":{"_key":"desc"}}},"b":{"filter":{"term":{"level":"error"}},"aggs":{"p":{"terms":{"field":"kubernetes.pod_name"}}}},"c":{"missing":{"field":"level"}}}`,
			`{"a":{"doc_count_error_upper_bound":0,"sum_other_doc_count":0,"buckets":[{"key":"stdout","doc_count":4},{"key":"stderr","doc_count":2}]},
			  "b":{"doc_count":2,"p":{"doc_count_error_upper_bound":0,"sum_other_doc_count":0,"buckets":[{"key":"web-1","doc_count":1},{"key":"web-2","doc_count":1}]}},
			  "c":{"doc_count":1}}`},
		"calendar": {
			`{"d":{"date_histogram":{"field":"@timestamp","calendar_interval":"month","format":"epoch_millis"}}}`,
			`{"d":{"buckets":[{"key":1793491200000,"key_as_string":"1793491200000","doc_count":6}]}}`},
		"week and zone": {
			`{"w":{"date_histogram":{"field":"@timestamp","calendar_interval":"1w"}},"z":{"date_histogram":{"field":"@timestamp","fixed_interval":"1d","time_zone":"+05:30"}}}`,
			`{"w":{"buckets":[{"key":1795392000000,"key_as_string":"2026-11-23T00:00:00.000Z","doc_count":6}]},
			  "z":{"buckets":[{"key":1795458600000,"key_as_string":"2026-11-23T18:30:00.000Z","doc_count":6}]}}`},
		"milliseconds": {
			`{"m":{"date_histogram":{"field":"@timestamp","fixed_interval":"7ms","min_doc_count":1}}}`, ``},
		"four deep": {
			`{"a":{"terms":{"field":"kubernetes.namespace_name"},"aggs":{"b":{"filters":{"filters":[{"match_all":{}},{"term":{"level":"error"}}]},"aggs":{"c":{"date_histogram":{"field":"@timestamp","interval":"1d"},"aggs":{"d":{"terms":{"field":"level"}}}}}}}}}`, ``},
	} {
		t.Run(name, func(t *testing.T) {
			status, o := do(t, "POST", base+"/_search", `{"size":0,"aggs":`+tc.aggs+`}`)
			require.Equal(t, 200, status, o)
			got, err := json.Marshal(o["aggregations"])
			require.NoError(t, err)
			if tc.want != "" {
				require.JSONEq(t, tc.want, string(got))
				return
			}
			checkAgg(t, name, string(got))
		})
	}
}

// checkAgg checks the aggregations whose whole answer would be too long here.
func checkAgg(t *testing.T, name, got string) {
	t.Helper()
	switch name {
	case "terms by a property":
		require.Regexp(t, `"key":"db-1".*"key":"web-1".*"key":"web-2"`, got)
	case "milliseconds":
		require.Equal(t, 6, strings.Count(got, `"doc_count":1`), got)
	case "four deep":
		require.Contains(t, got, `"d":{"buckets":[{"doc_count":2,"key":"error"},{"doc_count":1,"key":"info"}]`)
		require.Contains(t, got, `"d":{"buckets":[{"doc_count":2,"key":"error"}]`)
	}
}

func TestTopHitsAndExtendedStats(t *testing.T) {
	base, _ := serve(t)
	_, o := do(t, "POST", base+"/_search", `{"size":0,"aggs":{"p":{"terms":{"field":"kubernetes.pod_name","order":{"_key":"asc"}},
		"aggs":{"h":{"top_hits":{"size":1}},"x":{"extended_stats":{"field":"duration","sigma":1}}}}}}`)
	buckets := o["aggregations"].(object)["p"].(object)["buckets"].([]any)
	require.Len(t, buckets, 3)
	web := buckets[1].(object)
	hit := web["h"].(object)["hits"].(object)["hits"].([]any)[0].(object)
	require.Equal(t, "two connections", hit["_source"].(object)["log"])
	require.Equal(t, "web-1", hit["_source"].(object)["kubernetes"].(object)["pod_name"])
	x := web["x"].(object)
	require.InDelta(t, 10, x["std_deviation"], 1e-9)
	require.InDelta(t, 30, x["std_deviation_bounds"].(object)["upper"], 1e-9)
	require.Nil(t, buckets[0].(object)["x"].(object)["std_deviation"])
}
