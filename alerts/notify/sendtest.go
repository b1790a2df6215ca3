package notify

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/config/receiver"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"
)

// Sent is what became of a test message on one way of a receiver's.
type Sent struct {
	// Integration is the way, such as "email[0]".
	Integration string
	Err         error // nil when it was taken
	Took        time.Duration
}

// SendTest sends a test message by all ways of a receiver, by the configuration
// file and its templates, without the routes. Each gets as long as ctx lasts. The
// error is of the file; unknown receivers are named with those that there are.
func SendTest(ctx context.Context, path, name string, external *url.URL) ([]Sent, error) {
	l, err := readConfig(path)
	if err != nil {
		return nil, err
	}
	templates, err := readTemplates(l.conf.Templates, external)
	if err != nil {
		return nil, err
	}
	var known []string
	for _, r := range l.conf.Receivers {
		known = append(known, r.Name)
		if r.Name != name {
			continue
		}
		built, err := receiver.BuildReceiverIntegrations(r, templates, slog.New(slog.DiscardHandler))
		if err != nil {
			return nil, l.inReceiver(name, err)
		}
		if len(built) == 0 {
			return nil, fmt.Errorf("receiver %q sends nowhere", name)
		}
		return sendAll(ctx, built, name), nil
	}
	return nil, fmt.Errorf("receiver %q: %s has only %s", name, l.path, strings.Join(known, ", "))
}

func sendAll(ctx context.Context, all []notify.Integration, name string) []Sent {
	now := time.Now()
	ctx = notify.WithGroupKey(ctx, "test")
	ctx = notify.WithReceiverName(ctx, name)
	ctx = notify.WithGroupLabels(ctx, model.LabelSet{"alertname": testName})
	ctx = notify.WithRepeatInterval(ctx, time.Hour)
	ctx = notify.WithNow(ctx, now)
	results := make([]Sent, len(all))
	for i := range all {
		begun := time.Now()
		_, err := guarded{&all[i]}.Notify(ctx, testAlert(now))
		results[i] = Sent{Integration: all[i].String(), Err: err, Took: time.Since(begun)}
	}
	return results
}

const testName = "TestMessage"

func testAlert(now time.Time) *alert.Alert {
	return &alert.Alert{UpdatedAt: now, Alert: model.Alert{
		Labels: model.LabelSet{"alertname": testName, "severity": "info"},
		Annotations: model.LabelSet{
			"summary": "This is a test: nothing is wrong", "description": "Somebody tried `lubberline alerts send-test`, and it works.",
		},
		StartsAt: now, EndsAt: now.Add(time.Hour),
	}}
}
