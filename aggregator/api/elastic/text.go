package elastic

import (
	"regexp"
	"strings"
	"unicode"
)

// words splits text as a search for words does: at everything that is neither
// letter, digit nor underscore.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' })
}

// matchWords is true where the words occur in the column, one after the other,
// as whole words in any case.
func matchWords(column string, list []string) *expr {
	var all []string
	for _, w := range list {
		all = append(all, words(w)...)
	}
	if len(all) == 0 { // nothing but punctuation: then it is looked for as it is
		text := strings.Join(list, " ")
		if text == "" {
			return nothing()
		}
		return condition("contains("+column+", ?)", text)
	}
	var pattern strings.Builder
	pattern.WriteString("(?i)")
	for i, w := range all {
		if i > 0 {
			pattern.WriteString(`[^\pL\pN_]+`)
		}
		pattern.WriteString(boundary(w, false) + regexp.QuoteMeta(w) + boundary(w, true))
	}
	return condition("regexp_matches("+column+", ?)", pattern.String())
}

// boundary is \b where RE2's notion of a word, which is ASCII, fits.
func boundary(word string, end bool) string {
	c := word[0]
	if end {
		c = word[len(word)-1]
	}
	if c < 0x80 {
		return `\b`
	}
	return ""
}

// anywhere joins the same condition on the line and on the further fields.
func anywhere(f func(column string) *expr) *expr {
	inFields := f("fields")
	inFields.sql = "fields IS NOT NULL AND " + inFields.sql
	return or(f("message"), inFields)
}

// pattern is a text with wildcards: parts are literal, and between them is a
// star, or a question mark where any is true.
type pattern struct {
	runes []rune
	wild  []bool
}

// parsePattern reads * and ? as wildcards, a backslash before a character
// makes it literal.
func parsePattern(s string) pattern {
	var p pattern
	escaped := false
	for _, r := range s {
		if !escaped && r == '\\' {
			escaped = true
			continue
		}
		p.add(r, !escaped && (r == '*' || r == '?'))
		escaped = false
	}
	if escaped {
		p.add('\\', false)
	}
	return p
}

// add appends a character; stars in a row are one.
func (p *pattern) add(r rune, wild bool) {
	if n := len(p.runes) - 1; wild && r == '*' && n >= 0 && p.wild[n] && p.runes[n] == '*' {
		return
	}
	p.runes = append(p.runes, r)
	p.wild = append(p.wild, wild)
}

func (p *pattern) text() string { return string(p.runes) }

func (p *pattern) hasWildcard() bool {
	for _, w := range p.wild {
		if w {
			return true
		}
	}
	return false
}

// isStar is true for "*", which only asks whether the field exists.
func (p *pattern) isStar() bool { return len(p.runes) == 1 && p.wild[0] && p.runes[0] == '*' }

// regex writes the pattern with the given meaning of "any character".
func (p *pattern) regex(anyRune string) string {
	var b strings.Builder
	for i, r := range p.runes {
		switch {
		case p.wild[i] && r == '*':
			b.WriteString(anyRune + "*")
		case p.wild[i]:
			b.WriteString(anyRune)
		default:
			b.WriteString(regexp.QuoteMeta(string(r)))
		}
	}
	return b.String()
}

// matches is true where the field has a value that the pattern describes; in
// text, a word.
func (p *pattern) matches(f field, ignoreCase bool) *expr {
	switch f.kind {
	case kindText:
		return p.inText("message")
	case kindTime, kindNone:
		return nothing()
	}
	flags := "(?s)"
	if ignoreCase || f.kind == kindLevel {
		flags = "(?si)"
	}
	return f.with("regexp_full_match("+f.sql+", ?)", flags+p.regex("."))
}

func (p *pattern) inText(column string) *expr {
	re := "(?i)"
	if len(p.runes) > 0 && isWordRune(p.runes[0]) && !p.wild[0] {
		re += `\b`
	}
	re += p.regex(`\S`)
	if n := len(p.runes) - 1; n >= 0 && isWordRune(p.runes[n]) && !p.wild[n] {
		re += `\b`
	}
	return condition("regexp_matches("+column+", ?)", re)
}

func isWordRune(r rune) bool {
	return r == '_' || r >= '0' && r <= '9' || r|0x20 >= 'a' && r|0x20 <= 'z' && r < 0x80
}

// matchRegex is true where the expression matches the whole value of a
// keyword, or somewhere in text.
func matchRegex(f field, re string) (*expr, error) {
	if _, err := regexp.Compile(re); err != nil || len(re) > 4096 {
		return nil, badRequest("query_shard_exception", "bad regular expression [%.200s]: %v", re, err)
	}
	switch f.kind {
	case kindText:
		return condition("regexp_matches(message, ?)", "(?i)"+re), nil
	case kindTime, kindNone:
		return nothing(), nil
	}
	return f.with("regexp_full_match("+f.sql+", ?)", re), nil
}
