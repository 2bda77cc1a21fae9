package query

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// Parse reads a query. The text is either terms (`failed user:root -src_ip:10.*`),
// or a pipe that starts with events, or terms followed by a pipe. The error is
// an *Error. Now is what ago() and now() count from.
func Parse(text string, now time.Time) (*Query, error) {
	if len(text) > MaxText {
		return nil, &Error{Pos: MaxText, Len: len(text) - MaxText, What: fmt.Sprintf("a query has at most %d bytes", MaxText)}
	}
	p := &parser{lexer: lexer{s: text}, now: now}
	q := &Query{Text: text}
	p.blank()
	rest := text[p.pos:]
	switch {
	case rest == "" || strings.HasPrefix(rest, "|"):
	case startsPipe(rest):
		p.pos += len("events")
	default:
		cond, err := p.terms()
		if err != nil {
			return nil, err
		}
		if cond != nil {
			q.Stages = append(q.Stages, Where{cond})
		}
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	for p.tok.kind != tokEnd {
		if !p.sign("|") {
			return nil, p.unexpected("| and the next step")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		s, err := p.stage()
		if err != nil {
			return nil, err
		}
		q.Stages = append(q.Stages, s...)
	}
	return q, nil
}

func startsPipe(s string) bool {
	after, ok := strings.CutPrefix(s, "events")
	if !ok {
		return false
	}
	after = strings.TrimLeft(after, " \t\r\n")
	return after == "" || after[0] == '|' || strings.HasPrefix(after, "//")
}

type parser struct {
	lexer
	tok   token
	last  int // where the token before tok ended
	depth int
	now   time.Time
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
	return &Error{Pos: p.tok.pos, Len: max(p.tok.end-p.tok.pos, 1), What: fmt.Sprintf("%s stands where %s should", p.tok, want)}
}

func (p *parser) expect(sign string) error {
	if !p.sign(sign) {
		return p.unexpected(strconv.Quote(sign))
	}
	return p.advance()
}

var operators = []string{"where", "extend", "project", "summarize", "distinct", "order", "sort", "top", "take", "limit", "count"}

func (p *parser) stage() ([]Stage, error) {
	if p.tok.kind != tokWord {
		return nil, p.unexpected("one of " + strings.Join(operators, ", "))
	}
	op := p.tok
	if err := p.advance(); err != nil {
		return nil, err
	}
	switch strings.ToLower(op.text) {
	case "where":
		e, err := p.expr()
		return []Stage{Where{e}}, err
	case "extend":
		cols, err := p.named(true)
		return []Stage{Extend{cols}}, err
	case "project":
		cols, err := p.named(false)
		return []Stage{Project{cols}}, err
	case "distinct":
		cols, err := p.named(false)
		return []Stage{Summarize{By: cols}}, err
	case "summarize":
		return p.summarize()
	case "order", "sort":
		if !p.word("by") {
			return nil, p.unexpected("by")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		keys, err := p.keys()
		return []Stage{Order{keys}}, err
	case "top":
		n, err := p.rows()
		if err != nil {
			return nil, err
		}
		if !p.word("by") {
			return nil, p.unexpected("by")
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
		keys, err := p.keys()
		return []Stage{Order{keys}, Take{n}}, err
	case "take", "limit":
		n, err := p.rows()
		return []Stage{Take{n}}, err
	case "count":
		return []Stage{Count{}}, nil
	}
	return nil, &Error{
		Pos: op.pos, Len: op.end - op.pos, What: fmt.Sprintf("%q is no step of the pipe", op.text),
		Suggest: suggest(op.text, operators, "the steps are "+strings.Join(operators, ", ")),
	}
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

func (p *parser) summarize() ([]Stage, error) {
	var s Summarize
	var err error
	if !p.word("by") {
		if s.Aggregates, err = p.named(false); err != nil {
			return nil, err
		}
	}
	if p.word("by") {
		if err = p.advance(); err != nil {
			return nil, err
		}
		if s.By, err = p.named(false); err != nil {
			return nil, err
		}
	}
	return []Stage{s}, nil
}

func (p *parser) named(mustName bool) ([]Named, error) {
	var out []Named
	for {
		e, err := p.expr()
		if err != nil {
			return nil, err
		}
		n := Named{Expr: e}
		if p.sign("=") {
			f, ok := e.(Field)
			if !ok {
				pos, l := e.At()
				return nil, &Error{Pos: pos, Len: l, What: "what stands before = is the new column's name"}
			}
			if err := p.advance(); err != nil {
				return nil, err
			}
			n.Name = f.Name
			if n.Expr, err = p.expr(); err != nil {
				return nil, err
			}
		} else if mustName {
			pos, l := e.At()
			return nil, &Error{Pos: pos, Len: l, What: "a column needs a name", Suggest: "write name = expression"}
		}
		if n.Name == "" {
			n.Name = defaultName(n.Expr, len(out))
		}
		for _, o := range out {
			if o.Name == n.Name {
				pos, l := n.Expr.At()
				return nil, &Error{Pos: pos, Len: l, What: fmt.Sprintf("two columns are called %q", n.Name), Suggest: "give one another name: name = expression"}
			}
		}
		out = append(out, n)
		if !p.sign(",") {
			return out, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
}

// defaultName is what Kusto calls a column without a name.
func defaultName(e Expr, i int) string {
	switch e := e.(type) {
	case Field:
		return e.Name
	case Call:
		if len(e.Args) > 0 {
			if f, ok := e.Args[0].(Field); ok {
				if e.Name == "bin" {
					return f.Name
				}
				return e.Name + "_" + f.Name
			}
		}
		return e.Name + "_"
	}
	return "Column" + strconv.Itoa(i+1)
}

func (p *parser) keys() ([]Key, error) {
	var out []Key
	for {
		e, err := p.expr()
		if err != nil {
			return nil, err
		}
		k := Key{Expr: e, Desc: true} // Kusto sorts descending unless told otherwise
		if p.word("asc") || p.word("desc") {
			k.Desc = p.word("desc")
			if err := p.advance(); err != nil {
				return nil, err
			}
		}
		out = append(out, k)
		if !p.sign(",") {
			return out, nil
		}
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
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
	if d < 0 || d > math.MaxInt64/2 {
		d = 0
	}
	return Instant{at, p.now.Add(-d).UTC()}
}
