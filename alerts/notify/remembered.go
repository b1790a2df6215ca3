package notify

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/provider"
	"github.com/prometheus/alertmanager/provider/mem"
)

// remembered is the store of alerts with a file behind it: after a restart what
// was resolved meanwhile is still told to those who heard of it. Alertmanager
// alone leaves that to whoever sent the alert; but here both die together.
type remembered struct {
	*mem.Alerts
	file   *journal
	failed func(error)
}

var _ provider.Alerts = (*remembered)(nil)

// saved is an alert in the file.
type saved = alert.Alert

// Put takes alerts when they are on disk. An alert that cannot be written is
// taken all the same.
func (r *remembered) Put(ctx context.Context, alerts ...*alert.Alert) error {
	if err := r.save(alerts); err != nil {
		r.failed(err)
	}
	return r.Alerts.Put(ctx, alerts...)
}

func (r *remembered) save(alerts []*alert.Alert) error {
	var all []byte
	for _, a := range alerts {
		b, err := json.Marshal(a)
		if err != nil {
			return err
		}
		all = append(all, framed(b)...)
	}
	return r.file.append(all)
}

// readSaved returns the last state of each alert in a file.
func readSaved(path string) ([]saved, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var found []saved
	at := map[string]int{}
	for r := range records(content) {
		var a saved
		if err := json.Unmarshal(r, &a); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		key := a.Fingerprint().String()
		if i, ok := at[key]; ok {
			a.StartsAt = earlier(&a, &found[i])
			found[i] = a
			continue
		}
		at[key] = len(found)
		found = append(found, a)
	}
	return found, nil
}

// earlier is when an alert started, given its former state: one that fired
// without a break goes on.
func earlier(a, before *saved) time.Time {
	if before.StartsAt.Before(a.StartsAt) && before.EndsAt.After(a.StartsAt) {
		return before.StartsAt
	}
	return a.StartsAt
}

// restore puts alerts back. Those that fired when we ended go on until then at
// least.
func (r *remembered) restore(found []saved, until time.Time) error {
	var end time.Time // of our last life, as far as it is known
	for i := range found {
		if t := found[i].UpdatedAt; t.After(end) {
			end = t
		}
	}
	for i := range found {
		a := &found[i]
		if a.EndsAt.After(end) && a.EndsAt.Before(until) {
			a.EndsAt = until
		}
		if err := r.Alerts.Put(context.Background(), a); err != nil {
			return err
		}
	}
	return nil
}

// snapshot writes all alerts.
func (r *remembered) snapshot(w io.Writer) (int64, error) {
	all := r.GetPending()
	defer all.Close()
	var size int64
	for a := range all.Next() {
		b, err := json.Marshal(a.Data)
		if err != nil {
			return size, err
		}
		n, err := w.Write(framed(b))
		size += int64(n)
		if err != nil {
			return size, err
		}
	}
	return size, nil
}
