package query

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// cond compiles an expression that must be true or false.
func (c *compiler) cond(e Expr) (string, error) {
	x, k, err := c.scalar(e)
	if err != nil {
		return "", err
	}
	if k != truth {
		pos, l := e.At()
		return "", &Error{Pos: pos, Len: l, What: "this is a value, not a condition", Suggest: "compare it: == \"…\", contains \"…\", > 0"}
	}
	return x, nil
}

// scalar compiles an expression over one row and tells its kind.
func (c *compiler) scalar(e Expr) (string, byte, error) {
	switch e := e.(type) {
	case Field:
		return c.field(e)
	case Text:
		return c.arg(e.Value) + "::VARCHAR", text, nil
	case Number:
		if !isNumber(e.Value) {
			return "", 0, &Error{Pos: e.pos, Len: e.len, What: "this is no number"}
		}
		return e.Value, numeric, nil
	case Boolean:
		return strconv.FormatBool(e.Value), truth, nil
	case Span:
		return fmt.Sprintf("to_microseconds(%d)", e.Value.Microseconds()), period, nil
	case Instant:
		return c.arg(e.Value) + "::TIMESTAMP", instant, nil
	case Not:
		x, err := c.cond(e.Of)
		return "(NOT " + x + ")", truth, err
	case In:
		return c.in(e)
	case Between:
		return c.scalar(Binary{e.span, "and", Binary{e.span, ">=", e.Of, e.Low}, Binary{e.span, "<=", e.Of, e.High}})
	case Like:
		return c.like(e)
	case Anywhere:
		if !c.scope.events {
			return "", 0, &Error{Pos: e.pos, Len: e.len, What: "a bare term searches events, and here are none any more"}
		}
		return "contains(lower(raw), lower(" + c.arg(e.Value) + "::VARCHAR))", truth, nil
	case Call:
		return c.call(e)
	case Binary:
		return c.binary(e)
	}
	return "", 0, fmt.Errorf("query: no such expression %T", e)
}

func (c *compiler) field(f Field) (string, byte, error) {
	if k, ok := c.scope.kind[f.Name]; ok {
		return quoted(f.Name), k, nil
	}
	if !c.scope.events {
		return "", 0, &Error{
			Pos: f.pos, Len: f.len, What: fmt.Sprintf("there is no column %q at this step", f.Name),
			Suggest: suggest(f.Name, c.scope.order, "the columns are "+strings.Join(c.scope.order, ", ")),
		}
	}
	name := f.Name
	if a, ok := aliases[strings.ToLower(name)]; ok {
		name = a
	}
	if k, ok := columns[name]; ok {
		return quoted(name), k, nil
	}
	pointer := "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(f.Name)
	return "coalesce(json_extract_string(fields, " + c.arg(pointer) + "), '')", native, nil
}

func toNumber(x string, k byte) string {
	switch k {
	case numeric:
		return x
	case truth:
		return "(" + x + ")::INTEGER"
	}
	return "TRY_CAST(" + x + " AS DOUBLE)"
}

func toText(x string, k byte) string {
	if k == text || k == native {
		return x
	}
	return "CAST(" + x + " AS VARCHAR)"
}

func (c *compiler) binary(b Binary) (string, byte, error) {
	switch b.Op {
	case "and", "or":
		left, err := c.cond(b.Left)
		if err != nil {
			return "", 0, err
		}
		right, err := c.cond(b.Right)
		return "(" + left + " " + strings.ToUpper(b.Op) + " " + right + ")", truth, err
	case "==", "!=", "<", "<=", ">", ">=":
		return c.compare(b)
	case "+", "-", "*", "/", "%":
		return c.arithmetic(b)
	}
	return c.textOp(b)
}

func (c *compiler) compare(b Binary) (string, byte, error) {
	if t, ok := b.Right.(Text); ok {
		if i, ok := c.asInstant(b.Left, t); ok {
			b.Right = i
		}
	}
	left, lk, err := c.scalar(b.Left)
	if err != nil {
		return "", 0, err
	}
	right, rk, err := c.scalar(b.Right)
	if err != nil {
		return "", 0, err
	}
	op := b.Op
	switch op {
	case "==":
		op = "="
	case "!=":
		op = "<>"
	}
	switch {
	case lk == numeric || rk == numeric:
		left, right = toNumber(left, lk), toNumber(right, rk)
		if op == "<>" {
			return "(" + left + " IS DISTINCT FROM " + right + ")", truth, nil
		}
	case lk == instant && rk == instant, lk == period && rk == period, lk == truth && rk == truth:
	case lk == instant || rk == instant:
		if lk != native && rk != native {
			return "", 0, &Error{Pos: b.pos, Len: b.len, What: "this compares a time with something that is none", Suggest: "write datetime(2026-01-31T12:00:00Z) or ago(1h)"}
		}
		if lk == native {
			left = "TRY_CAST(" + left + " AS TIMESTAMP)"
		} else {
			right = "TRY_CAST(" + right + " AS TIMESTAMP)"
		}
	default:
		left, right = toText(left, lk), toText(right, rk)
	}
	return "coalesce(" + left + " " + op + " " + right + ", false)", truth, nil
}

// asInstant reads a text as a time where it is compared with one.
func (c *compiler) asInstant(left Expr, t Text) (Instant, bool) {
	f, ok := left.(Field)
	if !ok {
		return Instant{}, false
	}
	name := f.Name
	if a, ok := aliases[strings.ToLower(name)]; ok && c.scope.events {
		name = a
	}
	k, made := c.scope.kind[f.Name]
	if !made && c.scope.events {
		k = columns[name]
	}
	if k != instant {
		return Instant{}, false
	}
	e, err := (&parser{}).instant(t.Value, t.span)
	if err != nil {
		return Instant{}, false
	}
	i, ok := e.(Instant)
	return i, ok
}

func (c *compiler) arithmetic(b Binary) (string, byte, error) {
	left, lk, err := c.scalar(b.Left)
	if err != nil {
		return "", 0, err
	}
	right, rk, err := c.scalar(b.Right)
	if err != nil {
		return "", 0, err
	}
	switch {
	case lk == instant && rk == period && (b.Op == "+" || b.Op == "-"):
		return "(" + left + " " + b.Op + " " + right + ")", instant, nil
	case lk == instant && rk == instant && b.Op == "-":
		return "((epoch_us(" + left + ") - epoch_us(" + right + ")) / 1e6)", numeric, nil
	case lk == instant || rk == instant || lk == period || rk == period:
		return "", 0, &Error{Pos: b.pos, Len: b.len, What: "times and durations do not go together like this", Suggest: "write time - 5m, or time - other for seconds"}
	}
	left, right = toNumber(left, lk), toNumber(right, rk)
	if b.Op == "/" || b.Op == "%" {
		right = "nullif(" + right + ", 0)"
	}
	return "(" + left + " " + b.Op + " " + right + ")", numeric, nil
}

func (c *compiler) textOp(b Binary) (string, byte, error) {
	left, lk, err := c.scalar(b.Left)
	if err != nil {
		return "", 0, err
	}
	left = toText(left, lk)
	switch b.Op {
	case "matches", "has", "has_cs":
		return c.pattern(b, left)
	}
	right, rk, err := c.scalar(b.Right)
	if err != nil {
		return "", 0, err
	}
	right = toText(right, rk)
	op, cased := strings.CutSuffix(b.Op, "_cs")
	if !cased {
		left, right = "lower("+left+")", "lower("+right+")"
	}
	switch op {
	case "contains":
		return "contains(" + left + ", " + right + ")", truth, nil
	case "startswith":
		return "starts_with(" + left + ", " + right + ")", truth, nil
	case "endswith":
		return "suffix(" + left + ", " + right + ")", truth, nil
	case "=~":
		return "(" + left + " = " + right + ")", truth, nil
	case "!~":
		return "(" + left + " <> " + right + ")", truth, nil
	}
	return "", 0, fmt.Errorf("query: no such operator %q", b.Op)
}

// pattern compiles the operators that need a regular expression (RE2 syntax).
func (c *compiler) pattern(b Binary, left string) (string, byte, error) {
	t, ok := b.Right.(Text)
	if !ok {
		pos, l := b.Right.At()
		return "", 0, &Error{Pos: pos, Len: l, What: b.Op + " wants a text in quotes"}
	}
	expr := t.Value
	if b.Op == "matches" {
		if len(expr) > 1000 {
			return "", 0, &Error{Pos: t.pos, Len: t.len, What: "a regular expression has at most 1,000 bytes"}
		}
		if _, err := regexp.Compile(expr); err != nil {
			return "", 0, &Error{Pos: t.pos, Len: t.len, What: strings.TrimPrefix(err.Error(), "error parsing regexp: "), Suggest: "the syntax is RE2's"}
		}
	} else {
		if b.Op == "has" {
			left, expr = "lower("+left+")", strings.ToLower(expr)
		}
		expr = `(^|[^\pL\pN_])` + regexp.QuoteMeta(expr) + `($|[^\pL\pN_])`
	}
	return "regexp_matches(" + left + ", " + c.arg(expr) + "::VARCHAR)", truth, nil
}

func (c *compiler) in(e In) (string, byte, error) {
	if len(e.List) == 0 {
		return "false", truth, nil
	}
	op := "=="
	if e.Fold {
		op = "=~"
	}
	parts := make([]string, len(e.List))
	for i, v := range e.List {
		x, _, err := c.binary(Binary{e.span, op, e.Of, v})
		if err != nil {
			return "", 0, err
		}
		parts[i] = x
	}
	return "(" + strings.Join(parts, " OR ") + ")", truth, nil
}

func (c *compiler) like(e Like) (string, byte, error) {
	x, k, err := c.scalar(e.Of)
	if err != nil {
		return "", 0, err
	}
	x = toText(x, k)
	if strings.Trim(e.Pattern, "*") == "" {
		return "(" + x + " <> '')", truth, nil
	}
	p := strings.NewReplacer(`\`, `\\`, "%", `\%`, "_", `\_`, "*", "%", "?", "_").Replace(strings.ToLower(e.Pattern))
	return "(lower(" + x + ") LIKE " + c.arg(p) + `::VARCHAR ESCAPE '\')`, truth, nil
}

func (c *compiler) call(e Call) (string, byte, error) {
	if functions[e.Name].aggregate {
		return "", 0, &Error{Pos: e.pos, Len: e.len, What: e.Name + " counts over many rows", Suggest: "use it in summarize"}
	}
	if e.Name == "iff" {
		return c.iff(e)
	}
	x, k, err := c.scalar(e.Args[0])
	if err != nil {
		return "", 0, err
	}
	switch e.Name {
	case "bin":
		return c.bin(e, x, k)
	case "tolower":
		return "lower(" + toText(x, k) + ")", text, nil
	case "toupper":
		return "upper(" + toText(x, k) + ")", text, nil
	case "tostring":
		return toText(x, k), text, nil
	case "toint":
		return "TRY_CAST(" + toNumber(x, k) + " AS BIGINT)", numeric, nil
	case "todouble":
		return toNumber(x, k), numeric, nil
	case "strlen":
		return "length(" + toText(x, k) + ")", numeric, nil
	case "isempty":
		return "(coalesce(" + toText(x, k) + ", '') = '')", truth, nil
	case "isnotempty":
		return "(coalesce(" + toText(x, k) + ", '') <> '')", truth, nil
	}
	return "", 0, fmt.Errorf("query: no such function %q", e.Name)
}

func (c *compiler) bin(e Call, x string, k byte) (string, byte, error) {
	switch step := e.Args[1].(type) {
	case Span:
		if k != instant {
			return "", 0, &Error{Pos: e.pos, Len: e.len, What: "bin with a duration wants a time", Suggest: "write bin(time, 5m)"}
		}
		return fmt.Sprintf("time_bucket(to_microseconds(%d), %s, TIMESTAMP '1970-01-01')", max(step.Value/time.Microsecond, 1), x), instant, nil
	case Number:
		return "(floor(" + toNumber(x, k) + " / " + step.Value + ") * " + step.Value + ")", numeric, nil
	}
	return "", 0, fmt.Errorf("query: bin without a step")
}

func (c *compiler) iff(e Call) (string, byte, error) {
	cond, err := c.cond(e.Args[0])
	if err != nil {
		return "", 0, err
	}
	yes, yk, err := c.scalar(e.Args[1])
	if err != nil {
		return "", 0, err
	}
	no, nk, err := c.scalar(e.Args[2])
	if err != nil {
		return "", 0, err
	}
	if yk != nk {
		yes, no, yk = toText(yes, yk), toText(no, nk), text
	}
	return "(CASE WHEN " + cond + " THEN " + yes + " ELSE " + no + " END)", yk, nil
}
