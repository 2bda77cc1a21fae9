package query

import (
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

func textOp(e Expr, op string, left, right *scalar) (*scalar, error) {
	left = toText(left)
	if op == "matches" {
		pattern, err := pattern(right, e)
		if err != nil {
			return nil, err
		}
		return apply("match", truth, left, textOf(pattern)), nil
	}
	right = toText(right)
	base, cased := strings.CutSuffix(op, "_cs")
	if strings.HasPrefix(base, "has") {
		return term(e, base, cased, left, right)
	}
	switch base {
	case "contains":
		if !cased {
			return holds(left, right), nil
		}
		return apply("contains", truth, left, right), nil
	case "startswith", "endswith":
		if !cased {
			left, right = folded(left), folded(right)
		}
		return apply(base, truth, left, right), nil
	case "=~", "!~":
		out := same(left, right)
		if base == "!~" {
			return negate(out), nil
		}
		return out, nil
	}
	return nil, fmt.Errorf("query: no such operator %q", op)
}

// same is equal without case. What has no letters is compared as it is, so that
// the store's filters can be asked.
func same(left, right *scalar) *scalar {
	for _, x := range []*scalar{left, right} {
		if x.op == "text" && strings.IndexFunc(x.text, unicode.IsLetter) < 0 {
			return apply("eq", truth, left, right)
		}
	}
	return apply("eq", truth, folded(left), folded(right))
}

func folded(x *scalar) *scalar {
	if x.op == "text" {
		return textOf(strings.ToLower(x.text))
	}
	return apply("lower", text, x)
}

// pattern checks a regular expression (RE2's syntax, which both engines have).
func pattern(x *scalar, e Expr) (string, error) {
	if x.op != "text" {
		return "", fault(e, "a regular expression is a text in quotes", "")
	}
	if len(x.text) > 1000 {
		return "", fault(e, "a regular expression has at most 1,000 bytes", "")
	}
	if _, err := regexp.Compile(x.text); err != nil {
		return "", fault(e, strings.TrimPrefix(err.Error(), "error parsing regexp: "), "the syntax is RE2's")
	}
	return x.text, nil
}

// term is has and its kin: a text that stands between what is no letter and no
// digit. The plain search goes first because it is cheap.
func term(e Expr, op string, cased bool, left, right *scalar) (*scalar, error) {
	if right.op != "text" {
		return nil, fault(e, op+" wants a text in quotes", "use contains to look for another field")
	}
	what := right.text
	if !cased {
		left, what = folded(left), strings.ToLower(what)
	}
	if what == "" {
		return boolean(true), nil
	}
	expr := regexp.QuoteMeta(what)
	first, _ := utf8.DecodeRuneInString(what)
	last, _ := utf8.DecodeLastRuneInString(what)
	if inTerm(first) && op != "hassuffix" {
		expr = `(?:^|[^\pL\pN])` + expr
	}
	if inTerm(last) && op != "hasprefix" {
		expr += `(?:$|[^\pL\pN])`
	}
	return apply("and", truth, apply("contains", truth, left, textOf(what)), apply("match", truth, left, textOf(expr))), nil
}

func inTerm(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

func (b *binder) like(e Like) (*scalar, error) {
	x, err := b.scalar(e.Of)
	if err != nil {
		return nil, err
	}
	x = toText(x)
	if strings.Trim(e.Pattern, "*") == "" {
		return negate(apply("eq", truth, x, textOf(""))), nil
	}
	return apply("like", truth, apply("lower", text, x), textOf(likePattern(e.Pattern))), nil
}

func likePattern(p string) string {
	return strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`, "*", "%", "?", "_").Replace(strings.ToLower(p))
}
