package logstore

import (
	"strings"

	"github.com/lubberline/lubberline/logrecord"
)

// Level is how serious a line is. Levels are ordered.
type Level uint8

// Levels; LevelUnknown is written as the empty string.
const (
	LevelUnknown Level = iota
	LevelTrace
	LevelDebug
	LevelInfo
	LevelWarn
	LevelError
	LevelFatal
)

var levelNames = [...]string{"", "trace", "debug", "info", "warn", "error", "fatal"}

// levelValues are the levels as the appender takes them, boxed once.
var levelValues = [...]any{uint8(0), uint8(1), uint8(2), uint8(3), uint8(4), uint8(5), uint8(6)}

func (l Level) String() string {
	if int(l) < len(levelNames) {
		return levelNames[l]
	}
	return ""
}

// ParseLevel reads a level's name or one of its usual other spellings
// ("warning", "ERR", "panic", …) in any case.
func ParseLevel(s string) (Level, bool) {
	if s == "" || strings.EqualFold(s, "unknown") {
		return LevelUnknown, true
	}
	l := levelWord(s)
	return l, l != LevelUnknown
}

// levelWord is the level that the word names, LevelUnknown for none.
func levelWord(word string) Level {
	if len(word) < 3 || len(word) > 11 {
		return LevelUnknown
	}
	var buf [11]byte
	for i := 0; i < len(word); i++ {
		c := word[i]
		if c >= 'A' && c <= 'Z' {
			c |= 0x20
		}
		buf[i] = c
	}
	switch string(buf[:len(word)]) {
	case "trace", "trc", "finest", "finer":
		return LevelTrace
	case "debug", "dbg", "fine", "verbose":
		return LevelDebug
	case "info", "inf", "information", "notice":
		return LevelInfo
	case "warn", "warning", "wrn":
		return LevelWarn
	case "error", "err", "severe":
		return LevelError
	case "fatal", "ftl", "panic", "critical", "crit", "emergency", "emerg", "alert", "dpanic":
		return LevelFatal
	}
	return LevelUnknown
}

// levelNumber is the level of bunyan's and pino's numbers.
func levelNumber(digits string) Level {
	if len(digits) != 2 || digits[1] != '0' {
		return LevelUnknown
	}
	switch digits[0] {
	case '1':
		return LevelTrace
	case '2':
		return LevelDebug
	case '3':
		return LevelInfo
	case '4':
		return LevelWarn
	case '5':
		return LevelError
	case '6':
		return LevelFatal
	}
	return LevelUnknown
}

// levelOf finds the level of a record: in its fields, else in its line.
func levelOf(r *logrecord.Record) Level {
	if r.Fields != "" {
		if l := scanJSON(r.Fields); l != LevelUnknown {
			return l
		}
	}
	return DetectLevel(r.Log)
}

// levelWindow is how far into a line a bare level word is looked for, and
// keyWindow how far a level key of JSON or logfmt.
const (
	levelWindow = 100
	keyWindow   = 4096
)

// DetectLevel finds the level that a line states: a "level", "severity" or
// "lvl" key of a JSON object or of logfmt, the prefix of klog and glog
// ("E1124 …"), or a word such as [ERROR], WARN or "error:" near the start. It
// reads the line once and allocates nothing.
func DetectLevel(line string) Level {
	head := strings.TrimLeft(line, " \t")
	if head == "" {
		return LevelUnknown
	}
	if head[0] == '{' {
		return scanJSON(head)
	}
	if l := klogPrefix(head); l != LevelUnknown {
		return l
	}
	if l := scanLogfmt(head); l != LevelUnknown {
		return l
	}
	return scanWords(head)
}

// klogPrefix reads "I1124 17:03:04.000000" and its like.
func klogPrefix(s string) Level {
	if len(s) < 6 || s[5] != ' ' {
		return LevelUnknown
	}
	for i := 1; i < 5; i++ {
		if s[i] < '0' || s[i] > '9' {
			return LevelUnknown
		}
	}
	switch s[0] {
	case 'D':
		return LevelDebug
	case 'I':
		return LevelInfo
	case 'W':
		return LevelWarn
	case 'E':
		return LevelError
	case 'F':
		return LevelFatal
	}
	return LevelUnknown
}

// isLevelKey reports a key that holds a level, in any case.
func isLevelKey(key string) bool {
	switch len(key) {
	case 3:
		return strings.EqualFold(key, "lvl")
	case 5:
		return strings.EqualFold(key, "level")
	case 8:
		return strings.EqualFold(key, "severity") || strings.EqualFold(key, "loglevel")
	case 9:
		return strings.EqualFold(key, "log.level") || strings.EqualFold(key, "log_level")
	}
	return false
}
