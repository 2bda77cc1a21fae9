package query

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// binder resolves names and kinds and makes the plan of a query.
type binder struct {
	names  func(string) []string
	kept   func(string) string
	column bool // one of the kept fields is asked for
	known  map[string]bool
	list   []string
	scans  int
	next   int
	work   int
	scope  scope
	sorted []sortKey
	hints  []Error
}

// Bounds of what a plan may be; a few bytes of let can ask for more.
const (
	maxScans = 50
	maxWork  = 50_000
)

func newBinder(o Options) *binder {
	b := &binder{names: o.Names, list: o.Known, kept: func(string) string { return "" }}
	if o.Dialect != nil && !o.Plain {
		b.kept = o.Dialect.kept
	}
	if len(o.Known) > 0 {
		b.known = map[string]bool{}
		for _, n := range o.Known {
			b.known[n] = true
		}
	}
	return b
}

// name makes a physical name that nothing else has.
func (b *binder) name() string {
	b.next++
	return "c" + strconv.Itoa(b.next)
}

func fault(e Expr, what, suggest string) *Error {
	pos, l := e.At()
	return &Error{Pos: pos, Len: l, What: what, Suggest: suggest}
}

// query binds a query by itself and returns its rows and what their columns
// are called. The order of its rows is left in b.sorted.
func (b *binder) query(q *Query) (*relation, scope, error) {
	outer := b.scope
	defer func() { b.scope = outer }()
	b.sorted = nil
	rel, err := b.source(q.From)
	if err != nil {
		return nil, scope{}, err
	}
	for _, s := range q.Stages {
		if err := b.spend(1); err != nil {
			return nil, scope{}, err
		}
		if rel, err = b.stage(rel, s); err != nil {
			return nil, scope{}, err
		}
	}
	return rel, b.scope, nil
}

func (b *binder) spend(n int) error {
	if b.work += n; b.work > maxWork {
		return &Error{What: "this query is too large once its names are put in", Suggest: "use names given by let fewer times"}
	}
	return nil
}

// source sets b.scope to that of the source.
func (b *binder) source(s Source) (*relation, error) {
	switch s := s.(type) {
	case Events, nil:
		if b.scans++; b.scans > maxScans {
			return nil, &Error{What: fmt.Sprintf("a query reads events at most %d times", maxScans), Suggest: "use names given by let fewer times"}
		}
		r := &relation{op: "scan"}
		if b.scans > 1 {
			r.prefix = "s" + strconv.Itoa(b.scans) + "_"
		}
		b.scope, b.sorted = eventScope(r), nil
		return r, nil
	case Sub:
		rel, sc, err := b.query(s.Query)
		b.scope = sc
		return rel, err
	case Union:
		return b.union(nil, s.Of)
	case Table:
		return b.table(s)
	}
	return nil, fmt.Errorf("query: no such source %T", s)
}

var typeKinds = map[string]byte{
	"string": text, "int": numeric, "long": numeric, "real": numeric, "double": numeric, "datetime": instant, "bool": truth, "timespan": period,
}

func (b *binder) table(t Table) (*relation, error) {
	r := &relation{op: "rows"}
	b.scope, b.sorted = scope{}, nil
	sc := scope{}
	for _, c := range t.Columns {
		v := visible{c.Name, b.name(), typeKinds[c.Type], false}
		if badName(c.Name) {
			return nil, &Error{Pos: t.pos, Len: t.len, What: "the name of a column is not empty and holds no NUL"}
		}
		if _, ok := sc.find(c.Name); ok {
			return nil, &Error{Pos: t.pos, Len: t.len, What: fmt.Sprintf("two columns are called %q", c.Name)}
		}
		sc.cols = append(sc.cols, v)
		r.pick = append(r.pick, v.physical)
	}
	for _, row := range t.Rows {
		if err := b.spend(len(row)); err != nil {
			return nil, err
		}
		cells := make([]*scalar, len(row))
		for i, e := range row {
			x, err := b.scalar(e)
			if err != nil {
				return nil, err
			}
			if x, err = b.as(x, sc.cols[i].kind, e); err != nil {
				return nil, err
			}
			sc.cols[i].null = sc.cols[i].null || x.null
			cells[i] = x
		}
		r.rows = append(r.rows, cells)
	}
	if len(r.rows) == 0 {
		cells := make([]*scalar, len(sc.cols))
		for i, c := range sc.cols {
			cells[i] = zero(c.kind)
		}
		r.rows = [][]*scalar{cells}
		r = &relation{op: "filter", in: []*relation{r}, cond: boolean(false)}
	}
	b.scope = sc
	return r, nil
}

// zero is what a column has where a row has no value for it.
func zero(kind byte) *scalar {
	switch kind {
	case text, native:
		return textOf("")
	case texts, numbers:
		return &scalar{op: "empty", kind: kind}
	}
	return &scalar{op: "null", kind: kind, null: true}
}

// as turns a value into one of a kind.
func (b *binder) as(x *scalar, kind byte, e Expr) (*scalar, error) {
	switch {
	case x.kind == kind || kind == text && x.kind == native:
		return x, nil
	case kind == text || kind == native:
		return toText(x), nil
	case kind == numeric:
		return toNumber(x), nil
	case kind == instant && (x.kind == text || x.kind == native):
		return toInstant(x), nil
	case kind == truth && x.kind == native:
		return apply("eq", truth, x, textOf("true")), nil
	case kind == period && x.kind == numeric:
		return apply("seconds", period, x), nil
	}
	return nil, fault(e, "this is "+kindName(x.kind)+" where "+kindName(kind)+" should stand", "")
}

func kindName(k byte) string {
	switch k {
	case numeric:
		return "a number"
	case instant:
		return "a time"
	case period:
		return "a duration"
	case truth:
		return "a condition"
	case texts, numbers:
		return "a list"
	}
	return "a text"
}

// union puts the rows of several sources under one another; columns go
// together by name. First, if not nil, is what stands in b.scope already.
func (b *binder) union(first *relation, of []Source) (*relation, error) {
	var rels []*relation
	var scopes []scope
	if first != nil {
		rels, scopes = append(rels, first), append(scopes, b.scope)
	}
	for _, s := range of {
		r, err := b.source(s)
		if err != nil {
			return nil, err
		}
		rels, scopes = append(rels, r), append(scopes, b.scope)
	}
	b.sorted = nil
	if len(rels) == 1 {
		return rels[0], nil
	}
	out := scope{whole: true}
	open := true
	for _, s := range scopes {
		out.whole, open = out.whole && s.whole, open && s.fields != ""
		for _, c := range s.cols {
			if have, ok := out.find(c.name); !ok {
				out.cols = append(out.cols, visible{c.name, b.name(), c.kind, c.null})
			} else if have.kind != c.kind {
				have.kind = common(have.kind, c.kind)
				out.set(have)
			}
		}
	}
	u := &relation{op: "union"}
	hidden := ""
	if open {
		hidden = b.name()
		out.fields = hidden
	}
	for i, s := range scopes {
		side := &relation{op: "pick", in: []*relation{rels[i]}}
		for j := range out.cols {
			c := &out.cols[j]
			x := zero(c.kind)
			if have, ok := s.find(c.name); ok && have.name == c.name {
				var err error
				if x, err = b.as(column(have.physical, have.kind, have.null), c.kind, Text{}); err != nil {
					return nil, err
				}
			}
			c.null = c.null || x.null
			side.add = append(side.add, computed{c.physical, x})
		}
		if open {
			side.add = append(side.add, computed{hidden, column(s.fields, text, false)})
		}
		u.in = append(u.in, side)
	}
	b.scope = out
	return u, nil
}

func common(a, b byte) byte {
	switch {
	case (a == text || a == native) && (b == text || b == native):
		return native
	case a == texts && b == numbers || a == numbers && b == texts:
		return texts
	}
	return text
}

// field resolves a name.
func (b *binder) field(f Field) (*scalar, error) {
	if v, ok := b.scope.find(f.Name); ok {
		return column(v.physical, v.kind, v.null), nil
	}
	if x, ok := b.inside(f); ok {
		return x, nil
	}
	if b.scope.fields == "" {
		return nil, &Error{
			Pos: f.pos, Len: f.len, What: fmt.Sprintf("there is no column %q at this step", f.Name),
			Suggest: suggest(f.Name, b.scope.names(), "the columns are "+shortened(b.scope.names())),
		}
	}
	if strings.ContainsRune(f.Name, 0) {
		return nil, fault(f, "the name of a field holds no NUL", "")
	}
	var others []string
	if b.names != nil {
		others = b.names(f.Name)
	}
	if b.known != nil && !b.known[f.Name] && len(others) == 0 && len(b.hints) < 10 {
		b.hints = append(b.hints, Error{
			Pos: f.pos, Len: f.len, What: fmt.Sprintf("no event has had a field %q", f.Name), Suggest: suggest(f.Name, slices.Concat(b.scope.names(), b.list), ""),
		})
	}
	out := b.native(f.Name)
	if len(others) == 0 {
		return out, nil
	}
	list := &scalar{op: "firsttext", kind: native, args: []*scalar{out}}
	for i, n := range others {
		if i < 20 && n != f.Name {
			list.args = append(list.args, b.native(n))
		}
	}
	return list, nil
}

func (b *binder) native(name string) *scalar {
	if c := b.kept(name); c != "" && b.scope.scan {
		b.column = true
		return column(b.scope.kept+c, native, false)
	}
	return &scalar{op: "field", kind: native, args: []*scalar{column(b.scope.fields, text, false)}, text: name}
}

func shortened(names []string) string {
	if len(names) > 30 {
		return strings.Join(names[:30], ", ") + " and more"
	}
	return strings.Join(names, ", ")
}
