package control

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"holdfast"
	"holdfast/control/requirement"
)

// derive works out the parts of every clause.
func derive(q requirement.Requirement, file string) (entry, holdfast.Faults) {
	e := entry{Requirement: q}
	e.view = holdfast.Requirement{ID: q.ID, Say: q.Say, Owner: q.Owner, File: file, Line: q.Line, Maps: q.Maps, Source: q.Source}
	var faults holdfast.Faults
	if q.State != nil {
		for _, n := range slices.Sorted(maps.Keys(q.State.Settings)) {
			c, err := stateClause(q.State.On, n, q.State.Settings[n])
			if err != nil {
				at := q.State.At[n]
				faults = append(faults, holdfast.Fault{File: file, Line: at.Line, Column: at.Column, What: q.ID + ": " + err.Error(), Do: "correct the setting"})
			}
			e.clauses = append(e.clauses, c)
		}
	}
	e.clauses = append(e.clauses, verbClauses(q)...)
	for i := range e.clauses {
		c := &e.clauses[i]
		c.id = q.ID
		c.Drills = slices.Clone(c.Drills)
		for _, d := range q.Prove {
			if !slices.Contains(c.Drills, d) {
				c.Drills = append(c.Drills, d)
			}
		}
		e.view.Clauses = append(e.view.Clauses, c.Clause)
	}
	return e, faults
}

func stateClause(on requirement.Selector, name, written string) (clause, error) {
	s, err := settingFor(name)
	if err != nil {
		return clause{}, err
	}
	value, err := s.value(written)
	if err != nil {
		return clause{}, fmt.Errorf("%s: %w", name, err)
	}
	c := clause{on: on, key: s.keyword, value: value, broken: s.broken, Clause: holdfast.Clause{
		Verb: "state", Text: name + " = " + written, How: holdfast.Enforced, Artefacts: []string{s.artefact},
	}}
	if len(s.asked) > 0 && !slices.Contains(s.asked, value) {
		// The check asks for another value, so it would prove nothing, or say the
		// opposite.
		c.Why = fmt.Sprintf("it is set, and not verified or watched: the check %s asks for another value", s.check)
		return c, nil
	}
	c.Checks, c.Rules, c.Drills = []string{s.check}, s.rules, s.drills
	return c, nil
}

// verbClauses are those of all verbs but state.
func verbClauses(q requirement.Requirement) []clause {
	var out []clause
	add := func(on requirement.Selector, c holdfast.Clause) { out = append(out, clause{on: on, Clause: c}) }
	if r := q.Reach; r != nil {
		text := strings.Join(r.Ports, ", ") + " of " + r.To.String() + " from " + r.From.String()
		if r.Only {
			text += " only"
		}
		c := holdfast.Clause{Verb: "reach", Text: text, How: holdfast.Enforced, Artefacts: []string{"nftables-table"}, Checks: []string{"linux.nftables_input"}}
		if r.TLS != "" {
			c.Why = "the TLS version is not looked at yet; the ports are enforced on the host's own firewall"
		}
		add(r.To, c)
	}
	if a := q.Access; a != nil {
		c := holdfast.Clause{Verb: "access", Text: a.May + " on " + a.On.String() + " for " + strings.Join(a.Who, ", "), How: holdfast.DetectedOnly, Why: "accounts are not changed yet; what they do is watched"}
		c.Rules = []string{"account_privileged_group", "account_uid_zero", "account_created"}
		if a.May == "sudo" {
			c.How, c.Why = holdfast.VerifiedOnly, "the rules of sudo are checked, and not changed"
			c.Checks = []string{"linux.sudo_everybody", "linux.sudo_nopasswd_all"}
		}
		add(a.On, c)
	}
	if w := q.Within; w != nil {
		add(w.On, holdfast.Clause{Verb: "within", Text: w.From + " until " + w.Until, How: holdfast.NotSupported, Why: "deadlines need advisories, and no feed is read yet"})
	}
	if r := q.Record; r != nil {
		add(r.On, holdfast.Clause{
			Verb: "record", Text: strings.Join(r.What, ", ") + " of " + r.On.String(), How: holdfast.VerifiedOnly, Why: "that events arrive is watched; how hosts log is not changed",
			Checks: []string{"linux.services_logging"}, Rules: []string{"logging_stopped", "logs_removed"},
		})
	}
	if c := q.Custom; c != nil {
		add(c.On, holdfast.Clause{Verb: "custom", Text: c.CEL, How: holdfast.NotSupported, Why: "conditions of one's own are read and not judged yet; write a check in the data folder's checks instead"})
	}
	return out
}

// picks reports for each clause whether it is for the asset.
func (e *entry) picks(a holdfast.Asset) []bool {
	out := make([]bool, len(e.clauses))
	for i := range e.clauses {
		out[i] = e.clauses[i].on.Match(a)
	}
	return out
}
