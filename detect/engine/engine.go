// Package engine compiles Sigma detections and matches events against them,
// with the predicates that held as the reason. It keeps language (detect/sigma),
// compiling (compile.go) and matching (match.go) apart, so that an index over
// all rules can take the place of going through them. It leaves windows over
// time to detect/correlate, and does no I/O.
package engine

import (
	"slices"
	"sort"
	"strings"
	"sync"

	"holdfast"
	"holdfast/detect/sigma"
)

// Engine is a compiled set of rules. It does not change; any number of
// goroutines may match at the same time.
type Engine struct {
	rules []*compiled
	// views holds the rules that fit a dataset, by its name and logsource.
	views sync.Map
}

// Hit is a rule that holds for an event, and why.
type Hit struct {
	Rule    *sigma.Rule
	Because []holdfast.Predicate
}

// New compiles rules, each with the filters that name it. A rule that does not
// compile is a fault and left out.
func New(rules []*sigma.Rule, filters []*sigma.Filter) (*Engine, holdfast.Faults) {
	e := &Engine{}
	var faults holdfast.Faults
	kept := make([]narrowing, 0, len(filters))
	for _, f := range filters {
		s, err := compileSearch(f.Selections, f.Condition)
		if err != nil {
			faults = append(faults, faultOf(&f.Meta, err))
			continue
		}
		kept = append(kept, narrowing{f, s})
	}
	for _, r := range rules {
		s, err := compileSearch(r.Selections, r.Condition)
		if err != nil {
			faults = append(faults, faultOf(&r.Meta, err))
			continue
		}
		c := &compiled{rule: r, search: s}
		for _, n := range kept {
			if n.applies(r) {
				c.except = append(c.except, n.search)
			}
		}
		e.rules = append(e.rules, c)
	}
	for _, n := range kept {
		for _, name := range n.filter.Rules {
			if !slices.ContainsFunc(rules, func(r *sigma.Rule) bool { return r.ID == name || r.Name == name }) {
				faults = append(faults, holdfast.Fault{
					File: n.filter.File, Line: n.filter.Pos.Line, Column: n.filter.Pos.Column,
					What: "the filter names a rule that is not loaded: " + name, Do: "correct the name or remove it",
				})
			}
		}
	}
	return e, faults
}

func faultOf(m *sigma.Meta, err error) holdfast.Fault {
	return holdfast.Fault{File: m.File, Line: m.Pos.Line, Column: m.Pos.Column, What: err.Error(), Do: "correct the rule"}
}

type narrowing struct {
	filter *sigma.Filter
	search search
}

func (n *narrowing) applies(r *sigma.Rule) bool {
	if !fits(n.filter.Logsource, r.Logsource) {
		return false
	}
	return n.filter.Any || slices.ContainsFunc(n.filter.Rules, func(s string) bool {
		return s != "" && (s == r.ID || s == r.Name)
	})
}

// fits reports whether every part that want gives is equal in have.
func fits(want, have holdfast.Logsource) bool {
	part := func(w, h string) bool { return w == "" || strings.EqualFold(w, h) }
	return part(want.Product, have.Product) && part(want.Category, have.Category) && part(want.Service, have.Service)
}

type viewKey struct {
	dataset string
	source  holdfast.Logsource
}

// view is the engine as one dataset sees it.
type view struct {
	rules []*compiled
	// native lists, for an ECS name, the dataset's own names for it.
	native map[string][]string
}

func (e *Engine) view(ds *holdfast.Dataset) *view {
	key := viewKey{ds.Name, ds.Logsource}
	if v, ok := e.views.Load(key); ok {
		return v.(*view)
	}
	v := &view{native: map[string][]string{}}
	for _, c := range e.rules {
		if fits(c.rule.Logsource, ds.Logsource) || slices.ContainsFunc(ds.Also, func(l holdfast.Logsource) bool { return fits(c.rule.Logsource, l) }) {
			v.rules = append(v.rules, c)
		}
	}
	for from, to := range ds.ECS {
		v.native[to] = append(v.native[to], from)
	}
	for name, native := range ds.Alias {
		v.native[name] = append(v.native[name], native)
	}
	for _, names := range v.native {
		sort.Strings(names)
	}
	got, _ := e.views.LoadOrStore(key, v)
	return got.(*view)
}

// Match returns the rules that hold for an event of a dataset, in the order in
// which they were loaded. It does not keep e. Datasets of one name must always
// have the same map and logsource.
func (e *Engine) Match(ev *holdfast.Event, ds holdfast.Dataset) []Hit {
	v := e.view(&ds)
	if len(v.rules) == 0 {
		return nil
	}
	s := subject{event: ev, view: v}
	var hits []Hit
	for _, c := range v.rules {
		if !c.search.holds(&s) || slices.ContainsFunc(c.except, func(x search) bool { return x.holds(&s) }) {
			continue
		}
		hits = append(hits, Hit{c.rule, c.search.explain(&s)})
	}
	return hits
}
