package sigma

import (
	"fmt"
	"strconv"
	"strings"

	"holdfast/internal/nearest"
)

// Limits on a condition, so that a hostile one costs nothing.
const (
	maxTokens = 4096
	maxNested = 64
	// maxMembers bounds how many selections all "of" of a rule name together.
	maxMembers = 100_000
)

// conditionError is a fault at a byte of a condition.
type conditionError struct {
	at       int
	what, do string
}

func (e *conditionError) Error() string { return e.what }

// ParseCondition reads a condition over the named selections. "not" binds
// tighter than "and", "and" tighter than "or". "them" and patterns pass over
// selections whose name starts with "_", unless the pattern does too.
func ParseCondition(text string, names []string) (Expr, error) {
	left := maxMembers
	return parseCondition(text, names, &left)
}

// parseCondition takes what an "of" names from left.
func parseCondition(text string, names []string, left *int) (Expr, error) {
	p := conditionParser{names: names, left: left}
	if err := p.scan(text); err != nil {
		return nil, err
	}
	if len(p.tokens) == 0 {
		return nil, &conditionError{0, "the condition is empty", "name the selections that must hold, such as \"selection\""}
	}
	x, err := p.or(0)
	if err != nil {
		return nil, err
	}
	if t := p.peek(); t.text != "" {
		return nil, &conditionError{t.at, fmt.Sprintf("the condition goes on with %q where it should end", t.text), "join selections with and, or"}
	}
	return x, nil
}

type conditionToken struct {
	text string
	at   int
}

type conditionParser struct {
	names  []string
	left   *int
	tokens []conditionToken
	next   int
	end    int
}

func (p *conditionParser) scan(s string) error {
	p.end = len(s)
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == '(' || c == ')':
			p.tokens = append(p.tokens, conditionToken{s[i : i+1], i})
			i++
		case c == '|':
			return &conditionError{i, "aggregation with a pipe in a condition is obsolete", "end the condition before the pipe and use a correlation"}
		case isNameByte(c):
			j := i
			for j < len(s) && isNameByte(s[j]) {
				j++
			}
			p.tokens = append(p.tokens, conditionToken{s[i:j], i})
			i = j
		default:
			return &conditionError{i, fmt.Sprintf("%q has no meaning in a condition", c), "use selection names, and, or, not, parentheses, \"1 of x*\", \"all of them\""}
		}
		if len(p.tokens) > maxTokens {
			return &conditionError{i, "the condition is too long", "split the rule"}
		}
	}
	return nil
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '_' || c == '-' || c == '*' || c == '.' || c >= 0x80
}

func (p *conditionParser) peek() conditionToken {
	if p.next < len(p.tokens) {
		return p.tokens[p.next]
	}
	return conditionToken{"", p.end}
}

func (p *conditionParser) word(w string) bool {
	if strings.EqualFold(p.peek().text, w) {
		p.next++
		return true
	}
	return false
}

func (p *conditionParser) or(depth int) (Expr, error) {
	left, err := p.and(depth)
	for err == nil && p.word("or") {
		var right Expr
		right, err = p.and(depth)
		left = Or{left, right}
	}
	return left, err
}

func (p *conditionParser) and(depth int) (Expr, error) {
	left, err := p.not(depth)
	for err == nil && p.word("and") {
		var right Expr
		right, err = p.not(depth)
		left = And{left, right}
	}
	return left, err
}

func (p *conditionParser) not(depth int) (Expr, error) {
	if depth > maxNested {
		return nil, &conditionError{p.peek().at, "the condition is nested too deeply", "split the rule"}
	}
	if p.word("not") {
		x, err := p.not(depth + 1)
		return Not{x}, err
	}
	if p.word("(") {
		open := p.tokens[p.next-1].at
		x, err := p.or(depth + 1)
		if err == nil && !p.word(")") {
			err = &conditionError{p.peek().at, fmt.Sprintf("the parenthesis opened at character %d is not closed", open+1), "add )"}
		}
		return x, err
	}
	return p.primary()
}

func (p *conditionParser) primary() (Expr, error) {
	t := p.peek()
	switch strings.ToLower(t.text) {
	case "":
		return nil, &conditionError{t.at, "the condition ends where a selection should stand", "name a selection"}
	case ")", "and", "or", "of":
		return nil, &conditionError{t.at, fmt.Sprintf("%q stands where a selection should", t.text), "name a selection"}
	}
	p.next++
	if p.next < len(p.tokens) && strings.EqualFold(p.tokens[p.next].text, "of") {
		p.next++
		return p.of(t)
	}
	for i, n := range p.names {
		if n == t.text {
			return Ref{i}, nil
		}
	}
	return nil, &conditionError{t.at, fmt.Sprintf("there is no selection %q", t.text), nearest.Say(t.text, p.names, 3, "define it under detection, or correct the name; "+p.thereAre())}
}

func (p *conditionParser) thereAre() string {
	const most = 20
	if len(p.names) > most {
		return fmt.Sprintf("there are: %s and %d more", strings.Join(p.names[:most], ", "), len(p.names)-most)
	}
	return "there are: " + strings.Join(p.names, ", ")
}

func (p *conditionParser) of(quantity conditionToken) (Expr, error) {
	t := p.peek()
	if t.text == "" || t.text == "(" || t.text == ")" {
		return nil, &conditionError{t.at, "\"of\" needs a pattern", "write \"of them\" or \"of name*\""}
	}
	p.next++
	var found []int
	for i, n := range p.names {
		if selects(t.text, n) {
			found = append(found, i)
		}
	}
	if len(found) == 0 {
		return nil, &conditionError{t.at, fmt.Sprintf("no selection is named like %q", t.text), p.thereAre()}
	}
	if *p.left -= len(found); *p.left < 0 {
		return nil, &conditionError{t.at, fmt.Sprintf("the \"of\"s of the condition name more than %d selections", maxMembers), "split the rule"}
	}
	switch strings.ToLower(quantity.text) {
	case "all":
		return Of{len(found), found}, nil
	case "any":
		return Of{1, found}, nil
	}
	n, err := strconv.Atoi(quantity.text)
	switch {
	case err != nil || n < 1:
		return nil, &conditionError{quantity.at, fmt.Sprintf("%q is no quantity", quantity.text), "write 1, any or all before \"of\""}
	case n > len(found):
		return nil, &conditionError{quantity.at, fmt.Sprintf("%d of %s can never hold: there are only %d", n, t.text, len(found)), "lower the number"}
	}
	return Of{n, found}, nil
}

func selects(pattern, name string) bool {
	if strings.EqualFold(pattern, "them") {
		return !strings.HasPrefix(name, "_")
	}
	if strings.HasPrefix(name, "_") && !strings.HasPrefix(pattern, "_") {
		return false
	}
	return starred(pattern, name)
}

// starred matches a pattern in which "*" is any run of characters.
func starred(pattern, name string) bool {
	parts := strings.Split(pattern, "*")
	last := len(parts) - 1
	if last == 0 {
		return pattern == name
	}
	if !strings.HasPrefix(name, parts[0]) || !strings.HasSuffix(name[len(parts[0]):], parts[last]) {
		return false
	}
	name = name[len(parts[0]) : len(name)-len(parts[last])]
	for _, part := range parts[1:last] {
		i := strings.Index(name, part)
		if i < 0 {
			return false
		}
		name = name[i+len(part):]
	}
	return true
}
