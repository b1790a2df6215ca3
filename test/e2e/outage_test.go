package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

const (
	outageLineRate   = 5_000
	outageContainers = 50
	// esLogs is the data stream that records go to.
	esLogs = "logs-lubberline-default"
)

// TestOutageOfBothStores takes InfluxDB and Elasticsearch away under load, for
// LUBBERLINE_OUTAGE: what is embedded goes on meanwhile, and afterwards both have
// everything once.
func TestOutageOfBothStores(t *testing.T) {
	peers.RequireReal(t)
	influx, es := peers.InfluxDB1(t), peers.ElasticsearchV8(t)
	dir := dataDir(t)
	prefix := cgroups(t, outageContainers)
	logs, password := filepath.Join(dir, "logs"), filepath.Join(dir, "password")
	require.NoError(t, os.Mkdir(logs, 0o700))
	require.NoError(t, os.WriteFile(password, []byte(influx.Password), 0o600))
	m := up(t, dir, fmt.Sprintf(`
collector: {node: here, interval: 1s, logs: {containers: false, files: %s}}
aggregator:
  resolution: 1s
  influxdb: {url: %q, database: k8s, username: %q, password_file: %q}
  elasticsearch: {urls: [%q], logs: true}
`, lineFiles(logs), influx.URL, influx.Username, password, es.URL))
	begin := time.Now()
	lines := startLines(t, logs, fmt.Sprintf("outage%d", os.Getpid()), outageLineRate, 6)
	node := figure{metric: "memory/usage", tags: `"type"='node' AND "nodename"='here'`}
	m.eventually("both stores get something", func() error {
		if n := esCount(t, es, lines.word); n < outageLineRate {
			return fmt.Errorf("%d lines in Elasticsearch", n)
		}
		_, err := influxSeries(influx, node)
		return err
	})

	es.Kill()
	influx.Kill()
	away := outage{from: time.Now()}
	m.eventually("the outage is over, and was felt", func() error {
		if time.Since(away.from) < peers.Outage(t) {
			return fmt.Errorf("for %s so far", time.Since(away.from))
		}
		return m.printed("sink cannot deliver, will try again", "sink=elasticsearch-logs", "sink=influxdb")
	})
	m.expectLinesUpTo(lines, begin)
	es.Start(t)
	influx.Start(t)
	away.to = time.Now()
	m.eventually("samples go on", func() error { return m.sampledAfter(prefix, outageContainers, away.to) })
	lines.finish(t)
	until := time.Now()
	t.Logf("%d lines in %s, stores away %s", lines.total(), until.Sub(begin), away)

	lines.expectOnce(m.api, begin)
	m.expectSamples(m.collector, prefix, outageContainers, begin.Add(5*time.Second), until, nil)
	m.eventually("Elasticsearch has as many lines as were written", func() error {
		if n := esCount(t, es, lines.word); n < lines.total() {
			return fmt.Errorf("%d of %d lines", n, lines.total())
		}
		return nil
	})
	require.Equal(t, lines.total(), esCount(t, es, lines.word))
	lines.requireOnce(t, esRead(t, es, lines))
	m.eventually("InfluxDB has every batch", func() error { return everySecond(influx, node, until) })
}

// expectLinesUpTo wants those lines in the embedded store that were written up to
// now.
func (m *machine) expectLinesUpTo(lines *lineLoad, since time.Time) {
	m.api.t.Helper()
	written := int(lines.now.Load())
	m.eventually("the embedded store goes on", func() error {
		n, err := lines.count(m.api, since)
		if err == nil && n < written {
			err = fmt.Errorf("%d of %d lines", n, written)
		}
		return err
	})
}

// everySecond wants a point of each second, from the first to until.
func everySecond(influx *peers.InfluxDB, f figure, until time.Time) error {
	points, err := influxSeries(influx, f)
	if err != nil {
		return err
	}
	var times []int64
	for at := range points {
		times = append(times, at)
	}
	slices.Sort(times)
	if last := times[len(times)-1]; last < until.Unix() {
		return fmt.Errorf("the newest point is of %d, wanted %d", last, until.Unix())
	}
	for i := 1; i < len(times); i++ {
		if times[i] != times[i-1]+1 {
			return fmt.Errorf("no point between %s and %s", clock(float64(times[i-1])), clock(float64(times[i])))
		}
	}
	return nil
}

// esCall asks Elasticsearch for something that succeeds; body may be nil.
func esCall(t *testing.T, es *peers.Elasticsearch, path string, body object, into any) {
	t.Helper()
	var text []byte
	if body != nil {
		var err error
		text, err = json.Marshal(body)
		require.NoError(t, err)
	}
	resp, err := http.Post(es.URL+path, "application/json", bytes.NewReader(text))
	require.NoError(t, err)
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, resp.StatusCode, "%.500s", answer)
	require.NoError(t, json.Unmarshal(answer, into))
}

type object = map[string]any

// esCount is how many records have the word; 0 while there is no index.
func esCount(t *testing.T, es *peers.Elasticsearch, word string) int {
	t.Helper()
	var answer struct{ Count int }
	options := "?ignore_unavailable=true&allow_no_indices=true"
	esCall(t, es, "/"+esLogs+"/_refresh"+options, nil, &object{})
	esCall(t, es, "/"+esLogs+"/_count"+options, object{"query": object{"match": object{"log": word}}}, &answer)
	return answer.Count
}

// esRead scrolls through all lines of a load, and counts each.
func esRead(t *testing.T, es *peers.Elasticsearch, lines *lineLoad) [][]byte {
	t.Helper()
	var page struct {
		ID   string `json:"_scroll_id"`
		Hits struct {
			Hits []struct {
				Source struct {
					Log string `json:"log"`
				} `json:"_source"`
			} `json:"hits"`
		} `json:"hits"`
	}
	seen := lines.nothingSeen()
	query := object{"size": 10_000, "sort": []string{"_doc"}, "_source": []string{"log"}, "query": object{"match": object{"log": lines.word}}}
	esCall(t, es, "/"+esLogs+"/_search?scroll=1m", query, &page)
	for len(page.Hits.Hits) > 0 {
		for _, hit := range page.Hits.Hits {
			lines.see(t, seen, hit.Source.Log)
		}
		page.Hits.Hits = nil
		esCall(t, es, "/_search/scroll", object{"scroll": "1m", "scroll_id": page.ID}, &page)
	}
	return seen
}
