package alerts

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/alerts/evaluate"
	"github.com/lubberline/lubberline/alerts/rules"
)

func TestAWrongFileGoesOnAsItWasAndOthersAreRead(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	names := func(s *ruleSet) (all []string) {
		for _, f := range s.files {
			for _, g := range f.Groups {
				for _, r := range g.Rules {
					all = append(all, filepath.Base(f.Name)+" "+r.Alert)
				}
			}
		}
		return all
	}
	const rule = "groups:\n- name: g\n  rules:\n  - {alert: A, expr: up}\n"
	write("a.yaml", rule)
	write("b.yaml", rule)
	files := newRuleFiles(Config{Rules: []string{dir}, Speed: 1})
	require.Equal(t, []string{"a.yaml A", "b.yaml A"}, names(files.read()))

	write("a.yaml", "groups:\n- name: g\n  rules:\n  - {alert: New, expr: sum(}\n")
	write("b.yaml", "groups:\n- name: g\n  rules:\n  - {alert: New, expr: up}\n")
	for range 2 {
		set := files.read()
		require.Equal(t, []string{"a.yaml A", "b.yaml New"}, names(set))
		require.Len(t, set.problems, 1)
		require.ErrorContains(t, set.problems[0], "a.yaml:4: ")
	}
	require.NoError(t, os.Remove(filepath.Join(dir, "a.yaml")))
	require.Equal(t, []string{"b.yaml New"}, names(files.read()))
}

func TestShippedRulesThatAreNotWanted(t *testing.T) {
	c := DefaultConfig()
	c.Without = []string{"DeadMansSwitch"}
	require.NoError(t, c.Check())
	for _, f := range newRuleFiles(c).read().files {
		for _, g := range f.Groups {
			for _, r := range g.Rules {
				require.NotEqual(t, "DeadMansSwitch", r.Alert)
			}
		}
	}
	c.Without, c.Interval, c.Alertmanagers = []string{"Nothing"}, 0, []string{"am:9093"}
	err := c.Check()
	require.ErrorContains(t, err, `without: "Nothing": no shipped rule has that name`)
	require.ErrorContains(t, err, "interval: 0s")
	require.ErrorContains(t, err, `alertmanagers: "am:9093"`)
}

func TestAnAlertKeepsItsControllerUntilItIsResolved(t *testing.T) {
	alive := true
	o := newOwners(func(_, pod string) string {
		if alive && pod == "web-1" {
			return "Deployment/web"
		}
		return ""
	})
	of := func(end time.Duration, labels map[string]string) string {
		a := evaluate.Alert{Labels: labels, EndsAt: time.Now().Add(end)}
		o.name(&a)
		return a.Labels["controller"]
	}
	web := func() map[string]string { return map[string]string{"namespace": "shop", "pod": "web-1"} }
	require.Equal(t, "Deployment/web", of(time.Minute, web()))
	alive = false
	require.Equal(t, "Deployment/web", of(time.Minute, web()))
	require.Equal(t, "Deployment/web", of(0, web()), "resolved under the name that it fired with")
	require.Empty(t, o.known)
	require.Empty(t, of(time.Minute, web()))
	require.Equal(t, "ReplicationController/db", of(time.Minute, map[string]string{"namespace": "shop", "replicationcontroller": "db"}))
	require.Equal(t, "given", of(time.Minute, map[string]string{"namespace": "shop", "deployment": "x", "controller": "given"}))
	require.Empty(t, of(time.Minute, map[string]string{"node": "n1"}))
}

func TestFasterRules(t *testing.T) {
	in := []rulefmt.RuleGroup{{Rules: []rulefmt.Rule{{
		Alert: "A", Expr: "rate(a[1h] offset 10m) > 5 and max_over_time(b[10s]) > 0", For: model.Duration(10 * time.Minute),
	}}}}
	out := faster(in, 60)
	require.Equal(t, "rate(a[1m] offset 10s) > 5 and max_over_time(b[10s]) > 0", out[0].Rules[0].Expr)
	require.Equal(t, model.Duration(10*time.Second), out[0].Rules[0].For)
	require.Equal(t, model.Duration(10*time.Minute), in[0].Rules[0].For, "the argument stays")
}

func TestFasterExpressions(t *testing.T) {
	for expr, want := range map[string]string{
		"time() - a > 10m":                             "time() - a > 10s",
		"time() - a > 1m and a > 2s":                   "time() - a > 5s and a > 2s", // younger samples are not late
		"time() - a > 600":                             "time() - a > 600",           // seconds or anything else
		"a - time() < 1w":                              "a - time() < 2h48m",
		"avg_over_time((a)[1h:5m] offset 1410m) > 0.5": "avg_over_time((a)[1m:5s] offset 23m30s) > 0.5",
	} {
		require.Equal(t, want, fasterExpr(expr, 60), expr)
	}
}

// What shipped rules compare with a span of time is divided, and no group is
// evaluated all the time.
func TestFasterShippedRulesAndBaselines(t *testing.T) {
	exprs := map[string]string{}
	for _, g := range faster(rules.Groups(rules.Options{}), 60) {
		for _, r := range g.Rules {
			exprs[r.Alert] = r.Expr
		}
	}
	for name, want := range map[string]string{
		"ContainerOOMKilled": "- kube_pod_completion_time < 10s", "ContainerDiskFilling": " < 4m", "NodeDiskFilling": " < 24m",
		"PodStuckTerminating": " > 5s", "ShipperBacklog": " > 5s", "SinkBacklog": " > 10s", "CollectorLate": " > 5s", "FiguresLate": " > 5s",
		"CertificateExpiring": "- time() >= 24m) < 2h48m", "CertificateExpired": " < 24m",
	} {
		require.Contains(t, exprs[name], want)
	}
	past := faster(rules.Baseline{Alerting: rules.Alerting{Alert: "B", Expr: "a"}, Days: 1}.Groups(), 24*60)[0]
	require.Equal(t, model.Duration(minInterval), past.Interval)
	require.Contains(t, past.Rules[0].Expr, "[30s:1s] offset 58s750ms", "a day is a minute")
}

func TestAViewOfTheMoment(t *testing.T) {
	began := time.UnixMilli(3_600_000)
	require.Equal(t, "http://g/d/x?var-a=b&from=1800000&to=5460000", evaluate.At("http://g/d/x?var-a=b", began, began.Add(time.Minute)))
	require.Equal(t, "http://g/d/x?from=1", evaluate.At("http://g/d/x?from=1", began, began), "one that says it already")
}
