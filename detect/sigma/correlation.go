package sigma

import (
	"slices"
	"strconv"
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
		r.fault(orNode(get(n, "timespan"), n), "write a number and s, m, h, d, M or y, such as 5m", "timespan %q is none", r.text(n, "timespan"))
	}
	r.aliases(c, get(n, "aliases"))
	r.bounds(c, n)
	if g := get(n, "generate"); g != nil {
		if c.Generate, err = strconv.ParseBool(g.Value); err != nil {
			r.fault(g, "write true or false", "generate is %s", describe(g))
		}
	}
	return c
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
		's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour,
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
	case n.Kind != yaml.MappingNode:
		r.fault(n, "write {gte: 5} or the like", "the condition of a correlation is a mapping, not %s", describe(n))
		return
	}
	r.unique(n, "condition")
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch k.Value {
		case "field":
			c.Field = v.Value
		case "percentile":
			p, err := strconv.ParseFloat(v.Value, 64)
			if err != nil || p < 0 || p > 100 {
				r.fault(v, "write a number from 0 to 100", "percentile is %s", describe(v))
			}
			c.Percent = p
		case "gte", "gt", "lte", "lt", "eq", "neq":
			f, err := strconv.ParseFloat(v.Value, 64)
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
	}
}
