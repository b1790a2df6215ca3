package elastic

import (
	"strings"

	"github.com/lubberline/lubberline/aggregator/logstore"
)

// kind is how a field is compared.
type kind int

const (
	kindKeyword kind = iota // whole values
	kindText                // words of the line
	kindTime                // @timestamp
	kindLevel               // level, stored as a number
	kindNone                // exists in no document
)

// field is a field of the documents as SQL over logstore.Reader.Relation.
type field struct {
	name string
	kind kind
	// sql is the value as text, NULL where a document has none.
	sql    string
	source bool
	// typ is Elasticsearch's type of the field.
	typ string
}

const timeField = "@timestamp"

// levelSQL is the level's name, NULL for none.
const levelSQL = "nullif(['', 'trace', 'debug', 'info', 'warn', 'error', 'fatal'][level + 1], '')"

// sourceField maps a document's field to the column of the sources.
type sourceField struct{ name, column string }

// sourceFields are the fields that come from where a line was written.
func sourceFields() []sourceField {
	return []sourceField{
		{"stream", "stream"}, {"tag", "tag"},
		{"kubernetes.namespace_name", "namespace"}, {"kubernetes.pod_name", "pod"}, {"kubernetes.pod_id", "pod_uid"}, {"kubernetes.controller", "controller"},
		{"kubernetes.container_name", "container"}, {"kubernetes.container_image", "image"}, {"kubernetes.host", "node"},
		{"docker.container_id", "container_id"},
	}
}

const labelPrefix = "kubernetes.labels."

// fieldFor finds a field by name, with or without the suffix ".keyword".
func fieldFor(name string) field {
	name = strings.TrimSuffix(name, ".keyword")
	switch name {
	case timeField:
		return field{name: name, kind: kindTime, sql: "make_timestamp_ns(time)::VARCHAR", typ: "date"}
	case "log":
		return field{name: name, kind: kindText, sql: "nullif(message, '')", typ: "text"}
	case "level":
		return field{name: name, kind: kindLevel, sql: levelSQL, typ: "keyword"}
	case "":
		return field{name: name, kind: kindNone, sql: "NULL::VARCHAR", typ: "keyword"}
	}
	if strings.HasPrefix(name, "_") {
		return field{name: name, kind: kindNone, sql: "NULL::VARCHAR", typ: "keyword"}
	}
	for _, f := range sourceFields() {
		if f.name == name {
			return field{name: name, sql: "nullif(" + f.column + ", '')", source: true, typ: "keyword"}
		}
	}
	if label, ok := strings.CutPrefix(name, labelPrefix); ok {
		return field{name: name, source: true, typ: "keyword",
			sql: "json_extract_string(nullif(labels, ''), " + quoteText(pointer(label)) + ")"}
	}
	return field{name: name, sql: jsonSQL(name), typ: "keyword"}
}

// jsonSQL reads a further field of the record, or of its line when that is a
// JSON object: under its whole name, else along its dots.
func jsonSQL(name string) string {
	whole, along := quoteText(pointer(name)), quoteText(pointer(strings.Split(name, ".")...))
	from := func(column string) string {
		if whole == along {
			return "TRY(json_extract_string(" + column + ", " + whole + "))"
		}
		return "TRY(coalesce(json_extract_string(" + column + ", " + whole + "), json_extract_string(" + column + ", " + along + ")))"
	}
	return "coalesce(" + from("fields") + ", " + from("CASE WHEN message LIKE '{%' THEN message END") + ")"
}

// pointer writes a JSON pointer.
func pointer(keys ...string) string {
	var b strings.Builder
	for _, k := range keys {
		b.WriteByte('/')
		b.WriteString(strings.NewReplacer("~", "~0", "/", "~1", "\x00", "").Replace(k))
	}
	return b.String()
}

// number is the field's value as a number, NULL where it is none.
func (f field) number() string {
	switch f.kind {
	case kindTime:
		return "(time / 1000000.0)"
	case kindNone:
		return "NULL::DOUBLE"
	}
	return "TRY_CAST(" + f.sql + " AS DOUBLE)"
}

// with makes a condition on the field.
func (f field) with(sql string, args ...any) *expr {
	e := condition(sql, args...)
	e.source = f.source
	return e
}

// exists is true for documents that have the field.
func (f field) exists() *expr {
	switch f.kind {
	case kindTime:
		return everything()
	case kindLevel:
		return f.with("level > 0")
	case kindText:
		return f.with("message <> ''")
	case kindNone:
		if f.name == "_index" || f.name == "_id" {
			return everything()
		}
		return nothing()
	}
	return f.with(f.sql + " IS NOT NULL")
}

// equals is true where the field has the value; in text, where the word occurs.
func (f field) equals(value string) (*expr, error) {
	switch f.kind {
	case kindTime:
		return timeRange(rangeBounds{gte: value, lte: value})
	case kindText:
		return matchWords("message", []string{value}), nil
	case kindLevel:
		l, ok := logstore.ParseLevel(value)
		if !ok || l == logstore.LevelUnknown {
			return nothing(), nil
		}
		return f.with("level = ?", int64(l)), nil
	case kindNone:
		return nothing(), nil
	}
	return f.with(f.sql+" = ?", value), nil
}
