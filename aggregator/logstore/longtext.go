package logstore

import (
	"encoding/json"
	"unicode/utf8"
)

// maxText is the longest text of one row, in bytes. A longer line becomes
// several records of the same time, one after the other; of longer fields the
// beginning is kept as text. The engine reads two thousand rows at a time, so
// that longer ones would take more memory than there is.
const maxText = 256 << 10

// cutText cuts valid UTF-8 behind at most maxText bytes, between characters.
func cutText(s string) (first, rest string) {
	if len(s) <= maxText {
		return s, ""
	}
	end := maxText
	for end > maxText-utf8.UTFMax && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end], s[end:]
}

// shortFields keeps fields that are not too long.
func shortFields(s string) string {
	if len(s) <= maxText {
		return s
	}
	first, _ := cutText(s)
	text, err := json.Marshal(map[string]string{"cut_fields": first}) // strings cannot fail
	if err != nil {
		return "{}"
	}
	return string(text)
}
