package forward

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// AppendJSON appends the first value of b as JSON and returns what follows it.
// Bytes that are no UTF-8 become replacement characters, NaN and infinities
// null, times RFC 3339 text, other extensions base64 text, and map keys text.
func AppendJSON(dst, b []byte) (out, rest []byte, err error) {
	return appendAsJSON(dst, b, MaxDepth)
}

func appendAsJSON(dst, b []byte, depth int) ([]byte, []byte, error) {
	h, err := readHead(b)
	if err != nil {
		return dst, nil, err
	}
	body := b[h.size:]
	if h.payload() > len(body) {
		return dst, nil, ErrShort
	}
	switch h.kind {
	case kindString, kindBinary:
		return AppendJSONText(dst, body[:h.n]), body[h.n:], nil
	case kindExt:
		return appendJSONExt(dst, b, h), body[h.n:], nil
	case kindArray, kindMap:
		return appendJSONContainer(dst, body, h, depth)
	case kindNil:
		return append(dst, "null"...), body, nil
	case kindBool:
		return strconv.AppendBool(dst, b[0] == 0xc3), body, nil
	case kindFloat:
		return appendJSONFloat(dst, b[:h.size]), body, nil
	case kindUint:
		if h.size > 1 {
			return strconv.AppendUint(dst, bigEndian(b[1:h.size]), 10), body, nil
		}
	}
	v, err := readInt(b)
	return strconv.AppendInt(dst, v, 10), body, err
}

func appendJSONContainer(dst, b []byte, h head, depth int) ([]byte, []byte, error) {
	if depth == 0 {
		return dst, nil, ErrDepth
	}
	brackets := "[]"
	if h.kind == kindMap {
		brackets = "{}"
	}
	var err error
	dst = append(dst, brackets[0])
	for i := range h.n {
		if i > 0 {
			dst = append(dst, ',')
		}
		if h.kind == kindMap {
			if dst, b, err = appendJSONKey(dst, b, depth-1); err != nil {
				return dst, nil, err
			}
		}
		if dst, b, err = appendAsJSON(dst, b, depth-1); err != nil {
			return dst, nil, err
		}
	}
	return append(dst, brackets[1]), b, nil
}

// appendJSONKey appends a key and a colon. A key that is no text becomes the
// text of its JSON.
func appendJSONKey(dst, b []byte, depth int) ([]byte, []byte, error) {
	if text, rest, err := ReadText(b); err == nil {
		return append(AppendJSONText(dst, text), ':'), rest, nil
	}
	raw, rest, err := appendAsJSON(nil, b, depth)
	if err != nil {
		return dst, nil, err
	}
	return append(AppendJSONText(dst, raw), ':'), rest, nil
}

func appendJSONExt(dst, b []byte, h head) []byte {
	payload := b[h.size : h.size+h.n]
	if b[h.size-1] == 0 && h.n == 8 {
		dst = append(dst, '"')
		dst = time.Unix(0, eventTime(payload)).UTC().AppendFormat(dst, time.RFC3339Nano)
		return append(dst, '"')
	}
	dst = append(dst, '"')
	dst = base64.StdEncoding.AppendEncode(dst, payload)
	return append(dst, '"')
}

func appendJSONFloat(dst, b []byte) []byte {
	bits := 64
	v := 0.0
	if b[0] == 0xca {
		bits = 32
		v = float64(math.Float32frombits(binary.BigEndian.Uint32(b[1:])))
	} else {
		v = math.Float64frombits(binary.BigEndian.Uint64(b[1:]))
	}
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return append(dst, "null"...)
	}
	return strconv.AppendFloat(dst, v, 'g', -1, bits)
}

const hexDigits = "0123456789abcdef"

// AppendJSONText appends text as a JSON string.
func AppendJSONText(dst, text []byte) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(text); {
		c := text[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRune(text[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, text[from:i]...), "\ufffd"...)
				from = i + 1
			}
			i += n
			continue
		}
		if c >= ' ' && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, text[from:i]...)
		dst = appendEscape(dst, c)
		i++
		from = i
	}
	return append(append(dst, text[from:]...), '"')
}

func appendEscape(dst []byte, c byte) []byte {
	switch c {
	case '"', '\\':
		return append(dst, '\\', c)
	case '\n':
		return append(dst, '\\', 'n')
	case '\t':
		return append(dst, '\\', 't')
	case '\r':
		return append(dst, '\\', 'r')
	}
	return append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
