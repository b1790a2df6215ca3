package forward

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"sort"
	"strconv"
	"strings"

	"github.com/tinylib/msgp/msgp"
)

// jsonDecoder reads the protocol's JSON form and turns each frame into packed
// entries.
type jsonDecoder struct {
	json  *json.Decoder
	meter *meteredReader
	limit int64
}

// meteredReader fails once more than its allowance was read.
type meteredReader struct {
	source io.Reader
	left   int64
}

func (m *meteredReader) Read(p []byte) (int, error) {
	if m.left <= 0 {
		return 0, fmt.Errorf("frame %w", ErrTooLong)
	}
	n, err := m.source.Read(p[:min(int64(len(p)), m.left)])
	m.left -= int64(n)
	return n, err
}

func newJSONDecoder(r io.Reader, limit int) *jsonDecoder {
	meter := &meteredReader{source: r}
	d := &jsonDecoder{json: json.NewDecoder(meter), meter: meter, limit: int64(limit)}
	d.json.UseNumber()
	return d
}

func (d *jsonDecoder) next() (*Chunk, error) {
	d.meter.left = d.limit
	var frame []any
	if err := d.json.Decode(&frame); err != nil {
		var syntax *json.SyntaxError
		var kind *json.UnmarshalTypeError
		if errors.As(err, &syntax) || errors.As(err, &kind) {
			err = fmt.Errorf("%w: json: %w", ErrMalformed, err)
		}
		return nil, err
	}
	c, err := jsonFrame(frame)
	if err != nil {
		return nil, fmt.Errorf("json frame: %w", err)
	}
	return c, nil
}

func jsonFrame(frame []any) (*Chunk, error) {
	if len(frame) < 2 {
		return nil, fmt.Errorf("%w: array of %d", ErrMalformed, len(frame))
	}
	tag, ok := frame[0].(string)
	if !ok || len(tag) > maxTagBytes {
		return nil, fmt.Errorf("%w: tag", ErrMalformed)
	}
	c := &Chunk{Tag: tag, Mode: ModeForward}
	rest := frame[2:]
	entries, ok := frame[1].([]any)
	if !ok {
		if len(frame) < 3 {
			return nil, fmt.Errorf("%w: no record", ErrMalformed)
		}
		c.Mode = ModeMessage
		entries = []any{frame[1:3]}
		rest = frame[3:]
	}
	var err error
	if c.Entries, err = jsonEntries(entries); err != nil {
		return nil, err
	}
	if len(rest) > 0 {
		raw, err := appendJSON(nil, rest[0], MaxDepth)
		if err != nil {
			return nil, err
		}
		c.FrameOptions, err = parseOptions(raw)
		return c, err
	}
	return c, nil
}

func jsonEntries(entries []any) (out []byte, err error) {
	for _, e := range entries {
		pair, ok := e.([]any)
		if ok && len(pair) >= 2 {
			out = append(out, 0x92)
			out = appendJSONTime(out, pair[0])
			if out, err = appendJSON(out, pair[1], MaxDepth-1); err != nil {
				return nil, err
			}
			continue
		}
		out = append(out, 0xc0) // a bad entry, for the iterator to count
	}
	return out, nil
}

// appendJSONTime keeps the digits behind the point, which a float would lose.
func appendJSONTime(dst []byte, v any) []byte {
	number, ok := v.(json.Number)
	if !ok {
		return append(dst, 0xc0)
	}
	whole, fraction, _ := strings.Cut(number.String(), ".")
	seconds, err := strconv.ParseInt(whole, 10, 64)
	if err != nil || seconds < 0 || seconds > math.MaxUint32 {
		f, _ := number.Float64()
		return msgp.AppendFloat64(dst, f)
	}
	nanos, err := strconv.ParseInt((fraction + "000000000")[:9], 10, 64)
	if err != nil || nanos < 0 {
		nanos = 0
	}
	return AppendEventTime(dst, seconds*1e9+nanos)
}

// appendJSON appends a decoded JSON value as msgpack; keys in order.
func appendJSON(dst []byte, v any, depth int) ([]byte, error) {
	if depth == 0 {
		return nil, ErrDepth
	}
	var err error
	switch v := v.(type) {
	case nil:
		return append(dst, 0xc0), nil
	case bool:
		return msgp.AppendBool(dst, v), nil
	case string:
		return msgp.AppendString(dst, v), nil
	case json.Number:
		return appendJSONNumber(dst, v), nil
	case []any:
		dst = msgp.AppendArrayHeader(dst, uint32(len(v)))
		for _, e := range v {
			if dst, err = appendJSON(dst, e, depth-1); err != nil {
				return nil, err
			}
		}
		return dst, nil
	case map[string]any:
		keys := make([]string, 0, len(v))
		for k := range v {
			keys = append(keys, k)
		}
		sort.Strings(keys)
		dst = msgp.AppendMapHeader(dst, uint32(len(v)))
		for _, k := range keys {
			if dst, err = appendJSON(msgp.AppendString(dst, k), v[k], depth-1); err != nil {
				return nil, err
			}
		}
		return dst, nil
	}
	return nil, fmt.Errorf("%w: json %T", ErrMalformed, v)
}

func appendJSONNumber(dst []byte, n json.Number) []byte {
	if i, err := n.Int64(); err == nil {
		return msgp.AppendInt64(dst, i)
	}
	if u, err := strconv.ParseUint(n.String(), 10, 64); err == nil {
		return msgp.AppendUint64(dst, u)
	}
	if f, err := n.Float64(); err == nil {
		return msgp.AppendFloat64(dst, f)
	}
	return msgp.AppendString(dst, n.String())
}
