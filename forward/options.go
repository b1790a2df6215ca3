package forward

import (
	"fmt"

	"github.com/tinylib/msgp/msgp"

	"github.com/lubberline/lubberline/logrecord"
)

// Names of the options of a frame.
const (
	optionChunk      = "chunk"
	optionSize       = "size"
	optionCompressed = "compressed"
	optionSignal     = "fluent_signal"
	optionMetadata   = "metadata"
)

// Signals that Fluent Bit sends.
const (
	SignalLogs    = 0
	SignalMetrics = 1
	SignalTraces  = 2
)

// FrameOptions are the options of a frame.
type FrameOptions struct {
	// Chunk asks for an acknowledgement with this text, when not empty.
	Chunk string
	// Size is the number of entries as the sender says; 0 when it does not.
	Size int
	// Compressed is "gzip", "zstd" or empty.
	Compressed string
	// Signal is one of the signals; 0 is logs.
	Signal int
	// Common is a msgpack map of fields that all records have; empty for none.
	Common []byte
	// Metadata is what Fluent Bit says of the whole chunk; empty for none.
	Metadata []byte
}

// AppendPackedHeader begins a PackedForward frame: the tag and the head of the
// entries, of which exactly entryBytes must follow, and then AppendOptions.
func AppendPackedHeader(dst []byte, tag string, entryBytes int) []byte {
	dst = msgp.AppendArrayHeader(dst, 3)
	dst = msgp.AppendString(dst, tag)
	return msgp.AppendBytesHeader(dst, uint32(entryBytes))
}

// AppendOptions ends a frame.
func AppendOptions(dst []byte, o FrameOptions) []byte {
	at := len(dst)
	dst = append(dst, 0x80)
	n := 0
	text := func(name, value string) {
		if value != "" {
			dst = msgp.AppendString(msgp.AppendString(dst, name), value)
			n++
		}
	}
	number := func(name string, value int) {
		if value != 0 {
			dst = msgp.AppendInt(msgp.AppendString(dst, name), value)
			n++
		}
	}
	text(optionChunk, o.Chunk)
	text(optionCompressed, o.Compressed)
	number(optionSize, o.Size)
	number(optionSignal, o.Signal)
	if len(o.Common) > 0 {
		dst = append(msgp.AppendString(dst, logrecord.OptionCommon), o.Common...)
		n++
	}
	if len(o.Metadata) > 0 {
		dst = append(msgp.AppendString(dst, optionMetadata), o.Metadata...)
		n++
	}
	dst[at] |= byte(n)
	return dst
}

// parseOptions reads the options map at the beginning of b; nil is an empty one.
// Values of the wrong type are as good as unknown ones, but for the chunk.
func parseOptions(b []byte) (o FrameOptions, err error) {
	if kindIs(b, kindNil) {
		return o, nil
	}
	n, b, err := ReadMapHead(b)
	if err != nil {
		return o, fmt.Errorf("options: %w", err)
	}
	for range n {
		value, err := Skip(b)
		if err != nil {
			return o, fmt.Errorf("options: %w", err)
		}
		name, _, _ := ReadText(b)
		rest, err := Skip(value)
		if err != nil {
			return o, fmt.Errorf("options: %w", err)
		}
		if err := o.set(string(name), value[:len(value)-len(rest)]); err != nil {
			return o, fmt.Errorf("option %s: %w", name, err)
		}
		b = rest
	}
	return o, nil
}

func (o *FrameOptions) set(name string, value []byte) error {
	text, _, notText := ReadText(value)
	number, notNumber := readInt(value)
	switch name {
	case optionChunk:
		if kindIs(value, kindNil) {
			return nil
		}
		o.Chunk = string(text)
		return notText
	case optionCompressed:
		if o.Compressed = string(text); o.Compressed == "text" {
			o.Compressed = ""
		}
	case optionSize:
		if notNumber == nil && number > 0 {
			o.Size = int(min(number, 1<<31))
		}
	case optionSignal:
		o.Signal = int(number)
	case logrecord.OptionCommon:
		if IsMap(value) {
			o.Common = value
		}
	case optionMetadata:
		if IsMap(value) {
			o.Metadata = value
		}
	}
	return nil
}

// AppendMapHead begins a msgpack map.
func AppendMapHead(dst []byte, pairs int) []byte { return msgp.AppendMapHeader(dst, uint32(pairs)) }
