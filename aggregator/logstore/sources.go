package logstore

import (
	"encoding/json"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/lubberline/lubberline/logrecord"
)

// sourceColumns are the columns of the table sources after its id, in the
// order of sourceKey.values.
const sourceColumns = "tag, stream, namespace, pod, pod_uid, container, container_id, image, node, labels, controller"

// sourceKey is a row of the table sources. labels is JSON text of one object
// with sorted keys, empty for none.
type sourceKey struct {
	tag, stream, namespace, pod, podUID, container, containerID, image, node, labels, controller string
}

func (k *sourceKey) values() []any {
	return []any{k.tag, k.stream, k.namespace, k.pod, k.podUID, k.container, k.containerID, k.image, k.node, k.labels, k.controller}
}

// sourceTable maps the sources of a day to their numbers and back. Readers
// look numbers up while the writer adds, hence the lock.
type sourceTable struct {
	mu   sync.RWMutex
	ids  map[sourceKey]int32
	byID map[int32]*Origin
	next int32
}

func newSourceTable() *sourceTable {
	return &sourceTable{ids: map[sourceKey]int32{}, byID: map[int32]*Origin{}}
}

// put adds a source that is in the table of the file.
func (t *sourceTable) put(id int32, k sourceKey) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ids[k] = id
	t.byID[id] = originOf(k)
	t.next = max(t.next, id+1)
}

func (t *sourceTable) id(k sourceKey) (int32, bool) {
	t.mu.RLock()
	defer t.mu.RUnlock()
	id, ok := t.ids[k]
	return id, ok
}

// origin returns the source with the number; an unknown one is empty.
func (t *sourceTable) origin(id int32) *Origin {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if o, ok := t.byID[id]; ok {
		return o
	}
	return &Origin{}
}

func originOf(k sourceKey) *Origin {
	o := &Origin{Tag: k.tag, Stream: k.stream, Namespace: k.namespace, Pod: k.pod, PodUID: k.podUID,
		Container: k.container, ContainerID: k.containerID, Image: k.image, Node: k.node, Controller: k.controller}
	if k.labels != "" {
		if err := json.Unmarshal([]byte(k.labels), &o.Labels); err != nil {
			o.Labels = nil
		}
	}
	return o
}

// keyOf builds the table row of a record's source.
func keyOf(r *logrecord.Record) sourceKey {
	k := sourceKey{tag: validText(r.Tag), stream: validText(r.Stream)}
	if s := r.Source; s != nil {
		k.namespace, k.pod, k.podUID = validText(s.Namespace), validText(s.Pod), validText(s.PodUID)
		k.container, k.containerID = validText(s.Container), validText(s.ContainerID)
		k.image, k.node = validText(s.Image), validText(s.Host)
		k.labels, k.controller = labelText(s.Labels), validText(s.Controller)
	}
	return k
}

// labelText writes labels as JSON with sorted keys.
func labelText(labels map[string]string) string {
	if len(labels) == 0 {
		return ""
	}
	text, err := json.Marshal(labels) // maps of strings cannot fail
	if err != nil {
		return ""
	}
	return string(text)
}

// validText replaces what is not UTF-8, which DuckDB would refuse.
func validText(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

// validFields returns text that is a JSON object, as readers rely on it: what
// is none is kept as the text of the field "invalid_fields".
func validFields(s string) string {
	if trimmed := strings.TrimLeft(s, " \t\r\n"); strings.HasPrefix(trimmed, "{") && json.Valid([]byte(s)) {
		return validText(s)
	}
	text, err := json.Marshal(map[string]string{"invalid_fields": s}) // strings cannot fail
	if err != nil {
		return "{}"
	}
	return string(text)
}
