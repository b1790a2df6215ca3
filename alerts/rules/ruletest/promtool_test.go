package ruletest

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	own "github.com/lubberline/lubberline/alerts/rules"
	"github.com/lubberline/lubberline/test/peers"
)

// Prometheus's own checker takes the shipped files, and its own unit tests agree
// with ours.
func TestPromtoolAgrees(t *testing.T) {
	peers.RequireReal(t)
	shipped, err := filepath.Glob("../../../deploy/alerts/prometheus/*.yaml")
	require.NoError(t, err)
	require.Len(t, shipped, len(own.Standard()))
	out, err := peers.RunPromtool(t, append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, shipped...)...)
	require.NoError(t, err, out)

	tests, err := filepath.Glob("../testdata/*_test.yaml")
	require.NoError(t, err)
	out, err = peers.RunPromtool(t, append([]string{"test", "rules"}, tests...)...)
	require.NoError(t, err, out)
}

// Promtool knows no declarations: it is given the rules that they stand for.
func TestPromtoolAgreesOnDeclarations(t *testing.T) {
	peers.RequireReal(t)
	dir := t.TempDir()
	read := own.LoadFile("../testdata/user/shop.yaml")
	require.Empty(t, read.Problems)
	text, err := own.RuleFile(read.Groups)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(dir, "shop.yaml"), text, 0o600))
	for _, name := range []string{"shop_test.yaml", "peers_test.yaml"} {
		text, err := os.ReadFile("../testdata/user/" + name)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o600))
		out, err := peers.RunPromtool(t, "test", "rules", filepath.Join(dir, name))
		require.NoError(t, err, out)
	}
}

func TestWhatATestFindsInsteadIsNamed(t *testing.T) {
	dir := t.TempDir()
	f := func(rules, test string, want ...string) {
		t.Helper()
		require.NoError(t, os.WriteFile(filepath.Join(dir, "r.yaml"), []byte(rules), 0o600))
		path := filepath.Join(dir, "r_test.yaml")
		require.NoError(t, os.WriteFile(path, []byte("rule_files: [r.yaml]\n"+test), 0o600))
		err := Run(path)
		if len(want) == 0 {
			require.NoError(t, err)
			return
		}
		for _, w := range want {
			require.ErrorContains(t, err, w)
		}
	}
	const down = "groups: [{name: g, rules: [{alert: Down, expr: up == 0, for: 2m, annotations: {summary: it is down}}]}]\n"
	const input = "tests:\n- name: down\n  input_series: [{series: 'up{node=\"a\"}', values: 0x10}]\n"
	f(down, input+"  alert_rule_test:\n  - {eval_time: 1m, alertname: Down}\n  - {eval_time: 2m, alertname: Down, exp_alerts: [{exp_labels: {node: a}, exp_annotations: {summary: it is down}}]}\n")
	f(down, input+"  alert_rule_test:\n  - {eval_time: 3m, alertname: Down}\n", "r_test.yaml: down: at 3m: alert Down:", `got  {alertname="Down", node="a"}`, "want nothing")
	f(down, input+"  alert_rule_test:\n  - {eval_time: 1m, alertname: Down, exp_alerts: [{exp_labels: {node: a}}]}\n", "got  nothing")
	f(down, input+"  promql_expr_test:\n  - {expr: 'up + 1', eval_time: 1m, exp_samples: [{labels: '{node=\"a\"}', value: 1}]}\n")
	f(down, input+"  promql_expr_test:\n  - {expr: 'up + 1', eval_time: 1m, exp_samples: [{labels: '{node=\"a\"}', value: 2}]}\n", `at 1m: up + 1:`, `got  {node="a"} 1`)
	f(down, "tests: [{nam: x}]\n", "line 2: field nam not found")
	f("groups: [{name: g, rules: [{alert: Down, expr: 'up ='}]}]\n", input, `r.yaml:1: group "g", rule 1, "Down"`)
	f(down, "tests: [{input_series: [{series: up, values: many}]}]\n", "test 1:")
}
