// Package engine compiles Sigma detections and matches events against them,
// with the predicates that held as the reason. It keeps language (detect/sigma),
// compiling (compile.go) and matching (match.go) apart, so that an index over
// all rules can take the place of going through them. It leaves windows over
// time to detect/correlate, and does no I/O.
package engine

import (
	"maps"
	"math/bits"
	"slices"
	"strings"
	"sync"

	"holdfast"
	"holdfast/detect/sigma"
)

// Engine is a compiled set of rules. It does not change; any number of
// goroutines may match at the same time.
type Engine struct {
	rules []*compiled
	names map[string]int32 // slot of each field that a rule names
	preds int              // how many predicates differ
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
	c := &compiler{names: map[string]int32{}, same: map[string]int32{}}
	e := &Engine{names: c.names}
	var faults holdfast.Faults
	kept := make([]narrowing, 0, len(filters))
	for _, f := range filters {
		s, err := c.search(f.Selections, f.Condition)
		if err != nil {
			faults = append(faults, faultOf(&f.Meta, err))
			continue
		}
		kept = append(kept, narrowing{f, s})
	}
	for _, r := range rules {
		s, err := c.search(r.Selections, r.Condition)
		if err != nil {
			faults = append(faults, faultOf(&r.Meta, err))
			continue
		}
		one := &compiled{rule: r, search: s}
		one.witnesses, one.indexed = s.witnesses()
		for _, n := range kept {
			if n.applies(r) {
				one.except = append(one.except, n.search)
			}
		}
		e.rules = append(e.rules, one)
	}
	e.preds = len(c.same)
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

// view is the engine as one dataset sees it: the rules that fit, and the index
// over them.
type view struct {
	rules []*compiled
	// names are the engine's slots and those of the dataset's own names.
	names map[string]int32
	// native lists, for the slot of an ECS name or an alias, those of the
	// dataset's own names for it.
	native map[int32][]int32
	// scan lists, by slot, the indexes that a value of the field goes through.
	scan     [][]*fieldIndex
	keywords *fieldIndex
	always   []uint64 // rules without a witness
	whole    bool     // the fields hold all that the record says
	pool     sync.Pool
}

func (e *Engine) view(ds *holdfast.Dataset) *view {
	key := viewKey{ds.Name, ds.Logsource}
	if v, ok := e.views.Load(key); ok {
		return v.(*view)
	}
	v := &view{names: maps.Clone(e.names), native: map[int32][]int32{}, whole: ds.Whole}
	slot := func(name string) int32 {
		if _, ok := v.names[name]; !ok {
			v.names[name] = int32(len(v.names))
		}
		return v.names[name]
	}
	for _, names := range []map[string]string{ds.ECS, flip(ds.Alias)} {
		for _, from := range slices.Sorted(maps.Keys(names)) {
			to := slot(names[from])
			v.native[to] = append(v.native[to], slot(from))
		}
	}
	b := builder{fields: map[int32]*fieldIndex{}, inside: map[int32]map[string][]int32{}}
	for _, c := range e.rules {
		if !fits(c.rule.Logsource, ds.Logsource) && !slices.ContainsFunc(ds.Also, func(l holdfast.Logsource) bool { return fits(c.rule.Logsource, l) }) {
			continue
		}
		i := int32(len(v.rules))
		v.rules = append(v.rules, c)
		if i&63 == 0 {
			v.always = append(v.always, 0)
		}
		if !c.indexed {
			v.always[i>>6] |= 1 << (i & 63)
			continue
		}
		for _, w := range c.witnesses.set {
			b.add(i, w)
		}
	}
	fields := b.done()
	v.scan = make([][]*fieldIndex, len(v.names))
	for at, f := range fields {
		if at == anywhere {
			v.keywords = f
			continue
		}
		v.scan[at] = append(v.scan[at], f)
		for _, n := range v.native[at] {
			v.scan[n] = append(v.scan[n], f)
		}
	}
	v.pool.New = func() any {
		return &subject{view: v, first: make([]int32, len(v.names)), known: make([]uint32, e.preds), marked: make([]uint64, len(v.always))}
	}
	got, _ := e.views.LoadOrStore(key, v)
	return got.(*view)
}

// flip returns a map from native names to the names that rules use. Of two
// aliases for one field the first, by name, is kept.
func flip(alias map[string]string) map[string]string {
	out := make(map[string]string, len(alias))
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(alias))) {
		out[alias[name]] = name
	}
	return out
}

// Match returns the rules that hold for an event of a dataset, in the order in
// which they were loaded. It does not keep e. Datasets of one name must always
// have the same map and logsource.
func (e *Engine) Match(ev *holdfast.Event, ds holdfast.Dataset) []Hit {
	v := e.view(&ds)
	if len(v.rules) == 0 {
		return nil
	}
	s := v.pool.Get().(*subject)
	s.begin(ev)
	defer func() {
		s.end()
		v.pool.Put(s)
	}()
	s.candidates()
	var hits []Hit
	for w, word := range s.marked {
		for ; word != 0; word &= word - 1 {
			c := v.rules[w<<6+bits.TrailingZeros64(word)]
			if !c.search.holds(s) || slices.ContainsFunc(c.except, func(x search) bool { return x.holds(s) }) {
				continue
			}
			hits = append(hits, Hit{c.rule, c.search.explain(s)})
		}
	}
	return hits
}
