package check

import (
	"fmt"
	"sort"
	"strings"
	"time"

	"github.com/google/cel-go/cel"

	"holdfast"
)

// Judge says what the check says about an asset. It changes nothing and never
// fails: what cannot be decided is unknown, with the reason.
func (c *Check) Judge(facts holdfast.Facts, now time.Time) holdfast.Verdict {
	v := holdfast.Verdict{
		Asset: facts.Asset, Check: c.ID, Title: c.Title, Severity: c.Severity, At: now, Since: now, Code: c.Code, Fix: c.Fix, Table: c.over,
		Status: holdfast.Unknown,
	}
	if v.Table == "" {
		v.Table = c.tables[0]
	}
	all := map[string]any{}
	for name, t := range facts.Tables {
		if t.Error == "" {
			all[name] = rows(t.Rows)
		}
	}
	if why := c.stale(facts, now, &v); why != "" {
		v.Why = why
		return v
	}
	vars := map[string]any{"facts": all, "row": map[string]any{}}
	if c.applies != nil {
		ok, err := truth(c.applies, vars)
		if err != nil {
			v.Why = "whether it applies could not be worked out: " + err.Error()
			return v
		}
		if !ok {
			v.Status, v.Why = holdfast.NotApplicable, "it does not apply here: "+oneLine(c.text.Applies)+" is not so"
			return v
		}
	}
	if c.over == "" {
		c.once(&v, facts, vars)
		return v
	}
	c.each(&v, facts.Tables[c.over], vars)
	return v
}

// stale says why the tables cannot be judged, or "". It notes the age of the
// oldest.
func (c *Check) stale(facts holdfast.Facts, now time.Time, v *holdfast.Verdict) string {
	for _, name := range c.tables {
		t, ok := facts.Tables[name]
		switch {
		case !ok:
			return "the table " + name + " was never collected"
		case t.Error != "":
			v.FactsAt = t.Collected
			return "the table " + name + " could not be read: " + t.Error
		}
		if v.FactsAt.IsZero() || t.Collected.Before(v.FactsAt) {
			v.FactsAt = t.Collected
		}
		if now.Sub(t.Collected) > c.maxAge {
			return fmt.Sprintf("the table %s is %s old, older than %s", name, now.Sub(t.Collected).Round(time.Minute), c.maxAge)
		}
	}
	return ""
}

func (c *Check) once(v *holdfast.Verdict, facts holdfast.Facts, vars map[string]any) {
	t := facts.Tables[v.Table]
	v.Population = len(t.Rows)
	if len(t.Rows) > 0 {
		v.Decided = t.Rows[0]
		vars["row"] = map[string]any(t.Rows[0])
	}
	if len(t.Rows) == 0 && c.empty == "" {
		v.Why = "the table " + v.Table + " has no rows, and nothing was judged"
		return
	}
	ok, err := truth(c.expect, vars)
	switch {
	case err != nil:
		v.Why = "it could not be worked out: " + err.Error()
	case ok:
		v.Status, v.Why = holdfast.Pass, "as it should be: "+c.words(v.Decided)
	default:
		v.Status, v.Failing, v.Why = holdfast.Fail, 1, c.words(v.Decided)
	}
}

func (c *Check) each(v *holdfast.Verdict, t holdfast.Table, vars map[string]any) {
	for _, r := range t.Rows {
		vars["row"] = map[string]any(r)
		if c.where != nil {
			ok, err := truth(c.where, vars)
			if err != nil {
				v.Status, v.Decided, v.Why = holdfast.Unknown, r, "a row could not be judged: "+err.Error()
				return
			}
			if !ok {
				continue
			}
		}
		v.Population++
		ok, err := truth(c.expect, vars)
		if err != nil {
			v.Status, v.Decided, v.Why = holdfast.Unknown, r, "a row could not be judged: "+err.Error()
			return
		}
		if !ok {
			if v.Failing++; v.Failing == 1 {
				v.Decided = r
			}
		}
	}
	switch {
	case v.Failing > 0:
		v.Status, v.Why = holdfast.Fail, c.words(v.Decided)
		if v.Failing > 1 {
			v.Why += fmt.Sprintf(", and %d more", v.Failing-1)
		}
	case t.Partial != "":
		v.Why = "no row of " + t.Name + " fails, but not all were seen: " + t.Partial
	case v.Population == 0 && c.empty == "":
		v.Why = "no row of " + c.over + " was there to judge"
	case v.Population == 0:
		v.Status, v.Why = holdfast.Pass, c.empty
	default:
		v.Status, v.Why = holdfast.Pass, fmt.Sprintf("all %d rows of %s are as they should be", v.Population, c.over)
	}
}

// words fills {column} in the check's sentence with the deciding row's values.
func (c *Check) words(r holdfast.Row) string {
	s := c.say
	names := make([]string, 0, len(r))
	for k := range r {
		names = append(names, k)
	}
	sort.Strings(names)
	for _, k := range names {
		if strings.Contains(s, "{"+k+"}") {
			s = strings.ReplaceAll(s, "{"+k+"}", value(r[k]))
		}
	}
	return s
}

func value(v any) string {
	if l, ok := v.([]any); ok {
		parts := make([]string, len(l))
		for i := range l {
			parts[i] = fmt.Sprint(l[i])
		}
		return strings.Join(parts, " ")
	}
	if v == nil {
		return "not set"
	}
	return fmt.Sprint(v)
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func rows(in []holdfast.Row) []map[string]any {
	out := make([]map[string]any, len(in))
	for i := range in {
		out[i] = in[i]
	}
	return out
}

func truth(p cel.Program, vars map[string]any) (bool, error) {
	out, _, err := p.Eval(vars)
	if err != nil {
		return false, err
	}
	b, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("it gave %v, not true or false", out.Value())
	}
	return b, nil
}
