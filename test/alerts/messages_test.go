package alerts

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/lubberline/lubberline/test/peers"
	run "github.com/lubberline/lubberline/test/program"
)

const quick = "group_by: [namespace], group_wait: 3s, group_interval: 1s, repeat_interval: 1h"

func hookOnly(w *web) string {
	return "route: {receiver: hook, " + quick + "}\nreceivers:\n- name: hook\n  webhook_configs: [{url: '" + w.URL + "/'}]\n"
}

func TestOneMessageAGroupByMailAndChat(t *testing.T) {
	peers.RequireReal(t)
	post := newPost(t)
	chat := newWeb(t, func(int) (int, string) { return 200, `{"ok":true,"result":{"message_id":1,"chat":{"id":7}}}` })
	a := newAggregator(t, fmt.Sprintf(`
global: {smtp_smarthost: %q, smtp_from: lubberline@example.org, smtp_require_tls: false}
route: {receiver: all, %s}
receivers:
- name: all
  email_configs: [{to: sre@example.org, send_resolved: true}]
  slack_configs: [{api_url: '%s/slack', channel: '#ops', send_resolved: true}]
  discord_configs: [{webhook_url: '%s/discord'}]
  msteamsv2_configs: [{webhook_url: '%s/teams'}]
  telegram_configs: [{api_url: %q, bot_token: '1:a', chat_id: 7}]
  pagerduty_configs: [{url: '%s/pagerduty', routing_key: k}]
  webhook_configs: [{url: '%s/hook'}]
`, post.address, quick, chat.URL, chat.URL, chat.URL, chat.URL, chat.URL, chat.URL), "")
	a.rules(rule{"Slow", "shop", true}, rule{"Down", "shop", true})

	letter := post.await(t, 1)[0]
	require.Equal(t, []string{"sre@example.org"}, letter.to)
	require.Equal(t, "[WARNING:2] 2 alerts in shop", letter.subject)
	for _, want := range []string{"Slow in shop is wrong", "Down in shop is wrong", "/api/v1/query?query="} {
		require.Contains(t, letter.html, want)
	}
	ways := map[string]string{}
	for _, m := range chat.await(t, 6) {
		require.NotContains(t, ways, m.path, "one message each")
		ways[m.path] = m.body
	}
	for _, path := range []string{"/slack", "/discord", "/teams", "/bot1:a/sendMessage", "/pagerduty", "/hook"} {
		require.Contains(t, ways[path], "Down in shop is wrong", path)
		require.Contains(t, ways[path], "Slow in shop is wrong", path)
	}
	a.rules(rule{"Slow", "shop", false}, rule{"Down", "shop", false})
	require.Equal(t, "[RESOLVED:2] 2 alerts in shop", post.await(t, 2)[1].subject)
	require.Eventually(t, func() bool {
		for _, m := range chat.got() {
			if m.path == "/hook" && m.Status == "resolved" {
				return true
			}
		}
		return false
	}, patience, pause)
}

func TestNothingTwiceAfterKillAndTheEndIsTold(t *testing.T) {
	peers.RequireReal(t)
	hook := newWeb(t, nil)
	a := newAggregator(t, hookOnly(hook), "")
	a.rules(rule{"Stays", "shop", true}, rule{"Ends", "other", true})
	hook.await(t, 2)
	for range 2 {
		a.Kill()
		a.start()
		require.Eventually(t, func() bool { f := a.firing(); return f["Stays"] && f["Ends"] }, patience, pause)
	}
	require.Equal(t, []string{"other: Ends firing", "shop: Stays firing"}, hook.told(), "nothing twice")

	// What ends while the program is dead is told by the next one.
	a.Kill()
	a.write("rules/test.yaml", "groups:\n- name: test\n  rules:\n  - {alert: Stays, expr: vector(1) > 0, labels: {namespace: shop, severity: warning}, annotations: {summary: Stays in shop is wrong}}\n")
	a.start()
	require.Equal(t, "other: Ends resolved", hook.await(t, 3)[2].String())
	a.rules(rule{"Stays", "shop", false})
	require.Equal(t, "shop: Stays resolved", hook.await(t, 4)[3].String())
	require.Len(t, hook.got(), 4)
}

// amtool is built from the module that Alertmanager itself comes from.
func amtool(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "amtool")
	out, err := exec.Command("go", "build", "-o", path, "github.com/prometheus/alertmanager/cmd/amtool").CombinedOutput()
	require.NoError(t, err, string(out))
	return path
}

func TestAmtoolAddsAndExpiresSilences(t *testing.T) {
	peers.RequireReal(t)
	tool := amtool(t)
	hook := newWeb(t, nil)
	a := newAggregator(t, hookOnly(hook), "")
	for i, address := range []string{"http://" + a.http + "/alertmanager", "http://" + a.http} {
		tell := func(args ...string) string {
			out, err := exec.Command(tool, append([]string{"--alertmanager.url=" + address}, args...)...).CombinedOutput()
			require.NoError(t, err, string(out))
			return strings.TrimSpace(string(out))
		}
		namespace, quiet := fmt.Sprintf("shop%d", i), fmt.Sprintf("Quiet%d", i)
		id := tell("silence", "add", "alertname="+quiet, "--comment=test", "--author=me", "--duration=1h")
		require.Contains(t, tell("silence", "query", "-q"), id)
		a.Kill() // the silence is on disk
		a.start()
		loud := fmt.Sprintf("Loud%d", i)
		a.rules(rule{quiet, namespace, true}, rule{loud, namespace, true})
		require.Equal(t, namespace+": "+loud+" firing", hook.await(t, 1+2*i)[2*i].String())
		require.Eventually(t, func() bool { return strings.Contains(tell("alert", "query", "--silenced"), quiet) }, patience, pause)

		tell("silence", "expire", id)
		require.Equal(t, namespace+": "+loud+" firing, "+quiet+" firing", hook.await(t, 2+2*i)[1+2*i].String())
		require.NotContains(t, tell("silence", "query", "-q"), id)
		require.Contains(t, tell("config", "show"), "receiver: hook")
	}
}

func TestBrokenFilesAreRefusedWithTheirLineAndTheOldGoOn(t *testing.T) {
	peers.RequireReal(t)
	hook := newWeb(t, nil)
	a := newAggregator(t, hookOnly(hook), "")
	a.rules(rule{"Old", "shop", true})
	hook.await(t, 1)

	a.write("rules/broken.yaml", "groups:\n- name: b\n  rules:\n  - alert: Broken\n    expr: sum(\n")
	a.write("rules/other.yaml", "groups:\n- name: o\n  rules:\n  - {alert: New, expr: vector(1), labels: {namespace: new}}\n")
	a.write("bad.tmpl", "{{ define \"x\" }}\n{{ nonsense }}{{ end }}\n")
	good := hookOnly(hook)
	for text, want := range map[string]string{
		good + "templates: [bad.tmpl]\n":                             "/bad.tmpl:2: ",
		good + "- name: mail\n  email_configs:\n  - {to: a@b.c}\n":   "/receivers.yaml:7: no global SMTP smarthost set",
		strings.Replace(good, "webhook_configs", "webhook_confs", 1): "/receivers.yaml:4: field webhook_confs not found",
	} {
		a.write("receivers.yaml", text)
		status, body := a.post("/alertmanager/-/reload", "")
		require.Equal(t, http.StatusInternalServerError, status)
		require.Contains(t, body, want)
		require.Contains(t, body, "/broken.yaml:5: ")
	}
	require.Contains(t, hook.await(t, 2)[1].String(), "new: New firing")
	require.True(t, a.firing()["Old"])

	// A start with all that goes on as well, with the receivers that were right.
	a.Kill()
	a.start()
	a.write("rules/third.yaml", "groups:\n- name: t\n  rules:\n  - {alert: Third, expr: vector(1), labels: {namespace: third}}\n")
	require.NoError(t, syscall.Kill(a.PID(), syscall.SIGHUP))
	require.Equal(t, "third: Third firing", hook.await(t, 3)[2].String())
	require.NoError(t, os.Remove(filepath.Join(a.dir, "rules/broken.yaml")))
	a.write("receivers.yaml", good)
	require.Eventually(t, func() bool { // read again without being told to
		v, ok := a.query("lubberline_alerts_rule_problems")
		return !ok || v == "0"
	}, patience, pause)
}

func TestAHangingReceiverDelaysOnlyItself(t *testing.T) {
	peers.RequireReal(t)
	free := make(chan struct{})
	hangs := newWeb(t, func(int) (int, string) { <-free; return 200, "" })
	t.Cleanup(func() { close(free) })
	fails := newWeb(t, func(n int) (int, string) { return map[bool]int{true: 500, false: 200}[n < 3], "" })
	busy := newWeb(t, func(n int) (int, string) { return map[bool]int{true: 429, false: 200}[n < 3], "" })
	good := newWeb(t, nil)
	a := newAggregator(t, fmt.Sprintf("route: {receiver: good, %s, routes: [{receiver: hangs, continue: true}, {receiver: fails, continue: true}, {receiver: busy, continue: true}, {receiver: good}]}\n"+
		"receivers:\n- {name: good, webhook_configs: [{url: %q}]}\n- {name: hangs, webhook_configs: [{url: %q}]}\n- {name: fails, webhook_configs: [{url: %q}]}\n- {name: busy, webhook_configs: [{url: %q}]}\n",
		quick, good.URL, hangs.URL, fails.URL, busy.URL), "")
	a.rules(rule{"A", "shop", true})
	good.await(t, 1)
	hangs.await(t, 1)
	fails.await(t, 3)
	busy.await(t, 3)
	a.rules(rule{"A", "shop", false})
	require.Equal(t, "shop: A resolved", good.await(t, 2)[1].String())
	require.Len(t, fails.await(t, 4), 4)
	require.Len(t, busy.await(t, 4), 4)
}

func TestAnotherAlertmanagerGetsThemToo(t *testing.T) {
	peers.RequireReal(t)
	theirs := newWeb(t, nil)
	a := newAggregator(t, "route: {receiver: x}\nreceivers: [{name: x}]\n", "    alertmanagers: ["+theirs.URL+"/prefix]\n    notify: false\n")
	a.rules(rule{"A", "shop", true})
	m := theirs.await(t, 1)[0]
	require.Equal(t, "/prefix/api/v2/alerts", m.path)
	require.Contains(t, m.body, `"alertname":"A"`)
	status, _ := a.post("/alertmanager/api/v2/alerts", "[]")
	require.Equal(t, http.StatusNotFound, status, "not served without notify")
}

func TestSendTest(t *testing.T) {
	peers.RequireReal(t)
	post, hook := newPost(t), newWeb(t, func(int) (int, string) { return 500, "no" })
	path := filepath.Join(t.TempDir(), "receivers.yaml")
	require.NoError(t, os.WriteFile(path, fmt.Appendf(nil, `
global: {smtp_smarthost: %q, smtp_from: l@example.org, smtp_require_tls: false}
route: {receiver: mail}
receivers: [{name: mail, email_configs: [{to: sre@example.org}]}, {name: bad, webhook_configs: [{url: %q}]}]
`, post.address, hook.URL), 0o600))
	program, err := run.Path("lubberline")
	require.NoError(t, err)
	send := func(name string) (string, error) {
		out, err := exec.Command(program, "alerts", "send-test", name, "--receivers", path, "--timeout", time.Minute.String()).CombinedOutput()
		return string(out), err
	}
	out, err := send("mail")
	require.NoError(t, err, out)
	require.Contains(t, out, "email[0]: sent in ")
	require.Contains(t, post.await(t, 1)[0].html, "This is a test: nothing is wrong")
	out, err = send("bad")
	require.Error(t, err)
	require.Contains(t, out, "webhook[0]: ")
	require.Contains(t, out, "500")
	out, err = send("nobody")
	require.Error(t, err)
	require.Contains(t, out, "has only mail, bad")
}
