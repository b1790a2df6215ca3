// Package alerts proves the way of alerts from their cause to the person: the
// real program, a real SMTP server, HTTP receivers, amtool, kills.
package alerts

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	run "github.com/lubberline/lubberline/test/program"
)

const patience, pause = 60 * time.Second, 20 * time.Millisecond

// aggregator is `lubberline aggregator` with receivers and rules of a test.
type aggregator struct {
	t       *testing.T
	dir     string
	http    string
	forward string // where it takes log records
	*run.Program
}

func freeAddress(t *testing.T) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	return l.Addr().String()
}

// newAggregator starts one with receivers in Alertmanager's format.
func newAggregator(t *testing.T, receivers, more string) *aggregator {
	a := configuredAggregator(t, receivers, more)
	a.start()
	return a
}

// configuredAggregator has not been started yet.
func configuredAggregator(t *testing.T, receivers, more string) *aggregator {
	a := &aggregator{t: t, dir: t.TempDir(), http: freeAddress(t), forward: freeAddress(t)}
	a.write("receivers.yaml", receivers)
	require.NoError(t, os.Mkdir(filepath.Join(a.dir, "rules"), 0o755))
	if !strings.Contains(more, "standard:") {
		more += "    standard: false\n"
	}
	a.write("config.yaml", fmt.Sprintf("aggregator:\n  http: %s\n  forward: {listen: %s}\n  alerts:\n    interval: 1s\n"+
		"    rules: [%s]\n    receivers: %s\n%s", a.http, a.forward, filepath.Join(a.dir, "rules"), filepath.Join(a.dir, "receivers.yaml"), more))
	return a
}

func (a *aggregator) write(name, text string) {
	a.t.Helper()
	require.NoError(a.t, os.WriteFile(filepath.Join(a.dir, name), []byte(text), 0o600))
}

// start starts the program, again after a kill, and waits until it answers.
func (a *aggregator) start() {
	a.t.Helper()
	var err error
	a.Program, err = run.Start("lubberline", "aggregator", "--config", filepath.Join(a.dir, "config.yaml"), "--data-dir", filepath.Join(a.dir, "data"))
	require.NoError(a.t, err)
	p := a.Program
	a.t.Cleanup(func() {
		p.Kill()
		if a.t.Failed() {
			a.t.Logf("output: %s", p.Out.Tail(8000))
		}
	})
	require.Eventually(a.t, func() bool {
		answer, err := http.Get("http://" + a.http + "/-/ready")
		if err != nil {
			return false
		}
		_ = answer.Body.Close()
		return answer.StatusCode == http.StatusOK
	}, patience, pause, "the aggregator does not answer")
}

// rule is an alert of a namespace that fires or does not.
type rule struct {
	name, namespace string
	fires           bool
}

// rules makes the aggregator evaluate these from now on.
func (a *aggregator) rules(all ...rule) {
	a.t.Helper()
	text := "groups:\n- name: test\n  rules:\n"
	for _, r := range all {
		text += fmt.Sprintf("  - alert: %s\n    expr: vector(%d) > 0\n    labels: {namespace: %s, severity: warning}\n    annotations: {summary: %s in %s is wrong}\n",
			r.name, map[bool]int{true: 1}[r.fires], r.namespace, r.name, r.namespace)
	}
	a.write("rules/test.yaml", text)
	status, body := a.post("/-/reload", "")
	require.Equal(a.t, http.StatusOK, status, body)
}

func (a *aggregator) post(path, body string) (int, string) {
	a.t.Helper()
	answer, err := http.Post("http://"+a.http+path, "application/json", strings.NewReader(body))
	require.NoError(a.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(a.t, err)
	return answer.StatusCode, string(text)
}

func (a *aggregator) get(path string, into any) {
	a.t.Helper()
	answer, err := http.Get("http://" + a.http + path)
	require.NoError(a.t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(a.t, err)
	require.Equal(a.t, http.StatusOK, answer.StatusCode, string(text))
	require.NoError(a.t, json.Unmarshal(text, into), string(text))
}

// query is the value of an expression that returns one series; false for none.
func (a *aggregator) query(expr string) (string, bool) {
	var answer struct {
		Data struct{ Result []struct{ Value []any } }
	}
	a.get("/api/v1/query?query="+url.QueryEscape(expr), &answer)
	if len(answer.Data.Result) != 1 {
		return "", false
	}
	return answer.Data.Result[0].Value[1].(string), true
}

// fired is an alert that fires.
type fired struct{ name, summary string }

// alerts are those that fire, as Prometheus's API has them.
func (a *aggregator) alerts() []fired {
	var answer struct {
		Data struct {
			Alerts []struct {
				Labels, Annotations map[string]string
				State               string
			}
		}
	}
	a.get("/api/v1/alerts", &answer)
	var all []fired
	for _, one := range answer.Data.Alerts {
		if one.State == "firing" {
			all = append(all, fired{one.Labels["alertname"], one.Annotations["summary"]})
		}
	}
	return all
}

// firing are the names of the alerts that fire.
func (a *aggregator) firing() map[string]bool {
	names := map[string]bool{}
	for _, one := range a.alerts() {
		names[one.name] = true
	}
	return names
}
