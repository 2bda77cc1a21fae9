package sigma

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"holdfast"
)

// Parser reads rule files. The zero value is ready.
type Parser struct {
	// Placeholders are the values of %name% under the modifier expand. A rule
	// with a name that is not here is refused.
	Placeholders map[string][]string
}

// Parse reads all documents of a file with no placeholders.
func Parse(file string, data []byte) (Set, holdfast.Faults) {
	return (&Parser{}).Parse(file, data)
}

// Parse reads all documents of a file. A document with a fault is left out of
// the set; the others are in it. Documents of the old "action: global" form
// are refused. Attributes that Sigma does not know are left to their authors;
// the status is kept and decides nothing: who does not want deprecated rules
// leaves their folder out.
//
// A filter's condition says what is kept from the rules: the events it holds
// for are suppressed, as in the specification's example. The reference
// implementation writes the same filter as "not selection", what may still
// pass; a "not" over the whole condition is therefore taken off, so that both
// ways to write a filter do the same.
func (p *Parser) Parse(file string, data []byte) (Set, holdfast.Faults) {
	var set Set
	var faults holdfast.Faults
	docs, fault := documents(file, data)
	for _, doc := range docs {
		r := &ruleReader{reader: reader{file: file}, placeholders: p.Placeholders, members: maxMembers}
		one := r.document(doc)
		if len(r.faults) == 0 {
			set.Add(one)
		}
		faults = append(faults, r.faults...)
	}
	if fault != nil {
		faults = append(faults, *fault)
	}
	if len(docs) == 0 && fault == nil {
		faults = append(faults, holdfast.Fault{File: file, Line: 1, Column: 1, What: "the file holds no rule", Do: "write one, or remove the file"})
	}
	return set, faults
}

type ruleReader struct {
	reader
	placeholders map[string][]string
	own          Meta // of the document
	timeframe    string
	regexes      int // parts of the regular expressions so far
	members      int // selections that an "of" in a condition may still name
}

func (r *ruleReader) document(doc *yaml.Node) Set {
	if doc.Kind != yaml.MappingNode {
		r.fault(doc, "start with title: …", "a rule is a mapping, this is not one")
		return Set{}
	}
	r.unique(doc, "the rule")
	if n := get(doc, "action"); n != nil {
		r.fault(n, "write every rule out in a document of its own", "\"action: %s\" is an obsolete form", n.Value)
		return Set{}
	}
	m := r.meta(doc)
	r.own = m
	switch {
	case get(doc, "correlation") != nil:
		c := r.correlation(m, get(doc, "correlation"))
		if g := get(doc, "generate"); g != nil {
			r.generate(c, g)
		}
		return Set{Correlations: []*Correlation{c}}
	case get(doc, "filter") != nil:
		return Set{Filters: []*Filter{r.filter(m, doc)}}
	case get(doc, "detection") != nil:
		rule := &Rule{Meta: m, Logsource: r.logsource(doc)}
		rule.Selections, rule.Condition = r.detection(get(doc, "detection"), "detection")
		return Set{Rules: []*Rule{rule}}
	}
	r.fault(doc, "add one of the three", "the document has neither detection nor correlation nor filter")
	return Set{}
}

func (r *ruleReader) meta(doc *yaml.Node) Meta {
	m := Meta{
		ID: r.text(doc, "id"), Name: r.text(doc, "name"), Title: r.text(doc, "title"),
		Description: r.text(doc, "description"), Status: r.text(doc, "status"),
		Level: holdfast.Level(strings.ToLower(r.text(doc, "level"))), Tags: r.texts(doc, "tags"),
		FalsePositives: r.texts(doc, "falsepositives"),
		File:           r.file, Pos: pos(doc), Hash: hash(doc),
	}
	if m.Title == "" {
		r.fault(doc, "add title: …", "the rule has no title")
	}
	if t := r.text(doc, "taxonomy"); t != "" && t != "sigma" && t != "ecs" {
		r.fault(get(doc, "taxonomy"), "write the rule with the field names of Sigma or of ECS", "the taxonomy %q is not known, so the fields of the rule mean nothing here", t)
	}
	if m.Level == "" {
		m.Level = holdfast.Medium
	} else if m.Level.Rank() == 0 {
		r.fault(get(doc, "level"), "write informational, low, medium, high or critical", "%q is no level", string(m.Level))
	}
	return m
}

func (r *ruleReader) logsource(doc *yaml.Node) holdfast.Logsource {
	n := get(doc, "logsource")
	if n == nil || n.Kind != yaml.MappingNode {
		r.fault(doc, "add logsource: {product: linux, service: sshd} or the like", "the rule has no logsource")
		return holdfast.Logsource{}
	}
	r.unique(n, "logsource")
	return holdfast.Logsource{Product: r.text(n, "product"), Category: r.text(n, "category"), Service: r.text(n, "service")}
}

// detection reads selections and condition, for rules and filters alike.
func (r *ruleReader) detection(n *yaml.Node, what string) ([]Selection, Expr) {
	if n.Kind != yaml.MappingNode {
		r.fault(n, "write selections and a condition", "%s is not a mapping", what)
		return nil, nil
	}
	r.unique(n, what)
	var selections []Selection
	var names []string
	var conditions []*yaml.Node
	var timeframe *yaml.Node
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Value == "condition":
			conditions = []*yaml.Node{v}
			if v.Kind == yaml.SequenceNode {
				conditions = v.Content
			}
		case k.Value == "timeframe":
			timeframe = k
			r.timeframe = v.Value
		case what == "filter" && k.Value == "rules":
		default:
			selections = append(selections, r.selection(k, v))
			names = append(names, k.Value)
		}
	}
	piped := slices.ContainsFunc(conditions, func(c *yaml.Node) bool { return strings.Contains(c.Value, "|") })
	if timeframe != nil && !piped {
		r.fault(timeframe, "remove it, or use a correlation with timespan: "+r.timeframe, "timeframe in a detection is obsolete")
	}
	if len(conditions) == 0 {
		r.fault(n, "add condition: selection or the like", "%s has no condition", what)
		return selections, nil
	}
	var whole Expr
	for _, c := range conditions {
		x := r.condition(c, names)
		switch {
		case x == nil:
		case whole == nil:
			whole = x
		default:
			whole = Or{whole, x}
		}
	}
	return selections, whole
}

func (r *ruleReader) condition(n *yaml.Node, names []string) Expr {
	if n.Kind != yaml.ScalarNode || n.Tag == "!!null" {
		r.fault(n, "write condition: selection or the like", "the condition is not a text")
		return nil
	}
	x, err := parseCondition(n.Value, names, &r.members)
	if err == nil {
		return x
	}
	at := *n
	var ce *conditionError
	if !errors.As(err, &ce) {
		r.fault(&at, "", "%v", err)
		return nil
	}
	if n.Style == 0 { // plain: bytes are columns
		at.Column += ce.at
	} else if n.Style&(yaml.DoubleQuotedStyle|yaml.SingleQuotedStyle) != 0 {
		at.Column += ce.at + 1
	}
	do := ce.do
	if strings.Contains(n.Value, "|") && strings.HasPrefix(n.Value[ce.at:], "|") {
		do = r.adviseModern(n.Value, r.timeframe)
	}
	r.fault(&at, do, "%s", ce.what)
	return nil
}

func (r *ruleReader) selection(k, v *yaml.Node) Selection {
	s := Selection{Name: k.Value, Pos: pos(k)}
	switch v.Kind {
	case yaml.MappingNode:
		s.Clauses = []Clause{r.clause(v, k.Value)}
	case yaml.ScalarNode:
		s.Clauses = r.keywords(v, []*yaml.Node{v})
	case yaml.SequenceNode:
		var words []*yaml.Node
		for _, c := range v.Content {
			switch c.Kind {
			case yaml.MappingNode:
				s.Clauses = append(s.Clauses, r.clause(c, k.Value))
			case yaml.ScalarNode:
				words = append(words, c)
			default:
				r.fault(c, "write a list of mappings or of words", "a list within the list of %q has no meaning", k.Value)
			}
		}
		s.Clauses = append(s.Clauses, r.keywords(v, words)...)
	}
	if len(s.Clauses) == 0 {
		r.fault(k, "give it fields or words to look for", "the selection %q is empty", k.Value)
	}
	return s
}

func (r *ruleReader) keywords(at *yaml.Node, words []*yaml.Node) []Clause {
	if len(words) == 0 {
		return nil
	}
	item := Item{Op: Contains, Pos: pos(at)}
	for _, w := range words {
		if strings.Trim(w.Value, "*") == "" && w.Tag != "!!null" {
			r.fault(w, "write the word to look for", "the keyword %q is in every event", w.Value)
			continue
		}
		if v, ok := r.value(&item, nil, w); ok {
			item.Values = append(item.Values, v)
		}
	}
	return []Clause{{item}}
}

func (r *ruleReader) clause(n *yaml.Node, name string) Clause {
	if len(n.Content) == 0 {
		r.fault(n, "give it fields to look at", "a mapping of the selection %q is empty", name)
	}
	r.unique(n, "the selection "+name)
	var c Clause
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Kind != yaml.ScalarNode {
			r.fault(n.Content[i], "write field|modifier: value", "a field name must be plain text")
			continue
		}
		if item, ok := r.item(n.Content[i], n.Content[i+1]); ok {
			c = append(c, item)
		}
	}
	return c
}

func (r *ruleReader) filter(m Meta, doc *yaml.Node) *Filter {
	n := get(doc, "filter")
	f := &Filter{Meta: m, Logsource: r.logsource(doc)}
	f.Rules = r.texts(n, "rules")
	if rules := get(n, "rules"); rules == nil {
		f.Any = true
	} else if rules.Kind == yaml.ScalarNode && strings.EqualFold(rules.Value, "any") {
		f.Any, f.Rules = true, nil
	} else if len(f.Rules) == 0 {
		r.fault(rules, "list ids or names of rules, or write any", "the filter names no rule")
	}
	f.Selections, f.Condition = r.detection(n, "filter")
	if x, ok := f.Condition.(Not); ok {
		f.Condition = x.X
	}
	return f
}

func describe(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	}
	return fmt.Sprintf("%q", n.Value)
}
