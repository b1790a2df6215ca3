package logstore

import "strings"

// scanJSON looks for a level key with a text or number value in a line that
// starts like a JSON object. It does not check the JSON: keys of nested
// objects count only when no outer key does not come first.
func scanJSON(s string) Level {
	s = s[:min(len(s), keyWindow)]
	for {
		i := strings.IndexByte(s, '"')
		if i < 0 {
			return LevelUnknown
		}
		text, rest, ok := quoted(s[i+1:])
		if !ok {
			return LevelUnknown
		}
		s = rest
		if !isLevelKey(text) {
			continue
		}
		value, isKey := strings.CutPrefix(strings.TrimLeft(rest, " \t"), ":")
		if !isKey {
			continue
		}
		if l := valueLevel(strings.TrimLeft(value, " \t")); l != LevelUnknown {
			return l
		}
	}
}

// quoted returns the text up to the closing quote and what follows it.
func quoted(s string) (text, rest string, ok bool) {
	for i := 0; i < len(s); {
		j := strings.IndexByte(s[i:], '"')
		if j < 0 {
			return "", "", false
		}
		end := i + j
		slashes := 0
		for k := end - 1; k >= 0 && s[k] == '\\'; k-- {
			slashes++
		}
		if slashes%2 == 0 {
			return s[:end], s[end+1:], true
		}
		i = end + 1
	}
	return "", "", false
}

// valueLevel reads the level at the start of a value, quoted or not.
func valueLevel(s string) Level {
	s = strings.TrimPrefix(s, `"`)
	end := 0
	for end < len(s) && end < 12 && (isLetter(s[end]) || isDigit(s[end])) {
		end++
	}
	if l := levelWord(s[:end]); l != LevelUnknown {
		return l
	}
	return levelNumber(s[:end])
}

// scanLogfmt looks for level=, lvl= or severity= at the start of a word.
func scanLogfmt(s string) Level {
	s = s[:min(len(s), keyWindow)]
	for at := 0; ; {
		i := strings.IndexByte(s[at:], '=')
		if i < 0 {
			return LevelUnknown
		}
		eq := at + i
		start := eq
		for start > 0 && eq-start < 10 && isKeyByte(s[start-1]) {
			start--
		}
		if isLevelKey(s[start:eq]) {
			if l := valueLevel(s[eq+1:]); l != LevelUnknown {
				return l
			}
		}
		at = eq + 1
	}
}

// scanWords looks for a level word near the start of the line. A word counts
// when it is in capitals, in brackets, or followed by a colon: "an error" in
// running text says little of the line.
func scanWords(s string) Level {
	s = s[:min(len(s), levelWindow)]
	for i := 0; i < len(s); {
		if !isLetter(s[i]) {
			i++
			continue
		}
		start := i
		for i < len(s) && (isLetter(s[i]) || isDigit(s[i]) || s[i] == '_') {
			i++
		}
		if l := levelWord(s[start:i]); l != LevelUnknown && stands(s, start, i) {
			return l
		}
	}
	return LevelUnknown
}

// stands reports that the word s[start:end] stands out as a level.
func stands(s string, start, end int) bool {
	if start > 0 && (s[start-1] == '[' || s[start-1] == '<' || s[start-1] == '(' || s[start-1] == '|') {
		return true
	}
	if end < len(s) && (s[end] == ':' || s[end] == ']' || s[end] == '|') {
		return start == 0 || !isKeyByte(s[start-1])
	}
	for i := start; i < end; i++ {
		if s[i] >= 'a' && s[i] <= 'z' {
			return false
		}
	}
	return start == 0 || s[start-1] != '/' && s[start-1] != '-' && s[start-1] != '.'
}

func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
func isDigit(c byte) bool  { return c >= '0' && c <= '9' }
func isKeyByte(c byte) bool {
	return isLetter(c) || isDigit(c) || c == '_' || c == '.'
}
