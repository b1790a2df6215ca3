package elasticsearch

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/klauspost/compress/s2"
)

// An entry of the queue is one byte of version and an s2 block of a ready body
// for _bulk: an action line and a document line for each document.
const (
	entryVersion = '1'
	// maxEntryBytes bounds what an entry becomes when unpacked.
	maxEntryBytes = 512 << 20
	// entryBytes is when the encoders begin another entry.
	entryBytes = 4 << 20
)

func packEntry(body []byte) []byte {
	packed := make([]byte, 1, 1+s2.MaxEncodedLen(len(body)))
	packed[0] = entryVersion
	return append(packed, s2.Encode(packed[1:cap(packed)], body)...)
}

func unpackEntry(entry []byte) ([]byte, error) {
	if len(entry) == 0 || entry[0] != entryVersion {
		return nil, errors.New("not an entry of this version")
	}
	n, err := s2.DecodedLen(entry[1:])
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	if n > maxEntryBytes {
		return nil, fmt.Errorf("unpack: %d bytes are more than %d", n, maxEntryBytes)
	}
	body, err := s2.Decode(nil, entry[1:])
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return body, nil
}

// document is one document with its action, both with their line end.
type document struct {
	action, source []byte
	sent           bool // was in a request before
}

func (d document) size() int { return len(d.action) + len(d.source) }

// documents cuts a body into its documents.
func documents(body []byte) ([]document, error) {
	var docs []document
	for len(body) > 0 {
		a := bytes.IndexByte(body, '\n') + 1
		if a == 0 {
			return docs, errors.New("an action without a line end")
		}
		b := bytes.IndexByte(body[a:], '\n') + 1
		if b == 0 {
			return docs, errors.New("an action without a document")
		}
		docs = append(docs, document{action: body[:a:a], source: body[a : a+b : a+b]})
		body = body[a+b:]
	}
	return docs, nil
}

// builder collects documents into entries of bounded size.
type builder struct {
	body    []byte
	entries [][]byte
}

// action begins a document; the caller appends it and a line end to body.
func (b *builder) action(index, id string) {
	b.body = append(b.body, `{"create":{"_index":`...)
	b.body = appendString(b.body, index)
	b.body = append(b.body, `,"_id":`...)
	b.body = appendString(b.body, id)
	b.body = append(b.body, "}}\n"...)
}

// end ends a document.
func (b *builder) end() {
	b.body = append(b.body, '\n')
	if len(b.body) >= entryBytes {
		b.flush()
	}
}

func (b *builder) flush() {
	if len(b.body) > 0 {
		b.entries = append(b.entries, packEntry(b.body))
		b.body = b.body[:0]
	}
}

const hexDigits = "0123456789abcdef"

// appendString appends s as a JSON string. Bytes that are not UTF-8 become the
// replacement character.
func appendString(b []byte, s string) []byte {
	b = append(b, '"')
	start := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= 0x80 {
			size := runeSize(s[i:])
			if size == 0 {
				b = append(append(b, s[start:i]...), "\ufffd"...)
				i++
				start = i
				continue
			}
			i += size
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		b = append(b, s[start:i]...)
		b = appendEscape(b, c)
		i++
		start = i
	}
	return append(append(b, s[start:]...), '"')
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(b, '\\', c)
	case '\n':
		return append(b, '\\', 'n')
	case '\t':
		return append(b, '\\', 't')
	case '\r':
		return append(b, '\\', 'r')
	default:
		return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
	}
}

func appendField(b []byte, name, value string) []byte {
	if value == "" {
		return b
	}
	b = appendKey(b, name)
	return appendString(b, value)
}

// appendKey appends a comma, unless the object has just begun, and the key.
func appendKey(b []byte, name string) []byte {
	if last := b[len(b)-1]; last != '{' {
		b = append(b, ',')
	}
	return append(appendString(b, name), ':')
}
