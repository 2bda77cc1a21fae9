package query

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// terms reads bare terms up to a | or the end: words, "phrases", field:value,
// field:"value", field:>5, with *, -, NOT, AND, OR and parentheses. Terms side
// by side must all hold.
func (p *parser) terms() (Expr, error) {
	e, err := p.termOr(false)
	if err != nil {
		return nil, err
	}
	p.blank()
	if p.pos < len(p.s) && p.s[p.pos] != '|' {
		return nil, &Error{Pos: p.pos, Len: 1, What: "this closing parenthesis has no opening one"}
	}
	return e, nil
}

func (p *parser) termOr(inside bool) (Expr, error) {
	if err := p.enterTerm(); err != nil {
		return nil, err
	}
	defer p.leave()
	left, err := p.termAnd(inside)
	for err == nil && p.keyword("OR") {
		var right Expr
		if right, err = p.termAnd(inside); err == nil {
			left = Binary{join(left, right), "or", left, right}
		}
	}
	return left, err
}

func (p *parser) enterTerm() error {
	p.tok = token{pos: p.pos, end: p.pos + 1}
	return p.enter()
}

func (p *parser) termAnd(inside bool) (Expr, error) {
	left, err := p.term(inside)
	for err == nil {
		p.keyword("AND")
		if p.termsEnd() || p.peekKeyword("OR") {
			break
		}
		var right Expr
		if right, err = p.term(inside); err == nil {
			left = Binary{join(left, right), "and", left, right}
		}
	}
	return left, err
}

func (p *parser) termsEnd() bool {
	p.blank()
	return p.pos >= len(p.s) || p.s[p.pos] == '|' || p.s[p.pos] == ')'
}

func (p *parser) peekKeyword(w string) bool {
	p.blank()
	rest, ok := strings.CutPrefix(p.s[p.pos:], w)
	if !ok || rest == "" {
		return ok
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return unicode.IsSpace(r) || r == '(' || r == '|' || r == ')'
}

func (p *parser) keyword(w string) bool {
	if !p.peekKeyword(w) {
		return false
	}
	p.pos += len(w)
	return true
}

func (p *parser) term(inside bool) (Expr, error) {
	if p.termsEnd() {
		return nil, &Error{Pos: p.pos, Len: 1, What: "a search term should stand here"}
	}
	start := p.pos
	negated := p.keyword("NOT")
	if !negated && p.s[p.pos] == '-' {
		negated = true
		p.pos++
	}
	if negated {
		if err := p.enterTerm(); err != nil {
			return nil, err
		}
		defer p.leave()
		e, err := p.term(inside)
		return Not{span{start, p.pos - start}, e}, err
	}
	if p.s[p.pos] == '(' {
		p.pos++
		e, err := p.termOr(true)
		if err != nil {
			return nil, err
		}
		if p.blank(); p.pos >= len(p.s) || p.s[p.pos] != ')' {
			return nil, &Error{Pos: start, Len: 1, What: "this parenthesis is not closed"}
		}
		p.pos++
		return e, nil
	}
	if p.s[p.pos] == '"' {
		t, err := p.text()
		if err != nil {
			return nil, err
		}
		return Anywhere{span{t.pos, t.end - t.pos}, t.text}, nil
	}
	word := p.bare(true)
	if word == "" {
		_, size := utf8.DecodeRuneInString(p.s[p.pos:])
		return nil, &Error{Pos: p.pos, Len: size, What: fmt.Sprintf("%q has no meaning here", p.s[p.pos:p.pos+size]), Suggest: `put text with signs in quotes: "a|b"`}
	}
	if p.pos < len(p.s) && p.s[p.pos] == ':' {
		f := Field{span{start, len(word)}, word}
		p.pos++
		return p.fieldTerm(f)
	}
	if instead, ok := otherwise[word]; ok {
		p.odd = append(p.odd, Error{Pos: start, Len: len(word), What: fmt.Sprintf("%q is searched for as a word here", word), Suggest: instead})
	}
	return Anywhere{span{start, len(word)}, word}, nil
}

// otherwise has words that are searched for, though most likely something else
// was meant.
var otherwise = map[string]string{
	"and": "terms side by side must all hold; else write AND", "or": "write OR", "not": "write NOT",
	"=": "write field:value", "==": "write field:value, or events | where field == …", "!=": "write -field:value, or events | where field != …",
}

// table looks like the name of a table of Kusto's, with a pipe after it.
var table = regexp.MustCompile(`^([A-Za-z]\w*_CL|[A-Z]+[a-z]+(?:[A-Z]+[a-z0-9]*)+)\s*\|`)

// bare reads a word. A field's name stops at the colon, a value does not.
func (p *parser) bare(name bool) string {
	start := p.pos
	for p.pos < len(p.s) {
		r, size := utf8.DecodeRuneInString(p.s[p.pos:])
		if unicode.IsSpace(r) || r == '|' || r == '(' || r == ')' || r == '"' || name && r == ':' {
			break
		}
		p.pos += size
	}
	return p.s[start:p.pos]
}

func (p *parser) fieldTerm(f Field) (Expr, error) {
	at := p.pos
	op := ""
	for _, o := range []string{">=", "<=", ">", "<"} {
		if strings.HasPrefix(p.s[p.pos:], o) {
			op = o
			p.pos += len(o)
			break
		}
	}
	if p.pos < len(p.s) && p.s[p.pos] == '"' {
		t, err := p.text()
		if err != nil {
			return nil, err
		}
		return p.fieldValue(f, op, t.text, span{t.pos, t.end - t.pos}, false)
	}
	if p.pos < len(p.s) && p.s[p.pos] == '(' && op == "" {
		return p.fieldList(f)
	}
	if p.pos < len(p.s) && (p.s[p.pos] == '[' || p.s[p.pos] == '{') && op == "" {
		if e, err := p.fieldRange(f); e != nil || err != nil {
			return e, err
		}
	}
	from := p.pos
	v := p.bare(false)
	if v == "" {
		return nil, &Error{Pos: f.pos, Len: max(at-f.pos, 1), What: fmt.Sprintf("field %q has no value", f.Name), Suggest: "write " + f.Name + `:value, or ` + f.Name + ":* for any"}
	}
	return p.fieldValue(f, op, v, span{from, len(v)}, true)
}

// fieldRange reads field:[low TO high], with { or } where an end is left out of
// the range and * where there is none. What has no TO is a plain value.
func (p *parser) fieldRange(f Field) (Expr, error) {
	inside := p.s[p.pos+1:]
	end := strings.IndexAny(inside, "]}")
	if end < 0 || strings.ContainsAny(inside[:end], "|[{") || len(strings.Fields(inside[:end])) != 3 || strings.Fields(inside[:end])[1] != "TO" {
		return nil, nil
	}
	parts := strings.Fields(inside[:end])
	ops := [2]string{">=", "<="}
	if p.s[p.pos] == '{' {
		ops[0] = ">"
	}
	if inside[end] == '}' {
		ops[1] = "<"
	}
	at := span{p.pos, end + 2}
	p.pos += end + 2
	var out Expr
	for i, v := range []string{parts[0], parts[2]} {
		if v == "*" {
			continue
		}
		e, err := p.fieldValue(f, ops[i], strings.Trim(v, `"`), at, false)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = e
		} else {
			out = Binary{join(out, e), "and", out, e}
		}
	}
	if out == nil {
		return Like{span{f.pos, at.pos + at.len - f.pos}, f, "*"}, nil
	}
	return out, nil
}

// fieldList reads field:(a b OR c): any of the values.
func (p *parser) fieldList(f Field) (Expr, error) {
	open := p.pos
	p.pos++
	var out Expr
	for {
		p.keyword("OR")
		if p.termsEnd() {
			break
		}
		for _, w := range []string{"NOT", "AND"} {
			if p.peekKeyword(w) {
				return nil, &Error{Pos: p.pos, Len: len(w), What: w + " does not stand in a list of values, one of which is looked for", Suggest: "write it with the field's name: (" + f.Name + ":a AND NOT " + f.Name + ":b)"}
			}
		}
		if rest := p.s[p.pos:]; rest[0] == '-' && len(rest) > 1 && (rest[1] < '0' || rest[1] > '9') {
			return nil, &Error{Pos: p.pos, Len: 1, What: "- does not stand in a list of values, one of which is looked for", Suggest: "write -" + f.Name + `:value beside it, or put a value that begins so in quotes`}
		}
		t := span{p.pos, 0}
		var v string
		wild := p.s[p.pos] != '"'
		if !wild {
			tok, err := p.text()
			if err != nil {
				return nil, err
			}
			v = tok.text
		} else if v = p.bare(false); v == "" {
			break
		}
		t.len = p.pos - t.pos
		e, err := p.fieldValue(f, "", v, t, wild)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = e
		} else {
			out = Binary{join(out, e), "or", out, e}
		}
	}
	if p.pos >= len(p.s) || p.s[p.pos] != ')' || out == nil {
		return nil, &Error{Pos: open, Len: 1, What: "this list of values is empty or not closed"}
	}
	p.pos++
	return out, nil
}

func (p *parser) fieldValue(f Field, op, v string, at span, wild bool) (Expr, error) {
	all := span{f.pos, at.pos + at.len - f.pos}
	if op != "" {
		if _, err := strconv.ParseFloat(v, 64); err == nil && isNumber(v) {
			return Binary{all, op, f, Number{at, v}}, nil
		}
		if t, err := p.instant(v, at); err == nil {
			return Binary{all, op, f, t}, nil
		}
		return Binary{all, op, f, Text{at, v}}, nil
	}
	if wild && strings.ContainsAny(v, "*?") {
		return Like{all, f, v}, nil
	}
	return Binary{all, "=~", f, Text{at, v}}, nil
}

func isNumber(s string) bool {
	for i, c := range s {
		if c >= '0' && c <= '9' || c == '.' && i > 0 || c == '-' && i == 0 && len(s) > 1 {
			continue
		}
		return false
	}
	return s != ""
}

func trimLeft(s string) string { return strings.TrimLeft(s, " \t\r\n") }
