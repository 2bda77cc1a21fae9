package query

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// literalCall binds the functions of which some arguments must be written out.
func (b *binder) literalCall(e Call) (*scalar, error) {
	switch e.Name {
	case "extract":
		return b.extract(e)
	case "replace_regex":
		return b.replaceRegex(e)
	case "trim":
		p, err := b.patternArg(e.Args[0])
		if err != nil {
			return nil, err
		}
		x, err := b.textArg(e.Args[1])
		if err != nil {
			return nil, err
		}
		return apply("replacere", text, x, textOf("^(?:"+p+")|(?:"+p+")$"), textOf("")), nil
	case "format_datetime":
		return b.format(e)
	case "split":
		return b.split(e)
	case "substring":
		return b.substring(e)
	case "datetime_add":
		return b.later(e)
	}
	return b.difference(e)
}

func (b *binder) textArg(e Expr) (*scalar, error) {
	x, err := b.scalar(e)
	if err != nil {
		return nil, err
	}
	return toText(x), nil
}

func (b *binder) patternArg(e Expr) (string, error) {
	x, err := b.scalar(e)
	if err != nil {
		return "", err
	}
	return pattern(x, e)
}

// extract binds extract(regex, group, text[, typeof(type)]).
func (b *binder) extract(e Call) (*scalar, error) {
	p, err := b.patternArg(e.Args[0])
	if err != nil {
		return nil, err
	}
	n, ok := e.Args[1].(Number)
	at, convErr := strconv.Atoi(n.Value)
	if !ok || convErr != nil || at < 0 {
		return nil, fault(e.Args[1], "the group is a whole number", "0 is all that matches, 1 the first parentheses")
	}
	if groups := regexp.MustCompile(p).NumSubexp(); at > groups {
		return nil, fault(e.Args[1], fmt.Sprintf("this regular expression has %d groups", groups), "")
	}
	x, err := b.textArg(e.Args[2])
	if err != nil {
		return nil, err
	}
	out := &scalar{op: "group", kind: native, args: []*scalar{x, textOf("(" + p + ")"), number(strconv.Itoa(at + 1))}}
	if len(e.Args) < 4 {
		return out, nil
	}
	t, ok := e.Args[3].(Field)
	if kind := typeKinds[t.Name]; ok && kind != 0 {
		return b.as(out, kind, e)
	}
	return nil, fault(e.Args[3], "this is no type", "write extract(…, typeof(long))")
}

func (b *binder) replaceRegex(e Call) (*scalar, error) {
	x, err := b.textArg(e.Args[0])
	if err != nil {
		return nil, err
	}
	p, err := b.patternArg(e.Args[1])
	if err != nil {
		return nil, err
	}
	to, ok := e.Args[2].(Text)
	if !ok {
		return nil, fault(e.Args[2], "what is put in place is a text in quotes", "")
	}
	groups := regexp.MustCompile(p).NumSubexp()
	for i := 0; i < len(to.Value); i++ {
		if to.Value[i] != '\\' {
			continue
		}
		if i++; i == len(to.Value) || to.Value[i] != '\\' && (to.Value[i] < '0' || int(to.Value[i]-'0') > groups) {
			return nil, fault(to, `a backslash stands before the number of a group here, or before another`, `write @"\1"`)
		}
	}
	return apply("replacere", text, x, textOf(p), textOf(to.Value)), nil
}

// dateParts are the parts of a format, longest first, by our own letters: the
// dialects know them.
var dateParts = []struct{ kusto, part string }{
	{"yyyy", "%Y"}, {"yy", "%y"}, {"MMM", "%b"}, {"MM", "%m"}, {"dd", "%d"}, {"HH", "%H"}, {"mm", "%M"}, {"ss", "%S"}, {"ffffff", "%f"},
}

func (b *binder) format(e Call) (*scalar, error) {
	x, err := b.scalar(e.Args[0])
	if err == nil {
		x, err = b.argument(x, 'i', e.Args[0])
	}
	if err != nil {
		return nil, err
	}
	f, ok := e.Args[1].(Text)
	if !ok {
		return nil, fault(e.Args[1], "the format is a text in quotes", `write "yyyy-MM-dd HH:mm:ss"`)
	}
	out := &scalar{op: "format", kind: text, null: x.null, args: []*scalar{x}}
	rest := f.Value
next:
	for rest != "" {
		for _, p := range dateParts {
			if after, ok := strings.CutPrefix(rest, p.kusto); ok {
				out.list, rest = append(out.list, p.part), after
				continue next
			}
		}
		c := rest[0]
		if !strings.ContainsRune("-_:/., TZ", rune(c)) { // what stands here stands in the statement
			return nil, fault(f, fmt.Sprintf("%q is no part of a format", c), "the parts are yyyy, yy, MMM, MM, dd, HH, mm, ss and ffffff")
		}
		out.list, rest = append(out.list, rest[:1]), rest[1:]
	}
	return toText(out), nil
}

func (b *binder) split(e Call) (*scalar, error) {
	x, err := b.textArg(e.Args[0])
	if err != nil {
		return nil, err
	}
	by, ok := e.Args[1].(Text)
	if !ok || by.Value == "" {
		return nil, fault(e.Args[1], "the separator is a text in quotes", `write split(field, ",")`)
	}
	list := apply("split", texts, x, textOf(by.Value))
	if len(e.Args) < 3 {
		return list, nil
	}
	n, ok := e.Args[2].(Number)
	at, convErr := strconv.Atoi(n.Value)
	if !ok || convErr != nil || at < 0 || at > 10_000 {
		return nil, fault(e.Args[2], "the part is a whole number from 0", "")
	}
	return element(list, at, e)
}

func (b *binder) substring(e Call) (*scalar, error) {
	x, err := b.textArg(e.Args[0])
	if err != nil {
		return nil, err
	}
	var at [2]*scalar
	for i, a := range e.Args[1:] {
		n, err := b.scalar(a)
		if err != nil {
			return nil, err
		}
		if n, err = b.argument(n, 'n', a); err != nil {
			return nil, err
		}
		if i == 0 && (n.op != "number" || strings.HasPrefix(n.text, "-")) { // counted from the end
			back := apply("greatest", numeric, apply("+", numeric, apply("length", numeric, x), n), number("0"))
			n = &scalar{op: "case", kind: numeric, null: n.null, args: []*scalar{sure(apply("lt", truth, n, number("0"))), back, n}}
		}
		at[i] = &scalar{op: "place", kind: numeric, args: []*scalar{n}}
	}
	if at[1] == nil {
		return apply("from", text, x, at[0]), nil
	}
	return apply("substring", text, x, at[0], at[1]), nil
}

var diffUnits = map[string]int64{
	"microsecond": 1, "millisecond": 1e3, "second": 1e6, "minute": 60e6, "hour": 3600e6, "day": 24 * 3600e6, "week": 7 * 24 * 3600e6,
}

// later binds datetime_add.
func (b *binder) later(e Call) (*scalar, error) {
	unit, ok := e.Args[0].(Text)
	us := diffUnits[strings.ToLower(unit.Value)]
	if !ok || us == 0 {
		return nil, fault(e.Args[0], "this is no unit of time", `write "second", "minute", "hour", "day" or "week"`)
	}
	n, err := b.scalar(e.Args[1])
	if err == nil {
		n, err = b.argument(n, 'n', e.Args[1])
	}
	if err != nil {
		return nil, err
	}
	x, err := b.scalar(e.Args[2])
	if err == nil {
		x, err = b.argument(x, 'i', e.Args[2])
	}
	if err != nil {
		return nil, err
	}
	step := nullable(apply("period*", period, &scalar{op: "span", kind: period, us: us}, n))
	return apply("time+", instant, x, step), nil
}

// monthsOf are units whose length varies, in months.
var monthsOf = map[string]string{"month": "1", "quarter": "3", "year": "12"}

// difference binds datetime_diff: how many borders of a unit lie between.
func (b *binder) difference(e Call) (*scalar, error) {
	unit, ok := e.Args[0].(Text)
	us, months := diffUnits[strings.ToLower(unit.Value)], monthsOf[strings.ToLower(unit.Value)]
	if !ok || us == 0 && months == "" {
		return nil, fault(e.Args[0], "this is no unit of time", `write "second", "minute", "hour" or "day"`)
	}
	var at [2]*scalar
	for i, a := range e.Args[1:] {
		x, err := b.scalar(a)
		if err == nil {
			x, err = b.argument(x, 'i', a)
		}
		if err != nil {
			return nil, err
		}
		if months != "" {
			count := apply("+", numeric, apply("*", numeric, apply("year", numeric, x), number("12")), apply("-", numeric, apply("yearmonth", numeric, x), number("1")))
			at[i] = apply("floordiv", numeric, count, number(months))
			continue
		}
		at[i] = apply("floordiv", numeric, apply("micros", numeric, x), number(strconv.FormatInt(us, 10)))
	}
	return apply("-", numeric, at[0], at[1]), nil
}
