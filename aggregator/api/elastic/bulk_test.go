package elastic

import (
	"bytes"
	"compress/gzip"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBulk(t *testing.T) {
	base, _ := serve(t)
	body := `{"create":{"_index":"logs","_id":"a"}}
{"@timestamp":"2026-11-24T11:00:00.5Z","message":"bulk one","level":"ERROR","kubernetes":{"namespace_name":"bulk","pod_name":"p","labels":{"x":"y"},"annotations":{"k":"v"}},"docker":{"container_id":"c9"},"n":7}
{"index":{"_id":"b"}}
{"@timestamp":1795518000000,"log":"bulk two"}
{"create":{}}
{"@timestamp":"2026-11-24T11:00:01Z","log":"bulk three"}
{"create":{"_id":"bad"}}
{"@timestamp":"late"}
{"create":{"_id":"worse"}}
no json
{"delete":{"_id":"a"}}
`
	statuses := func(o object) (list []int) {
		for _, item := range o["items"].([]any) {
			for _, result := range item.(object) {
				list = append(list, int(result.(object)["status"].(float64)))
			}
		}
		return list
	}
	status, o := do(t, "POST", base+"/logs/_bulk", body)
	require.Equal(t, 200, status)
	require.Equal(t, true, o["errors"])
	require.Equal(t, []int{201, 201, 201, 400, 400, 400}, statuses(o))
	_, o = do(t, "POST", base+"/logs/_bulk", body)
	require.Equal(t, []int{409, 200, 201, 400, 400, 400}, statuses(o))
	_, o = do(t, "POST", base+"/_search", `{"query":{"query_string":{"query":"bulk"}},"sort":["@timestamp"]}`)
	hits := o["hits"].(object)["hits"].([]any)
	require.Len(t, hits, 3)
	require.Equal(t, object{"@timestamp": "2026-11-24T11:00:00.5Z", "log": "bulk one", "level": "error", "n": 7.0,
		"kubernetes": object{"namespace_name": "bulk", "pod_name": "p", "labels": object{"x": "y"}, "annotations": object{"k": "v"}},
		"docker":     object{"container_id": "c9"}}, hits[1].(object)["_source"])

	// Without times of their own, equal documents are not a resend.
	for range 2 {
		_, o = do(t, "POST", base+"/_bulk", "{\"index\":{}}\n{\"log\":\"undated\"}\n")
		require.Equal(t, false, o["errors"])
	}
	require.InDelta(t, 2, first(do(t, "POST", base+"/_count", `{"query":{"match":{"log":"undated"}}}`))["count"], 0)
	for _, bad := range []string{"", "x\n{}\n", "{\"create\":{},\"index\":{}}\n{}\n", "{\"upsert\":{}}\n{}\n"} {
		status, o = do(t, "POST", base+"/_bulk", bad)
		require.Equal(t, 400, status, bad)
		require.NotEmpty(t, o["error"])
	}
}

func first(_ int, o object) object { return o }

func TestBulkGzip(t *testing.T) {
	base, _ := serve(t)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := z.Write([]byte("{\"index\":{}}\n{\"log\":\"packed\"}\n"))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	for body, want := range map[string]int{packed.String(): 200, "not gzip": 400, packed.String()[:20]: 400} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", base+"/_bulk", strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("Content-Encoding", "gzip")
		resp, err := http.DefaultClient.Do(req)
		require.NoError(t, err)
		resp.Body.Close()
		require.Equal(t, want, resp.StatusCode)
	}
}
