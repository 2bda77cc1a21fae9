package check

import (
	"context"
	"errors"
	"fmt"
	"regexp"
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
	ctx, cancel := context.WithTimeout(context.Background(), checkTime)
	defer cancel()
	j := &judgement{ctx, map[string]any{"facts": all, "row": map[string]any{}}, checkCost}
	if c.applies != nil {
		ok, err := j.truth(c.applies)
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
		c.once(&v, facts, j)
		return v
	}
	c.each(&v, facts, j)
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

func (c *Check) once(v *holdfast.Verdict, facts holdfast.Facts, j *judgement) {
	t, vars := facts.Tables[v.Table], j.vars
	v.Population = len(t.Rows)
	if len(t.Rows) > 0 {
		v.Decided = t.Rows[0]
		vars["row"] = map[string]any(t.Rows[0])
	}
	if len(t.Rows) == 0 && c.empty == "" {
		v.Why = "the table " + v.Table + " has no rows, and nothing was judged"
		return
	}
	ok, err := j.truth(c.expect)
	partial := c.partial(facts)
	switch {
	case err != nil:
		v.Why = "it could not be worked out: " + err.Error()
	case ok && partial != "":
		v.Why = "nothing fails, but not all was seen: " + partial
	case ok:
		v.Status, v.Why = holdfast.Pass, "as it should be: "+c.words(v.Decided)
	default:
		v.Status, v.Failing, v.Why = holdfast.Fail, 1, c.words(v.Decided)
	}
}

// each asks every row. A row that cannot be judged makes the verdict unknown,
// unless another row fails: what is known to be wrong stays wrong.
func (c *Check) each(v *holdfast.Verdict, facts holdfast.Facts, j *judgement) {
	t, partial := facts.Tables[c.over], c.partial(facts)
	var doubt error
	var doubtful holdfast.Row
	for _, r := range t.Rows {
		j.vars["row"] = map[string]any(r)
		keep, ok, err := c.row(j)
		if keep || err != nil {
			v.Population++
		}
		switch {
		case errors.Is(err, errBudget):
			v.Decided, v.Why = nil, err.Error()
			return
		case err != nil && doubt == nil:
			doubt, doubtful = err, r
		case err == nil && keep && !ok:
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
	case doubt != nil:
		v.Decided, v.Why = doubtful, "a row of "+c.over+" could not be judged: "+doubt.Error()
		if unseen, ok := doubtful["unseen"]; ok {
			v.Why = fmt.Sprintf("%s could not be looked at: %s", value(doubtful["path"]), value(unseen))
		}
	case partial != "":
		v.Why = "no row of " + c.over + " fails, but not all were seen: " + partial
	case v.Population == 0 && c.empty == "":
		v.Why = "no row of " + c.over + " was there to judge"
	case v.Population == 0:
		v.Status, v.Why = holdfast.Pass, c.empty
	default:
		v.Status, v.Why = holdfast.Pass, fmt.Sprintf("all %d rows of %s are as they should be", v.Population, c.over)
	}
}

// row says whether a row belongs to the population, and whether it is well.
func (c *Check) row(j *judgement) (keep, ok bool, err error) {
	if c.where != nil {
		if keep, err = j.truth(c.where); err != nil || !keep {
			return false, false, err
		}
	}
	ok, err = j.truth(c.expect)
	return true, ok, err
}

// partial says what was left out of the tables that the check reads, or "".
func (c *Check) partial(facts holdfast.Facts) string {
	for _, name := range c.tables {
		if p := facts.Tables[name].Partial; p != "" {
			return p
		}
	}
	return ""
}

var placeholder = regexp.MustCompile(`\{[a-z0-9_]+\}`)

// words fills {column} in the check's sentence with the deciding row's values.
// Each place is filled once: a value that looks like a place stays as it is.
func (c *Check) words(r holdfast.Row) string {
	return placeholder.ReplaceAllStringFunc(c.say, func(p string) string { return value(r[p[1:len(p)-1]]) })
}

func value(v any) string {
	if l, ok := v.([]any); ok {
		if len(l) == 0 {
			return "nothing"
		}
		parts := make([]string, len(l))
		for i := range l {
			parts[i] = fmt.Sprint(l[i])
		}
		return strings.Join(parts, ", ")
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

var (
	errBudget = errors.New("there is too much to judge: the check was ended")
	noColumn  = regexp.MustCompile(`no such key: (\S+)`)
)

// judgement is the work on one verdict, and what it may still cost.
type judgement struct {
	ctx  context.Context //nolint:containedctx // the time of one call of Judge
	vars map[string]any
	left uint64
}

func (j *judgement) truth(p cel.Program) (bool, error) {
	out, details, err := p.ContextEval(j.ctx, j.vars)
	if cost := details.ActualCost(); cost != nil {
		j.left -= min(j.left, *cost)
	}
	if j.left == 0 || j.ctx.Err() != nil {
		return false, errBudget
	}
	if err != nil {
		if m := noColumn.FindStringSubmatch(err.Error()); m != nil {
			return false, fmt.Errorf("%s is not known; collecting it may want root", m[1])
		}
		return false, err
	}
	b, ok := out.Value().(bool)
	if !ok {
		return false, fmt.Errorf("it gave %v, not true or false", out.Value())
	}
	return b, nil
}
