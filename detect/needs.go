package detect

import (
	"maps"
	"slices"

	"holdfast"
	"holdfast/detect/sigma"
)

// Need is what a rule cannot fire without.
type Need struct {
	Rule  string
	Title string
	Level holdfast.Level
	// Datasets are those that it looks at; events of one are enough.
	Datasets []string
	// Fields are those without which no event makes it fire.
	Fields []string
	// Rules are the detections that a correlation refers to, near or far; it
	// needs each of them. Empty for a detection.
	Rules []string
}

// Needs returns what each loaded rule cannot fire without, detections first.
// The answer is shared; nobody changes it.
func (d *Detector) Needs() []Need {
	d.mu.Lock()
	rules := d.rules
	d.mu.Unlock()
	return rules.needs()
}

// Needs works out what each rule of a set cannot fire without.
func Needs(set sigma.Set, datasets map[string]holdfast.Dataset) []Need {
	served := map[holdfast.Logsource][]string{}
	names := slices.Sorted(maps.Keys(datasets))
	out := make([]Need, 0, len(set.Rules)+len(set.Correlations))
	for _, r := range set.Rules {
		list, ok := served[r.Logsource]
		if !ok {
			for _, n := range names {
				if sigma.Serves(r.Logsource, datasets[n]) {
					list = append(list, n)
				}
			}
			served[r.Logsource] = list
		}
		out = append(out, Need{Rule: r.Key(), Title: r.Title, Level: r.Level, Datasets: list, Fields: needed(r)})
	}
	for _, c := range set.Correlations {
		n := Need{Rule: c.Key(), Title: c.Title, Level: c.Level}
		for _, r := range Needed(set, c.Key()).Rules {
			n.Rules = append(n.Rules, r.Key())
			n.Datasets = append(n.Datasets, served[r.Logsource]...)
		}
		slices.Sort(n.Datasets)
		n.Datasets = slices.Compact(n.Datasets)
		out = append(out, n)
	}
	return out
}

// needed are the fields without which a rule's condition cannot hold.
func needed(r *sigma.Rule) []string {
	var out []string
	for _, s := range r.Selections {
		for _, c := range s.Clauses {
			for _, i := range c {
				if i.Field != "" && !slices.Contains(out, i.Field) {
					out = append(out, i.Field)
				}
			}
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(out, func(f string) bool { return without(r, r.Condition, f).yes })
}

// maybe is what an expression can still come to.
type maybe struct{ yes, no bool }

// without is what a condition can come to for events that lack a field.
func without(r *sigma.Rule, x sigma.Expr, field string) maybe {
	switch x := x.(type) {
	case sigma.And:
		a, b := without(r, x.Left, field), without(r, x.Right, field)
		return maybe{a.yes && b.yes, a.no || b.no}
	case sigma.Or:
		a, b := without(r, x.Left, field), without(r, x.Right, field)
		return maybe{a.yes || b.yes, a.no && b.no}
	case sigma.Not:
		a := without(r, x.X, field)
		return maybe{a.no, a.yes}
	case sigma.Ref:
		return selectionWithout(&r.Selections[x.Selection], field)
	case sigma.Of:
		can, must := 0, 0
		for _, s := range x.Selections {
			a := selectionWithout(&r.Selections[s], field)
			if a.yes {
				can++
			}
			if !a.no {
				must++
			}
		}
		return maybe{can >= x.Least, must < x.Least}
	}
	return maybe{true, true}
}

func selectionWithout(s *sigma.Selection, field string) maybe {
	out := maybe{false, true}
	for _, c := range s.Clauses {
		all := maybe{true, false}
		for i := range c {
			a := itemWithout(&c[i], field)
			all = maybe{all.yes && a.yes, all.no || a.no}
		}
		out = maybe{out.yes || all.yes, out.no && all.no}
	}
	return out
}

func itemWithout(i *sigma.Item, field string) maybe {
	switch {
	case i.Field != field || i.FieldRef:
		return maybe{true, true}
	case i.Op == sigma.Exists && len(i.Values) == 1:
		holds := i.Values[0].True == i.Negated
		return maybe{holds, !holds}
	case slices.ContainsFunc(i.Values, func(v sigma.Value) bool { return v.Kind == sigma.Null }):
		return maybe{true, true}
	}
	return maybe{i.Negated, !i.Negated}
}

// FieldNames are the names that a field of a rule may have in events of a
// dataset: its own, and for an ECS name or an alias the dataset's.
func FieldNames(field string, d holdfast.Dataset) []string {
	out := []string{field}
	for native, ecs := range d.ECS {
		if ecs == field && native != field {
			out = append(out, native)
		}
	}
	if native := d.Alias[field]; native != "" && !slices.Contains(out, native) {
		out = append(out, native)
	}
	slices.Sort(out)
	return out
}
