package sigma

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
	"unicode"

	"gopkg.in/yaml.v3"

	"holdfast"
	"holdfast/internal/nearest"
)

// Remark is something about a rule that loads and yet is probably not what was
// meant, or that others will miss. Check names the kind of it: "no-id".
type Remark struct {
	Check string `json:"check"`
	holdfast.Fault
}

// Style looks at how the documents of a file are written: what they say about
// themselves (appendix "metadata" of specification 2.1), their tags, and values
// written in a roundabout way. Syntax is Parse's; what Parse refuses is not
// repeated here.
func Style(file string, data []byte) []Remark {
	s := styler{file: file}
	docs, _ := documents(file, data)
	for _, d := range docs {
		if d.Kind == yaml.MappingNode {
			s.document(d)
		}
	}
	return s.remarks
}

type styler struct {
	file    string
	remarks []Remark
}

func (s *styler) remark(n *yaml.Node, check, do, format string, args ...any) {
	s.remarks = append(s.remarks, Remark{check, holdfast.Fault{
		File: s.file, Line: n.Line, Column: n.Column, What: fmt.Sprintf(format, args...), Do: do,
	}})
}

var (
	uuid     = regexp.MustCompile(`^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$`)
	attackID = regexp.MustCompile(`^(t\d{4}(\.\d{3})?|[gs]\d{4}|ds\d{4}|c\d{4}|m\d{4})$`)
	tagForm  = regexp.MustCompile(`^[a-z0-9-]+\.[a-z0-9._-]+$`)
)

// statuses are those of the specification.
var statuses = []string{"stable", "test", "experimental", "deprecated", "unsupported"}

// namespaces are those of the specification's appendix on tags.
var namespaces = []string{"attack", "car", "cve", "d3fend", "detection", "stp", "tlp"}

// tactics are those of ATT&CK for enterprises, mobile devices and industry, of
// version 19 and of those before, which split stealth and defense impairment
// out of defense evasion.
var tactics = []string{
	"reconnaissance", "resource-development", "initial-access", "execution", "persistence", "privilege-escalation",
	"defense-evasion", "stealth", "defense-impairment", "credential-access", "discovery", "lateral-movement", "collection",
	"command-and-control", "exfiltration", "impact", "evasion", "inhibit-response-function", "impair-process-control",
}

func (s *styler) document(doc *yaml.Node) {
	s.identity(doc)
	s.dates(doc)
	s.tags(doc)
	if get(doc, "filter") == nil {
		if n := get(doc, "level"); n == nil || n.Tag == "!!null" {
			s.remark(doc, "no-level", "add level: informational, low, medium, high or critical", "the rule has no level and counts as medium")
		}
		if n := get(doc, "falsepositives"); n == nil || n.Tag == "!!null" || n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
			s.remark(doc, "no-falsepositives", "say under falsepositives: what else may look like this", "the rule names no false positives")
		}
	}
	for _, part := range []string{"detection", "filter"} {
		n := get(doc, part)
		if n == nil || n.Kind != yaml.MappingNode {
			continue
		}
		for i := 0; i+1 < len(n.Content); i += 2 {
			switch k := n.Content[i]; k.Value {
			case "condition", "rules", "timeframe":
			default:
				s.selection(n.Content[i+1])
			}
		}
	}
}

func (s *styler) identity(doc *yaml.Node) {
	switch n := get(doc, "id"); {
	case n == nil || n.Value == "":
		s.remark(doc, "no-id", "add id: with a new UUID; `holdfast rules new NAME` makes one", "the rule has no id, so nothing can name it for good")
	case n.Kind == yaml.ScalarNode && !uuid.MatchString(n.Value):
		s.remark(n, "bad-id", "write a UUID, such as 8a1b6c1e-6f0e-4c55-9a0f-0c6f0d4f3f5e", "the id %q is no UUID", n.Value)
	}
	for _, key := range []string{"title", "description", "author", "name"} {
		n := get(doc, key)
		if n == nil || n.Kind != yaml.ScalarNode {
			continue
		}
		text := n.Value
		if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
			text = strings.TrimRight(text, "\n")
		}
		if text != strings.TrimSpace(text) {
			s.remark(n, "spaces", "remove them", "%s begins or ends with blanks", key)
		}
	}
	if n := get(doc, "title"); n != nil && len([]rune(n.Value)) > 256 {
		s.remark(n, "long-title", "keep to 256 characters and move the rest to the description", "the title has %d characters", len([]rune(n.Value)))
	}
	if n := get(doc, "status"); n != nil && n.Kind == yaml.ScalarNode && !slices.Contains(statuses, n.Value) {
		s.remark(n, "bad-status", nearest.Say(strings.ToLower(n.Value), statuses, 3, "write "+strings.Join(statuses, ", ")), "%q is no status", n.Value)
	}
}

func (s *styler) dates(doc *yaml.Node) {
	for _, key := range []string{"date", "modified"} {
		n := get(doc, key)
		if n == nil || n.Kind != yaml.ScalarNode {
			continue
		}
		if _, err := time.Parse(time.DateOnly, n.Value); err == nil {
			continue
		}
		do := "write it as 2026-01-31"
		if t, err := time.Parse("2006/01/02", n.Value); err == nil {
			do = "write it as " + t.Format(time.DateOnly)
		}
		s.remark(n, "bad-date", do, "%s: %s is no date of the form year-month-day", key, n.Value)
	}
	d, m := get(doc, "date"), get(doc, "modified")
	if d != nil && m != nil && m.Value < d.Value {
		s.remark(m, "bad-date", "correct one of them", "the rule was modified before its date")
	}
}

func (s *styler) tags(doc *yaml.Node) {
	n := get(doc, "tags")
	var tags []*yaml.Node
	if n != nil && n.Kind == yaml.SequenceNode {
		tags = n.Content
	}
	attack := false
	for i, t := range tags {
		if t.Kind != yaml.ScalarNode {
			continue
		}
		for _, other := range tags[:i] {
			if other.Value == t.Value {
				s.remark(t, "duplicate-tag", "remove one of them", "the tag %q stands twice", t.Value)
			}
		}
		space, name, _ := strings.Cut(t.Value, ".")
		if space == "attack" {
			attack = true
		}
		switch {
		case !tagForm.MatchString(t.Value):
			s.remark(t, "bad-tag", "write namespace.name in small letters, with hyphens: "+strings.ToLower(strings.ReplaceAll(t.Value, "_", "-")), "the tag %q has not the form of one", t.Value)
		case !slices.Contains(namespaces, space):
			s.remark(t, "bad-tag", nearest.Say(space, namespaces, 3, "write one of "+strings.Join(namespaces, ", ")), "there is no namespace %q for tags", space)
		case space == "attack" && !attackID.MatchString(name) && !slices.Contains(tactics, name):
			do := "write a technique (attack.t1059.001), a group, a software or a tactic"
			if hyphens := strings.ReplaceAll(name, "_", "-"); slices.Contains(tactics, hyphens) {
				do = "write attack." + hyphens
			} else if best := nearest.Word(hyphens, tactics, 4); best != "" {
				do = fmt.Sprintf("did you mean \"attack.%s\"?", best)
			}
			s.remark(t, "bad-tag", do, "ATT&CK has no %q", name)
		case space == "tlp" && !slices.Contains([]string{"clear", "white", "green", "amber", "amber-strict", "red"}, name):
			s.remark(t, "bad-tag", "write clear, green, amber, amber-strict or red", "the traffic light protocol has no %q", name)
		}
	}
	if !attack && get(doc, "filter") == nil {
		at := doc
		if n != nil {
			at = n
		}
		s.remark(at, "no-attack", "add attack.t… under tags:, so that coverage counts it", "no tag names a technique or tactic of ATT&CK")
	}
}

// selection looks at the values of a selection.
func (s *styler) selection(n *yaml.Node) {
	switch n.Kind {
	case yaml.SequenceNode:
		for _, c := range n.Content {
			if c.Kind == yaml.MappingNode {
				s.selection(c)
			}
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			k, v := n.Content[i], n.Content[i+1]
			field, mods, _ := strings.Cut(k.Value, "|")
			if field != strings.TrimSpace(field) {
				s.remark(k, "spaces", "remove them", "the field name %q begins or ends with blanks", field)
			}
			s.values(k, v, strings.Split(mods, "|"))
		}
	}
}

func (s *styler) values(k, v *yaml.Node, mods []string) {
	values := []*yaml.Node{v}
	if v.Kind == yaml.SequenceNode {
		values = v.Content
	}
	if slices.Contains(mods, "all") && len(values) == 1 && values[0].Kind == yaml.ScalarNode {
		s.remark(k, "single-all", "remove |all", "%q asks for all of one value", k.Value)
	}
	seen := make(map[string]bool, len(values))
	for _, n := range values {
		if n.Kind != yaml.ScalarNode {
			continue
		}
		key := n.Tag + n.Value
		if !slices.Contains(mods, "re") && !slices.Contains(mods, "cased") && !slices.ContainsFunc(mods, func(m string) bool { return strings.HasPrefix(m, "base64") }) {
			key = strings.ToLower(key)
		}
		if seen[key] {
			s.remark(n, "duplicate-value", "remove one of them", "the value %q stands twice", short(n.Value))
		}
		seen[key] = true
		if n.Tag == "!!str" {
			s.value(n, mods)
		}
	}
}

func (s *styler) value(n *yaml.Node, mods []string) {
	has := func(m string) bool { return slices.Contains(mods, m) }
	if has("re") {
		s.regex(n)
		return
	}
	if has("cidr") || has("fieldref") || has("exists") {
		return
	}
	if !has("contains") {
		front, back := !has("endswith"), !has("startswith")
		if front && strings.TrimLeftFunc(n.Value, unicode.IsSpace) != n.Value || back && strings.TrimRightFunc(n.Value, unicode.IsSpace) != n.Value {
			s.remark(n, "spaces", "remove them, or use contains", "the value %q has blanks where the field's own text begins or ends", short(n.Value))
		}
	}
	p := ParsePattern(n.Value)
	if len(p) < 2 {
		return
	}
	left, right := p[0].Kind == Any, p[len(p)-1].Kind == Any
	inside := slices.ContainsFunc(p[1:len(p)-1], func(t Token) bool { return t.Kind != Literal })
	plain := !has("contains") && !has("startswith") && !has("endswith")
	switch {
	case has("contains") && (left || right), has("startswith") && right, has("endswith") && left:
		s.remark(n, "wildcard", "remove it", "the \"*\" at the border of %q says nothing that the modifier does not", short(n.Value))
	case plain && len(p) > 2 && left && right && !inside:
		s.remark(n, "wildcard", "write the field with |contains and the value without the \"*\"s", "%q is a contains written with wildcards", short(n.Value))
	case plain && len(p) == 2 && left && p[1].Kind == Literal:
		s.remark(n, "wildcard", "write the field with |endswith and the value without the \"*\"", "%q is an endswith written with a wildcard", short(n.Value))
	case plain && len(p) == 2 && right && p[0].Kind == Literal:
		s.remark(n, "wildcard", "write the field with |startswith and the value without the \"*\"", "%q is a startswith written with a wildcard", short(n.Value))
	}
}

// regex finds regular expressions that are plain text between ".*"s.
func (s *styler) regex(n *yaml.Node) {
	re, err := syntax.Parse(n.Value, syntax.Perl)
	if err != nil {
		return
	}
	subs := []*syntax.Regexp{re}
	if re.Op == syntax.OpConcat {
		subs = re.Sub
	}
	begin, end := "", ""
	trim := func() (ok bool) {
		if len(subs) == 0 {
			return false
		}
		switch first := subs[0]; {
		case anything(first):
			begin, subs = "*", subs[1:]
		case first.Op == syntax.OpBeginText:
			begin, subs = "^", subs[1:]
		}
		if len(subs) == 0 {
			return false
		}
		switch last := subs[len(subs)-1]; {
		case anything(last):
			end, subs = "*", subs[:len(subs)-1]
		case last.Op == syntax.OpEndText:
			end, subs = "$", subs[:len(subs)-1]
		}
		return len(subs) == 1 && subs[0].Op == syntax.OpLiteral
	}
	if !trim() {
		return
	}
	use := "contains"
	switch {
	case begin == "^" && end == "$":
		use = ""
	case begin == "^":
		use = "startswith"
	case end == "$":
		use = "endswith"
	}
	text := string(subs[0].Rune)
	if use == "" {
		s.remark(n, "plain-regex", fmt.Sprintf("compare with %q by equality (and |cased, if case counts)", short(text)), "the regular expression %q is one plain text", short(n.Value))
		return
	}
	s.remark(n, "plain-regex", fmt.Sprintf("write |%s: %q (and |cased, if case counts)", use, short(text)), "the regular expression %q only looks for a plain text", short(n.Value))
}

func anything(re *syntax.Regexp) bool {
	return re.Op == syntax.OpStar && (re.Sub[0].Op == syntax.OpAnyChar || re.Sub[0].Op == syntax.OpAnyCharNotNL)
}

// short keeps a value in a message readable.
func short(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:59]) + "…"
	}
	return s
}
