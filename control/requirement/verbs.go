package requirement

import (
	"regexp"
	"strings"
	"time"

	"gopkg.in/yaml.v3"

	"holdfast"
)

// Verbs are the verbs of the language.
var Verbs = []string{"reach", "access", "state", "within", "record", "custom"}

func (r *reader) requirement(n *yaml.Node) Requirement {
	m := r.keys(n, append([]string{"id", "say", "owner", "maps", "prove"}, Verbs...)...)
	q := Requirement{ID: r.text(n, m, "id"), Say: r.text(n, m, "say"), Owner: r.text(n, m, "owner"), Line: n.Line}
	if q.ID != "" && !idForm.MatchString(q.ID) {
		r.say(m["id"], "%q is no id; use a-z, 0-9 and -, and begin with a letter", q.ID)
	}
	verbs := 0
	for _, v := range Verbs {
		if m[v] != nil {
			verbs++
			r.verb(&q, v, m[v])
		}
	}
	if verbs == 0 {
		r.say(n, "has no verb; add one of %s", strings.Join(Verbs, ", "))
	}
	for _, p := range r.list(m["prove"]) {
		q.Prove = append(q.Prove, r.scalar(p))
	}
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

var (
	idForm   = regexp.MustCompile(`^[a-z][a-z0-9-]{0,63}$`)
	portForm = regexp.MustCompile(`^[0-9]{1,5}/(tcp|udp)$`)
	tlsForm  = regexp.MustCompile(`^>=1\.[23]$`)
)

func (r *reader) verb(q *Requirement, verb string, n *yaml.Node) {
	switch verb {
	case "state":
		m := r.keys(n, "on", "settings")
		q.State = &State{On: r.selector(n, m, "on"), Settings: map[string]string{}, At: map[string]Position{}}
		for k, v := range r.keys(m["settings"]) {
			q.State.Settings[k], q.State.At[k] = r.scalar(v), Position{v.Line, v.Column}
		}
		if len(q.State.Settings) == 0 {
			r.say(n, "names no setting; add settings: {ssh.root_login: false}")
		}
	case "reach":
		m := r.keys(n, "from", "to", "ports", "tls", "only")
		q.Reach = &Reach{From: r.selector(n, m, "from"), To: r.selector(n, m, "to"), Only: r.yes(m["only"])}
		q.Reach.Ports = r.formed(n, m, "ports", portForm, "write 443/tcp")
		if m["tls"] != nil {
			if q.Reach.TLS = r.scalar(m["tls"]); !tlsForm.MatchString(q.Reach.TLS) {
				r.say(m["tls"], "%q is no TLS version; write \">=1.2\" or \">=1.3\"", q.Reach.TLS)
			}
		}
	case "access":
		m := r.keys(n, "on", "who", "may", "only")
		q.Access = &Access{On: r.selector(n, m, "on"), May: r.text(n, m, "may"), Nobody: r.yes(m["only"])}
		if may := q.Access.May; may != "" && may != "login" && may != "sudo" {
			r.say(m["may"], "%q is no right that is known; write login or sudo", may)
		}
		for _, w := range r.list(m["who"]) {
			q.Access.Who = append(q.Access.Who, r.scalar(w))
		}
	case "within":
		r.within(q, n)
	case "record":
		m := r.keys(n, "on", "what", "arrive", "keep")
		q.Record = &Record{On: r.selector(n, m, "on"), Arrive: r.duration(m["arrive"]), Keep: r.duration(m["keep"])}
		for _, w := range r.list(m["what"]) {
			q.Record.What = append(q.Record.What, r.scalar(w))
		}
		if len(q.Record.What) == 0 {
			r.say(n, "names nothing to record; add what: [linux.sshd]")
		}
	case "custom":
		m := r.keys(n, "on", "cel")
		q.Custom = &Custom{On: r.selector(n, m, "on"), CEL: r.text(n, m, "cel")}
	}
}

func (r *reader) within(q *Requirement, n *yaml.Node) {
	m := r.keys(n, "on", "from", "until", "limits")
	q.Within = &Within{On: r.selector(n, m, "on"), From: r.text(n, m, "from"), Until: r.text(n, m, "until")}
	for _, l := range r.list(m["limits"]) {
		lm := r.keys(l, "when", "max")
		q.Within.Limits = append(q.Within.Limits, Limit{When: r.text(l, lm, "when"), Max: r.duration(lm["max"])})
		if lm["max"] == nil {
			r.say(l, "has no deadline; add max: 48h")
		}
	}
	if len(q.Within.Limits) == 0 {
		r.say(n, "has no limits; add limits: [{when: \"true\", max: 720h}]")
	}
}

func (r *reader) yes(n *yaml.Node) bool {
	if n == nil {
		return false
	}
	switch v := r.scalar(n); v {
	case "true":
		return true
	case "false", "":
		return false
	default:
		r.say(n, "%q is neither true nor false; write one of them", v)
		return false
	}
}

func (r *reader) duration(n *yaml.Node) time.Duration {
	if n == nil {
		return 0
	}
	var d holdfast.Duration
	if err := d.UnmarshalText([]byte(r.scalar(n))); err != nil || d <= 0 {
		r.say(n, "%q is no duration; write 48h or 7d", n.Value)
	}
	return d.Std()
}

func (r *reader) formed(at *yaml.Node, m map[string]*yaml.Node, key string, form *regexp.Regexp, do string) []string {
	var out []string
	for _, v := range r.list(m[key]) {
		s := r.scalar(v)
		if !form.MatchString(s) {
			r.say(v, "%q does not fit %s; %s", s, key, do)
		}
		out = append(out, s)
	}
	if len(out) == 0 {
		r.say(at, "names no %s; %s", key, do)
	}
	return out
}
