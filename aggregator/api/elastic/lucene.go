package elastic

import (
	"strings"
	"unicode/utf8"
)

// lucene compiles a query string: words, "phrases", field:value, field:(a b),
// AND OR NOT && || !, + and -, parentheses, the wildcards * and ?, /regular
// expressions/, ranges [a TO b] {a TO b} and >= > <= <, _exists_:field. As in
// Elasticsearch, clauses without an operator are joined by OR unless allMust
// is given, and boosts (^2) change nothing. def is the field of words without
// one; empty is the line and the further fields of the record.
func (c *compiler) lucene(query, def string, allMust bool) (*expr, error) {
	query = strings.ToValidUTF8(query, "\uFFFD")
	p := &luceneParser{c: c, whole: query, s: query, allMust: allMust}
	p.space()
	if p.s == "" {
		return everything(), nil
	}
	e, err := p.clauses(def)
	if err != nil {
		return nil, err
	}
	if p.s != "" {
		return nil, p.bad("unexpected [" + p.s[:1] + "]")
	}
	return e, nil
}

type luceneParser struct {
	c       *compiler
	whole   string
	s       string // what is left to read
	allMust bool
}

func (p *luceneParser) bad(what string) error {
	at := len(p.whole) - len(p.s)
	return badRequest("query_shard_exception", "Failed to parse query [%.200s]: %s at position %d", p.whole, what, at)
}

func (p *luceneParser) space() { p.s = strings.TrimLeft(p.s, " \t\r\n\u3000") }

// occur is what a clause means for its group.
type occur int

const (
	should occur = iota
	must
	mustNot
)

type clause struct {
	e *expr
	o occur
}

// clauses reads up to the end or a closing parenthesis. The operators have no
// precedence, as in Lucene: AND makes the clauses on both of its sides
// required, OR leaves the one after it optional.
func (p *luceneParser) clauses(def string) (*expr, error) {
	if err := p.c.enter(); err != nil {
		return nil, err
	}
	defer p.c.leave()
	var list []clause
	for {
		p.space()
		if p.s == "" || p.s[0] == ')' {
			if len(list) == 0 {
				return nil, p.bad("nothing to search for")
			}
			return combine(list), nil
		}
		joint := p.joint()
		p.space()
		o := p.modifier()
		e, err := p.clause(def)
		if err != nil {
			return nil, err
		}
		if joint == "AND" && len(list) > 0 && list[len(list)-1].o == should {
			list[len(list)-1].o = must
		}
		if o == should && (joint == "AND" || p.allMust && joint != "OR") {
			o = must
		}
		if joint == "OR" && p.allMust && len(list) > 0 && list[len(list)-1].o == must {
			list[len(list)-1].o = should
		}
		list = append(list, clause{e, o})
	}
}

func combine(list []clause) *expr {
	var all, any []*expr
	for _, c := range list {
		switch c.o {
		case must:
			all = append(all, c.e)
		case mustNot:
			all = append(all, not(c.e))
		default:
			any = append(any, c.e)
		}
	}
	required := false
	for _, c := range list {
		required = required || c.o == must
	}
	if len(any) > 0 && !required {
		all = append(all, or(any...))
	}
	return and(all...)
}

// joint reads AND or OR before a clause.
func (p *luceneParser) joint() string {
	for _, op := range []struct{ text, name string }{{"AND", "AND"}, {"&&", "AND"}, {"OR", "OR"}, {"||", "OR"}} {
		if p.operator(op.text) {
			return op.name
		}
	}
	return ""
}

// modifier reads + - ! NOT before a clause.
func (p *luceneParser) modifier() occur {
	o := should
	for {
		switch {
		case strings.HasPrefix(p.s, "+"):
			o, p.s = must, p.s[1:]
		case strings.HasPrefix(p.s, "-"), strings.HasPrefix(p.s, "!"):
			o, p.s = mustNot, p.s[1:]
		case p.operator("NOT"):
			o = mustNot
		default:
			return o
		}
		p.space()
	}
}

// operator consumes the operator when a word of its letters ends there.
func (p *luceneParser) operator(text string) bool {
	rest, ok := strings.CutPrefix(p.s, text)
	if !ok || text[0] >= 'A' && rest != "" && !strings.ContainsRune(" \t\r\n(\"", rune(rest[0])) {
		return false
	}
	p.s = rest
	return true
}

// clause reads one clause: a group, or a value with or without its field.
func (p *luceneParser) clause(def string) (*expr, error) {
	if err := p.c.enter(); err != nil {
		return nil, err
	}
	defer p.c.leave()
	if p.s == "" {
		return nil, p.bad("missing value")
	}
	if e, done, err := p.delimited(def); done || err != nil {
		return e, err
	}
	if def != "" {
		if e, done, err := p.comparison(def); done || err != nil {
			return e, err
		}
	}
	word, err := p.word()
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(p.s, ":") {
		p.s = p.s[1:]
		p.space()
		return p.fieldClause(word.text())
	}
	if err := p.suffix(); err != nil {
		return nil, err
	}
	return wordCondition(word, def)
}

// fieldClause reads what follows "field:".
func (p *luceneParser) fieldClause(name string) (*expr, error) {
	if name == "_exists_" {
		word, err := p.word()
		if err != nil {
			return nil, err
		}
		return fieldFor(word.text()).exists(), nil
	}
	if name == "*" {
		name = ""
	}
	if strings.ContainsRune(name, '*') {
		return nil, p.bad("wildcards in field names are not supported")
	}
	if p.s == "" {
		return nil, p.bad("no value for field [" + name + "]")
	}
	if e, done, err := p.comparison(name); done || err != nil {
		return e, err
	}
	if e, done, err := p.delimited(name); done || err != nil {
		return e, err
	}
	word, err := p.word()
	if err != nil {
		return nil, err
	}
	for strings.HasPrefix(p.s, ":") && p.s != ":" { // a value such as 12:30 or http://x
		p.s = p.s[1:]
		rest, err := p.word()
		if err != nil {
			return nil, err
		}
		word.add(':', false)
		word.runes, word.wild = append(word.runes, rest.runes...), append(word.wild, rest.wild...)
	}
	if err := p.suffix(); err != nil {
		return nil, err
	}
	return wordCondition(word, name)
}

// delimited reads a group, a phrase or a regular expression.
func (p *luceneParser) delimited(def string) (e *expr, done bool, err error) {
	switch p.s[0] {
	case '(':
		p.s = p.s[1:]
		if e, err = p.clauses(def); err != nil {
			return nil, true, err
		}
		if !strings.HasPrefix(p.s, ")") {
			return nil, true, p.bad("missing [)]")
		}
		p.s = p.s[1:]
		return e, true, p.suffix()
	case '"':
		text, err := p.until('"')
		if err != nil {
			return nil, true, err
		}
		if err := p.suffix(); err != nil {
			return nil, true, err
		}
		e, err := phraseCondition(text, def)
		return e, true, err
	case '/':
		text, err := p.until('/')
		if err != nil {
			return nil, true, err
		}
		if def == "" {
			def = "log"
		}
		e, err := matchRegex(fieldFor(def), text)
		return e, true, err
	}
	return nil, false, nil
}

// until reads what is between two of the delimiter; a backslash before one
// makes it part of the text.
func (p *luceneParser) until(delimiter byte) (string, error) {
	var b strings.Builder
	for i := 1; i < len(p.s); i++ {
		switch {
		case p.s[i] == '\\' && i+1 < len(p.s):
			if delimiter == '/' && p.s[i+1] != '/' {
				b.WriteByte('\\')
			}
			i++
			b.WriteByte(p.s[i])
		case p.s[i] == delimiter:
			p.s = p.s[i+1:]
			return b.String(), nil
		default:
			b.WriteByte(p.s[i])
		}
	}
	return "", p.bad("missing [" + string(rune(delimiter)) + "]")
}

// comparison reads a range or a comparison of the field.
func (p *luceneParser) comparison(name string) (e *expr, done bool, err error) {
	r := rangeBounds{now: p.c.now}
	for _, op := range []struct {
		text string
		set  *any
	}{{">=", &r.gte}, {"<=", &r.lte}, {">", &r.gt}, {"<", &r.lt}} {
		if rest, ok := strings.CutPrefix(p.s, op.text); ok {
			p.s = rest
			p.space()
			value, err := p.bound()
			if err != nil {
				return nil, true, err
			}
			*op.set = value
			e, err := p.rangeOn(name, r)
			return e, true, err
		}
	}
	if p.s[0] != '[' && p.s[0] != '{' {
		return nil, false, nil
	}
	e, err = p.bracketRange(name, r)
	return e, true, err
}

func (p *luceneParser) rangeOn(name string, r rangeBounds) (*expr, error) {
	f := fieldFor(name)
	if f.kind == kindTime {
		return timeRange(r)
	}
	return valueRange(f, r), nil
}

func (p *luceneParser) bracketRange(name string, r rangeBounds) (*expr, error) {
	open := p.s[0]
	p.s = p.s[1:]
	p.space()
	low, err := p.bound()
	if err != nil {
		return nil, err
	}
	p.space()
	if !p.operator("TO") {
		return nil, p.bad("missing [TO] in a range")
	}
	p.space()
	high, err := p.bound()
	if err != nil {
		return nil, err
	}
	p.space()
	if p.s == "" || p.s[0] != ']' && p.s[0] != '}' {
		return nil, p.bad("missing end of a range")
	}
	if low != "*" {
		r.gte = low
		if open == '{' {
			r.gte, r.gt = nil, low
		}
	}
	if high != "*" {
		r.lte = high
		if p.s[0] == '}' {
			r.lte, r.lt = nil, high
		}
	}
	p.s = p.s[1:]
	return p.rangeOn(name, r)
}

// bound reads a value of a range, quoted or up to a space or the end.
func (p *luceneParser) bound() (string, error) {
	if strings.HasPrefix(p.s, `"`) {
		return p.until('"')
	}
	end := strings.IndexAny(p.s, " \t]})")
	if end < 0 {
		end = len(p.s)
	}
	if end == 0 {
		return "", p.bad("missing value of a range")
	}
	value := p.s[:end]
	p.s = p.s[end:]
	return value, nil
}

// word reads a word with its escapes and wildcards.
func (p *luceneParser) word() (pattern, error) {
	var w pattern
	for p.s != "" {
		r, size := utf8.DecodeRuneInString(p.s)
		if r == '\\' && len(p.s) > 1 {
			r, size2 := utf8.DecodeRuneInString(p.s[1:])
			w.add(r, false)
			p.s = p.s[1+size2:]
			continue
		}
		if strings.ContainsRune(" \t\r\n\u3000()\":[]{}~^", r) {
			break
		}
		w.add(r, r == '*' || r == '?')
		p.s = p.s[size:]
	}
	if len(w.runes) == 0 {
		return w, p.bad("unexpected [" + p.s[:min(1, len(p.s))] + "]")
	}
	return w, nil
}

// suffix reads a boost, which changes nothing, and refuses fuzziness.
func (p *luceneParser) suffix() error {
	if strings.HasPrefix(p.s, "~") {
		return p.bad("fuzzy and proximity searches (~) are not supported")
	}
	if rest, ok := strings.CutPrefix(p.s, "^"); ok {
		p.s = strings.TrimLeft(rest, "0123456789.")
	}
	return nil
}

func wordCondition(w pattern, name string) (*expr, error) {
	if name == "" {
		switch {
		case w.isStar():
			return everything(), nil
		case w.hasWildcard():
			return anywhere(w.inText), nil
		}
		return phraseCondition(w.text(), "")
	}
	f := fieldFor(name)
	switch {
	case w.isStar():
		return f.exists(), nil
	case w.hasWildcard():
		return w.matches(f, false), nil
	}
	return f.equals(w.text())
}

func phraseCondition(text, name string) (*expr, error) {
	if name == "" {
		if text == "" {
			return everything(), nil
		}
		return anywhere(func(column string) *expr { return matchWords(column, []string{text}) }), nil
	}
	return fieldFor(name).equals(text)
}
