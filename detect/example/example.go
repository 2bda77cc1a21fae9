// Package example makes an event that a Sigma rule holds for, out of nothing
// but the rule, or shows that there is none. It reads what detect/sigma made
// of the rule and knows nothing of how detect/engine matches, so that each may
// be held against the other.
//
// A condition is taken apart into what must hold of each field: branches of an
// "or" are tried one after the other, and what stands under a "not" is looked
// at once the rest stands. All that must and must not hold of one text are
// automata, and a text is looked for that goes through all of them at once; if
// there is none, that is a proof. Events have one value for each field.
package example

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"holdfast"
	"holdfast/detect/sigma"
)

// ErrNever is what Event returns for a rule that can never hold, and ErrUnknown
// for one it gave up on.
var (
	ErrNever   = errors.New("the rule can never hold")
	ErrUnknown = errors.New("no event was found, and none was ruled out")
)

// Contradiction is an error that wraps ErrNever: what cannot be met together,
// and the first item of it.
type Contradiction struct {
	Why string
	Pos sigma.Pos
}

func (c *Contradiction) Error() string { return ErrNever.Error() + ": " + c.Why }

// Unwrap lets errors.Is(c, ErrNever) hold.
func (c *Contradiction) Unwrap() error { return ErrNever }

// Limits on one rule.
const (
	maxBuilds = 2_000 // events tried
	maxDeep   = 2_000 // conditions on one event
	maxWork   = 10_000_000
)

// Event returns fields for which the rule holds and none of the filters does.
// The error wraps ErrNever, as a *Contradiction where it is known what
// contradicts what, or ErrUnknown.
func Event(r *sigma.Rule, filters ...*sigma.Filter) ([]holdfast.Field, error) {
	e, err := solve(r, filters)
	return e.fields, err
}

// NearMisses returns events like that of Event, in each of which one thing that
// the rule needs is not as it must be; for all of them the rule does not hold.
// There are none for a rule without an event.
func NearMisses(r *sigma.Rule) [][]holdfast.Field {
	e, err := solve(r, nil)
	if err != nil {
		return nil
	}
	s := e.solver
	var out [][]holdfast.Field
	for i, l := range e.needs {
		if !l.want {
			continue
		}
		s.builds, s.ref.work.left = 0, maxWork/10
		others := slices.Delete(slices.Clone(e.needs), i, i+1)
		l.want = false
		for _, try := range [][]need{append(slices.Clone(others), l), others} {
			fields, how := s.build(try)
			if how == found && !s.ref.Holds(s.selections, s.condition, fields) {
				out = append(out, fields)
				break
			}
		}
	}
	return out
}

// need is something that must be so, or must not: one value of an item, or any
// of its values.
type need struct {
	it    *sigma.Item
	value int // index in it.Values, or any
	want  bool
}

const anyValue = -1

// goal is part of a condition that must hold, or must not.
type goal struct {
	expr   sigma.Expr   // one of these is set
	clause sigma.Clause // or this
	item   *sigma.Item
	want   bool
}

type event struct {
	fields []holdfast.Field
	needs  []need
	solver *solver
}

type solver struct {
	selections []sigma.Selection
	condition  sigma.Expr
	ref        *Reference
	unions     map[*sigma.Item]*language
	texts      map[string]solved
	builds     int
	doubt      bool           // a branch was left without a proof
	why        *Contradiction // the first

	result event
}

func solve(r *sigma.Rule, filters []*sigma.Filter) (event, error) {
	s := &solver{
		selections: slices.Clone(r.Selections), condition: r.Condition,
		ref: NewReference(), unions: map[*sigma.Item]*language{}, texts: map[string]solved{},
	}
	s.ref.work = &meter{maxWork}
	for _, f := range filters {
		s.condition = sigma.And{Left: s.condition, Right: sigma.Not{X: moved(f.Condition, len(s.selections))}}
		s.selections = append(s.selections, f.Selections...)
	}
	if s.try([]goal{{expr: s.condition, want: true}}, nil, nil) {
		return s.result, nil
	}
	err := ErrNever
	if s.doubt {
		err = ErrUnknown
	} else if s.why != nil {
		err = s.why
	}
	return event{}, err
}

// moved is a condition whose selections stand n places later.
func moved(x sigma.Expr, n int) sigma.Expr {
	switch x := x.(type) {
	case sigma.And:
		return sigma.And{Left: moved(x.Left, n), Right: moved(x.Right, n)}
	case sigma.Or:
		return sigma.Or{Left: moved(x.Left, n), Right: moved(x.Right, n)}
	case sigma.Not:
		return sigma.Not{X: moved(x.X, n)}
	case sigma.Ref:
		return sigma.Ref{Selection: x.Selection + n}
	case sigma.Of:
		out := sigma.Of{Least: x.Least}
		for _, i := range x.Selections {
			out.Selections = append(out.Selections, i+n)
		}
		return out
	}
	return x
}

// try takes goals apart. What must not be so waits until the rest is a list of
// needs, the newest first: it may be a part of one that waits already.
func (s *solver) try(goals []goal, needs []need, later []goal) bool {
	for len(goals) > 0 {
		g := goals[len(goals)-1]
		goals = goals[:len(goals)-1]
		with := func(more ...goal) bool { return s.try(append(slices.Clone(goals), more...), needs, later) }
		switch {
		case g.item != nil && g.want != g.item.Negated:
			needs = slices.Clone(needs)
			if !g.item.All && len(g.item.Values) > 1 && (!textual(g.item) || long(g.item)) {
				for i := range g.item.Values {
					if !s.over() && s.try(goals, append(slices.Clone(needs), need{g.item, i, true}), later) {
						return true
					}
				}
				return false
			}
			if !g.item.All {
				needs = append(needs, need{g.item, anyValue, true})
				continue
			}
			for i := range g.item.Values {
				needs = append(needs, need{g.item, i, true})
			}
			continue
		case g.item != nil || !g.want && g.expr == nil:
			later = slices.Insert(slices.Clone(later), 0, g)
			continue
		case g.expr == nil: // a clause
			for i := range slices.Backward(g.clause) {
				goals = append(goals, goal{item: &g.clause[i], want: true})
			}
			continue
		}
		switch x := g.expr.(type) {
		case sigma.Not:
			goals = append(goals, goal{expr: x.X, want: !g.want})
		case sigma.And:
			if g.want {
				goals = append(goals, goal{expr: x.Right, want: true}, goal{expr: x.Left, want: true})
			} else {
				later = slices.Insert(slices.Clone(later), 0, g)
			}
		case sigma.Or:
			if g.want {
				return with(goal{expr: x.Left, want: true}) || with(goal{expr: x.Right, want: true})
			}
			goals = append(goals, goal{expr: x.Right}, goal{expr: x.Left})
		case sigma.Ref:
			clauses := s.selections[x.Selection].Clauses
			if !g.want {
				for _, c := range clauses {
					later = slices.Insert(slices.Clone(later), 0, goal{clause: c})
				}
				continue
			}
			for _, c := range clauses {
				if !s.over() && with(goal{clause: c, want: true}) {
					return true
				}
			}
			return false
		case sigma.Of:
			if !g.want {
				later = slices.Insert(slices.Clone(later), 0, g)
				continue
			}
			return s.some(x, nil, 0, with)
		default:
			return false
		}
	}
	return s.finish(needs, later)
}

// some tries every way to choose as many selections as an "of" asks for.
func (s *solver) some(x sigma.Of, chosen []goal, from int, with func(...goal) bool) bool {
	if len(chosen) == x.Least {
		return with(slices.Clone(chosen)...)
	}
	for i := from; i <= len(x.Selections)-(x.Least-len(chosen)); i++ {
		if s.over() {
			return false
		}
		if s.some(x, append(chosen, goal{expr: sigma.Ref{Selection: x.Selections[i]}, want: true}), i+1, with) {
			return true
		}
	}
	return false
}

func (s *solver) over() bool {
	spent := s.builds > maxBuilds || s.ref.work.left < 0
	s.doubt = s.doubt || spent
	return spent
}

// finish makes an event of needs and looks which of the goals that waited are
// not met; it adds what is needed for the first of them and goes on.
func (s *solver) finish(needs []need, later []goal) bool {
	if s.builds++; s.over() || len(needs) > maxDeep {
		s.doubt = true
		return false
	}
	fields, how := s.build(needs)
	if how != found {
		s.doubt = s.doubt || how == unknown
		return false
	}
	for _, g := range later {
		if s.met(g, fields) {
			continue
		}
		return s.repair(g, fields, needs, later)
	}
	if !s.ref.Holds(s.selections, s.condition, fields) {
		s.doubt = true
		return false
	}
	s.result = event{fields, needs, s}
	return true
}

func (s *solver) met(g goal, fields []holdfast.Field) bool {
	switch {
	case g.item != nil:
		return s.ref.item(g.item, fields) == g.want
	case g.expr == nil:
		return s.ref.clause(g.clause, fields) == g.want
	}
	return s.ref.Holds(s.selections, g.expr, fields) == g.want
}

// repair tries every way in which a goal that is not met may be. One of them
// must hold of every event that meets it.
func (s *solver) repair(g goal, fields []holdfast.Field, needs []need, later []goal) bool {
	with := func(more ...goal) bool { return !s.over() && s.try(more, needs, later) }
	also := func(more ...need) bool {
		return !s.over() && s.try(nil, append(slices.Clone(needs), more...), later)
	}
	switch {
	case g.item != nil: // its values must not hold: each of them, or one under "all"
		for i := range g.item.Values {
			if !s.ref.value(g.item, &g.item.Values[i], fields) {
				continue
			}
			if ok := also(need{g.item, i, false}); ok || !g.item.All {
				return ok
			}
		}
		return false
	case g.expr == nil:
		// Fields that nothing else speaks of first: they may simply be missing.
		order := make([]int, 0, len(g.clause))
		for i := range g.clause {
			if !mentioned(needs, g.clause[i].Field) {
				order = append(order, i)
			}
		}
		for i := range g.clause {
			if !slices.Contains(order, i) {
				order = append(order, i)
			}
		}
		for _, i := range order {
			if with(goal{item: &g.clause[i]}) {
				return true
			}
		}
		return false
	}
	switch x := g.expr.(type) {
	case sigma.And:
		return with(goal{expr: x.Left}) || with(goal{expr: x.Right})
	case sigma.Of:
		for _, i := range x.Selections {
			if s.ref.selection(&s.selections[i], fields) && with(goal{expr: sigma.Ref{Selection: i}}) {
				return true
			}
		}
	}
	return false
}

// long reports whether an item has too much text for one automaton.
func long(it *sigma.Item) bool {
	n := 0
	for i := range it.Values {
		n += len(it.Values[i].Text)
	}
	return n > 16<<10
}

func mentioned(needs []need, field string) bool {
	return slices.ContainsFunc(needs, func(n need) bool { return n.it.Field == field })
}

func (n need) String() string {
	var values []string
	for i := range n.it.Values {
		if n.value == anyValue || n.value == i {
			values = append(values, n.it.Values[i].Text)
		}
		if len(values) == 3 {
			values = append(values, "…")
			break
		}
	}
	field := n.it.Field
	if field == "" {
		field = "a keyword"
	}
	not := ""
	if !n.want {
		not = "not "
	}
	return fmt.Sprintf("%s must %s%s %s", field, not, verbs[n.it.Op], strings.Join(values, " or "))
}

var verbs = map[sigma.Op]string{
	sigma.Equals: "be", sigma.Contains: "contain", sigma.StartsWith: "start with", sigma.EndsWith: "end with",
	sigma.Regex: "match", sigma.CIDR: "be in", sigma.Exists: "exist:", sigma.Less: "be less than", sigma.LessEqual: "be at most",
	sigma.Greater: "be more than", sigma.GreaterEqual: "be at least",
}
