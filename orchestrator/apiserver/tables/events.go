package tables

import (
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func (t *Tables) addEvents(now func() time.Time) {
	doc := corev1.Event{}.SwaggerDoc()
	name := nameColumn()
	name.Priority = 1
	columns := []metav1.TableColumnDefinition{
		text("Last Seen", doc["lastTimestamp"]),
		text("Type", doc["type"]),
		text("Reason", doc["reason"]),
		text("Object", doc["involvedObject"]),
		wide("Subobject", corev1.ObjectReference{}.SwaggerDoc()["fieldPath"]),
		wide("Source", doc["source"]),
		text("Message", doc["message"]),
		wide("First Seen", doc["firstTimestamp"]),
		wide("Count", doc["count"]),
		name,
	}
	add(t, now, "", "events", columns, func(e *corev1.Event, now time.Time) row {
		return coreEvent(e).row(now)
	})
	add(t, now, "events.k8s.io", "events", columns, func(e *eventsv1.Event, now time.Time) row {
		return newEvent(e).row(now)
	})
}

// event is what both forms of an event show.
type event struct {
	name, kind, reason, message string
	object                      corev1.ObjectReference
	source                      corev1.EventSource
	controller, instance        string
	first, last                 time.Time
	at                          time.Time
	count                       int32
	series                      bool
	seriesLast                  time.Time
	seriesCount                 int32
}

func coreEvent(e *corev1.Event) event {
	ev := event{
		name: e.Name, kind: e.Type, reason: e.Reason, message: e.Message, object: e.InvolvedObject,
		source: e.Source, controller: e.ReportingController, instance: e.ReportingInstance,
		first: e.FirstTimestamp.Time, last: e.LastTimestamp.Time, at: e.EventTime.Time, count: e.Count,
	}
	if s := e.Series; s != nil {
		ev.series, ev.seriesLast, ev.seriesCount = true, s.LastObservedTime.Time, s.Count
	}
	return ev
}

func newEvent(e *eventsv1.Event) event {
	ev := event{
		name: e.Name, kind: e.Type, reason: e.Reason, message: e.Note, object: e.Regarding,
		source: e.DeprecatedSource, controller: e.ReportingController, instance: e.ReportingInstance,
		first: e.DeprecatedFirstTimestamp.Time, last: e.DeprecatedLastTimestamp.Time, at: e.EventTime.Time,
		count: e.DeprecatedCount,
	}
	if s := e.Series; s != nil {
		ev.series, ev.seriesLast, ev.seriesCount = true, s.LastObservedTime.Time, s.Count
	}
	return ev
}

func (e event) row(now time.Time) row {
	first, last, count := e.first, e.last, e.count
	if first.IsZero() {
		first = e.at
	}
	if last.IsZero() {
		last = first
	}
	if e.series {
		last, count = e.seriesLast, e.seriesCount
	} else if count == 0 {
		count = 1
	}
	object := strings.ToLower(e.object.Kind)
	if e.object.Name != "" {
		object += "/" + e.object.Name
	}
	source := or(e.source.Component, e.controller)
	if host := or(e.source.Host, e.instance); host != "" {
		source += ", " + host
	}
	return cells(since(metav1.Time{Time: last}, now), e.kind, e.reason, object, e.object.FieldPath, source,
		strings.TrimSpace(e.message), since(metav1.Time{Time: first}, now), int64(count), e.name)
}
