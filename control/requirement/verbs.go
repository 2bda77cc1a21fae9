package requirement

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"

	"holdfast"
)

// Verbs are what a requirement asks for; at least one is not nil.
type Verbs struct {
	Reach  *Reach
	Access *Access
	State  *State
	Within *Within
	Record *Record
	Custom *Custom
	Prove  []string // drills, by name, that must pass besides the derived ones
}

func verbNames() []string {
	return []string{"reach", "access", "state", "within", "record", "custom", "prove"}
}

// Position is a place in the file; both count from 1.
type Position struct{ Line, Column int }

// Port is one port, or all of a protocol's if Number is 0.
type Port struct {
	Number   uint16
	Protocol string // tcp or udp
}

// Reach says who may talk to whom.
type Reach struct {
	From, To Selector
	Ports    []Port
	TLS      string // ">=1.2", or empty
	Only     bool   // and nobody else
	Text     string
}

// Access says who may do what.
type Access struct {
	On       Selector
	Who, May []string
	Only     bool
	Text     string
}

// State is settings that must be so on the assets of On.
type State struct {
	On       Selector
	Settings map[string]string   // scalars as written
	At       map[string]Position // of each setting's name
	Values   map[string]Position // of each setting's value
}

// Within is deadlines: from one moment until another, at most so long.
type Within struct {
	On          Selector
	From, Until string
	Limits      []Limit
	Text        string
}

// Limit is one deadline and, in CEL, what it is for.
type Limit struct {
	When string
	Max  holdfast.Duration
}

// Record is what must be logged, arrive, and be kept.
type Record struct {
	On     Selector
	Events []string // datasets
	Arrive holdfast.Duration
	Keep   holdfast.Duration
	Text   string
}

// Custom is an expression over the facts, or a script that only reads.
type Custom struct {
	On       Selector
	CEL      string
	Language string // bash, python or powershell, with Script
	Script   string
	Text     string
}

func (r *reader) verbs(n *yaml.Node, m map[string]*yaml.Node) Verbs {
	var v Verbs
	found := false
	for name, read := range map[string]func(*yaml.Node){
		"reach":  func(n *yaml.Node) { v.Reach = r.reach(n) },
		"access": func(n *yaml.Node) { v.Access = r.access(n) },
		"state":  func(n *yaml.Node) { v.State = r.state(n) },
		"within": func(n *yaml.Node) { v.Within = r.within(n) },
		"record": func(n *yaml.Node) { v.Record = r.record(n) },
		"custom": func(n *yaml.Node) { v.Custom = r.custom(n) },
	} {
		if m[name] != nil {
			found = true
			read(m[name])
		}
	}
	v.Prove = r.names(m["prove"])
	if !found {
		r.say(n, "has no verb; add reach, access, state, within, record or custom")
	}
	return v
}

func (r *reader) reach(n *yaml.Node) *Reach {
	m := r.keys(n, "from", "to", "ports", "tls", "only")
	v := &Reach{From: r.selector(n, m, "from"), To: r.selector(n, m, "to"), Only: r.flag(m["only"])}
	var ports []string
	for _, p := range r.list(m["ports"]) {
		text := r.scalar(p)
		number, proto, ok := strings.Cut(text, "/")
		k, err := strconv.ParseUint(number, 10, 16)
		if !ok || err != nil || k == 0 || proto != "tcp" && proto != "udp" {
			r.say(p, "%q is no port; write 443/tcp or 53/udp", text)
			continue
		}
		v.Ports, ports = append(v.Ports, Port{uint16(k), proto}), append(ports, text)
	}
	if t := m["tls"]; t != nil {
		if v.TLS = r.scalar(t); !regexp.MustCompile(`^>=1\.[0-3]$`).MatchString(v.TLS) {
			r.say(t, "%q is no TLS version; write \">=1.2\"", v.TLS)
		}
	}
	v.Text = scalarOf(m["from"]) + " → " + scalarOf(m["to"])
	if len(ports) > 0 {
		v.Text += " on " + strings.Join(ports, ", ")
	}
	if v.TLS != "" {
		v.Text += ", TLS " + v.TLS
	}
	if v.Only {
		v.Text += ", nobody else"
	}
	return v
}

func (r *reader) access(n *yaml.Node) *Access {
	m := r.keys(n, "on", "who", "may", "only")
	v := &Access{On: r.selector(n, m, "on"), Who: r.names(m["who"]), May: r.names(m["may"]), Only: r.flag(m["only"])}
	if len(v.Who) == 0 || len(v.May) == 0 {
		r.say(n, "names nobody or nothing; add who: [group:wheel] and may: [sudo]")
	}
	v.Text = strings.Join(v.Who, ", ") + " may " + strings.Join(v.May, ", ") + " on " + scalarOf(m["on"])
	if v.Only {
		v.Text += ", nobody else"
	}
	return v
}

func (r *reader) state(n *yaml.Node) *State {
	m := r.keys(n, "on", "settings")
	v := &State{On: r.selector(n, m, "on"), Settings: map[string]string{}, At: map[string]Position{}, Values: map[string]Position{}}
	for k, value := range r.keys(m["settings"]) {
		v.Settings[k] = r.scalar(value)
		v.Values[k] = Position{value.Line, value.Column}
	}
	if s := m["settings"]; s != nil {
		for _, k := range s.Content {
			if _, ok := v.Settings[k.Value]; ok {
				if _, twice := v.At[k.Value]; !twice {
					v.At[k.Value] = Position{k.Line, k.Column}
				}
			}
		}
	}
	if len(v.Settings) == 0 {
		r.say(n, "names no setting; add settings: {ssh.root_login: false}")
	}
	return v
}

func (r *reader) within(n *yaml.Node) *Within {
	m := r.keys(n, "on", "from", "until", "limits")
	v := &Within{On: r.selector(n, m, "on"), From: r.text(n, m, "from"), Until: r.text(n, m, "until")}
	var limits []string
	for _, l := range r.list(m["limits"]) {
		lm := r.keys(l, "when", "max")
		limit := Limit{Max: r.duration(lm["max"])}
		if lm["when"] != nil {
			limit.When = r.scalar(lm["when"])
		}
		if limit.Max <= 0 {
			r.say(l, "has no deadline; add max: 48h")
		}
		v.Limits = append(v.Limits, limit)
		limits = append(limits, strings.TrimSpace(limit.When+" ≤ "+limit.Max.String()))
	}
	if len(v.Limits) == 0 {
		r.say(n, "names no deadline; add limits: [{when: \"vuln.kev\", max: 48h}]")
	}
	v.Text = v.From + " to " + v.Until + " on " + scalarOf(m["on"]) + ": " + strings.Join(limits, ", ")
	return v
}

func (r *reader) record(n *yaml.Node) *Record {
	m := r.keys(n, "on", "events", "arrive", "keep")
	v := &Record{On: r.selector(n, m, "on"), Events: r.names(m["events"]), Arrive: r.duration(m["arrive"]), Keep: r.duration(m["keep"])}
	if len(v.Events) == 0 {
		r.say(n, "names no events; add events: [linux.sshd]")
	}
	v.Text = strings.Join(v.Events, ", ") + " of " + scalarOf(m["on"])
	if v.Arrive > 0 {
		v.Text += ", within " + v.Arrive.String()
	}
	if v.Keep > 0 {
		v.Text += ", kept " + v.Keep.String()
	}
	return v
}

func (r *reader) custom(n *yaml.Node) *Custom {
	m := r.keys(n, "on", "cel", "language", "script")
	v := &Custom{On: r.selector(n, m, "on")}
	switch {
	case m["cel"] != nil && m["script"] == nil && m["language"] == nil:
		v.CEL = r.scalar(m["cel"])
		v.Text = v.CEL
	case m["script"] != nil && m["cel"] == nil:
		v.Script, v.Language = r.scalar(m["script"]), r.text(n, m, "language")
		if known := []string{"bash", "python", "powershell"}; v.Language != "" && !slices.Contains(known, v.Language) {
			r.say(m["language"], "%q is no language for scripts; write one of %q", v.Language, known)
		}
		v.Text = "a " + v.Language + " script"
	default:
		r.say(n, "has no single question; write either cel: or script: with language:")
	}
	v.Text += " on " + scalarOf(m["on"])
	return v
}

func (r *reader) names(n *yaml.Node) []string {
	var out []string
	for _, c := range r.list(n) {
		out = append(out, r.scalar(c))
	}
	return out
}

func (r *reader) flag(n *yaml.Node) bool {
	if n == nil {
		return false
	}
	switch n.Value {
	case "true":
		return true
	case "false":
	default:
		r.say(n, "%q is neither true nor false; write one of them", n.Value)
	}
	return false
}

func (r *reader) duration(n *yaml.Node) holdfast.Duration {
	var d holdfast.Duration
	if n == nil {
		return 0
	}
	if err := d.UnmarshalText([]byte(r.scalar(n))); err != nil {
		r.say(n, "%v", err)
	} else if d <= 0 {
		r.say(n, "%s is no time to wait; write 48h", d)
	}
	return d
}

func scalarOf(n *yaml.Node) string {
	if n == nil {
		return ""
	}
	return n.Value
}
