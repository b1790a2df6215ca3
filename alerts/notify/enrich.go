package notify

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/alert"
	"github.com/prometheus/alertmanager/notify"
	"github.com/prometheus/common/model"
)

// Lines returns the newest log lines of what an alert's labels name, oldest
// first; none when they name nothing that logs. It should heed ctx.
type Lines func(ctx context.Context, labels map[string]string) ([]string, error)

const (
	// linesBound is how long a message waits for log lines.
	linesBound = time.Second
	// linesAlerts is for how many alerts of a message lines are looked up.
	linesAlerts = 3
	// linesBytes is the most that an alert's lines may take in a message.
	linesBytes = 700

	logsAnnotation = "logs"
)

// enriched makes each integration send alerts with the last log lines of their
// objects, as an annotation, and keeps the process alive where one panics.
func (a *Alertmanager) enriched(built []notify.Integration, receiver string) []notify.Integration {
	all := make([]notify.Integration, len(built))
	for i := range built {
		b := &built[i]
		all[i] = notify.NewIntegration(enricher{guarded{b}, a}, b, b.Name(), b.Index(), receiver)
	}
	return all
}

// guarded makes an error of a panic: some integrations trust what servers answer.
type guarded struct{ next notify.Notifier }

// Notify sends; what panics is not tried again.
func (g guarded) Notify(ctx context.Context, alerts ...*alert.Alert) (again bool, err error) {
	defer func() {
		if p := recover(); p != nil {
			again, err = false, fmt.Errorf("panic while sending: %v", p)
		}
	}()
	return g.next.Notify(ctx, alerts...)
}

type enricher struct {
	next notify.Notifier
	of   *Alertmanager
}

// Notify sends with the lines that were found in time.
func (e enricher) Notify(ctx context.Context, alerts ...*alert.Alert) (bool, error) {
	if e.of.o.Lines == nil {
		return e.next.Notify(ctx, alerts...)
	}
	return e.next.Notify(ctx, e.of.withLines(ctx, alerts)...)
}

// withLines returns copies where lines were found. It returns when the bound is
// over, whatever the source does.
func (a *Alertmanager) withLines(ctx context.Context, alerts []*alert.Alert) []*alert.Alert {
	ctx, cancel := context.WithTimeout(ctx, linesBound)
	defer cancel()
	found := make(chan *alert.Alert, linesAlerts)
	index := map[model.Fingerprint]int{}
	var wg sync.WaitGroup
	for i, one := range alerts {
		if one.Resolved() || len(index) == linesAlerts {
			continue
		}
		index[one.Fingerprint()] = i
		wg.Go(func() { found <- a.withOwnLines(ctx, one) })
	}
	go func() {
		wg.Wait()
		close(found)
	}()
	return a.collect(ctx, found, index, alerts)
}

func (a *Alertmanager) collect(ctx context.Context, found <-chan *alert.Alert, index map[model.Fingerprint]int, alerts []*alert.Alert) []*alert.Alert {
	out := append([]*alert.Alert(nil), alerts...)
	for {
		select {
		case one, ok := <-found:
			if !ok {
				return out
			}
			out[index[one.Fingerprint()]] = one
		case <-ctx.Done():
			a.metrics.linesTimeouts.Inc()
			return out
		}
	}
}

// withOwnLines returns a copy of the alert if it has lines, or else itself.
func (a *Alertmanager) withOwnLines(ctx context.Context, one *alert.Alert) *alert.Alert {
	labels := make(map[string]string, len(one.Labels))
	for k, v := range one.Labels {
		labels[string(k)] = string(v)
	}
	lines, err := a.o.Lines(ctx, labels)
	if err != nil {
		a.metrics.linesTimeouts.Inc()
		a.log.Debug("no log lines for a message", "error", err)
	}
	text := bounded(lines, linesBytes)
	if text == "" {
		return one
	}
	with := *one
	with.Annotations = one.Annotations.Clone()
	if with.Annotations == nil {
		with.Annotations = model.LabelSet{}
	}
	with.Annotations[logsAnnotation] = model.LabelValue(text)
	return &with
}

// bounded joins the newest lines that fit; of a single one that does not its
// beginning.
func bounded(lines []string, size int) string {
	first, used := len(lines), 0
	for first > 0 && used+len(lines[first-1])+1 <= size {
		first--
		used += len(lines[first]) + 1
	}
	if first == len(lines) && first > 0 {
		return strings.ToValidUTF8(lines[first-1][:size], "") + " …"
	}
	return strings.ToValidUTF8(strings.Join(lines[first:], "\n"), "�")
}
