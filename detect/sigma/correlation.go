package sigma

import (
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

const maxReferences = 100

func (r *ruleReader) correlation(m Meta, n *yaml.Node) *Correlation {
	c := &Correlation{Meta: m}
	if n.Kind != yaml.MappingNode {
		r.fault(n, "write type, rules, group-by, timespan and condition", "correlation is not a mapping")
		return c
	}
	r.unique(n, "correlation")
	for i := 0; i+1 < len(n.Content); i += 2 {
		switch k := n.Content[i]; k.Value {
		case "type", "rules", "group-by", "timespan", "aliases", "condition", "generate":
		default:
			r.fault(k, "remove or correct it", "correlation has no attribute %q", k.Value)
		}
	}
	c.Type = CorrelationType(r.text(n, "type"))
	switch c.Type {
	case EventCount, ValueCount, Temporal, TemporalOrdered, ValueSum, ValueAvg, ValuePercentile, ValueMedian:
	default:
		r.fault(orNode(get(n, "type"), n), "write event_count, value_count, temporal, temporal_ordered, value_sum, value_avg, value_percentile or value_median", "%q is no correlation type", string(c.Type))
		return c
	}
	c.Rules = r.texts(n, "rules")
	c.GroupBy = r.texts(n, "group-by")
	if x := get(n, "condition"); len(c.Rules) == 0 && x != nil && x.Tag == "!!str" && (c.Type == Temporal || c.Type == TemporalOrdered) {
		c.Rules = named(x.Value) // an extended condition names them itself
	}
	switch {
	case len(c.Rules) == 0:
		r.fault(orNode(get(n, "rules"), n), "list names or ids of rules", "the correlation refers to no rule")
	case len(c.Rules) > maxReferences || len(c.GroupBy) > maxReferences:
		r.fault(n, "split it", "the correlation has more than %d rules or group-by fields", maxReferences)
	}
	for i, name := range c.Rules {
		if slices.Contains(c.Rules[:i], name) {
			r.fault(get(n, "rules"), "name it once", "the correlation refers to %q twice", name)
		}
	}
	var err error
	if c.Timespan, err = parseTimespan(r.text(n, "timespan")); err != nil {
		r.fault(orNode(get(n, "timespan"), n), "write a number and s, m, h, d, w, M or y, such as 5m", "timespan %q is none", r.text(n, "timespan"))
	}
	r.aliases(c, get(n, "aliases"))
	r.bounds(c, n)
	if g := get(n, "generate"); g != nil {
		r.generate(c, g)
	}
	return c
}

// generate stands in the correlation by the schema and beside it by the text of
// the specification; both are read.
func (r *ruleReader) generate(c *Correlation, n *yaml.Node) {
	if c.Generate = n.Value == "true"; n.Tag != "!!bool" {
		r.fault(n, "write true or false", "generate is %s", describe(n))
	}
}

func orNode(n, fallback *yaml.Node) *yaml.Node {
	if n != nil {
		return n
	}
	return fallback
}

// parseTimespan reads a number and a unit; a month has 30 days, a year 365.
func parseTimespan(s string) (time.Duration, error) {
	if len(s) < 2 {
		return 0, strconv.ErrSyntax
	}
	n, err := strconv.ParseUint(s[:len(s)-1], 10, 31)
	if err != nil {
		return 0, err
	}
	units := map[byte]time.Duration{
		's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'w': 7 * 24 * time.Hour,
		'M': 30 * 24 * time.Hour, 'y': 365 * 24 * time.Hour,
	}
	unit := units[s[len(s)-1]]
	const longest = 100 * 365 * 24 * time.Hour
	if n == 0 || unit == 0 || n > uint64(longest/unit) {
		return 0, strconv.ErrRange
	}
	return time.Duration(n) * unit, nil
}

func (r *ruleReader) aliases(c *Correlation, n *yaml.Node) {
	if n == nil {
		return
	}
	if n.Kind != yaml.MappingNode {
		r.fault(n, "write alias: {rule: field}", "aliases is not a mapping")
		return
	}
	r.unique(n, "aliases")
	c.Aliases = map[string]map[string]string{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		alias, fields := n.Content[i], n.Content[i+1]
		if fields.Kind != yaml.MappingNode {
			r.fault(fields, "write alias: {rule: field}", "the alias %q is not a mapping", alias.Value)
			continue
		}
		r.unique(fields, "the alias "+alias.Value)
		byRule := map[string]string{}
		for j := 0; j+1 < len(fields.Content); j += 2 {
			rule := fields.Content[j]
			if !slices.Contains(c.Rules, rule.Value) {
				r.fault(rule, "add it to rules, or correct the name", "the alias %q speaks of rule %q, which the correlation does not refer to", alias.Value, rule.Value)
			}
			byRule[rule.Value] = fields.Content[j+1].Value
		}
		c.Aliases[alias.Value] = byRule
	}
}

func (r *ruleReader) bounds(c *Correlation, corr *yaml.Node) {
	temporal := c.Type == Temporal || c.Type == TemporalOrdered
	n := get(corr, "condition")
	switch {
	case n == nil && temporal:
		return
	case n == nil:
		r.fault(corr, "add condition: {gte: 5} or the like", "the correlation has no condition")
		return
	case n.Kind == yaml.ScalarNode && n.Tag == "!!str" && temporal:
		r.extended(c, n)
		return
	case n.Kind != yaml.MappingNode:
		r.fault(n, "write {gte: 5} or the like", "the condition of this correlation is a mapping, not %s", describe(n))
		return
	}
	r.unique(n, "condition")
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch k.Value {
		case "field":
			r.valueField(c, v)
		case "percentile":
			p, err := strconv.ParseFloat(v.Value, 64)
			if err != nil || !(p >= 0 && p <= 100) {
				r.fault(v, "write a number from 0 to 100", "percentile is %s", describe(v))
			}
			c.Percent = p
		case "gte", "gt", "lte", "lt", "eq", "neq":
			f, err := number(v.Value)
			if err != nil || v.Kind != yaml.ScalarNode {
				r.fault(v, "write a number", "%s is %s", k.Value, describe(v))
			}
			c.Bounds = append(c.Bounds, Bound{k.Value, f})
		default:
			r.fault(k, "use gte, gt, lte, lt, eq, neq, field or percentile", "the condition has no comparison %q", k.Value)
		}
	}
	values := !temporal && c.Type != EventCount
	switch {
	case len(c.Bounds) == 0 && !temporal:
		r.fault(n, "add gte: 5 or the like", "the condition compares with nothing")
	case c.Type == TemporalOrdered && len(c.Bounds) > 0:
		r.fault(n, "remove it, or use temporal", "temporal_ordered asks for all its rules in order and takes no number")
	case values && c.Field == "":
		r.fault(n, "add field: …", "%s needs a field to look at", string(c.Type))
	case c.Type == ValuePercentile && get(n, "percentile") == nil:
		r.fault(n, "add percentile: 95 or the like", "value_percentile does not say which percentile")
	case !c.reachable():
		r.fault(n, "correct the numbers", "the condition can never hold: it is judged when an event comes, so there is at least one")
	}
}

// reachable reports whether any number fulfils all bounds. What counts events,
// values or rules is whole and at least one.
func (c *Correlation) reachable() bool {
	holds := func(n float64) bool {
		return !slices.ContainsFunc(c.Bounds, func(b Bound) bool { return !b.Holds(n) })
	}
	counts := c.Type == EventCount || c.Type == ValueCount || c.Type == Temporal
	if len(c.Bounds) == 0 || counts && holds(1) {
		return true
	}
	for _, b := range c.Bounds {
		for _, o := range c.Bounds {
			try := []float64{b.Value - 1, b.Value, b.Value + 1, (b.Value + o.Value) / 2}
			if counts {
				whole := math.Floor(b.Value)
				try = []float64{whole - 1, whole, whole + 1, whole + 2}
			}
			for _, n := range try {
				most := math.Inf(1)
				if c.Type == Temporal {
					most = float64(len(c.Rules))
				}
				if holds(n) && (!counts || n >= 1 && n <= most) {
					return true
				}
			}
		}
	}
	return false
}

// valueField reads the field that values are taken from; value_count takes a
// list too, and counts different combinations.
func (r *ruleReader) valueField(c *Correlation, n *yaml.Node) {
	switch {
	case n.Kind == yaml.ScalarNode:
		c.Field = n.Value
	case n.Kind == yaml.SequenceNode && len(n.Content) > 0 && c.Type == ValueCount:
		c.Field = n.Content[0].Value
		for _, f := range n.Content {
			if f.Kind != yaml.ScalarNode || f.Value == "" || len(n.Content) > maxReferences {
				r.fault(f, "write names of fields", "field is a list of anything but names, or of more than %d", maxReferences)
				return
			}
			c.Fields = append(c.Fields, f.Value)
		}
	default:
		r.fault(n, "write the name of a field", "field is %s", describe(n))
	}
}

// extended reads a condition over the rules themselves, such as "a and not b".
func (r *ruleReader) extended(c *Correlation, n *yaml.Node) {
	left := maxMembers
	x, err := parseCondition(n.Value, c.Rules, &left)
	var ce *conditionError
	if errors.As(err, &ce) {
		at := *n
		if n.Style == 0 {
			at.Column += ce.at
		}
		r.fault(&at, ce.do, "%s", ce.what)
		return
	}
	every := make([]bool, len(c.Rules))
	plain := onlyAnd(x, every)
	switch {
	case c.Type == TemporalOrdered && (!plain || slices.Contains(every, false)):
		r.fault(n, "join all of its rules with and, or use temporal", "temporal_ordered asks for all its rules in their order")
	case !canHold(x, len(c.Rules)):
		r.fault(n, "name at least one rule without \"not\"", "the condition holds without any event, and nothing would ever look at it")
	case !plain || slices.Contains(every, false):
		c.Condition = x
	}
}

// named lists the rules of an extended condition, in their order.
func named(condition string) []string {
	var out []string
	for _, w := range strings.FieldsFunc(condition, func(c rune) bool { return strings.ContainsRune(" \t\r\n()", c) }) {
		switch strings.ToLower(w) {
		case "and", "or", "not":
		default:
			if !slices.Contains(out, w) {
				out = append(out, w)
			}
		}
	}
	return out
}

// onlyAnd reports whether a condition is rules joined with "and", and marks
// them.
func onlyAnd(x Expr, every []bool) bool {
	switch x := x.(type) {
	case And:
		return onlyAnd(x.Left, every) && onlyAnd(x.Right, every)
	case Ref:
		every[x.Selection] = true
		return true
	case Of:
		for _, i := range x.Selections {
			every[i] = true
		}
		return x.Least == len(x.Selections)
	}
	return false
}

// canHold reports whether a condition asks for an event: it must not hold of
// none.
func canHold(x Expr, n int) bool { return !x.over(make([]bool, n)) }

// Over works a condition out over what holds of the rules or selections it
// names, by their index.
func Over(x Expr, holds []bool) bool { return x.over(holds) }

func (x And) over(h []bool) bool { return x.Left.over(h) && x.Right.over(h) }
func (x Or) over(h []bool) bool  { return x.Left.over(h) || x.Right.over(h) }
func (x Not) over(h []bool) bool { return !x.X.over(h) }
func (x Ref) over(h []bool) bool { return h[x.Selection] }
func (x Of) over(h []bool) bool {
	n := 0
	for _, i := range x.Selections {
		if h[i] {
			n++
		}
	}
	return n >= x.Least
}
