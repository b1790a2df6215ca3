package elastic

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/aggregator/logstore"
	"github.com/lubberline/lubberline/logrecord"
)

func nowNoon() time.Time { return noon }

// BenchmarkGrafana asks a store of a million lines what Grafana asks.
func BenchmarkGrafana(b *testing.B) {
	store, err := logstore.Open(logstore.Options{Dir: b.TempDir(), Now: nowNoon, Threads: 2})
	require.NoError(b, err)
	defer store.Close()
	const chunk, chunks = 20_000, 50
	for i := range chunks {
		batch := logrecord.Batch{ChunkID: fmt.Sprint(i)}
		for j := range chunk {
			n := i*chunk + j
			batch.Records = append(batch.Records, logrecord.Record{Time: noon.Add(-time.Hour + time.Duration(n)*3*time.Millisecond).UnixNano(),
				Stream: "stdout", Source: &logrecord.Source{Namespace: "shop", Pod: fmt.Sprint("web-", j/1000), Host: "node-a"},
				Log: fmt.Sprintf(`{"level":"%s","msg":"request %d served to user %x","status":%d}`, []string{"info", "warn", "error", "info"}[n%4], n, n*7919, 200+n%5)})
		}
		require.NoError(b, store.Append(b.Context(), []logrecord.Batch{batch}))
	}
	h := &handlers{store: store, now: nowNoon}
	for _, name := range []string{"logs", "logvolume", "terms"} {
		content, err := os.ReadFile("testdata/grafana/" + name + ".ndjson")
		require.NoError(b, err)
		body := strings.Split(string(content), "\n")[1]
		body = strings.NewReplacer("1795521240000", itoa(noon.Add(-time.Hour).UnixMilli()), "1795521540000", itoa(noon.UnixMilli())).Replace(body)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				o, err := parseObject([]byte(body))
				require.NoError(b, err)
				req, err := parseSearch(o, noon)
				require.NoError(b, err)
				_, err = h.run(b.Context(), req)
				require.NoError(b, err)
			}
		})
	}
	for name, query := range map[string]string{"word": "served AND 77777", "pod": "kubernetes.pod_name:web-3", "json field": "status:203"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				req, err := parseSearch(object{"size": "100", "sort": object{"@timestamp": "desc"}, "query": object{"query_string": object{"query": query}}}, noon)
				require.NoError(b, err)
				_, err = h.run(b.Context(), req)
				require.NoError(b, err)
			}
		})
	}
}
