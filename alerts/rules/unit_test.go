package rules

import (
	"bytes"
	"context"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/template"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"
)

var update = flag.Bool("update", false, "write the generated files again")

// cases are the unit tests by topic.
var cases = map[string][]unitCase{
	"containers": containerCases, "pods": podCases, "controllers": controllerCases, "nodes": nodeCases,
	"capacity": capacityCases, "volumes": volumeCases, "logs": logCases, "pipeline": pipelineCases, "platform": platformCases,
}

// golden compares a generated file with the one in the repository.
func golden(t *testing.T, path string, text []byte) {
	t.Helper()
	if *update {
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, text, 0o644))
	}
	have, err := os.ReadFile(path)
	require.NoError(t, err, "go test ./alerts/rules -update")
	require.Equal(t, string(have), string(text), "%s is not what is generated: go test ./alerts/rules -update", path)
}

func TestEveryRuleHasAUnitTest(t *testing.T) {
	for _, topic := range Standard() {
		tested := map[string]bool{}
		for _, c := range cases[topic.Name] {
			tested[c.rule] = true
		}
		for _, r := range topic.Rules {
			require.True(t, tested[r.Name], "%s has no unit test", r.Name)
			delete(tested, r.Name)
		}
		require.Empty(t, tested, "tests of rules that topic %s does not have", topic.Name)
	}
}

func TestUnitTestsAreWhatIsGenerated(t *testing.T) {
	for _, topic := range Standard() {
		golden(t, "testdata/"+topic.Name+"_test.yaml", unitTests(t, topic, cases[topic.Name]))
	}
}

// unitTests writes the cases of a topic in promtool's format.
func unitTests(t *testing.T, topic Topic, cases []unitCase) []byte {
	t.Helper()
	file := map[string]any{"rule_files": []string{"../../../deploy/alerts/prometheus/" + topic.Name + ".yaml"}, "evaluation_interval": "1m"}
	var tests []any
	for _, c := range cases {
		for i := range topic.Rules {
			if topic.Rules[i].Name == c.rule {
				tests = append(tests, c.promtool(t, &topic.Rules[i]))
			}
		}
	}
	file["tests"] = tests
	var b bytes.Buffer
	b.WriteString("# Generated from the cases in alerts/rules by `go test ./alerts/rules -update`; do not edit.\n")
	e := yaml.NewEncoder(&b)
	e.SetIndent(2)
	require.NoError(t, e.Encode(file))
	require.NoError(t, e.Close())
	return b.Bytes()
}

func (c *unitCase) promtool(t *testing.T, r *Rule) map[string]any {
	t.Helper()
	input := c.input
	for short, long := range abbreviations {
		input = strings.ReplaceAll(input, short, long)
	}
	var series []map[string]string
	for line := range strings.Lines(strings.TrimSpace(input)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		name, values, ok := strings.Cut(line, "} ")
		if ok {
			name += "}"
		} else {
			name, values, ok = strings.Cut(name, " ")
		}
		require.True(t, ok, line)
		series = append(series, map[string]string{"series": name, "values": values})
	}
	at := func(when string, alerts []any) map[string]any {
		return map[string]any{"eval_time": when, "alertname": c.rule, "exp_alerts": alerts}
	}
	all := []any{at(c.fires, c.expect(t, r))}
	if c.before != "" {
		all = append([]any{at(c.before, []any{})}, all...)
	}
	if c.ends != "" {
		all = append(all, at(c.ends, []any{}))
	}
	return map[string]any{"name": c.rule, "interval": "1m", "input_series": series, "alert_rule_test": all}
}

// expect has the summary as the case wants it; the annotations that say the same
// of every object are expanded from the rule.
func (c *unitCase) expect(t *testing.T, r *Rule) []any {
	var all []any
	for _, alert := range c.alerts {
		of, err := promQL().ParseMetric(alert.labels)
		require.NoError(t, err, alert.labels)
		labels := of.Map()
		annotations := map[string]string{}
		for name, text := range r.annotations(DefaultOptions(), GroupPrefix) {
			annotations[name] = expand(t, text, labels)
		}
		annotations["summary"] = alert.summary
		labels["severity"] = string(r.Severity)
		all = append(all, map[string]any{"exp_labels": labels, "exp_annotations": annotations})
	}
	return all
}

func expand(t *testing.T, text string, labels map[string]string) string {
	t.Helper()
	data := template.AlertTemplateData(labels, nil, "", promql.Sample{})
	text = "{{$labels := .Labels}}{{$value := .Value}}" + text
	out, err := template.NewTemplateExpander(context.Background(), text, "expect", data, model.TimeFromUnix(time.Now().Unix()), nil, nil, nil).Expand()
	require.NoError(t, err)
	return out
}
