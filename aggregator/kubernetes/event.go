package kubernetes

import (
	"encoding/json"
	"regexp"
	"time"

	v1 "k8s.io/api/core/v1"

	"github.com/lubberline/lubberline/logrecord"
)

// EventTag is the tag of the records that are Kubernetes events, and EventStream
// their stream.
const (
	EventTag    = "kubernetes.events"
	EventStream = "event"
)

// eventFields are the fields of an event's record beside its text and source.
type eventFields struct {
	Level     string `json:"level"`
	Type      string `json:"type"`
	Reason    string `json:"reason"`
	Count     int32  `json:"count"`
	Kind      string `json:"object_kind"`
	Namespace string `json:"object_namespace,omitempty"`
	Name      string `json:"object_name"`
	Component string `json:"component,omitempty"`
	First     string `json:"first_seen,omitempty"`
	Event     string `json:"event"`
}

// eventBatch is the record of an event as it is now: one chunk, so that the
// store takes this state of it once.
func eventBatch(e *v1.Event) logrecord.Batch {
	return logrecord.Batch{
		ChunkID: "kubernetes-event/" + string(e.UID) + "/" + e.ResourceVersion,
		Records: []logrecord.Record{{
			Time: eventTime(e).UnixNano(), Tag: EventTag, Stream: EventStream,
			Log: e.Reason + ": " + e.Message, Source: eventSource(e), Fields: fieldsOf(e),
		}},
	}
}

func fieldsOf(e *v1.Event) string {
	fields := eventFields{
		Level: "info", Type: e.Type, Reason: e.Reason, Count: max(1, e.Count),
		Kind: e.InvolvedObject.Kind, Namespace: e.InvolvedObject.Namespace, Name: e.InvolvedObject.Name,
		Component: e.Source.Component, Event: e.Namespace + "/" + e.Name,
	}
	if e.Type == v1.EventTypeWarning {
		fields.Level = "warn"
	}
	if e.Series != nil {
		fields.Count = max(fields.Count, e.Series.Count)
	}
	if fields.Component == "" {
		fields.Component = e.ReportingController
	}
	if !e.FirstTimestamp.IsZero() {
		fields.First = e.FirstTimestamp.UTC().Format(time.RFC3339)
	}
	text, err := json.Marshal(fields) // strings and numbers cannot fail
	if err != nil {
		return ""
	}
	return string(text)
}

// containerPath is how an event says which container of a pod it means:
// spec.containers{web}.
var containerPath = regexp.MustCompile(`^spec\.(?:initContainers|containers|ephemeralContainers)\{(.+)\}$`)

func eventSource(e *v1.Event) *logrecord.Source {
	o := e.InvolvedObject
	s := &logrecord.Source{Namespace: o.Namespace, Host: e.Source.Host}
	switch o.Kind {
	case "Pod":
		s.Pod, s.PodUID = o.Name, string(o.UID)
		if m := containerPath.FindStringSubmatch(o.FieldPath); m != nil {
			s.Container = m[1]
		}
	case "Node":
		s.Host = o.Name
	}
	return s
}

// eventTime is when the event happened the last time.
func eventTime(e *v1.Event) time.Time {
	switch {
	case e.Series != nil && !e.Series.LastObservedTime.IsZero():
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	default:
		return e.CreationTimestamp.Time
	}
}
