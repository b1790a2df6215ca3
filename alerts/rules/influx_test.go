package rules

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	influxdb "github.com/influxdata/influxdb-client-go/v2"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
)

// Each rule for InfluxDB users, in both languages, on a real InfluxDB: its queries
// return data, and what Grafana computes of it fires for the object that is bad
// and for no other.
func TestHeapsterRulesOnInfluxDB(t *testing.T) {
	peers.RequireReal(t)
	db := peers.InfluxDB1(t)
	// Windows of the stores begin at round times: the newest is a whole one here.
	at := time.Now().Truncate(15 * time.Minute)
	for i, r := range heapsterRules() {
		name := fmt.Sprintf("r%d", i)
		post(t, db, "/query", url.Values{"q": {"CREATE DATABASE " + name}}, "")
		post(t, db, "/write", url.Values{"db": {name}}, points(&r, at))
		for _, language := range []influxLanguage{flux{}, influxQL{}} {
			t.Run(r.Name+" "+language.name(), func(t *testing.T) {
				require.Equal(t, []string{"bad"}, fires(t, db, name, &r, language, at))
			})
		}
	}
}

// heapsterRules are the rules that ask, as they are asked.
func heapsterRules() []Rule {
	var all []Rule
	for _, topic := range Standard() {
		for _, r := range topic.Rules {
			if r.Heapster != nil && r.Heapster.Figure != "" {
				all = append(all, r.heapster())
			}
		}
	}
	return all
}

// points are minutes of a bad and a good object, and of one without a limit.
func points(r *Rule, now time.Time) string {
	h := r.Heapster
	wrong, right := r.When.Threshold*1.1, r.When.Threshold*0.9
	if strings.HasPrefix(r.When.Op, "<") {
		wrong, right = right, wrong
	}
	var b strings.Builder
	write := func(object, figure string, v float64, ago time.Duration) {
		b.WriteString(figure + ",type=" + string(h.Kind))
		for _, tag := range h.By {
			b.WriteString("," + tag + "=" + object)
		}
		fmt.Fprintf(&b, " value=%g %d\n", v, now.Add(-ago).UnixNano())
	}
	for s := range 120 {
		ago := time.Duration(s) * 30 * time.Second
		switch {
		case h.Silence:
			write("good", h.Figure, 1, ago)
			if ago > 15*time.Minute {
				write("bad", h.Figure, 1, ago)
			}
		case h.Growth > 0:
			write("good", h.Figure, 7, ago)
			if ago < h.Growth-time.Minute {
				write("bad", h.Figure, float64(int(wrong*2*(1-ago.Minutes()/h.Growth.Minutes()))), ago)
			}
		case h.Over != "":
			write("bad", h.Figure, wrong*100, ago)
			write("good", h.Figure, right*100, ago)
			write("unlimited", h.Figure, 100, ago)
			write("bad", h.Over, 100, ago)
			write("good", h.Over, 100, ago)
			write("unlimited", h.Over, 0, ago)
		default:
			write("bad", h.Figure, wrong, ago)
			write("good", h.Figure, right, ago)
		}
	}
	return b.String()
}

// fires computes the rule's steps as Grafana does, and returns the objects for
// which it fires.
func fires(t *testing.T, db *peers.InfluxDB, name string, r *Rule, language influxLanguage, at time.Time) []string {
	t.Helper()
	steps := r.steps(language)
	newest := map[string]map[string]float64{} // by refId and object
	for _, s := range steps {
		switch {
		case s.DatasourceUID == language.source():
			newest[s.RefID] = ask(t, db, name, s, language, at)
			require.NotEmpty(t, newest[s.RefID], s.Model["query"])
		case s.Model["type"] == "reduce":
			newest[s.RefID] = newest[s.Model["expression"].(string)]
		}
	}
	when := r.When
	if r.Heapster.Silence {
		when = below(1)
	}
	require.Equal(t, fmt.Sprintf("${value} %s %g", when.Op, when.Threshold), steps[len(steps)-1].Model["expression"])
	var firing []string
	for object, v := range newest[refNewest] {
		if r.Heapster.Over != "" {
			over, ok := newest[refDivide][object]
			if !ok {
				continue
			}
			v /= over
		}
		if strings.HasPrefix(when.Op, ">") == (v > when.Threshold) {
			firing = append(firing, object)
		}
	}
	slices.Sort(firing)
	return firing
}

// ask returns the newest value of each object.
func ask(t *testing.T, db *peers.InfluxDB, name string, s grafanaStep, language influxLanguage, at time.Time) map[string]float64 {
	t.Helper()
	query := s.Model["query"].(string)
	from, to := at.Add(-time.Duration(s.Range.From)*time.Second).UTC().Format(time.RFC3339), at.UTC().Format(time.RFC3339)
	if language == (influxQL{}) {
		query = strings.ReplaceAll(query, "$timeFilter", fmt.Sprintf("time > '%s' AND time < '%s'", from, to))
		return askInfluxQL(t, db, name, query)
	}
	for variable, value := range map[string]string{
		"v.defaultBucket": `"` + name + `/autogen"`, "v.timeRangeStart": from, "v.timeRangeStop": to,
	} {
		query = strings.ReplaceAll(query, variable, value)
	}
	client := influxdb.NewClient(db.URL, db.Username+":"+db.Password)
	defer client.Close()
	result, err := client.QueryAPI("").Query(t.Context(), query)
	require.NoError(t, err, query)
	newest := map[string]float64{}
	for result.Next() {
		object := result.Record().ValueByKey("nodename").(string)
		switch v := result.Record().Value().(type) {
		case float64:
			newest[object] = v
		case int64:
			newest[object] = float64(v)
		}
	}
	require.NoError(t, result.Err())
	return newest
}

func askInfluxQL(t *testing.T, db *peers.InfluxDB, name, query string) map[string]float64 {
	t.Helper()
	var answer struct {
		Results []struct {
			Error  string
			Series []struct {
				Tags   map[string]string
				Values [][]any
			}
		}
	}
	text := post(t, db, "/query", url.Values{"db": {name}, "q": {query}}, "")
	require.NoError(t, json.Unmarshal([]byte(text), &answer))
	require.Empty(t, answer.Results[0].Error, query)
	newest := map[string]float64{}
	for _, s := range answer.Results[0].Series {
		newest[s.Tags["nodename"]] = s.Values[len(s.Values)-1][1].(float64)
	}
	return newest
}

func post(t *testing.T, db *peers.InfluxDB, path string, form url.Values, body string) string {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, db.URL+path+"?"+form.Encode(), strings.NewReader(body))
	require.NoError(t, err)
	request.SetBasicAuth(db.Username, db.Password)
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, 2, answer.StatusCode/100, string(text))
	return string(text)
}

func TestEveryRuleForInfluxDBIsInTheFileOrNamed(t *testing.T) {
	files, err := GrafanaFiles(DefaultOptions())
	require.NoError(t, err)
	for name, text := range files {
		for _, topic := range Standard() {
			for _, r := range topic.Rules {
				if r.Heapster == nil {
					require.Contains(t, string(text), "\n# "+r.Name+"\n", name)
					continue
				}
				require.Equal(t, 1, strings.Count(string(text), "title: "+r.Name+"\n"), "%s: %s", name, r.Name)
			}
		}
	}
}
