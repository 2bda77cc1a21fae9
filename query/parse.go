package query

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Parse reads a query. The text is either terms (`failed user:root -src_ip:10.*`),
// or a pipe that starts with events, a union, a datatable or a name that let
// gave, or terms followed by a pipe, or sql and a SELECT. The error is an
// *Error. Now is what ago() and now() count from.
func Parse(text string, now time.Time) (*Query, error) {
	if len(text) > MaxText {
		return nil, &Error{Pos: MaxText, Len: len(text) - MaxText, What: fmt.Sprintf("a query has at most %d bytes", MaxText)}
	}
	p := &parser{lexer: lexer{s: text}, now: now, lets: map[string]let{}}
	p.blank()
	if rest, ok := cutWord(text[p.pos:], "sql"); ok {
		if startsSelect(rest) {
			return &Query{Text: text, SQL: strings.TrimSuffix(strings.TrimSpace(rest), ";")}, nil
		}
		if m := changes.FindStringSubmatchIndex(rest); m != nil {
			return nil, &Error{Pos: len(text) - len(rest) + m[2], Len: m[3] - m[2], What: "sql only reads: write sql SELECT …, or put quotes around words that are searched for"}
		}
	}
	for startsLet(text[p.pos:]) {
		if err := p.let(); err != nil {
			return nil, err
		}
		p.blank()
	}
	q := &Query{Text: text, From: Events{}}
	if err := p.start(q); err != nil {
		return nil, err
	}
	if err := p.pipe(q); err != nil {
		return nil, err
	}
	if p.sign(";") {
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	if p.tok.kind != tokEnd {
		return nil, p.unexpected("| and the next step")
	}
	return q, nil
}

// cutWord cuts a word off the front if a blank or the end follows it.
func cutWord(s, word string) (string, bool) {
	if len(s) < len(word) || !strings.EqualFold(s[:len(word)], word) {
		return s, false
	}
	rest := s[len(word):]
	return rest, rest == "" || strings.ContainsAny(rest[:1], " \t\r\n")
}

// changes are beginnings of statements that change something, and of which no
// search for words looks the same.
var changes = regexp.MustCompile(`(?i)^\s+(delete\s+from|insert\s+into|update\s+\S+\s+set|drop\s+(?:table|view|schema)|create\s+(?:or\s+replace\s+)?(?:temp\s+)?(?:table|view|schema)|alter\s+table|truncate\s+table|copy\s+.+\s+(?:to|from)|attach|pragma)\b`)

func startsSelect(s string) bool {
	s = strings.TrimSpace(s)
	if _, ok := cutWord(s, "select"); ok {
		return true
	}
	_, ok := cutWord(s, "with")
	return ok
}

// startsLet tells let x = … from a search for the word let.
func startsLet(s string) bool {
	rest, ok := cutWord(s, "let")
	if !ok {
		return false
	}
	l := lexer{s: rest}
	name, err := l.next()
	if err != nil || name.kind != tokWord {
		return false
	}
	eq, err := l.next()
	return err == nil && eq.kind == tokSign && eq.text == "="
}

// start reads what stands before the first | of the main query: a source, or
// terms over the events.
func (p *parser) start(q *Query) error {
	rest := p.s[p.pos:]
	if rest == "" || strings.HasPrefix(rest, "|") {
		return p.advance()
	}
	if p.startsSource(rest) {
		if err := p.advance(); err != nil {
			return err
		}
		var err error
		q.From, err = p.tabular()
		return err
	}
	at := p.pos
	word := leadingStep(rest)
	cond, err := p.terms()
	if err != nil {
		var f *Error
		if word != "" && errors.As(err, &f) && f.Suggest == "" {
			f.Suggest = "a step stands behind a pipe: | " + word + " …"
		}
		return err
	}
	if word != "" {
		q.hints = append(q.hints, Error{Pos: at, Len: len(word), What: fmt.Sprintf("%q is searched for as a word here", word), Suggest: "for the step write | " + word})
	}
	if m := table.FindStringSubmatch(rest); m != nil {
		p.odd = append(p.odd, Error{Pos: at, Len: len(m[1]), What: fmt.Sprintf("%q is searched for as a word here", m[1]), Suggest: "the events of all sources are events: write events | …"})
	}
	if _, alone := cond.(Anywhere); !alone || table.MatchString(rest) {
		q.hints = append(q.hints, p.odd...)
	}
	if cond != nil {
		q.Stages = append(q.Stages, Where{cond})
	}
	return p.advance()
}

// leadingStep returns the name of a step that search terms begin with, if more
// words follow it: likely the pipe before it was forgotten.
func leadingStep(s string) string {
	for _, op := range operators {
		rest, ok := strings.CutPrefix(s, op)
		if !ok || !strings.HasPrefix(rest, " ") {
			continue
		}
		if rest = strings.TrimLeft(rest, " "); rest != "" && rest[0] != '|' && !strings.HasPrefix(rest, "AND ") && !strings.HasPrefix(rest, "OR ") {
			return op
		}
	}
	return ""
}

// startsSource tells a source from search terms: what follows the name must be
// a step, or what belongs to it.
func (p *parser) startsSource(s string) bool {
	l := lexer{s: s}
	name, err := l.next()
	if err != nil || name.kind != tokWord {
		return false
	}
	after, err := l.next()
	if err != nil {
		return false
	}
	_, let := p.lets[name.text]
	switch {
	case name.text == "events" || let:
		return after.kind == tokEnd || after.kind == tokSign && (after.text == "|" || after.text == ";")
	case name.text == "union":
		return after.kind == tokWord || after.kind == tokSign && after.text == "("
	case name.text == "datatable":
		return after.kind == tokSign && after.text == "("
	}
	return false
}

// pipe reads | steps up to something else.
func (p *parser) pipe(q *Query) error {
	for p.sign("|") {
		if err := p.advance(); err != nil {
			return err
		}
		if q.Render != "" {
			return p.unexpected("the end, because render is the last step,")
		}
		if p.word("render") {
			if err := p.render(q); err != nil {
				return err
			}
			continue
		}
		s, err := p.stage()
		if err != nil {
			return err
		}
		if p.steps++; p.steps > maxSteps {
			return &Error{Pos: p.tok.pos, Len: 1, What: fmt.Sprintf("a query has at most %d steps", maxSteps)}
		}
		q.Stages = append(q.Stages, s...)
	}
	return nil
}

const maxSteps = 200

type parser struct {
	lexer
	tok   token
	last  int // where the token before tok ended
	depth int
	steps int
	odd   []Error // words among the terms that look like something else
	now   time.Time
	lets  map[string]let
}

// let is a name for a value or for rows.
type let struct {
	expr Expr
	from Source
}

func (p *parser) advance() (err error) {
	p.last = p.tok.end
	p.tok, err = p.next()
	return err
}

func (p *parser) sign(s string) bool { return p.tok.kind == tokSign && p.tok.text == s }

func (p *parser) word(w string) bool {
	return p.tok.kind == tokWord && strings.EqualFold(p.tok.text, w)
}

func (p *parser) unexpected(want string) error {
	if p.sign("=") {
		return &Error{Pos: p.tok.pos, Len: 1, What: fmt.Sprintf("%s stands where %s should", p.tok, want), Suggest: "to compare write =="}
	}
	return &Error{Pos: p.tok.pos, Len: max(p.tok.end-p.tok.pos, 1), What: fmt.Sprintf("%s stands where %s should", p.tok, want)}
}

func (p *parser) expect(sign string) error {
	if !p.sign(sign) {
		return p.unexpected(strconv.Quote(sign))
	}
	return p.advance()
}

// expectWord takes a word that must stand here.
func (p *parser) expectWord(w string) error {
	if !p.word(w) {
		return p.unexpected(w)
	}
	return p.advance()
}

// name reads the name of a column: a word, or ['anything'].
func (p *parser) name() (Field, error) {
	t := p.tok
	if p.sign("[") {
		e, err := p.signed(t, span{t.pos, t.end - t.pos})
		f, ok := e.(Field)
		if err == nil && !ok {
			err = &Error{Pos: t.pos, Len: 1, What: "the name of a column should stand here"}
		}
		return f, err
	}
	if t.kind != tokWord {
		return Field{}, p.unexpected("the name of a column")
	}
	return Field{span{t.pos, t.end - t.pos}, t.text}, p.advance()
}

func (p *parser) rows() (int64, error) {
	if p.tok.kind != tokNumber {
		return 0, p.unexpected("a number of rows")
	}
	n, err := strconv.ParseInt(p.tok.text, 10, 64)
	if err != nil {
		return 0, &Error{Pos: p.tok.pos, Len: p.tok.end - p.tok.pos, What: "a number of rows is a whole number"}
	}
	return n, p.advance()
}

func (p *parser) instant(s string, at span) (Expr, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05", "2006-01-02 15:04:05", "2006-01-02T15:04", "2006-01-02 15:04", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return Instant{at, t.UTC()}, nil
		}
	}
	return nil, &Error{Pos: at.pos, Len: at.len, What: fmt.Sprintf("%q is no time", s), Suggest: "write datetime(2026-01-31T12:00:00Z)"}
}

func (p *parser) ago(d time.Duration, at span) Expr {
	if d < math.MinInt64/2 || d > math.MaxInt64/2 {
		d = 0
	}
	return Instant{at, p.now.Add(-d).UTC()}
}
