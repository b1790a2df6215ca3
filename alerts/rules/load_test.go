package rules

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

func problems(f File) []string {
	var all []string
	for _, p := range f.Problems {
		all = append(all, p.Error())
	}
	return all
}

func names(f File) []string {
	var all []string
	for _, g := range f.Groups {
		all = append(all, g.Name)
	}
	return all
}

func TestWhatIsWrongInAFileIsNamedAndTheRestIsRead(t *testing.T) {
	const good = "groups:\n- name: good\n  rules:\n  - alert: A\n    expr: up == 0\n"
	f := func(text string, groups []string, want ...string) {
		t.Helper()
		file := Parse("r.yaml", []byte(text))
		require.Equal(t, groups, names(file))
		require.Equal(t, want, problems(file))
		require.Equal(t, len(want) > 0, file.Failed())
	}
	f("", nil)
	f("# nothing yet\n", nil)
	f(good, []string{"good"})
	f("groups: []\n", nil)
	f("- a\n", nil, "r.yaml:1: want a mapping with groups, log_series, baselines or comparisons")
	f("groups:\n- name: [\n", nil, "r.yaml:2: did not find expected node content")
	f("rules: []\n"+good, []string{"good"}, `r.yaml:1: unknown key "rules": want groups, log_series, baselines or comparisons`)
	f("groups: {}\n", nil, "r.yaml:1: groups: want a list")
	f(good+"- name: bad\n  rules:\n  - alert: B\n    expr: up ==\n- name: other\n  rules: [{record: a, expr: b}]\n", []string{"good", "other"},
		`r.yaml:9: group "bad", rule 1, "B": could not parse expression: 1:6: parse error: unexpected end of input`)
	f(good+"- name: bad\n  rulez: []\n- name: other\n  rules: [{record: a, expr: b}]\n", []string{"good", "other"},
		`r.yaml:7: unknown key "rulez"`)
	f(good+"- name: good\n  rules: []\n", []string{"good"}, `r.yaml:6: group "good" is in the file already`)
	f(good+"- name: bad\n  rules:\n  - alert: B\n    expr: up\n    annotations:\n      summary: '{{ $value'\n", []string{"good"},
		`r.yaml:8: group "bad", rule 1, "B": annotation "summary": template: __alert_B:1: unclosed action`)
	f(good+"- name: bad\n  rules:\n  - alert: B\n    expr: up\n    for: soon\n", []string{"good"}, `r.yaml:10: not a valid duration string: "soon"`)
}

func TestDeclarationsAreRead(t *testing.T) {
	file := Parse("r.yaml", []byte(`log_series:
- record: shop:timeouts:count1m
  namespace: shop
  level: [error, warn]
  text: timeout
  by: [pod]
- record: bad name
- record: bad:regex
  regex: (
- record: bad:key
  test: x
baselines:
- alert: Odd
  expr: sum(rate(container_network_receive_bytes_total[5m]))
- alert: Bad
  expr: 1
  direction: sideways
comparisons:
- alert: Unlike
  expr: up
  within: [job]
- alert: Wrong
  expr: up[5m]
  min_members: 2
`))
	require.Equal(t, []string{
		`r.yaml:7: record: "bad name": want a name of letters, digits, _ and :`,
		"r.yaml:8: regex: error parsing regexp: missing closing ): `(`",
		`r.yaml:11: unknown key "test"`,
		"r.yaml:15: expr: 1: want an instant vector, not a scalar\ndirection: \"sideways\": want up, down or both",
		"r.yaml:22: expr: up[5m]: want an instant vector, not a matrix\nmin_members: 2: want at least 3: of two none is the odd one",
	}, problems(file))
	require.Equal(t, []string{"Odd-baseline", "Odd", "Unlike"}, names(file))
	require.Len(t, file.LogSeries, 1)
	require.Equal(t, 2, file.LogSeries[0].Line)
	require.Equal(t, []string{"shop"}, []string(file.LogSeries[0].Namespaces))
}

func TestAFolderIsReadWholeWhateverIsWrongInIt(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("a.yaml", "groups:\n- name: a\n  rules: [{record: a, expr: b}]\nlog_series: [{record: lines}]\n")
	write("b.yml", "groups: [\n")
	write("c.yaml", "log_series: [{record: lines}]\n")
	write("a_test.yaml", "rule_files: [a.yaml]\n")
	write("README.md", "#")
	files, err := Load(dir)
	require.NoError(t, err)
	require.Len(t, files, 3)
	require.Equal(t, []string{"a"}, names(files[0]))
	require.Len(t, files[0].LogSeries, 1)
	require.True(t, files[1].Failed())
	require.Equal(t, []string{filepath.Join(dir, "c.yaml") + `:1: log series "lines" is in ` + filepath.Join(dir, "a.yaml") + " already"}, problems(files[2]))
	_, err = Load(filepath.Join(dir, "none"))
	require.Error(t, err)
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("groups:\n- name: a\n  rules:\n  - alert: A\n    expr: up\n"))
	f.Add([]byte("baselines: [{alert: A, expr: up}]\ncomparisons: [{alert: B, expr: up, within: [a]}]\nlog_series: [{record: a, level: [info]}]\n"))
	f.Add([]byte("groups:\n- {name: a}\n- &a {name: b}\n- *a\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		file := Parse("f", text)
		for _, g := range file.Groups {
			for _, r := range g.Rules {
				_, err := promQL().ParseExpr(r.Expr)
				require.NoError(t, err)
			}
		}
	})
}

func TestOddRulesGetWarnings(t *testing.T) {
	files := []File{
		Parse("a.yaml", []byte("groups:\n- name: a\n  rules:\n  - record: job:up:sum\n    expr: sum by (job) (up)\n  - alert: A\n    expr: kube_pod_inof > 0\n    labels: {severity: info}\n    annotations: {summary: s}\n")),
		Parse("b.yaml", []byte("log_series: [{record: my:lines}]\ngroups:\n- name: b\n  rules:\n  - alert: B\n    expr: job:up:sum > 0 and my:lines > 0 and lubberline_spool_entries > 0\n")),
	}
	Lint(files)
	require.Equal(t, []string{`a.yaml:6: warning: A: nothing makes the metric "kube_pod_inof"`}, problems(files[0]))
	require.Equal(t, []string{
		"b.yaml:5: warning: B: no severity: routes that look at it pass the alert over",
		"b.yaml:5: warning: B: no summary: messages cannot say what is wrong",
	}, problems(files[1]))
	require.False(t, files[0].Failed())
}
