package sigma

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"regexp/syntax"
	"strconv"
	"strings"
	"unicode/utf16"

	"gopkg.in/yaml.v3"

	"holdfast/internal/nearest"
)

// Limits on values.
const (
	maxValues  = 20_000
	maxRegex   = 8 << 10
	maxProgram = 20_000 // parts of one regular expression
	maxPattern = 64 << 10
)

// modifiers are what stood behind a field name.
type modifiers struct {
	encodings []string // utf16le, base64 and so on, in order
	windash   bool
	expand    bool
	flags     string // i, m, s of re
}

// item reads one "field|modifier: values".
func (r *ruleReader) item(k, v *yaml.Node) (Item, bool) {
	parts := strings.Split(k.Value, "|")
	it := Item{Field: parts[0], Pos: pos(k)}
	if it.Field == "" {
		it.Op = Contains
	}
	var m modifiers
	before := len(r.faults)
	set := false
	for _, name := range parts[1:] {
		if op, ok := opOf(name); ok {
			if set {
				r.fault(k, "keep one of them", "%q compares in two ways at once", k.Value)
			}
			it.Op, set = op, true
			continue
		}
		if !it.modify(&m, name) {
			r.fault(k, nearest.Say(name, modifierNames, 3, "see the modifiers of specification 2.1"), "the modifier %q is not known", name)
		}
	}
	r.order(k, parts[1:])
	r.agree(k, &it, &m)
	if len(r.faults) > before {
		return it, false
	}
	values := []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		values = v.Content
		if len(values) == 0 {
			r.fault(v, "give it a value, or null for a missing field", "%q has an empty list", k.Value)
		}
	}
	if it.Op == Exists && len(values) > 1 {
		r.fault(v, "write true or false", "%q has several values, of which one always holds", k.Value)
	}
	if len(values) > maxValues {
		r.fault(v, "split the rule", "%q has more than %d values", k.Value, maxValues)
		return it, false
	}
	for _, n := range values {
		if val, ok := r.value(&it, &m, n); ok {
			it.Values = append(it.Values, val)
		}
	}
	return it, len(r.faults) == before
}

var modifierNames = []string{
	"all", "startswith", "endswith", "contains", "exists", "cased", "neq", "windash", "re", "i", "m", "s", "base64", "base64offset", "utf16", "utf16le",
	"utf16be", "wide", "lt", "lte", "gt", "gte", "minute", "hour", "day", "week", "month", "year", "cidr", "expand", "fieldref",
}

// order faults modifiers that are applied one after the other and stand the
// wrong way round. What contains, startswith and endswith put around a value
// are wildcards, which base64 cannot encode but the others pass by.
func (r *ruleReader) order(k *yaml.Node, names []string) {
	if len(names) < 2 {
		return
	}
	kinds := map[string]string{
		"expand": "text", "windash": "text", "utf16": "wide", "utf16le": "wide", "utf16be": "wide", "wide": "wide",
		"base64": "base64", "base64offset": "base64", "contains": "around", "startswith": "around", "endswith": "around",
		"i": "flag", "m": "flag", "s": "flag", "ignorecase": "flag", "multiline": "flag", "dotall": "flag", "re": "re",
	}
	wrong := map[[2]string]bool{ // the first of a pair may not stand before the second
		{"wide", "text"}: true, {"base64", "text"}: true, {"base64", "wide"}: true, {"wide", "wide"}: true, {"around", "base64"}: true, {"flag", "re"}: true,
	}
	for i, name := range names {
		for _, before := range names[:i] {
			switch {
			case name == before && name != "base64":
				r.fault(k, "write it once", "%q stands twice in %q", name, k.Value)
				return
			case wrong[[2]string{kinds[before], kinds[name]}]:
				r.fault(k, fmt.Sprintf("write %s before %s", name, before), "%q applies %s to what %s has already changed", k.Value, name, before)
				return
			}
		}
	}
}

func opOf(name string) (Op, bool) {
	switch name {
	case "contains":
		return Contains, true
	case "startswith":
		return StartsWith, true
	case "endswith":
		return EndsWith, true
	case "re":
		return Regex, true
	case "cidr":
		return CIDR, true
	case "exists":
		return Exists, true
	case "lt":
		return Less, true
	case "lte":
		return LessEqual, true
	case "gt":
		return Greater, true
	case "gte":
		return GreaterEqual, true
	}
	return 0, false
}

func (it *Item) modify(m *modifiers, name string) bool {
	switch name {
	case "all":
		it.All = true
	case "cased":
		it.Cased = true
	case "neq":
		it.Negated = true
	case "fieldref":
		it.FieldRef = true
	case "windash":
		m.windash = true
	case "expand":
		m.expand = true
	case "i", "ignorecase":
		m.flags += "i"
	case "m", "multiline":
		m.flags += "m"
	case "s", "dotall":
		m.flags += "s"
	case "base64", "base64offset", "utf16", "utf16le", "utf16be", "wide":
		m.encodings = append(m.encodings, name)
	case "minute":
		it.Part = Minute
	case "hour":
		it.Part = Hour
	case "day":
		it.Part = Day
	case "week":
		it.Part = Week
	case "month":
		it.Part = Month
	case "year":
		it.Part = Year
	default:
		return false
	}
	return true
}

// agree faults modifiers that do not go together.
func (r *ruleReader) agree(k *yaml.Node, it *Item, m *modifiers) {
	textual := it.Op <= EndsWith
	switch {
	case m.flags != "" && it.Op != Regex:
		r.fault(k, "write re before them", "i, m and s belong to re")
	case it.Op == Regex && it.Cased:
		r.fault(k, "remove cased", "re tells case apart already")
	case it.Cased && (!textual || it.Part != Whole):
		r.fault(k, "remove cased", "%q compares no letters", k.Value)
	case it.Op == Exists && (it.All || it.Negated):
		r.fault(k, "write true or false", "%q asks in two ways whether the field is there", k.Value)
	case (len(m.encodings) > 0 || m.windash || m.expand && it.Op != Regex && it.Op != CIDR) && !textual:
		r.fault(k, "use them with equality, contains, startswith or endswith", "%q encodes a value that is not compared as text", k.Value)
	case it.FieldRef && (len(m.encodings) > 0 || m.windash || m.expand || !textual):
		r.fault(k, "use fieldref alone or with contains, startswith or endswith", "%q compares two fields in a way that has no meaning", k.Value)
	case it.Part != Whole && (it.Op == Contains || it.Op == StartsWith || it.Op == EndsWith || it.Op == Regex || it.Op == CIDR || it.Op == Exists || len(m.encodings) > 0 || it.FieldRef):
		r.fault(k, "compare it by equality, lt, lte, gt or gte", "%q takes a number out of a time and compares it as text", k.Value)
	case it.Field == "" && (it.FieldRef || it.Part != Whole || it.Op != Contains && it.Op != Regex):
		r.fault(k, "name a field", "%q needs a field", k.Value)
	case it.All && it.Negated:
		r.fault(k, "write \"not\" in the condition", "all and neq together can be read in two ways")
	}
}

// value reads one value for an item.
func (r *ruleReader) value(it *Item, m *modifiers, n *yaml.Node) (Value, bool) {
	if m == nil {
		m = &modifiers{}
	}
	v := Value{Text: n.Value, Pos: pos(n)}
	if n.Kind != yaml.ScalarNode {
		r.fault(n, "write plain values", "%s stands where a value should", describe(n))
		return v, false
	}
	switch n.Tag {
	case "!!null":
		v.Kind, v.Text = Null, "null"
		if it.Op != Equals || it.FieldRef || it.Field == "" || it.Part != Whole {
			r.fault(n, "compare null by equality, or write '' for an empty text", "null cannot be compared so")
			return v, false
		}
		return v, true
	case "!!bool":
		v.Kind, v.Text = Bool, strings.ToLower(n.Value)
	case "!!int", "!!float":
		v.Kind = Number
	}
	if len(v.Text) > maxPattern {
		r.fault(n, "shorten it", "a value has more than %d bytes", maxPattern)
		return v, false
	}
	var err error
	switch {
	case it.FieldRef && v.Text == "":
		err = errors.New("fieldref names no field")
	case it.FieldRef:
		return v, true
	case it.Op == Regex:
		err = r.regex(&v, m)
	case it.Op == CIDR:
		v.Net, err = prefix(v.Text)
	case it.Op == Exists:
		if v.True = v.Kind == Bool && v.Text == "true"; v.Kind != Bool {
			err = fmt.Errorf("exists takes true or false, not %s", describe(n))
		}
	case it.Part != Whole:
		v.Number, err = partNumber(v.Text, it)
	case it.Op >= Less:
		v.Number, err = number(v.Text)
	default:
		v.Patterns, err = r.patterns(v, m)
	}
	if err != nil {
		r.fault(n, "correct the value", "%v", err)
	}
	return v, err == nil
}

// number reads what a comparison takes: decimal, or whole and hexadecimal.
func number(s string) (float64, error) {
	n, err := strconv.ParseFloat(s, 64)
	if err != nil {
		var whole int64
		whole, err = strconv.ParseInt(s, 0, 64)
		n = float64(whole)
	}
	if err != nil || math.IsNaN(n) || math.IsInf(n, 0) {
		return 0, fmt.Errorf("%q is no number", s)
	}
	return n, nil
}

// partRange is what the parts of a time can be (specification 2.1, "time
// modifiers"; a year of ISO 8601 may have a week 53).
var partRange = map[TimePart][2]float64{Minute: {0, 59}, Hour: {0, 23}, Day: {1, 31}, Week: {1, 53}, Month: {1, 12}, Year: {0, 9999}}

func partNumber(s string, it *Item) (float64, error) {
	n, err := number(s)
	if err != nil {
		return 0, err
	}
	if limit := partRange[it.Part]; n < limit[0] || n > limit[1] {
		return 0, fmt.Errorf("%s is never compared with anything but %g to %g", s, limit[0], limit[1])
	}
	return n, nil
}

func (r *ruleReader) regex(v *Value, m *modifiers) error {
	v.Regex = v.Text
	if m.expand {
		alternatives, err := r.expand(v.Text)
		if err != nil {
			return err
		}
		v.Regex = "(?:" + strings.Join(alternatives, "|") + ")"
	}
	if m.flags != "" {
		v.Regex = "(?" + m.flags + ")" + v.Regex
	}
	if len(v.Regex) > maxRegex {
		return fmt.Errorf("a regular expression has more than %d bytes", maxRegex)
	}
	re, err := syntax.Parse(v.Regex, syntax.Perl)
	if err != nil {
		return fmt.Errorf("the regular expression is not one of RE2: %w", err)
	}
	size := sizeOf(re)
	if r.regexes += size; size > maxProgram || r.regexes > 10*maxProgram {
		return fmt.Errorf("the regular expression, repetitions written out, has more than %d parts, or those of the rule together more than %d", maxProgram, 10*maxProgram)
	}
	return nil
}

// sizeOf is about how long a regular expression gets with its repetitions
// written out.
func sizeOf(re *syntax.Regexp) int {
	n := 1 + len(re.Rune)
	for _, sub := range re.Sub {
		n += sizeOf(sub)
	}
	if re.Op == syntax.OpRepeat {
		n *= max(re.Min, re.Max, 1)
	}
	return min(n, 1<<30)
}

func prefix(s string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(s); err == nil {
		return p.Masked(), nil
	}
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	return netip.Prefix{}, fmt.Errorf("%q is no network: write 192.0.2.0/24 or 2001:db8::/32", s)
}

// patterns applies the modifiers that change a text.
func (r *ruleReader) patterns(v Value, m *modifiers) ([]Pattern, error) {
	texts := []string{v.Text}
	if m.expand {
		var err error
		if texts, err = r.expand(v.Text); err != nil {
			return nil, err
		}
	}
	var out []Pattern
	for _, t := range texts {
		ps := []Pattern{ParsePattern(t)}
		if m.windash {
			ps[0] = ps[0].withDashes()
		}
		if len(m.encodings) > 0 {
			var err error
			if ps, err = ps[0].dashed(); err != nil {
				return nil, err
			}
		}
		for _, enc := range m.encodings {
			var err error
			if ps, err = encode(enc, ps); err != nil {
				return nil, err
			}
		}
		out = append(out, ps...)
	}
	return out, nil
}

func encode(name string, in []Pattern) ([]Pattern, error) {
	var out []Pattern
	for _, p := range in {
		s, ok := p.Plain()
		if !ok {
			return nil, fmt.Errorf("%s cannot encode a value with wildcards: escape them", name)
		}
		switch name {
		case "utf16le", "wide":
			out = append(out, LiteralPattern(utf16Text(s, false)))
		case "utf16be":
			out = append(out, LiteralPattern(utf16Text(s, true)))
		case "utf16":
			out = append(out, LiteralPattern("\xff\xfe"+utf16Text(s, false)))
		case "base64":
			out = append(out, LiteralPattern(base64.StdEncoding.EncodeToString([]byte(s))))
		case "base64offset":
			for shift := range 3 {
				part := base64At(s, shift)
				if part == "" {
					return nil, fmt.Errorf("%q is too short for base64offset: it would be found everywhere", s)
				}
				out = append(out, LiteralPattern(part))
			}
		}
	}
	return out, nil
}

func utf16Text(s string, big bool) string {
	var b strings.Builder
	for _, u := range utf16.Encode([]rune(s)) {
		hi, lo := byte(u>>8), byte(u)
		if big {
			hi, lo = lo, hi
		}
		b.WriteByte(lo)
		b.WriteByte(hi)
	}
	return b.String()
}

// base64At is the part of a base64 text that stays the same whatever stands
// around s, when s begins shift bytes after a border of three.
func base64At(s string, shift int) string {
	enc := base64.StdEncoding.EncodeToString([]byte(strings.Repeat(" ", shift) + s))
	start := [3]int{0, 2, 3}[shift]
	end := len(enc) - [3]int{0, 3, 2}[(len(s)+shift)%3]
	if end < start {
		return ""
	}
	return enc[start:end]
}

const maxExpanded = 10_000

// expand replaces each %name% by each of its values, in all combinations. A
// percent sign behind a backslash is only that.
func (r *ruleReader) expand(s string) ([]string, error) {
	out := []string{""}
	add := func(values ...string) error {
		var next []string
		for _, head := range out {
			for _, v := range values {
				next = append(next, head+v)
			}
		}
		out = next
		if len(out) > maxExpanded {
			return fmt.Errorf("placeholders expand to more than %d values", maxExpanded)
		}
		return nil
	}
	for s != "" {
		at := strings.IndexByte(s, '%')
		if at < 0 {
			break
		}
		if at > 0 && s[at-1] == '\\' {
			if err := add(s[:at-1] + "%"); err != nil {
				return nil, err
			}
			s = s[at+1:]
			continue
		}
		n := 0
		for at+1+n < len(s) && isNameByte(s[at+1+n]) && s[at+1+n] != '*' {
			n++
		}
		end := at + 1 + n
		if n == 0 || end == len(s) || s[end] != '%' {
			if err := add(s[:at+1]); err != nil {
				return nil, err
			}
			s = s[at+1:]
			continue
		}
		name := s[at+1 : end]
		values := r.placeholders[name]
		if len(values) == 0 {
			return nil, missing(name)
		}
		if err := add(s[:at]); err != nil {
			return nil, err
		}
		if err := add(values...); err != nil {
			return nil, err
		}
		s = s[end+1:]
	}
	if err := add(s); err != nil {
		return nil, err
	}
	return out, nil
}
