package notify

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/template"
	"github.com/prometheus/common/model"
	"github.com/stretchr/testify/require"
)

const patience, pause = 20 * time.Second, 5 * time.Millisecond

// hook keeps the messages that it gets.
type hook struct {
	*httptest.Server
	mu       sync.Mutex
	messages []template.Data
	answer   func(n int) int // to the n-th message; nil: 200
}

func newHook(t *testing.T, answer func(n int) int) *hook {
	h := &hook{answer: answer}
	h.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var d template.Data
		_ = json.Unmarshal(body, &d)
		h.mu.Lock()
		h.messages = append(h.messages, d)
		n := len(h.messages)
		h.mu.Unlock()
		if h.answer != nil {
			w.WriteHeader(h.answer(n))
		}
	}))
	t.Cleanup(h.Close)
	return h
}

func (h *hook) got() []template.Data {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.messages)
}

// await returns the messages once there are as many.
func (h *hook) await(t *testing.T, n int) []template.Data {
	t.Helper()
	require.Eventually(t, func() bool { return len(h.got()) >= n }, patience, pause, "%d messages of %d", len(h.got()), n)
	return h.got()
}

// told writes messages as "status namespace: alerts", sorted.
func told(messages []template.Data) []string {
	var all []string
	for _, m := range messages {
		var names []string
		for _, a := range m.Alerts {
			names = append(names, a.Labels["alertname"]+" "+a.Status)
		}
		slices.Sort(names)
		all = append(all, m.GroupLabels["namespace"]+": "+strings.Join(names, ", "))
	}
	slices.Sort(all)
	return all
}

const quick = "group_by: [namespace]\n  group_wait: 50ms\n  group_interval: 100ms\n  repeat_interval: 1h\n"

func toHook(address string) string {
	return "route:\n  receiver: hook\n  " + quick + "receivers:\n- name: hook\n  webhook_configs:\n  - url: " + address + "\n"
}

func written(t *testing.T, name, text string) string {
	path := filepath.Join(t.TempDir(), name)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func started(t *testing.T, o Options) *Alertmanager {
	t.Helper()
	var err error
	o.ExternalURL, err = url.Parse("http://127.0.0.1:8082/alertmanager")
	require.NoError(t, err)
	if o.Dir == "" {
		o.Dir = t.TempDir()
	}
	a, err := New(o)
	require.NoError(t, err)
	t.Cleanup(func() { _ = a.Close() })
	return a
}

func firing(name string, labels ...string) *alert.Alert {
	now := time.Now()
	a := &alert.Alert{UpdatedAt: now, Alert: model.Alert{
		Labels:      model.LabelSet{"alertname": model.LabelValue(name), "namespace": "shop"},
		Annotations: model.LabelSet{"summary": model.LabelValue(name + " happened")},
		StartsAt:    now, EndsAt: now.Add(time.Hour),
	}}
	for i := 0; i+1 < len(labels); i += 2 {
		a.Labels[model.LabelName(labels[i])] = model.LabelValue(labels[i+1])
	}
	return a
}

func over(name string, labels ...string) *alert.Alert {
	a := firing(name, labels...)
	a.EndsAt = a.UpdatedAt
	return a
}

// copied is a copy of a directory as a kill at this moment leaves it.
func copied(t *testing.T, dir string) string {
	to := t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(dir)))
	return to
}

func TestOneMessageForAGroupAndOneWhenItIsOver(t *testing.T) {
	h := newHook(t, nil)
	a := started(t, Options{ConfigFile: written(t, "am.yaml", toHook(h.URL))})
	require.NoError(t, a.Put(t.Context(), firing("A"), firing("B"), firing("C", "namespace", "other")))
	require.Equal(t, []string{"other: C firing", "shop: A firing, B firing"}, told(h.await(t, 2)))
	require.NoError(t, a.Put(t.Context(), over("A"), over("B")))
	require.Equal(t, "shop: A resolved, B resolved", told(h.await(t, 3)[2:])[0])
}

func TestNothingTwiceAndNothingForgottenAfterAKill(t *testing.T) {
	h := newHook(t, nil)
	config, dir := written(t, "am.yaml", toHook(h.URL)), t.TempDir()
	a := started(t, Options{ConfigFile: config, Dir: dir})
	short := firing("B")
	short.EndsAt = short.UpdatedAt.Add(time.Second)
	require.NoError(t, a.Put(t.Context(), firing("A"), short))
	h.await(t, 1)
	require.Eventually(t, func() bool { return size(t, dir, "sent") > 0 }, patience, pause)
	dir = copied(t, dir)
	require.NoError(t, a.Close())

	// B is resolved while nobody looks; A is said to fire still.
	b := started(t, Options{ConfigFile: config, Dir: dir, Grace: 700 * time.Millisecond})
	require.NoError(t, b.Put(t.Context(), firing("A")))
	require.Len(t, b.alerts.pending(), 2)
	all := h.await(t, 2)
	require.Equal(t, []string{"shop: A firing, B resolved"}, told(all[1:]))
}

func size(t *testing.T, dir, name string) int64 {
	info, err := os.Stat(filepath.Join(dir, name))
	require.NoError(t, err)
	return info.Size()
}

func TestSilencesOutliveAKill(t *testing.T) {
	h := newHook(t, nil)
	config, dir := written(t, "am.yaml", toHook(h.URL)), t.TempDir()
	a := started(t, Options{ConfigFile: config, Dir: dir})
	silenced(t, a, "A")
	dir = copied(t, dir)
	require.NoError(t, a.Close())

	b := started(t, Options{ConfigFile: config, Dir: dir})
	require.NoError(t, b.Put(t.Context(), firing("A"), firing("C", "namespace", "other")))
	h.await(t, 1)
	require.Equal(t, []string{"other: C firing"}, told(h.got()))
}

// silenced silences an alert by the API.
func silenced(t *testing.T, a *Alertmanager, name string) {
	t.Helper()
	body := fmt.Sprintf(`{"matchers":[{"name":"alertname","value":%q,"isRegex":false}],"startsAt":%q,"endsAt":%q,"createdBy":"me","comment":"x"}`,
		name, time.Now().Format(time.RFC3339), time.Now().Add(time.Hour).Format(time.RFC3339))
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodPost, "/api/v2/silences", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	a.Handler().ServeHTTP(w, r)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
}

func TestALostNodeMutesItsPods(t *testing.T) {
	h := newHook(t, nil)
	text := strings.Replace(DefaultConfig(), "- name: nowhere", "- name: nowhere\n    webhook_configs: [{url: "+h.URL+"}]", 1)
	text = strings.NewReplacer("group_wait: 30s", "group_wait: 100ms", "group_interval: 5m", "group_interval: 100ms").Replace(text)
	a := started(t, Options{ConfigFile: written(t, "am.yaml", text)})
	lost := firing("NodeNotReady", "node", "n1", "namespace", "")
	delete(lost.Labels, "namespace")
	require.NoError(t, a.Put(t.Context(), lost))
	require.NoError(t, a.Put(t.Context(), firing("PodNotReady", "node", "n1"), firing("PodNotReady", "node", "n2", "namespace", "other")))
	h.await(t, 2)
	require.Equal(t, []string{": NodeNotReady firing", "other: PodNotReady firing"}, told(h.got()))

	lost = over("NodeNotReady", "node", "n1")
	delete(lost.Labels, "namespace")
	require.NoError(t, a.Put(t.Context(), lost))
	require.Contains(t, told(h.await(t, 4)), "shop: PodNotReady firing")
}

func TestABadReceiverDelaysOnlyItself(t *testing.T) {
	hang := make(chan int)
	hangs := newHook(t, func(int) int { return 200 + <-hang })
	t.Cleanup(func() { close(hang) }) // before the server waits for it
	fails := newHook(t, func(n int) int { return map[bool]int{true: 500, false: 200}[n < 3] })
	busy := newHook(t, func(n int) int { return map[bool]int{true: 429, false: 200}[n < 2] })
	good := newHook(t, nil)
	text := "route:\n  receiver: good\n  " + quick + "  routes:\n"
	receivers := "receivers:\n- name: good\n  webhook_configs: [{url: " + good.URL + "}]\n"
	for name, h := range map[string]*hook{"hangs": hangs, "fails": fails, "busy": busy} {
		text += "  - {receiver: " + name + ", continue: true}\n"
		receivers += "- name: " + name + "\n  webhook_configs: [{url: " + h.URL + "}]\n"
	}
	a := started(t, Options{ConfigFile: written(t, "am.yaml", text+"  - receiver: good\n"+receivers)})
	require.NoError(t, a.Put(t.Context(), firing("A")))
	good.await(t, 1)
	hangs.await(t, 1)
	fails.await(t, 3)
	busy.await(t, 2)
	require.NoError(t, a.Put(t.Context(), over("A")))
	require.Equal(t, "shop: A resolved", told(good.await(t, 2)[1:])[0])
}

func TestLastLinesGoAlongAndNeverDelayAMessage(t *testing.T) {
	h := newHook(t, nil)
	lines := func(ctx context.Context, labels map[string]string) ([]string, error) {
		switch labels["pod"] {
		case "web":
			return []string{"listening", "panic: no more"}, nil
		case "broken":
			return nil, errors.New("no disk")
		}
		<-make(chan struct{}) // heeds nothing
		return nil, nil
	}
	a := started(t, Options{ConfigFile: written(t, "am.yaml", toHook(h.URL)), Lines: lines})
	begun := time.Now()
	require.NoError(t, a.Put(t.Context(), firing("A", "pod", "web"), firing("B", "pod", "broken"), firing("C", "pod", "slow")))
	m := h.await(t, 1)[0]
	require.Less(t, time.Since(begun), patience/2)
	require.Equal(t, []string{"shop: A firing, B firing, C firing"}, told(h.got()))
	for _, one := range m.Alerts {
		want := ""
		if one.Labels["pod"] == "web" {
			want = "listening\npanic: no more"
		}
		require.Equal(t, want, one.Annotations["logs"], one.Labels)
	}
}

func TestWrongReceiversAreRefusedAndTheOldGoOn(t *testing.T) {
	h := newHook(t, nil)
	config, dir := written(t, "am.yaml", toHook(h.URL)), t.TempDir()
	a := started(t, Options{ConfigFile: config, Dir: dir})
	require.NoError(t, os.WriteFile(config, []byte(toHook(h.URL)+"- name: mail\n  email_configs:\n  - to: a@b.c\n"), 0o600))
	require.EqualError(t, a.Reload(), config+":13: no global SMTP smarthost set")
	require.Error(t, a.Status())
	require.NoError(t, a.Put(t.Context(), firing("A")))
	h.await(t, 1)
	require.NoError(t, a.Close())

	b := started(t, Options{ConfigFile: config, Dir: dir})
	require.Error(t, b.Status(), "still wrong, and the last good one is used")
	require.NoError(t, b.Put(t.Context(), firing("B", "namespace", "other")))
	require.Contains(t, told(h.await(t, 2)), "other: B firing")

	c := started(t, Options{ConfigFile: config})
	require.Error(t, c.Status(), "never right: only shown")
	require.NoError(t, c.Put(t.Context(), firing("C")))
	require.NoError(t, os.WriteFile(config, []byte(toHook(h.URL)), 0o600))
	require.NoError(t, c.Reload())
	require.Contains(t, told(h.await(t, 3)), "shop: C firing")
}

func TestDamagedFilesAreSetAside(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"silences", "sent", "alerts"} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), framed([]byte("no record of ours")), 0o600))
	}
	h := newHook(t, nil)
	a := started(t, Options{ConfigFile: written(t, "am.yaml", toHook(h.URL)), Dir: dir})
	require.NoError(t, a.Put(t.Context(), firing("A")))
	h.await(t, 1)
	for _, name := range []string{"silences", "sent", "alerts"} {
		require.FileExists(t, filepath.Join(dir, name+".damaged"))
	}
}

func TestMaintenanceLosesNothing(t *testing.T) {
	h := newHook(t, nil)
	config, dir := written(t, "am.yaml", toHook(h.URL)), t.TempDir()
	a := started(t, Options{ConfigFile: config, Dir: dir})
	for range 50 {
		require.NoError(t, a.Put(t.Context(), firing("A")))
	}
	h.await(t, 1)
	silenced(t, a, "X")
	require.Eventually(t, func() bool { return size(t, dir, "sent") > 0 }, patience, pause)
	before := size(t, dir, "alerts")
	a.maintain()
	require.Less(t, size(t, dir, "alerts"), before/10)
	silenced(t, a, "Y")
	dir = copied(t, dir)
	b := started(t, Options{ConfigFile: config, Dir: dir})
	require.Len(t, b.alerts.pending(), 1)
	for _, name := range []string{"X", "Y"} {
		require.True(t, b.silencer.Mutes(t.Context(), model.LabelSet{"alertname": model.LabelValue(name)}), name)
	}
	sent, err := os.ReadFile(filepath.Join(dir, "sent"))
	require.NoError(t, err)
	require.Len(t, slices.Collect(records(sent)), 1)
}

// TestAnAnswerThatMakesASenderPanic has a server that leaves out what Telegram's
// always says: the integration trips over it.
func TestAnAnswerThatMakesASenderPanic(t *testing.T) {
	var asked atomic.Int32
	telegram := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, `{"ok":true,"result":{"message_id":1}}`)
	}))
	t.Cleanup(telegram.Close)
	h := newHook(t, nil)
	a := started(t, Options{ConfigFile: written(t, "am.yaml", toHook(h.URL)+"  telegram_configs:\n  - {api_url: '"+telegram.URL+"', bot_token: '1:a', chat_id: 7}\n")})
	require.NoError(t, a.Put(t.Context(), firing("A")))
	h.await(t, 1)
	require.Eventually(t, func() bool { return asked.Load() > 0 }, patience, pause)
	require.NoError(t, a.Put(t.Context(), over("A")))
	require.Equal(t, "shop: A resolved", told(h.await(t, 2)[1:])[0])
}
