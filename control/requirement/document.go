package requirement

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"holdfast"
	"holdfast/internal/nearest"
	"holdfast/internal/yamldoc"
)

// Limits on one document.
const (
	MaxDocument = 1 << 20
	maxDepth    = 12
)

// State is the verb state: settings that must be so on the assets of On.
type State struct {
	On       Selector
	Settings map[string]string   // scalars as written
	At       map[string]Position // where each setting's value stands
}

// Position is a place in the file; both count from 1.
type Position struct{ Line, Column int }

// Reach is the verb reach: who may talk to whom. Only closes the ports to
// everybody else.
type Reach struct {
	From, To Selector
	Ports    []string // "443/tcp"
	TLS      string   // ">=1.2", or empty
	Only     bool
}

// Access is the verb access: who may do what on which assets.
type Access struct {
	On     Selector
	Who    []string // accounts and %groups
	May    string   // "login", "sudo"
	Nobody bool     // nobody else may
}

// Within is the verb within: a deadline between two moments.
type Within struct {
	On          Selector
	From, Until string // "vuln.published"
	Limits      []Limit
}

// Limit is a deadline for what its CEL condition picks.
type Limit struct {
	When string
	Max  time.Duration
}

// Record is the verb record: what must be logged, arrive and be kept.
type Record struct {
	On     Selector
	What   []string // datasets
	Arrive time.Duration
	Keep   time.Duration
}

// Custom is a condition in CEL over facts; read-only, an error is unknown.
type Custom struct {
	On  Selector
	CEL string
}

// Requirement is one parsed requirement. At least one verb is set.
type Requirement struct {
	ID, Say, Owner string
	Line           int
	Source         string // the entry as written
	State          *State
	Reach          *Reach
	Access         *Access
	Within         *Within
	Record         *Record
	Custom         *Custom
	Prove          []string // drills to run beside the derived ones
	Maps           map[string][]string
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
	faults holdfast.Faults
}

// Parse reads a map with requirements: and exceptions:, or a bare list of
// requirements. What is without fault is returned beside the faults.
func Parse(file string, data []byte) (Document, holdfast.Faults) {
	r := &reader{file: file}
	var d Document
	if len(data) > MaxDocument {
		r.faults = append(r.faults, holdfast.Fault{File: file, Line: 1, Column: 1, What: "is larger than 1 MiB", Do: "split it"})
		return d, r.faults
	}
	root, fault := yamldoc.Parse(file, string(data))
	if fault != nil {
		r.faults = append(r.faults, *fault)
		return d, r.faults
	}
	if len(root.Content) == 0 || !r.plain(root, 0) {
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
		if b, err := yaml.Marshal(n); err == nil {
			q.Source = string(b)
		}
		if first, ok := ids[q.ID]; ok && q.ID != "" {
			r.say(n, "id %q is already used on line %d; choose another", q.ID, first)
		}
		if ids[q.ID] = n.Line; len(r.faults) == before {
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
			r.say(k, "there is no key %q here; %s", k.Value, nearest.Say(k.Value, known, len(k.Value)/2+1, "known are "+strings.Join(known, ", ")))
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
	what, do, _ := strings.Cut(fmt.Sprintf(format, args...), "; ")
	r.faults = append(r.faults, holdfast.Fault{File: r.file, Line: n.Line, Column: n.Column, What: what, Do: do})
}
