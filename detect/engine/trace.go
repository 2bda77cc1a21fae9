package engine

import (
	"fmt"
	"slices"
	"sort"

	"holdfast"
	"holdfast/detect/sigma"
)

// Trace is what the parts of a condition made of one event.
type Trace struct {
	// Fits says that the rule's logsource is one of the event's dataset; if not,
	// no part of the rule is ever asked, however it stands below.
	Fits bool `json:"fits"`
	// Held says that the condition holds, whatever the logsource.
	Held       bool             `json:"held"`
	Condition  TraceNode        `json:"condition"`
	Selections []TraceSelection `json:"selections"`
	// Change lists the fewest items that would have to come out otherwise for
	// Held to be true; empty if it is.
	Change []TraceChange `json:"change,omitempty"`
}

// TraceNode is a part of a condition.
type TraceNode struct {
	Op    string      `json:"op"`             // "and", "or", "not", "of" or "selection"
	Name  string      `json:"name,omitempty"` // of the selection
	Least int         `json:"least,omitempty"`
	Held  bool        `json:"held"`
	Parts []TraceNode `json:"parts,omitempty"`
}

// TraceSelection is a selection: it holds if one of its clauses does.
type TraceSelection struct {
	Name    string        `json:"name"`
	Line    int           `json:"line"`
	Held    bool          `json:"held"`
	Clauses []TraceClause `json:"clauses"`
}

// TraceClause holds if all its items do.
type TraceClause struct {
	Held  bool        `json:"held"`
	Items []TraceItem `json:"items"`
}

// TraceItem is one field with its modifiers and values, and what the event has.
type TraceItem struct {
	Field string `json:"field"` // "" for keywords
	Op    string `json:"op"`
	All   bool   `json:"all,omitempty"`
	Cased bool   `json:"cased,omitempty"`
	Not   bool   `json:"not,omitempty"` // the modifier neq
	Line  int    `json:"line"`
	Held  bool   `json:"held"`
	// Want are the values asked for, MaxTraced at most; More counts the others.
	Want []TraceValue `json:"want"`
	More int          `json:"more,omitempty"`
	// Got are the values of the field in the event, and Names under which names
	// it has them, where that is not Field. No value at all is a missing field.
	Got     []string `json:"got,omitempty"`
	Names   []string `json:"names,omitempty"`
	Missing bool     `json:"missing,omitempty"`
	Null    bool     `json:"null,omitempty"` // it is there as null only
}

// TraceValue is one value that is asked for.
type TraceValue struct {
	Text string `json:"text"`
	Held bool   `json:"held"`
}

// TraceChange is an item that would have to come out otherwise.
type TraceChange struct {
	Selection string    `json:"selection"`
	Hold      bool      `json:"hold"` // what it would have to do
	Item      TraceItem `json:"item"`
}

// MaxTraced bounds the values of one item that a trace tells apart.
const MaxTraced = 200

// TraceCondition works out every part of a condition for an event, one by one
// and by Match itself: each item, and each value of it, is made a rule of its
// own. It is for people who ask why, and slow.
func TraceCondition(source holdfast.Logsource, selections []sigma.Selection, condition sigma.Expr, e *holdfast.Event, ds holdfast.Dataset) (Trace, error) {
	if condition == nil {
		return Trace{}, fmt.Errorf("the rule has no condition: %w", holdfast.ErrInvalid)
	}
	t := tracer{selections: selections}
	if err := t.ask(e, ds); err != nil {
		return Trace{}, err
	}
	out := Trace{Fits: sigma.Serves(source, ds)}
	for i, s := range selections {
		ts := TraceSelection{Name: s.Name, Line: s.Pos.Line}
		for j, c := range s.Clauses {
			tc := TraceClause{Held: true}
			for k := range c {
				it := t.item(tracedPart{i, j, k, allValues}, &c[k], e, ds)
				tc.Held = tc.Held && it.Held
				tc.Items = append(tc.Items, it)
			}
			ts.Held = ts.Held || tc.Held
			ts.Clauses = append(ts.Clauses, tc)
		}
		out.Selections = append(out.Selections, ts)
	}
	t.traced = out.Selections
	out.Condition = t.node(condition)
	out.Held = out.Condition.Held
	if !out.Held {
		out.Change = t.change(condition, true)
	}
	return out, nil
}

// tracedPart is an item of a selection, or one value of it.
type tracedPart struct{ selection, clause, item, value int }

// allValues is the item with all its values.
const allValues = -1

type tracer struct {
	selections []sigma.Selection
	held       map[string]bool
	traced     []TraceSelection
}

func (p tracedPart) String() string {
	return fmt.Sprintf("%d %d %d %d", p.selection, p.clause, p.item, p.value)
}

// ask makes rules of all items and matches them.
func (t *tracer) ask(e *holdfast.Event, ds holdfast.Dataset) error {
	var rules []*sigma.Rule
	add := func(p tracedPart, it sigma.Item) {
		rules = append(rules, &sigma.Rule{
			Meta:       sigma.Meta{Name: p.String()},
			Selections: []sigma.Selection{{Name: "s", Clauses: []sigma.Clause{{it}}}}, Condition: sigma.Ref{},
		})
	}
	for i, s := range t.selections {
		for j, c := range s.Clauses {
			for k, it := range c {
				add(tracedPart{i, j, k, allValues}, it)
				for v := range it.Values[:min(len(it.Values), MaxTraced)] {
					one := it
					one.Values, one.Negated, one.All = it.Values[v:v+1], false, false
					add(tracedPart{i, j, k, v}, one)
				}
			}
		}
	}
	eng, faults := New(rules, nil)
	if len(faults) > 0 {
		return faults
	}
	t.held = make(map[string]bool, len(rules))
	for _, h := range eng.Match(e, ds) {
		t.held[h.Rule.Name] = true
	}
	return nil
}

func (t *tracer) item(p tracedPart, it *sigma.Item, e *holdfast.Event, ds holdfast.Dataset) TraceItem {
	out := TraceItem{
		Field: it.Field, Op: it.Op.String(), All: it.All, Cased: it.Cased, Not: it.Negated, Line: it.Pos.Line,
		Held: t.held[p.String()],
	}
	if it.Part != sigma.Whole {
		out.Op = [...]string{"", "minute", "hour", "day", "week", "month", "year"}[it.Part] + " " + out.Op
	}
	if it.FieldRef {
		out.Op += " field"
	}
	for i := range it.Values[:min(len(it.Values), MaxTraced)] {
		p.value = i
		out.Want = append(out.Want, TraceValue{it.Values[i].Text, t.held[p.String()]})
	}
	out.More = len(it.Values) - len(out.Want)
	if it.Field != "" {
		out.see(it.Field, e, ds)
	}
	return out
}

// see looks for a field as a subject does: under the name as it is, else under
// the dataset's own names for it.
func (i *TraceItem) see(field string, e *holdfast.Event, ds holdfast.Dataset) {
	names := []string{field}
	if _, ok := e.Get(field); !ok {
		names = nil
		for native, ecs := range ds.ECS {
			if ecs == field {
				names = append(names, native)
			}
		}
		if native := ds.Alias[field]; native != "" {
			names = append(names, native)
		}
		sort.Strings(names)
	}
	i.Missing = true
	for n := range e.Fields {
		f := &e.Fields[n]
		if !slices.Contains(names, f.Name) {
			continue
		}
		if f.Name != field && !slices.Contains(i.Names, f.Name) {
			i.Names = append(i.Names, f.Name)
		}
		i.Missing = false
		if f.Kind == holdfast.Null {
			i.Null = true
			continue
		}
		if len(i.Got) < MaxTraced {
			i.Got = append(i.Got, f.Text)
		}
	}
	i.Null = i.Null && len(i.Got) == 0
}

func (t *tracer) node(e sigma.Expr) TraceNode {
	switch e := e.(type) {
	case sigma.And:
		l, r := t.node(e.Left), t.node(e.Right)
		return TraceNode{Op: "and", Held: l.Held && r.Held, Parts: join("and", l, r)}
	case sigma.Or:
		l, r := t.node(e.Left), t.node(e.Right)
		return TraceNode{Op: "or", Held: l.Held || r.Held, Parts: join("or", l, r)}
	case sigma.Not:
		x := t.node(e.X)
		return TraceNode{Op: "not", Held: !x.Held, Parts: []TraceNode{x}}
	case sigma.Ref:
		return TraceNode{Op: "selection", Name: t.traced[e.Selection].Name, Held: t.traced[e.Selection].Held}
	case sigma.Of:
		n := TraceNode{Op: "of", Least: e.Least}
		held := 0
		for _, i := range e.Selections {
			n.Parts = append(n.Parts, t.node(sigma.Ref{Selection: i}))
			if t.traced[i].Held {
				held++
			}
		}
		n.Held = held >= e.Least
		return n
	}
	return TraceNode{}
}

// join puts the parts of "a and b and c" side by side.
func join(op string, l, r TraceNode) []TraceNode {
	if l.Op == op {
		return append(l.Parts, r)
	}
	return []TraceNode{l, r}
}

// change returns the fewest items that would have to come out otherwise for
// the condition to be as wanted.
func (t *tracer) change(e sigma.Expr, want bool) []TraceChange {
	switch e := e.(type) {
	case sigma.And:
		if want {
			return append(t.change(e.Left, true), t.change(e.Right, true)...)
		}
		return fewer(t.change(e.Left, false), t.change(e.Right, false))
	case sigma.Or:
		if !want {
			return append(t.change(e.Left, false), t.change(e.Right, false)...)
		}
		return fewer(t.change(e.Left, true), t.change(e.Right, true))
	case sigma.Not:
		return t.change(e.X, !want)
	case sigma.Ref:
		return t.changeSelection(e.Selection, want)
	case sigma.Of:
		// All of them in order of what they take; as many as are missing.
		all := make([][]TraceChange, 0, len(e.Selections))
		for _, i := range e.Selections {
			all = append(all, t.changeSelection(i, want))
		}
		slices.SortStableFunc(all, func(a, b []TraceChange) int { return len(a) - len(b) })
		n := e.Least
		if !want {
			n = len(e.Selections) - e.Least + 1
		}
		var out []TraceChange
		for _, c := range all[:min(n, len(all))] {
			out = append(out, c...)
		}
		return out
	}
	return nil
}

func fewer(a, b []TraceChange) []TraceChange {
	if len(b) < len(a) {
		return b
	}
	return a
}

func (t *tracer) changeSelection(i int, want bool) []TraceChange {
	s := &t.traced[i]
	if s.Held == want {
		return nil
	}
	if !want { // every clause that holds has to lose an item
		var out []TraceChange
		for _, c := range s.Clauses {
			if c.Held {
				out = append(out, TraceChange{s.Name, false, c.Items[0]})
			}
		}
		return out
	}
	var best []TraceChange
	for n, c := range s.Clauses {
		var out []TraceChange
		for _, it := range c.Items {
			if !it.Held {
				out = append(out, TraceChange{s.Name, true, it})
			}
		}
		if n == 0 || len(out) < len(best) {
			best = out
		}
	}
	return best
}
