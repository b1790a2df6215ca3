package logs

import (
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"

	"github.com/lubberline/lubberline/forward"
	"github.com/lubberline/lubberline/logrecord"
)

const (
	// earliest and latest bound a time that a log line can have: 1990, and two
	// days ahead of our clock.
	earliest = 631_152_000 * int64(time.Second)
	ahead    = 48 * int64(time.Hour)
	// fieldEventTime keeps a record's own time where it is of no use.
	fieldEventTime = "event_time"
	fieldMessage   = "message"
)

// Names that Docker's fluentd log driver gives its fields.
const (
	fieldDriverSource        = "source"
	fieldDriverContainerName = "container_name"
	fieldDriverContainerID   = "container_id"
)

// decoder turns chunks into records. It may be used from several goroutines.
type decoder struct {
	sources *sources
}

func newDecoder(c Controllers) *decoder { return &decoder{sources: newSources(c)} }

// result is what decoding a chunk showed beside records.
type result struct {
	bad      int   // events passed over
	reason   error // of the last one
	badTimes int
}

// raw is the msgpack values of the fields of a record that have a place in
// logrecord.Record; nil where there are none.
type raw struct {
	log, message, stream               []byte // text
	kubernetes, docker                 []byte // maps
	driverSource, driverName, driverID []byte // text
}

// work is the state of one chunk's decoding.
type work struct {
	decoder *decoder
	entries *forward.Iterator
	left    int // events as the sender says
	common  *common
	now     int64
	tag     string
	arena   []byte // JSON of fields; strings refer to it, so it only grows
	key     []byte // scratch for looking up sources
	bad     int    // events that are no records
	result  result
}

// begin begins with a chunk. Strings refer to the chunk's memory.
func (d *decoder) begin(c *forward.Chunk, now int64) *work {
	const leastBytes = 3 // of an entry
	return &work{
		decoder: d, now: now, tag: validString(c.Tag), common: d.sources.common(nodeOf(c.Peer), c.Common),
		entries: forward.NewIterator(c.Entries), left: min(max(c.Size, 1), len(c.Entries)/leastBytes+1),
	}
}

// next returns so many records, or what is left; none at the end.
func (w *work) next(most int) []logrecord.Record {
	w.arena = nil // the records returned before refer to it
	records := make([]logrecord.Record, 0, min(max(w.left, 1), most))
	for len(records) < most && w.entries.Next() {
		records = append(records, logrecord.Record{})
		if err := w.record(&w.entries.Entry, &records[len(records)-1]); err != nil {
			records = records[:len(records)-1]
			w.bad++
			w.result.reason = err
		}
	}
	w.left -= len(records)
	w.result.bad = w.bad + w.entries.Bad
	if w.entries.BadReason != nil {
		w.result.reason = w.entries.BadReason
	}
	return records
}

func (w *work) record(e *forward.Entry, r *logrecord.Record) error {
	pairs, b, err := forward.ReadMapHead(e.Record)
	if err != nil {
		return err
	}
	var fields raw
	begin := len(w.arena)
	for range pairs {
		if b, err = w.pair(b, &fields); err != nil {
			w.arena = w.arena[:begin]
			return err
		}
	}
	r.Tag = w.tag
	w.time(e, r)
	w.text(&fields, r)
	w.source(&fields, r)
	r.Fields = w.fields(begin)
	return nil
}

// pair takes one field: into f when it has a place there, else into the arena.
func (w *work) pair(b []byte, f *raw) ([]byte, error) {
	name, value, err := forward.ReadText(b)
	if err != nil {
		return w.other(b)
	}
	var slot *[]byte
	text := true
	switch string(name) {
	case logrecord.FieldLog:
		slot = &f.log
	case logrecord.FieldStream:
		slot = &f.stream
	case fieldMessage:
		slot = &f.message
	case logrecord.FieldKubernetes:
		slot, text = &f.kubernetes, false
	case logrecord.FieldDocker:
		slot, text = &f.docker, false
	case fieldDriverSource:
		slot = &f.driverSource
	case fieldDriverContainerName:
		slot = &f.driverName
	case fieldDriverContainerID:
		slot = &f.driverID
	}
	if slot == nil || *slot != nil {
		return w.other(b)
	}
	if text {
		content, rest, err := forward.ReadText(value)
		if err != nil {
			return w.other(b)
		}
		*slot = content
		return rest, nil
	}
	if !forward.IsMap(value) {
		return w.other(b)
	}
	rest, err := forward.Skip(value)
	if err == nil {
		*slot = value[:len(value)-len(rest)]
	}
	return rest, err
}

// other adds a field, which key begins, to the JSON in the arena.
func (w *work) other(key []byte) (rest []byte, err error) {
	name, value, err := forward.ReadText(key)
	if err != nil {
		if name, value, err = forward.AppendJSON(nil, key); err != nil {
			return nil, err
		}
	}
	w.name(name)
	w.arena, rest, err = forward.AppendJSON(w.arena, value)
	return rest, err
}

// name begins a field in the arena; fields closes the object.
func (w *work) name(name []byte) {
	w.arena = append(w.arena, ',')
	w.arena = append(forward.AppendJSONText(w.arena, name), ':')
}

func (w *work) textField(name string, text []byte) {
	w.name([]byte(name))
	w.arena = forward.AppendJSONText(w.arena, text)
}

// fields makes an object of what was added to the arena since begin, and of
// what the chunk's records have in common.
func (w *work) fields(begin int) string {
	if len(w.arena) == begin {
		return w.common.fields
	}
	w.arena[begin] = '{'
	if extra := w.common.fields; extra != "" {
		w.arena = append(append(w.arena, ','), extra[1:]...)
	} else {
		w.arena = append(w.arena, '}')
	}
	return viewString(w.arena[begin:len(w.arena):len(w.arena)])
}

func (w *work) time(e *forward.Entry, r *logrecord.Record) {
	r.Time = e.Time
	if r.Time >= earliest && r.Time <= w.now+ahead {
		return
	}
	r.Time = w.now
	if e.RawTime == nil && e.Time == 0 {
		return
	}
	w.result.badTimes++
	w.name([]byte(fieldEventTime))
	if e.RawTime != nil {
		w.arena, _, _ = forward.AppendJSON(w.arena, e.RawTime)
		return
	}
	w.arena = append(w.arena, '"')
	w.arena = time.Unix(0, e.Time).UTC().AppendFormat(w.arena, time.RFC3339Nano)
	w.arena = append(w.arena, '"')
}

func (w *work) text(f *raw, r *logrecord.Record) {
	switch {
	case f.log != nil:
		r.Log = view(f.log)
		if f.message != nil {
			w.textField(fieldMessage, f.message)
		}
	case f.message != nil:
		r.Log = view(f.message)
	}
	switch {
	case f.stream != nil:
		r.Stream = stream(f.stream)
	case f.driverSource != nil && f.driverID != nil:
		r.Stream = stream(f.driverSource)
		f.driverSource = nil
	default:
		r.Stream = w.common.stream
	}
	if f.driverSource != nil {
		w.textField(fieldDriverSource, f.driverSource)
	}
}

// source finds where the record comes from, and keeps what looked like Docker's
// fields but is not.
func (w *work) source(f *raw, r *logrecord.Record) {
	driver := f.driverID != nil && f.kubernetes == nil && f.docker == nil
	if !driver {
		if f.driverName != nil {
			w.textField(fieldDriverContainerName, f.driverName)
		}
		if f.driverID != nil {
			w.textField(fieldDriverContainerID, f.driverID)
		}
		f.driverID, f.driverName = nil, nil
	}
	if f.kubernetes == nil && f.docker == nil && !driver {
		r.Source = w.common.source
		return
	}
	r.Source = w.decoder.sources.of(w.common, f, &w.key)
}

// stream avoids keeping a frame for a word.
func stream(b []byte) string {
	switch string(b) {
	case "stdout":
		return "stdout"
	case "stderr":
		return "stderr"
	}
	return view(b)
}

// view is text as a string without copying, unless it is no UTF-8: then the
// bad bytes become replacement characters.
func view(b []byte) string { return validString(viewString(b)) }

func viewString(b []byte) string {
	if len(b) == 0 {
		return ""
	}
	return unsafe.String(&b[0], len(b))
}

func validString(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	return strings.ToValidUTF8(s, "\ufffd")
}
