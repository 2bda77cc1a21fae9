package example

import (
	"net/netip"
	"regexp/syntax"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/detect/sigma"
)

// Reference works out rules by the letter of the specification, one by one
// and slowly: what detect/engine is held against. It looks at fields under the
// very names that rules use, and at no raw record. It is not safe for
// concurrent use.
type Reference struct {
	values map[*sigma.Value]*language
	work   *meter
}

// NewReference returns an empty Reference; it remembers what it makes of rules.
func NewReference() *Reference { return &Reference{values: map[*sigma.Value]*language{}} }

// Holds reports whether a condition over selections holds for fields.
func (r *Reference) Holds(selections []sigma.Selection, x sigma.Expr, fields []holdfast.Field) bool {
	switch x := x.(type) {
	case sigma.And:
		return r.Holds(selections, x.Left, fields) && r.Holds(selections, x.Right, fields)
	case sigma.Or:
		return r.Holds(selections, x.Left, fields) || r.Holds(selections, x.Right, fields)
	case sigma.Not:
		return !r.Holds(selections, x.X, fields)
	case sigma.Ref:
		return r.selection(&selections[x.Selection], fields)
	case sigma.Of:
		n := 0
		for _, i := range x.Selections {
			if r.selection(&selections[i], fields) {
				n++
			}
		}
		return n >= x.Least
	}
	return false
}

func (r *Reference) selection(s *sigma.Selection, fields []holdfast.Field) bool {
	for _, c := range s.Clauses {
		if r.clause(c, fields) {
			return true
		}
	}
	return false
}

func (r *Reference) clause(c sigma.Clause, fields []holdfast.Field) bool {
	for i := range c {
		if !r.item(&c[i], fields) {
			return false
		}
	}
	return true
}

func (r *Reference) item(it *sigma.Item, fields []holdfast.Field) bool {
	n := 0
	for i := range it.Values {
		if r.value(it, &it.Values[i], fields) {
			n++
		}
	}
	held := n > 0
	if it.All {
		held = n == len(it.Values)
	}
	return held != it.Negated
}

func (r *Reference) value(it *sigma.Item, v *sigma.Value, fields []holdfast.Field) bool {
	there, some := false, false
	for i := range fields {
		f := &fields[i]
		if it.Field != "" && f.Name != it.Field {
			continue
		}
		there = true
		if f.Kind == holdfast.Null {
			continue
		}
		some = true
		if it.Op != sigma.Exists && v.Kind != sigma.Null && r.text(it, v, f.Text, fields) {
			return true
		}
	}
	switch {
	case it.Op == sigma.Exists:
		return there == v.True
	case v.Kind == sigma.Null:
		return !some
	}
	return false
}

// text reports whether a value holds for one text of its field.
func (r *Reference) text(it *sigma.Item, v *sigma.Value, text string, fields []holdfast.Field) bool {
	switch {
	case it.FieldRef:
		for i := range fields {
			if f := &fields[i]; f.Name == v.Text && f.Kind != holdfast.Null && refers(it, text, f.Text) {
				return true
			}
		}
		return false
	case it.Part != sigma.Whole:
		n, ok := partOf(text, it.Part)
		return ok && compares(it.Op, float64(n), v.Number)
	case it.Op == sigma.CIDR:
		a, err := netip.ParseAddr(text)
		return err == nil && v.Net.Contains(a.Unmap().WithZone(""))
	case it.Op >= sigma.Less:
		n, err := strconv.ParseFloat(text, 64)
		return err == nil && n == n && compares(it.Op, n, v.Number)
	}
	l, err := r.language(it, v)
	return err == nil && l.holds(text)
}

func refers(it *sigma.Item, text, to string) bool {
	l, err := compile([]*syntax.Regexp{ofPattern(sigma.LiteralPattern(to), it.Op, it.Cased)}, nil)
	return err == nil && l.holds(text)
}

// language returns that of one value; of all values of the item for none.
func (r *Reference) language(it *sigma.Item, v *sigma.Value) (*language, error) {
	if l, ok := r.values[v]; ok {
		return l, nil
	}
	res, err := expressions(it, v)
	if err != nil {
		return nil, err
	}
	l, err := compile(res, r.work)
	if err != nil {
		return nil, err
	}
	r.values[v] = l
	return l, nil
}

func expressions(it *sigma.Item, v *sigma.Value) ([]*syntax.Regexp, error) {
	if it.Op == sigma.Regex {
		re, err := ofRegex(v.Regex)
		return []*syntax.Regexp{re}, err
	}
	var out []*syntax.Regexp
	for _, p := range v.Patterns {
		out = append(out, ofPattern(p, it.Op, it.Cased))
	}
	if len(out) == 0 {
		out = append(out, &syntax.Regexp{Op: syntax.OpNoMatch})
	}
	return out, nil
}

func compares(op sigma.Op, n, want float64) bool {
	switch op {
	case sigma.Less:
		return n < want
	case sigma.LessEqual:
		return n <= want
	case sigma.Greater:
		return n > want
	case sigma.GreaterEqual:
		return n >= want
	}
	return n == want
}

// partOf reads a time as RFC 3339 has it, as a date and a time of day, or as
// seconds since 1970.
func partOf(text string, part sigma.TimePart) (int, bool) {
	at, err := time.Parse(time.RFC3339Nano, strings.Replace(text, " ", "T", 1))
	for _, layout := range []string{"2006-01-02T15:04:05", time.DateTime, time.DateOnly} {
		if err != nil {
			at, err = time.Parse(layout, text)
		}
	}
	if err != nil {
		n, bad := strconv.ParseFloat(text, 64)
		if bad != nil || !(n > -1e11 && n < 1e11) {
			return 0, false
		}
		at = time.Unix(int64(n), 0).UTC()
	}
	switch part {
	case sigma.Minute:
		return at.Minute(), true
	case sigma.Hour:
		return at.Hour(), true
	case sigma.Day:
		return at.Day(), true
	case sigma.Week:
		_, w := at.ISOWeek()
		return w, true
	case sigma.Month:
		return int(at.Month()), true
	}
	return at.Year(), true
}
