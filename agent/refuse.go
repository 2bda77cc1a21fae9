package agent

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"holdfast"
)

// Refuse is what this agent will not do, whoever asks. Undo and confirm are
// never refused: they bring the host back, or leave it as it is.
type Refuse struct {
	ReadOnly bool     `yaml:"read_only"` // plan, verify and collect only
	Parts    []string `yaml:"parts"`     // "action/disable-account", "artefact/*"
	// Accounts and Addresses are never what an action acts on.
	Accounts  []string `yaml:"accounts"`
	Addresses []string `yaml:"addresses"` // addresses and prefixes
	// Lacks names the right without which nothing can be changed here, nor be
	// undone; "" if it is there.
	Lacks string `yaml:"-"`
}

// Rights refuses what this process could begin and not finish.
func Rights() Refuse {
	if privileged() {
		return Refuse{}
	}
	return Refuse{Lacks: "not root: this agent may read the host, and change nothing; run it as root"}
}

// LoadRefuse reads refuse.yaml; a missing file refuses nothing.
func LoadRefuse(path string) (Refuse, error) {
	var r Refuse
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	d := yaml.NewDecoder(bytes.NewReader(b))
	d.KnownFields(true)
	if err := d.Decode(&r); err != nil && !errors.Is(err, io.EOF) {
		return r, holdfast.Fault{File: path, What: err.Error(), Do: "known are read_only, parts, accounts, addresses"}
	}
	for _, a := range r.Addresses {
		if _, ok := prefix(a); !ok {
			return r, holdfast.Fault{File: path, What: fmt.Sprintf("%q is neither an address nor a prefix", a)}
		}
	}
	return r, nil
}

func (r Refuse) with(o Refuse) Refuse {
	r.ReadOnly = r.ReadOnly || o.ReadOnly
	r.Parts = slices.Concat(r.Parts, o.Parts)
	if r.Lacks == "" {
		r.Lacks = o.Lacks
	}
	r.Accounts = slices.Concat(r.Accounts, o.Accounts)
	r.Addresses = slices.Concat(r.Addresses, o.Addresses)
	return r
}

// check says why a task is refused, or "".
func (r Refuse) check(t *holdfast.Task) string {
	if t.Verb == holdfast.VerbUndo || t.Verb == holdfast.VerbConfirm {
		return ""
	}
	if r.ReadOnly && t.Verb == holdfast.VerbApply {
		return "this agent is read-only"
	}
	if r.Lacks != "" && t.Verb == holdfast.VerbApply {
		return r.Lacks
	}
	for _, p := range r.Parts {
		if fam, all := strings.CutSuffix(p, "/*"); p == t.Part || all && strings.HasPrefix(t.Part, fam+"/") {
			return "this agent does not do " + t.Part
		}
	}
	if !strings.HasPrefix(t.Part, "action/") {
		return ""
	}
	for _, raw := range paramsOf(t) {
		var v any
		if len(raw) > 0 && json.Unmarshal(raw, &v) != nil {
			return "the parameters cannot be read"
		}
		if why := r.value(v); why != "" {
			return why
		}
	}
	return ""
}

func paramsOf(t *holdfast.Task) []holdfast.Raw {
	all := []holdfast.Raw{t.Params}
	if t.Plan != nil {
		all = append(all, t.Plan.Params)
	}
	return all
}

// value looks for what is protected in every text of a JSON value.
func (r Refuse) value(v any) string {
	switch v := v.(type) {
	case map[string]any:
		for _, x := range v {
			if why := r.value(x); why != "" {
				return why
			}
		}
	case []any:
		for _, x := range v {
			if why := r.value(x); why != "" {
				return why
			}
		}
	case string:
		if slices.Contains(r.Accounts, v) {
			return "the account " + v + " is protected on this host"
		}
		p, ok := prefix(v)
		for _, a := range r.Addresses {
			if q, good := prefix(a); ok && good && p.Overlaps(q) {
				return v + " is protected on this host by " + a
			}
		}
	}
	return ""
}

func prefix(s string) (netip.Prefix, bool) {
	if a, err := netip.ParseAddr(s); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), true
	}
	p, err := netip.ParsePrefix(s)
	return p, err == nil
}
