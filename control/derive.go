package control

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast"
	"holdfast/control/requirement"
)

// clause is one verb, or one setting of the verb state, with its parts.
type clause struct {
	holdfast.Clause
	on      requirement.Selector
	setting setting // of the verb state
	value   string  // as the artefact says it
}

// derive says for each clause how it is kept.
func derive(q requirement.Requirement) []clause {
	var out []clause
	if q.State != nil {
		for _, name := range slices.Sorted(maps.Keys(q.State.Settings)) {
			out = append(out, stateClause(q.State.On, name, q.State.Settings[name]))
		}
	}
	later := func(on requirement.Selector, verb, text, why string) {
		out = append(out, clause{on: on, Clause: holdfast.Clause{Verb: verb, Text: text, How: holdfast.NotSupported, Why: why}})
	}
	if v := q.Reach; v != nil {
		later(v.To, "reach", v.Text, "no part yet draws up filters from reach; it is read and kept, and not enforced")
	}
	if v := q.Access; v != nil {
		later(v.On, "access", v.Text, "no part yet compares accounts and rights with access; it is read and kept, and not enforced")
	}
	if v := q.Within; v != nil {
		later(v.On, "within", v.Text, "no part yet runs a clock from "+v.From+" to "+v.Until+"; it is read and kept, and not watched")
	}
	if v := q.Record; v != nil {
		later(v.On, "record", v.Text, "no part yet compares what arrives with record; it is read and kept, and not watched")
	}
	if v := q.Custom; v != nil {
		later(v.On, "custom", v.Text, "no part yet asks hosts for this; write it as a check")
	}
	for i := range out {
		for _, d := range q.Prove {
			if !slices.Contains(out[i].Drills, d) {
				out[i].Drills = append(slices.Clone(out[i].Drills), d)
			}
		}
	}
	return out
}

func stateClause(on requirement.Selector, name, written string) clause {
	s, err := settingNamed(name)
	if err != nil {
		return clause{on: on, Clause: holdfast.Clause{Verb: "state", Text: name + " = " + written, How: holdfast.NotSupported, Why: err.Error()}}
	}
	value, err := s.value(written)
	if err != nil {
		return clause{on: on, Clause: holdfast.Clause{Verb: "state", Text: name + " = " + written, How: holdfast.NotSupported, Why: err.Error()}}
	}
	c := clause{on: on, setting: s, value: value, Clause: holdfast.Clause{
		Verb: "state", Text: name + " = " + written, How: holdfast.Enforced, Artefacts: []string{s.part},
	}}
	if !s.checks(value) {
		c.Why = fmt.Sprintf("%s sets it; no check asks for the value %s, so nothing verifies or watches it", s.part, written)
		return c
	}
	c.Checks, c.Rules, c.Drills = []string{s.check}, s.rules, s.drills
	c.Why = s.part + " sets it and " + s.check + " verifies it on the live system"
	switch {
	case len(s.rules) == 0:
		c.Why += "; no rule watches for its violation"
	case len(s.drills) == 0:
		c.Why += "; no drill proves it"
	}
	return c
}

// Requirements lists all in force, by id.
func (b *Book) Requirements() []holdfast.Requirement {
	all := b.all()
	out := make([]holdfast.Requirement, 0, len(all))
	for _, e := range all {
		r := holdfast.Requirement{ID: e.ID, Say: e.Say, Owner: e.Owner, File: e.file, Line: e.Line, Maps: e.Maps, Source: e.Source}
		for _, c := range e.clauses {
			r.Clauses = append(r.Clauses, c.Clause)
		}
		out = append(out, r)
	}
	return out
}

// Proposal is one change that would implement a requirement on one asset.
type Proposal struct {
	Part   string          `json:"part"`
	Params json.RawMessage `json:"params"`
	Why    string          `json:"why"`
}

// Propose works out the changes that implement a requirement on an asset: one
// for each part. The other assets are those that selectors may name.
func (b *Book) Propose(requirementID string, asset holdfast.Asset, _ []holdfast.Asset) ([]Proposal, error) {
	e, err := b.find(requirementID)
	if err != nil {
		return nil, err
	}
	if x, ok := b.exception(requirementID, asset); ok {
		return nil, fmt.Errorf("%s is excepted from %s until %s, because %s: %w", asset.Name, requirementID, x.Expires.Format("2006-01-02"), x.Because, holdfast.ErrRefused)
	}
	byPart := map[string]map[string]string{}
	picked := false
	var not []string
	for _, c := range e.clauses {
		if !c.on.Match(asset) {
			continue
		}
		picked = true
		if len(c.Artefacts) == 0 {
			not = append(not, c.Text+": "+c.Why)
			continue
		}
		if byPart[c.setting.part] == nil {
			byPart[c.setting.part] = map[string]string{}
		}
		byPart[c.setting.part][c.setting.key] = c.value
	}
	switch {
	case !picked:
		return nil, fmt.Errorf("%s is not for %s: its selector does not pick it: %w", requirementID, asset.Name, holdfast.ErrInvalid)
	case asset.OS != "" && asset.OS != "linux":
		return nil, fmt.Errorf("no part implements %s on %s: %w", requirementID, asset.OS, holdfast.ErrInvalid)
	case len(byPart) == 0:
		return nil, fmt.Errorf("nothing implements %s yet (%s): %w", requirementID, strings.Join(not, "; "), holdfast.ErrInvalid)
	}
	var out []Proposal
	for _, part := range slices.Sorted(maps.Keys(byPart)) {
		params, err := json.Marshal(map[string]any{"settings": byPart[part]})
		if err != nil {
			return nil, err
		}
		out = append(out, Proposal{Part: part, Params: params, Why: e.ID + ": " + e.Say})
	}
	return out, nil
}

func (b *Book) find(id string) (entry, error) {
	all := b.all()
	i := slices.IndexFunc(all, func(e entry) bool { return e.ID == id })
	if i < 0 {
		return entry{}, fmt.Errorf("requirement %q: %w", id, holdfast.ErrNotFound)
	}
	return all[i], nil
}

// exception returns one that excuses the asset now.
func (b *Book) exception(id string, asset holdfast.Asset) (requirement.Exception, bool) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	now := b.opts.Clock.Now()
	for _, x := range b.excepts {
		if x.Requirement == id && x.Live(now) && x.For.Match(asset) {
			return x, true
		}
	}
	return requirement.Exception{}, false
}

// Broken ties rules that fired on an asset to the requirements whose clauses
// they watch, where the clause's check fails there: the weakness through which
// the attack could come.
func (b *Book) Broken(rules []string, asset string, verdicts []holdfast.Verdict) []holdfast.BrokenRequirement {
	failing := map[string]bool{}
	for _, v := range verdicts {
		if v.Asset == asset && v.Status == holdfast.Fail {
			failing[v.Check] = true
		}
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	var out []holdfast.BrokenRequirement
	for _, e := range b.entries {
		if governed, known := b.governs[e.ID][asset]; known && !governed {
			continue
		}
		for _, c := range e.clauses {
			if !slices.ContainsFunc(c.Rules, func(r string) bool { return slices.Contains(rules, r) }) {
				continue
			}
			for _, check := range c.Checks {
				if failing[check] {
					out = append(out, holdfast.BrokenRequirement{Requirement: e.ID, Asset: asset, Check: check, Why: c.setting.broken})
				}
			}
		}
	}
	return out
}
