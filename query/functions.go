package query

import (
	"fmt"
	"sort"

	"holdfast/internal/nearest"
)

// function describes one function of the language.
type function struct {
	min, max  int
	aggregate bool
	usage     string
}

var functions = map[string]function{
	"ago":        {1, 1, false, "ago(1h)"},
	"now":        {0, 0, false, "now()"},
	"bin":        {2, 2, false, "bin(time, 5m)"},
	"tolower":    {1, 1, false, "tolower(field)"},
	"toupper":    {1, 1, false, "toupper(field)"},
	"tostring":   {1, 1, false, "tostring(field)"},
	"toint":      {1, 1, false, "toint(field)"},
	"todouble":   {1, 1, false, "todouble(field)"},
	"strlen":     {1, 1, false, "strlen(field)"},
	"isempty":    {1, 1, false, "isempty(field)"},
	"isnotempty": {1, 1, false, "isnotempty(field)"},
	"iff":        {3, 3, false, "iff(condition, then, else)"},
	"count":      {0, 0, true, "count()"},
	"countif":    {1, 1, true, "countif(condition)"},
	"dcount":     {1, 1, true, "dcount(field)"},
	"sum":        {1, 1, true, "sum(field)"},
	"avg":        {1, 1, true, "avg(field)"},
	"min":        {1, 1, true, "min(field)"},
	"max":        {1, 1, true, "max(field)"},
	"make_set":   {1, 1, true, "make_set(field)"},
}

func functionNames() []string {
	out := make([]string, 0, len(functions)+1)
	for n := range functions {
		out = append(out, n)
	}
	out = append(out, "datetime")
	sort.Strings(out)
	return out
}

// checkCall counts arguments, and works out what is known already.
func (p *parser) checkCall(c Call) (Expr, error) {
	f := functions[c.Name]
	if len(c.Args) < f.min || len(c.Args) > f.max {
		return nil, &Error{Pos: c.pos, Len: c.len, What: fmt.Sprintf("%s has %d arguments and takes %d", c.Name, len(c.Args), f.min), Suggest: "write " + f.usage}
	}
	switch c.Name {
	case "now":
		return Instant{c.span, p.now.UTC()}, nil
	case "ago":
		d, ok := c.Args[0].(Span)
		if !ok {
			pos, l := c.Args[0].At()
			return nil, &Error{Pos: pos, Len: l, What: "ago takes a duration", Suggest: "write ago(24h)"}
		}
		return p.ago(d.Value, c.span), nil
	case "bin":
		switch step := c.Args[1].(type) {
		case Span:
			if step.Value > 0 {
				return c, nil
			}
		case Number:
			if step.Value != "0" {
				return c, nil
			}
		}
		pos, l := c.Args[1].At()
		return nil, &Error{Pos: pos, Len: l, What: "bin takes a step larger than nothing", Suggest: "write bin(time, 5m) or bin(field, 10)"}
	}
	return c, nil
}

// suggest names the known word nearest to what was written, or says otherwise.
func suggest(word string, known []string, otherwise string) string {
	return nearest.Say(word, known, 3, otherwise)
}
