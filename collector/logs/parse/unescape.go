package parse

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// unescape appends the text that a JSON string stands for. Halves of surrogate
// pairs become U+FFFD; false for an escape that JSON does not know.
func unescape(dst, src []byte) ([]byte, bool) {
	for {
		i := bytes.IndexByte(src, '\\')
		if i < 0 {
			return append(dst, src...), true
		}
		dst = append(dst, src[:i]...)
		src = src[i+1:]
		if len(src) == 0 {
			return dst, false
		}
		if src[0] == 'u' {
			r, n := escapedRune(src)
			if n == 0 {
				return dst, false
			}
			dst, src = utf8.AppendRune(dst, r), src[n:]
			continue
		}
		c := shortEscape(src[0])
		if c == 0 {
			return dst, false
		}
		dst, src = append(dst, c), src[1:]
	}
}

func shortEscape(c byte) byte {
	switch c {
	case '"', '\\', '/':
		return c
	case 'n':
		return '\n'
	case 't':
		return '\t'
	case 'r':
		return '\r'
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	}
	return 0
}

// escapedRune reads "u1234", or "ud83d\ude00" as one rune, and returns how many
// bytes it took; 0 when it is malformed.
func escapedRune(b []byte) (rune, int) {
	first, ok := hex4(b)
	if !ok {
		return 0, 0
	}
	if !utf16.IsSurrogate(first) {
		return first, 5
	}
	if len(b) > 5 && b[5] == '\\' {
		if second, ok := hex4(b[6:]); ok {
			if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
				return r, 11
			}
		}
	}
	return utf8.RuneError, 5
}

// hex4 reads "u" and four hexadecimal digits.
func hex4(b []byte) (rune, bool) {
	if len(b) < 5 || b[0] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range b[1:5] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
