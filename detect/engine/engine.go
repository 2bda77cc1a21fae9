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
	"sync/atomic"

	"holdfast"
	"holdfast/detect/sigma"
)

// Engine is a compiled set of rules. It does not change; any number of
// goroutines may match at the same time.
type Engine struct {
	rules []*compiled
	names map[string]int32 // slot of each field that a rule names
	// predicates is how many there are.
	predicates int
	// views holds the rules that fit a dataset, by its name. It is replaced, not
	// changed.
	views  atomic.Pointer[map[string]*view]
	making sync.Mutex
	mem    arena // of the views, and of the predicates
}

// Hit is a rule that holds for an event, and why.
type Hit struct {
	Rule    *sigma.Rule
	Because []holdfast.Predicate
}

// New compiles rules, each with the filters that name it. A rule that does not
// compile is a fault and left out.
func New(rules []*sigma.Rule, filters []*sigma.Filter) (*Engine, holdfast.Faults) {
	e := &Engine{names: map[string]int32{}}
	c := &compiler{names: e.names, same: map[string]*predicate{}, mem: &e.mem}
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
	e.predicates = len(c.same)
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

// view is the engine as one dataset sees it: the rules that fit, and the index
// over them.
type view struct {
	source holdfast.Logsource
	rules  []*compiled
	entry  []int32 // by rule: where its program begins
	// guarded says which rules have filters, a bit for each.
	guarded []uint64
	steps   []step
	quicks  []quick
	values  []value
	texts   string // of the values
	slow    []*predicate
	gates   []threeGrams // of the slow ones
	// numbers are those of the predicates in quicks plus one, by the engine's.
	numbers []int32
	// names are the engine's slots and those of the dataset's own names.
	names map[string]int32
	// native lists, for the slot of an ECS name or an alias, those of the
	// dataset's own names for it.
	native [][]int32
	// scan lists, by slot, the indexes that a value of the field goes through.
	scan     [][]*fieldIndex
	keywords *fieldIndex
	always   []uint64 // rules without a witness
	whole    bool     // the fields hold all that the record says
	pool     sync.Pool
}

// view returns that of a dataset, and makes it when it is first asked for.
func (e *Engine) view(ds holdfast.Dataset) *view {
	e.making.Lock()
	defer e.making.Unlock()
	had := e.views.Load()
	if had != nil {
		if v := (*had)[ds.Name]; v != nil && v.source == ds.Logsource {
			return v
		}
	}
	next := map[string]*view{}
	if had != nil {
		next = maps.Clone(*had)
	}
	v := e.newView(&ds)
	next[ds.Name] = v
	e.views.Store(&next)
	return v
}

func (e *Engine) newView(ds *holdfast.Dataset) *view {
	v := &view{source: ds.Logsource, names: maps.Clone(e.names), whole: ds.Whole}
	slot := func(name string) int32 {
		if _, ok := v.names[name]; !ok {
			v.names[name] = int32(len(v.names))
		}
		return v.names[name]
	}
	native := map[int32][]int32{}
	for _, from := range slices.Sorted(maps.Keys(ds.ECS)) {
		to := slot(ds.ECS[from])
		native[to] = append(native[to], slot(from))
	}
	for _, name := range slices.Sorted(maps.Keys(ds.Alias)) {
		to := slot(name)
		native[to] = append(native[to], slot(ds.Alias[name]))
	}
	v.native = make([][]int32, len(v.names))
	for to, from := range native {
		v.native[to] = from
	}
	b := newBuilder()
	v.numbers = make([]int32, e.predicates)
	a := assembler{v: v}
	for _, c := range e.rules {
		if !fits(c.rule.Logsource, ds.Logsource) && !slices.ContainsFunc(ds.Also, func(l holdfast.Logsource) bool { return fits(c.rule.Logsource, l) }) {
			continue
		}
		i := int32(len(v.rules))
		v.rules, v.entry = append(v.rules, c), append(v.entry, a.rule(c))
		if i&63 == 0 {
			v.always, v.guarded = append(v.always, 0), append(v.guarded, 0)
		}
		if len(c.except) > 0 {
			v.guarded[i>>6] |= 1 << (i & 63)
		}
		if !c.indexed {
			v.always[i>>6] |= 1 << (i & 63)
			continue
		}
		for _, w := range c.witnesses.set {
			b.add(i, w)
		}
	}
	a.done()
	v.settle(&e.mem)
	fields := b.done(&e.mem)
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
		return &subject{view: v, known: make([]uint32, len(v.quicks)), marked: make([]uint64, len(v.always))}
	}
	return v
}

// Match returns the rules that hold for an event of a dataset, in the order in
// which they were loaded. It does not keep e. Datasets of one name must always
// have the same map and logsource.
func (e *Engine) Match(ev *holdfast.Event, ds holdfast.Dataset) []Hit {
	var v *view
	if had := e.views.Load(); had != nil {
		v = (*had)[ds.Name]
	}
	if v == nil || v.source != ds.Logsource {
		v = e.view(ds)
	}
	if len(v.rules) == 0 {
		return nil
	}
	s := v.pool.Get().(*subject)
	s.begin(ev)
	s.candidates()
	for w, word := range s.marked {
		for ; word != 0; word &= word - 1 {
			i := w<<6 + bits.TrailingZeros64(word)
			if at := v.entry[i]; at == byTree && !v.rules[i].search.holds(s) || at != byTree && !s.run(at) {
				continue
			}
			c := v.rules[i]
			if v.guarded[w]>>(i&63)&1 != 0 && slices.ContainsFunc(c.except, func(x search) bool { return x.holds(s) }) {
				continue
			}
			from := len(s.because)
			c.search.explain(s)
			s.held = append(s.held, held{c.rule, from, len(s.because)})
		}
	}
	hits := s.hits()
	s.end()
	v.pool.Put(s)
	return hits
}
