package example

import (
	"fmt"
	"regexp/syntax"
	"slices"
	"strings"

	"holdfast"
	"holdfast/detect/sigma"
)

// solved is what became of one field.
type solved struct {
	text string
	is   presence
	how  outcome
}

// presence is how a field may stand in an event.
type presence uint8

const (
	missing presence = iota
	null
	valued
)

// part is all that must and must not hold of one field; of several, if they
// must be equal.
type part struct {
	names []string
	needs []need
	// in and out are texts of other fields that this one refers to.
	in, out []*language
	refers  string // the same, for the cache
	valued  bool   // a reference needs it
}

// textual reports whether all values of an item are patterns or regular
// expressions, so that one automaton can stand for any of them.
func textual(it *sigma.Item) bool {
	if it.FieldRef || it.Part != sigma.Whole || it.Op > sigma.Regex {
		return false
	}
	return !slices.ContainsFunc(it.Values, func(v sigma.Value) bool { return v.Kind == sigma.Null })
}

// build makes an event that meets all needs.
func (s *solver) build(needs []need) ([]holdfast.Field, outcome) {
	s.ref.work.spend(10 * len(needs))
	parts, words, refs := s.parts(needs)
	var avoid []*language // keywords that must stand nowhere
	var want []need
	for _, n := range words {
		if n.want {
			want = append(want, n)
			continue
		}
		l, err := s.language(n)
		if err != nil {
			return nil, unknown
		}
		avoid = append(avoid, l)
	}
	texts := map[string]string{}
	var out []holdfast.Field
	done := map[*part]bool{}
	for range parts {
		p := next(parts, refs, done)
		done[p] = true
		certain := true
		for _, n := range refs {
			if parts[n.it.Field] != p {
				continue
			}
			other := parts[n.it.Values[n.value].Text]
			if n.it.Op == sigma.Equals && n.want {
				continue
			}
			text, there := texts[n.it.Values[n.value].Text]
			switch {
			case other == p && n.want != (n.it.Op <= sigma.EndsWith):
				return nil, never // it would have to differ from itself
			case other == p:
				continue
			case !done[other] && n.want:
				return nil, unknown // they refer to each other in a circle
			case !there:
				continue
			}
			l, err := compile([]*syntax.Regexp{ofPattern(sigma.LiteralPattern(text), n.it.Op, n.it.Cased)}, s.ref.work)
			if err != nil {
				return nil, unknown
			}
			certain = false
			p.refers += fmt.Sprintf("%t %s %q ", n.want, n.it.Op, text)
			if n.want {
				p.in = append(p.in, l)
			} else {
				p.out = append(p.out, l)
			}
		}
		got := s.part(p, avoid)
		switch {
		case got.how == never && !certain:
			return nil, unknown
		case got.how != found:
			if got.how == never && s.why == nil {
				s.why = s.contradiction(p, avoid)
			}
			return nil, got.how
		}
		for _, name := range p.names {
			switch got.is {
			case null:
				out = append(out, holdfast.Field{Name: name, Kind: holdfast.Null})
			case valued:
				texts[name] = got.text
				out = append(out, holdfast.Field{Name: name, Text: got.text})
			}
		}
	}
	message, how := s.words(want, avoid, parts)
	return append(out, message...), how
}

// parts groups needs by field; what compares fields comes back on its own.
func (s *solver) parts(needs []need) (parts map[string]*part, words, refs []need) {
	parts = map[string]*part{}
	of := func(name string) *part {
		if parts[name] == nil {
			parts[name] = &part{names: []string{name}}
		}
		return parts[name]
	}
	for _, n := range needs {
		switch {
		case n.it.Field == "":
			words = append(words, n)
			continue
		case !n.it.FieldRef:
			p := of(n.it.Field)
			p.needs = append(p.needs, n)
			continue
		}
		if n.value == anyValue {
			n.value = 0
		}
		refs = append(refs, n)
		a, b := of(n.it.Field), of(n.it.Values[n.value].Text)
		a.valued, b.valued = a.valued || n.want, b.valued || n.want
		if !n.want || n.it.Op != sigma.Equals || a == b {
			continue
		}
		a.names, a.needs = append(a.names, b.names...), append(a.needs, b.needs...)
		for _, name := range b.names {
			parts[name] = a
		}
	}
	return parts, words, refs
}

// next is a part not yet done that refers to none that is not; or any, if they
// refer to one another.
func next(parts map[string]*part, refs []need, done map[*part]bool) *part {
	var names []string
	for name := range parts {
		names = append(names, name)
	}
	slices.Sort(names)
	var fallback *part
	for _, name := range names {
		p := parts[name]
		if done[p] {
			continue
		}
		if fallback == nil {
			fallback = p
		}
		if !slices.ContainsFunc(refs, func(n need) bool {
			other := parts[n.it.Values[n.value].Text]
			return parts[n.it.Field] == p && other != p && !done[other]
		}) {
			return p
		}
	}
	if fallback == nil { // several names, one part
		return &part{}
	}
	return fallback
}

// part finds a value for a field, or leaves it out.
func (s *solver) part(p *part, avoid []*language) solved {
	if len(p.names) == 0 {
		return solved{}
	}
	var key strings.Builder
	fmt.Fprintf(&key, "%q %t %s", p.names, p.valued, p.refers)
	for _, n := range p.needs {
		fmt.Fprintf(&key, " %p %d %t", n.it, n.value, n.want)
	}
	for _, l := range avoid {
		fmt.Fprintf(&key, " %p", l)
	}
	if got, ok := s.texts[key.String()]; ok {
		return got
	}
	got := s.value(p, avoid)
	s.texts[key.String()] = got
	return got
}

func (s *solver) value(p *part, avoid []*language) solved {
	can := [3]bool{!p.valued, !p.valued, true}
	only := func(ok ...presence) {
		for i := range can {
			can[i] = can[i] && slices.Contains(ok, presence(i))
		}
	}
	in, out := slices.Clone(p.in), append(slices.Clone(p.out), avoid...)
	var special []need
	finite := false
	for _, n := range p.needs {
		v := &n.it.Values[max(n.value, 0)]
		switch {
		case n.it.Op == sigma.Exists && n.want == v.True:
			only(null, valued)
		case n.it.Op == sigma.Exists:
			only(missing)
		case v.Kind == sigma.Null && n.want:
			only(missing, null)
		case v.Kind == sigma.Null:
			only(valued)
		case !textual(n.it) && (n.it.Part != sigma.Whole || n.it.Op >= sigma.CIDR):
			if n.want {
				only(valued)
			}
			special = append(special, n)
		default:
			l, err := s.language(n)
			if err != nil {
				return solved{how: unknown}
			}
			if !n.want {
				out = append(out, l)
				continue
			}
			only(valued)
			in = append(in, l)
			finite = finite || plain(n)
		}
	}
	switch {
	case can[missing]:
		return solved{is: missing}
	case can[null]:
		return solved{is: null}
	case !can[valued]:
		return solved{how: never}
	}
	text, how := s.text(in, out, special, finite)
	return solved{text, valued, how}
}

// plain reports whether only a few texts are asked for.
func plain(n need) bool {
	if n.it.Op != sigma.Equals {
		return false
	}
	for i := range n.it.Values {
		for _, p := range n.it.Values[i].Patterns {
			if _, ok := p.Plain(); !ok && (n.value == anyValue || n.value == i) {
				return false
			}
		}
	}
	return true
}

func (s *solver) text(in, out []*language, special []need, finite bool) (string, outcome) {
	fits := func(text string) bool {
		for _, n := range special {
			v := &n.it.Values[max(n.value, 0)]
			if s.ref.text(n.it, v, text, nil) != n.want {
				return false
			}
		}
		return true
	}
	wanted := slices.ContainsFunc(special, func(n need) bool { return n.want })
	if wanted {
		all, complete := candidates(special)
		for _, c := range all {
			if !fits(c) {
				continue
			}
			if !slices.ContainsFunc(in, func(l *language) bool { return !l.holds(c) }) && !slices.ContainsFunc(out, func(l *language) bool { return l.holds(c) }) {
				return c, found
			}
		}
		if complete && len(in)+len(out) == 0 {
			return "", never
		}
		if len(in) == 0 {
			return "", unknown
		}
	}
	if len(special) == 0 {
		fits = nil
	}
	got, how := text(in, out, fits, s.ref.work)
	if how == unknown && finite && fits != nil {
		how = never
	}
	return got, how
}

// language is that of a need's value, or of any of the item's.
func (s *solver) language(n need) (*language, error) {
	if n.value != anyValue {
		return s.ref.language(n.it, &n.it.Values[n.value])
	}
	if len(n.it.Values) == 1 {
		return s.ref.language(n.it, &n.it.Values[0])
	}
	if l, ok := s.unions[n.it]; ok {
		return l, nil
	}
	var all []*syntax.Regexp
	for i := range n.it.Values {
		res, err := expressions(n.it, &n.it.Values[i])
		if err != nil {
			return nil, err
		}
		all = append(all, res...)
	}
	l, err := compile(all, s.ref.work)
	if err != nil {
		return nil, err
	}
	s.unions[n.it] = l
	return l, nil
}

// words puts keywords into one field, or each into its own if they cannot stand
// together.
func (s *solver) words(want []need, avoid []*language, parts map[string]*part) ([]holdfast.Field, outcome) {
	if len(want) == 0 {
		return nil, found
	}
	name := "message"
	for parts[name] != nil {
		name += "_"
	}
	var in []*language
	for _, n := range want {
		l, err := s.language(n)
		if err != nil {
			return nil, unknown
		}
		in = append(in, l)
	}
	if got, how := text(in, avoid, nil, s.ref.work); how == found {
		return []holdfast.Field{{Name: name, Text: got}}, found
	}
	var out []holdfast.Field
	for _, l := range in {
		got, how := text([]*language{l}, avoid, nil, s.ref.work)
		if how != found {
			return nil, how
		}
		out = append(out, holdfast.Field{Name: name, Text: got})
	}
	return out, found
}

// contradiction names as few needs as cannot be met together.
func (s *solver) contradiction(p *part, avoid []*language) *Contradiction {
	rest := *p
	for i := 0; i < len(rest.needs) && len(rest.needs) > 1; {
		less := rest
		less.needs = slices.Delete(slices.Clone(rest.needs), i, i+1)
		if got := s.value(&less, avoid); got.how == never {
			rest = less
		} else {
			i++
		}
	}
	var say []string
	out := &Contradiction{}
	for _, n := range rest.needs {
		if text := n.String(); !slices.Contains(say, text) {
			say = append(say, text)
		}
		if out.Pos.Line == 0 {
			out.Pos = n.it.Pos
		}
	}
	out.Why = strings.Join(say, ", and ")
	return out
}
