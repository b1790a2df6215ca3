package logs

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/lubberline/lubberline/aggregator/logstore"
)

// Entry is a log record as it is answered. Absent means unknown.
type Entry struct {
	// Time is RFC 3339 with nanoseconds, UTC.
	Time string `json:"time"`
	// Cursor is the record's place; cursor=… continues behind it.
	Cursor      string            `json:"cursor"`
	Namespace   string            `json:"namespace,omitempty"`
	Controller  string            `json:"controller,omitempty"`
	Pod         string            `json:"pod,omitempty"`
	PodUID      string            `json:"pod_uid,omitempty"`
	Container   string            `json:"container,omitempty"`
	ContainerID string            `json:"container_id,omitempty"`
	Image       string            `json:"image,omitempty"`
	Node        string            `json:"node,omitempty"`
	Stream      string            `json:"stream,omitempty"`
	Level       string            `json:"level,omitempty"`
	Message     string            `json:"message"`
	Labels      map[string]string `json:"labels,omitempty"`
	// Fields are the further fields of the record, one JSON object.
	Fields json.RawMessage `json:"fields,omitempty"`
	Tag    string          `json:"tag,omitempty"`
}

func entryOf(e *logstore.Entry) Entry {
	o := e.Origin
	out := Entry{Time: time.Unix(0, e.Time).UTC().Format(time.RFC3339Nano), Cursor: cursorText(e.Cursor()),
		Namespace: o.Namespace, Controller: o.Controller, Pod: o.Pod, PodUID: o.PodUID, Container: o.Container, ContainerID: o.ContainerID,
		Image: o.Image, Node: o.Node, Stream: o.Stream, Level: e.Level.String(), Message: e.Message, Labels: o.Labels, Tag: o.Tag}
	if e.Fields != "" && json.Valid([]byte(e.Fields)) {
		out.Fields = json.RawMessage(e.Fields)
	}
	return out
}

// textLine writes a record for a terminal: time, level, where from, line.
func textLine(e *logstore.Entry) string {
	var b strings.Builder
	b.WriteString(time.Unix(0, e.Time).UTC().Format("2006-01-02T15:04:05.000Z"))
	level := e.Level.String()
	if level == "" {
		level = "-"
	}
	b.WriteString(" " + level + strings.Repeat(" ", max(0, 5-len(level))) + " ")
	b.WriteString(place(e.Origin))
	b.WriteByte(' ')
	b.WriteString(strings.ReplaceAll(e.Message, "\n", "\n    "))
	if e.Message == "" && e.Fields != "" {
		b.WriteString(e.Fields)
	}
	b.WriteByte('\n')
	return b.String()
}

// place is "namespace/pod/container", or the tag of what has none.
func place(o *logstore.Origin) string {
	var parts []string
	for _, p := range []string{o.Namespace, o.Pod, o.Container} {
		if p != "" {
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		return max(o.Tag, "-")
	}
	return strings.Join(parts, "/")
}
