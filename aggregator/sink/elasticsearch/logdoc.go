package elasticsearch

import (
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/valyala/fastjson"

	"github.com/lubberline/lubberline/logrecord"
)

// Names of fields that are not the wire's.
const (
	fieldTimestamp = "@timestamp"
	fieldTag       = "tag"
	// fieldBadFields holds further fields that are not a JSON object, as text.
	fieldBadFields = "fields_text"
)

// ownFields are never taken from a record's further fields.
var ownFields = []string{
	fieldTimestamp, fieldTag, logrecord.FieldLog, logrecord.FieldStream, logrecord.FieldKubernetes, logrecord.FieldDocker,
}

const (
	timestampFormat = "2006-01-02T15:04:05.000000000Z"
	dayFormat       = "2006.01.02"
)

// logEncoder renders records as documents.
type logEncoder struct {
	options *LogsOptions
	parser  fastjson.Parser

	source   *logrecord.Source // of rendered
	rendered []byte
}

// batch appends the records of a chunk. Their ids are the chunk's, hashed, and
// the record's number, so they are the same whenever the chunk comes again.
func (e *logEncoder) batch(b *builder, chunk string, records []logrecord.Record) {
	prefix := chunkPrefix(chunk)
	for i := range records {
		r := &records[i]
		at := time.Unix(0, r.Time).UTC()
		b.action(e.index(at), prefix+strconv.FormatInt(int64(i), 36))
		b.body = e.document(b.body, r, at)
		b.end()
	}
}

func chunkPrefix(chunk string) string {
	sum := sha256.Sum256([]byte(chunk))
	return base64.RawURLEncoding.EncodeToString(sum[:15]) + "."
}

func (e *logEncoder) index(at time.Time) string {
	if e.options.DailyPrefix == "" {
		return e.options.DataStream
	}
	return e.options.DailyPrefix + "-" + at.Format(dayFormat)
}

func (e *logEncoder) document(b []byte, r *logrecord.Record, at time.Time) []byte {
	b = append(b, `{"@timestamp":"`...)
	b = at.AppendFormat(b, timestampFormat)
	b = append(b, '"')
	b = appendKey(b, logrecord.FieldLog)
	b = appendString(b, r.Log)
	b = appendField(b, logrecord.FieldStream, r.Stream)
	b = appendField(b, fieldTag, r.Tag)
	b = append(b, e.origin(r.Source)...)
	b = e.further(b, r.Fields)
	return append(b, '}')
}

// origin returns the fields of a source, each with a comma before it; records
// of a chunk share them.
func (e *logEncoder) origin(s *logrecord.Source) []byte {
	if s == nil {
		return nil
	}
	if e.source == s {
		return e.rendered
	}
	b := append(e.rendered[:0], `,"`+logrecord.FieldKubernetes+`":{`...)
	b = appendField(b, logrecord.FieldNamespace, s.Namespace)
	b = appendField(b, logrecord.FieldPod, s.Pod)
	b = appendField(b, logrecord.FieldPodUID, s.PodUID)
	b = appendField(b, logrecord.FieldController, s.Controller)
	b = appendField(b, logrecord.FieldContainer, s.Container)
	b = appendField(b, logrecord.FieldImage, s.Image)
	b = appendField(b, logrecord.FieldHost, s.Host)
	b = appendLabels(b, s.Labels)
	b = append(b, '}')
	if s.ContainerID != "" {
		b = append(b, `,"`+logrecord.FieldDocker+`":{`...)
		b = append(appendField(b, logrecord.FieldContainerID, s.ContainerID), '}')
	}
	e.source, e.rendered = s, b
	return b
}

func appendLabels(b []byte, labels map[string]string) []byte {
	if len(labels) == 0 {
		return b
	}
	keys := slices.Sorted(maps.Keys(labels))
	b = append(appendKey(b, logrecord.FieldLabels), '{')
	for i, k := range keys {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(appendString(b, k), ':')
		b = appendString(b, labels[k])
	}
	return append(b, '}')
}

// further adds the further fields of a record beside ours, of which none is
// overwritten.
func (e *logEncoder) further(b []byte, fields string) []byte {
	if fields == "" {
		return b
	}
	v, err := e.parser.Parse(fields)
	if err != nil || v.Type() != fastjson.TypeObject {
		return appendField(b, fieldBadFields, fields)
	}
	v.GetObject().Visit(func(key []byte, value *fastjson.Value) {
		if len(key) == 0 || slices.Contains(ownFields, string(key)) {
			return
		}
		b = appendString(append(b, ','), string(key))
		b = append(b, ':')
		b = value.MarshalTo(b)
	})
	return b
}

// runeSize is the length of the rune that s begins with, 0 when that is none.
func runeSize(s string) int {
	r, size := utf8.DecodeRuneInString(s)
	if r == utf8.RuneError && size <= 1 {
		return 0
	}
	return size
}

// template is that of the data stream, or of the daily indices.
func (o *LogsOptions) template() *template {
	name, pattern := o.DataStream, o.DataStream+"*"
	if o.DailyPrefix != "" {
		name, pattern = o.DailyPrefix, o.DailyPrefix+"-*"
	}
	body := map[string]any{
		"index_patterns": []string{pattern},
		"priority":       250,
		"template": map[string]any{
			"settings": o.settings(map[string]any{"index.mapping.total_fields.limit": 2000, "index.mapping.ignore_malformed": true}),
			"mappings": logMappings(),
		},
	}
	t := &template{name: name, body: body}
	if o.DailyPrefix == "" {
		body["data_stream"] = map[string]any{}
		t.hint = " (a server without data streams needs the daily index)"
	}
	return t
}

func logMappings() map[string]any {
	return map[string]any{
		"dynamic_templates": []any{stringsAreKeywords},
		"properties": map[string]any{
			// Malformed times are refused: a data stream cannot hold them.
			fieldTimestamp:        map[string]any{"type": "date_nanos", "ignore_malformed": false},
			logrecord.FieldLog:    map[string]any{"type": "text", "fields": map[string]any{"keyword": keyword}},
			logrecord.FieldStream: keyword,
			fieldTag:              keyword,
			fieldBadFields:        map[string]any{"type": "text"},
			logrecord.FieldKubernetes: object(map[string]any{
				logrecord.FieldNamespace:  keyword,
				logrecord.FieldPod:        keyword,
				logrecord.FieldPodUID:     keyword,
				logrecord.FieldController: keyword,
				logrecord.FieldContainer:  keyword,
				logrecord.FieldImage:      keyword,
				logrecord.FieldHost:       keyword,
				// One field whatever the keys: labels with dots in them do not
				// meet as objects, and each deployment's keys cost nothing.
				logrecord.FieldLabels: map[string]any{"type": "flattened", "ignore_above": 1024},
			}),
			logrecord.FieldDocker: object(map[string]any{logrecord.FieldContainerID: keyword}),
		},
	}
}
