package requirement

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"holdfast"
)

// Limits on one document.
const (
	MaxDocument = 1 << 20
	maxDepth    = 12
)

// Fault is one thing wrong with a document, and what to do about it. It wraps
// holdfast.ErrInvalid.
type Fault struct {
	File         string
	Line, Column int
	Say          string
}

func (f Fault) Error() string {
	return fmt.Sprintf("%s:%d:%d: %s", f.File, f.Line, f.Column, f.Say)
}

// Unwrap returns holdfast.ErrInvalid.
func (f Fault) Unwrap() error { return holdfast.ErrInvalid }

// Requirement is one parsed requirement: a sentence and at least one verb.
type Requirement struct {
	ID, Say, Owner string
	Line           int
	Source         string // the YAML as written
	Verbs
	Maps map[string][]string
}

// Exception excuses the assets of For from a requirement until Expires.
type Exception struct {
	Requirement, Because, Owner, ApprovedBy string
	For                                     Selector
	Expires                                 time.Time
	Line                                    int
}

// Live reports whether the exception still counts at now.
func (e Exception) Live(now time.Time) bool { return now.Before(e.Expires) }

// Document is a file of requirements and exceptions.
type Document struct {
	Requirements []Requirement
	Exceptions   []Exception
}

type reader struct {
	file   string
	faults []Fault
}

// Parse reads a map with requirements: and exceptions:, or a bare list of
// requirements. What is without fault is returned beside the faults.
func Parse(file string, data []byte) (Document, []Fault) {
	r := &reader{file: file}
	var d Document
	var root yaml.Node
	if len(data) > MaxDocument {
		r.faults = append(r.faults, Fault{file, 1, 1, "is larger than 1 MiB; split it"})
		return d, r.faults
	}
	if err := yaml.Unmarshal(data, &root); err != nil {
		r.faults = append(r.faults, Fault{file, 1, 1, err.Error() + "; correct the YAML"})
		return d, r.faults
	}
	if len(root.Content) == 0 || !r.plain(&root, 0) {
		return d, r.faults
	}
	reqs, excs := root.Content[0], (*yaml.Node)(nil)
	if reqs.Kind == yaml.MappingNode {
		m := r.keys(reqs, "requirements", "exceptions")
		reqs, excs = m["requirements"], m["exceptions"]
	}
	ids := map[string]int{}
	for _, n := range r.list(reqs) {
		before := len(r.faults)
		q := r.requirement(n)
		if first, ok := ids[q.ID]; ok && q.ID != "" {
			r.say(n, "id %q is already used on line %d; choose another", q.ID, first)
		}
		if ids[q.ID] = n.Line; len(r.faults) == before {
			q.Source = source(data, n)
			d.Requirements = append(d.Requirements, q)
		}
	}
	for _, n := range r.list(excs) {
		before := len(r.faults)
		if e := r.exception(n); len(r.faults) == before {
			d.Exceptions = append(d.Exceptions, e)
		}
	}
	return d, r.faults
}

func (r *reader) requirement(n *yaml.Node) Requirement {
	m := r.keys(n, append([]string{"id", "say", "owner", "maps"}, verbNames()...)...)
	q := Requirement{ID: r.text(n, m, "id"), Say: r.text(n, m, "say"), Owner: r.text(n, m, "owner"), Line: n.Line}
	if !plainID(q.ID) && q.ID != "" {
		r.say(m["id"], "%q is no id; write small letters, digits and -", q.ID)
	}
	q.Verbs = r.verbs(n, m)
	for k, v := range r.keys(m["maps"]) {
		if q.Maps == nil {
			q.Maps = map[string][]string{}
		}
		for _, c := range r.list(v) {
			q.Maps[k] = append(q.Maps[k], r.scalar(c))
		}
	}
	return q
}

func plainID(s string) bool {
	return s != "" && len(s) <= 100 && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.'
	})
}

func (r *reader) exception(n *yaml.Node) Exception {
	m := r.keys(n, "requirement", "for", "because", "owner", "approved-by", "expires")
	e := Exception{
		Requirement: r.text(n, m, "requirement"), Because: r.text(n, m, "because"), Owner: r.text(n, m, "owner"),
		ApprovedBy: r.text(n, m, "approved-by"), For: r.selector(n, m, "for"), Line: n.Line,
	}
	if v := r.text(n, m, "expires"); v != "" {
		var err error
		if e.Expires, err = time.Parse(time.DateOnly, v); err != nil {
			r.say(m["expires"], "%q is no day; write 2027-02-01", v)
		}
	}
	return e
}

// source is the text of a node, whole lines.
func source(data []byte, n *yaml.Node) string {
	lines := strings.SplitAfter(string(data), "\n")
	end := min(lastLine(n), len(lines))
	if n.Line < 1 || n.Line > end {
		return ""
	}
	return strings.Join(lines[n.Line-1:end], "")
}

func lastLine(n *yaml.Node) int {
	last := n.Line
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		last += strings.Count(n.Value, "\n")
	}
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}

// plain refuses aliases and anchors, and nesting beyond maxDepth.
func (r *reader) plain(n *yaml.Node, depth int) bool {
	if n.Kind == yaml.AliasNode || n.Anchor != "" {
		r.say(n, "anchors and aliases are not read here; write the value out")
		return false
	}
	if depth > maxDepth {
		r.say(n, "is nested deeper than %d; flatten it", maxDepth)
		return false
	}
	return !slices.ContainsFunc(n.Content, func(c *yaml.Node) bool { return !r.plain(c, depth+1) })
}

// keys reads a map; with no known names, any key is taken.
func (r *reader) keys(n *yaml.Node, known ...string) map[string]*yaml.Node {
	m := map[string]*yaml.Node{}
	if n == nil {
		return m
	}
	if n.Kind != yaml.MappingNode {
		r.say(n, "should be a map; write key: value")
		return m
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		switch {
		case m[k.Value] != nil:
			r.say(k, "%q stands twice; remove one", k.Value)
		case len(known) > 0 && !slices.Contains(known, k.Value):
			r.say(k, "%q is no key here; known are %q", k.Value, known)
		default:
			m[k.Value] = n.Content[i+1]
		}
	}
	return m
}

func (r *reader) list(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.say(n, "should be a list; start each entry with -")
		return nil
	}
	return n.Content
}

func (r *reader) scalar(n *yaml.Node) string {
	if n.Kind != yaml.ScalarNode || n.Value == "" {
		r.say(n, "should be a single value; write one")
		return ""
	}
	return n.Value
}

func (r *reader) text(at *yaml.Node, m map[string]*yaml.Node, key string) string {
	if m[key] == nil {
		r.say(at, "has no %s; add %s: …", key, key)
		return ""
	}
	return r.scalar(m[key])
}

func (r *reader) selector(at *yaml.Node, m map[string]*yaml.Node, key string) Selector {
	v := r.text(at, m, key)
	if v == "" {
		return Selector{}
	}
	s, err := ParseSelector(v)
	if err != nil {
		r.say(m[key], "%v", err)
	}
	return s
}

func (r *reader) say(n *yaml.Node, format string, args ...any) {
	r.faults = append(r.faults, Fault{r.file, n.Line, n.Column, fmt.Sprintf(format, args...)})
}
