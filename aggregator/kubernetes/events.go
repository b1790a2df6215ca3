package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"
	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"

	"github.com/lubberline/lubberline/logrecord"
)

const (
	eventsPage = 500                    // events of one list request, and of one append
	eventsWait = 200 * time.Millisecond // how long an event waits for others before it is stored
	retryFirst = 250 * time.Millisecond
	retryLast  = 30 * time.Second
)

// errExpired says that the API does not know what came after a position.
var errExpired = errors.New("position expired")

// events stores every event, and every repetition of one, once. The position is
// written after the records are durable, so what was in hand at a crash is read
// again, and the log store recognises it by its chunk id: the event's uid and
// resource version.
type events struct {
	controllers *controllers
	api         corev1.EventsGetter
	stores      []Logs
	position    position
	log         *slog.Logger
	metrics     *metrics
	failing     rate.Sometimes
}

func newEvents(api corev1.EventsGetter, c *controllers, stores []Logs, file string, log *slog.Logger, m *metrics) *events {
	return &events{
		api: api, controllers: c, stores: stores, position: position{file: file}, log: log, metrics: m,
		failing: rate.Sometimes{First: 1, Interval: time.Minute},
	}
}

// run follows the events until ctx ends.
func (e *events) run(ctx context.Context) error {
	version := e.position.load()
	for wait := retryFirst; ctx.Err() == nil; {
		began := time.Now()
		var err error
		if version == "" {
			version, err = e.list(ctx)
		}
		if err == nil {
			version, err = e.follow(ctx, version)
		}
		if errors.Is(err, errExpired) {
			version = ""
		}
		if time.Since(began) > retryLast {
			wait = retryFirst
		}
		if err == nil {
			continue
		}
		if ctx.Err() == nil && !errors.Is(err, errExpired) {
			e.failing.Do(func() { e.log.Warn("Kubernetes events cannot be followed; trying again", "error", err) })
		}
		select {
		case <-time.After(wait):
			wait = min(2*wait, retryLast)
		case <-ctx.Done():
		}
	}
	return nil
}

// list stores all events there are and returns the version to follow from.
func (e *events) list(ctx context.Context) (string, error) {
	e.metrics.relist.Inc()
	options := metav1.ListOptions{Limit: eventsPage}
	for {
		page, err := e.api.Events(metav1.NamespaceAll).List(ctx, options)
		if err != nil {
			return "", fmt.Errorf("list events: %w", err)
		}
		batches := make([]logrecord.Batch, 0, len(page.Items))
		for i := range page.Items {
			batches = append(batches, e.batch(&page.Items[i]))
		}
		if err := e.store(ctx, batches); err != nil {
			return "", err
		}
		if options.Continue = page.Continue; page.Continue == "" {
			return page.ResourceVersion, e.position.save(page.ResourceVersion)
		}
	}
}

// follow stores what comes after the version, and returns how far it came.
func (e *events) follow(ctx context.Context, version string) (string, error) {
	w, err := e.api.Events(metav1.NamespaceAll).Watch(ctx, metav1.ListOptions{ResourceVersion: version, AllowWatchBookmarks: true})
	if err != nil {
		return version, watchError(err)
	}
	defer w.Stop()
	for {
		group, next, err := e.gather(ctx, w)
		if storeErr := e.store(ctx, group); storeErr != nil {
			return version, storeErr
		}
		if next != "" {
			version = next
			if saveErr := e.position.save(version); saveErr != nil {
				return version, saveErr
			}
		}
		if err != nil {
			return version, err
		}
		if group == nil && next == "" {
			return version, nil // the server ended the watch
		}
	}
}

// gather waits for an event and those that come soon after. Without any the
// watch has ended. next is the version behind them.
func (e *events) gather(ctx context.Context, w watch.Interface) (group []logrecord.Batch, next string, err error) {
	var enough <-chan time.Time
	for len(group) < eventsPage {
		select {
		case event, ok := <-w.ResultChan():
			if !ok {
				return group, next, nil
			}
			if event.Type == watch.Error {
				return group, next, watchError(apierrors.FromObject(event.Object))
			}
			object, ok := event.Object.(*v1.Event)
			if !ok {
				continue
			}
			next = object.ResourceVersion
			if event.Type == watch.Added || event.Type == watch.Modified {
				group = append(group, e.batch(object))
			}
			if enough == nil {
				enough = time.After(eventsWait)
			}
		case <-enough:
			return group, next, nil
		case <-ctx.Done():
			return group, next, nil
		}
	}
	return group, next, nil
}

// watchError tells a position that is of no use from a server that is away.
func watchError(err error) error {
	if apierrors.IsResourceExpired(err) || apierrors.IsGone(err) || apierrors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge) {
		return fmt.Errorf("%w: %w", errExpired, err)
	}
	return fmt.Errorf("watch events: %w", err)
}

// batch is the event's record, joined with its pod's controller.
func (e *events) batch(event *v1.Event) logrecord.Batch {
	b := eventBatch(event)
	if source := b.Records[0].Source; source.Pod != "" {
		found, _ := e.controllers.of(source.Namespace, source.Pod)
		source.Controller = found.String()
	}
	return b
}

func (e *events) store(ctx context.Context, batches []logrecord.Batch) error {
	if len(batches) == 0 {
		return nil
	}
	for _, s := range e.stores {
		if err := s.Append(ctx, batches); err != nil {
			return fmt.Errorf("store %d events: %w", len(batches), err)
		}
	}
	e.metrics.events.Add(float64(len(batches)))
	return nil
}
