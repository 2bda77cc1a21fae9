package control

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"holdfast"
	"holdfast/control/requirement"
)

// How old evidence may be before it proves nothing any more.
const (
	VerdictAge = 24 * time.Hour
	DrillAge   = 30 * 24 * time.Hour
	SourceAge  = 24 * time.Hour
)

// Evidence is what standings rest on.
type Evidence struct {
	Verdicts []holdfast.Verdict
	Actions  []holdfast.Action
	Drills   []holdfast.Drill
	Rules    map[string]bool      // names of loaded rules
	Sources  map[string]time.Time // asset to its newest event
	// Blind says why a rule sees nothing of an asset, by asset and rule; asset ""
	// is for all of them, rule "" for all rules.
	Blind map[string]map[string]string
}

// Standings works out how every requirement stands on every asset that it
// concerns: four facets, the worst of the clauses deciding each.
func (b *Book) Standings(assets []holdfast.Asset, e Evidence, now time.Time) []holdfast.Standing {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.governs = map[string]map[string][]bool{}
	var out []holdfast.Standing
	for i := range b.reqs {
		q := &b.reqs[i]
		b.governs[q.ID] = map[string][]bool{}
		for _, a := range assets {
			picked := q.picks(a)
			b.governs[q.ID][a.ID] = picked
			if !slices.Contains(picked, true) {
				continue
			}
			s := holdfast.Standing{Requirement: q.ID, Asset: a.ID, At: now}
			facets := []*holdfast.Facet{&s.Implemented, &s.Verified, &s.Monitored, &s.Drilled}
			for j, judge := range []func(clause, holdfast.Asset, Evidence, time.Time) holdfast.Facet{implemented, verified, monitored, drilled} {
				*facets[j] = q.facet(judge, a, e, now)
			}
			if x := b.excepted(q.ID, a, now); x != nil {
				for _, f := range facets {
					if f.State == holdfast.Broken || f.State == holdfast.StateUnknown || f.State == holdfast.NotYet {
						f.State = holdfast.Excepted
						f.Why = fmt.Sprintf("excepted until %s: %s (approved by %s); without it: %s", x.Expires.Format(time.DateOnly), x.Because, x.ApprovedBy, f.Why)
					}
				}
			}
			out = append(out, s)
		}
	}
	return out
}

func (b *Book) excepted(id string, a holdfast.Asset, now time.Time) *requirement.Exception {
	for i := range b.excs {
		if x := &b.excs[i]; x.Requirement == id && x.Live(now) && x.For.Match(a) {
			return &x.Exception
		}
	}
	return nil
}

// order ranks states from good to bad.
var order = map[holdfast.State]int{
	holdfast.Inapplicable: 0, holdfast.Holds: 1, holdfast.Excepted: 2, holdfast.NotYet: 3, holdfast.StateUnknown: 4, holdfast.Broken: 5,
}

func (e *entry) facet(judge func(clause, holdfast.Asset, Evidence, time.Time) holdfast.Facet, a holdfast.Asset, ev Evidence, now time.Time) holdfast.Facet {
	out := holdfast.Facet{State: holdfast.Inapplicable, Why: "no clause has this part"}
	for _, c := range e.clauses {
		if !c.on.Match(a) {
			continue
		}
		f := judge(c, a, ev, now)
		if order[f.State] > order[out.State] {
			f.Evidence = append(f.Evidence, out.Evidence...)
			out = f
		} else if order[f.State] == order[out.State] {
			out.Evidence = append(out.Evidence, f.Evidence...)
			if f.State == holdfast.Inapplicable {
				out.Why = f.Why
			}
		}
	}
	slices.Sort(out.Evidence)
	out.Evidence = slices.Compact(out.Evidence)
	return out
}

func newestVerdict(check, asset string, e Evidence) (holdfast.Verdict, bool) {
	i := slices.IndexFunc(e.Verdicts, func(v holdfast.Verdict) bool { return v.Check == check && v.Asset == asset })
	if i < 0 {
		return holdfast.Verdict{}, false
	}
	return e.Verdicts[i], true
}

// implemented holds where Holdfast's own change is verified, or where the host
// is already as it should be.
func implemented(c clause, a holdfast.Asset, e Evidence, now time.Time) holdfast.Facet {
	if c.How != holdfast.Enforced {
		return holdfast.Facet{State: holdfast.NotYet, Why: c.Text + " is " + c.How + ": " + c.Why}
	}
	v := verified(c, a, e, now)
	if x := newestAction(c, a, e); x != nil {
		f := holdfast.Facet{State: holdfast.Holds, Why: "applied and verified by " + x.ID, Evidence: []string{x.ID}, At: x.Verified}
		switch {
		case x.Status != holdfast.Verified && x.Status != holdfast.Accepted:
			f.State, f.Why, f.At = holdfast.StateUnknown, fmt.Sprintf("%s is %s and not verified", x.ID, x.Status), x.Updated
		case v.State == holdfast.Broken && v.At.After(x.Verified):
			f.State, f.Why, f.At = holdfast.Broken, x.ID+" was applied and verified, and it has changed since: "+v.Why, v.At
			f.Evidence = append(slices.Clone(v.Evidence), x.ID)
		}
		return f
	}
	switch v.State {
	case holdfast.Holds:
		v.Why = "the host is so already: " + v.Why
	case holdfast.Broken:
		v.Why = "nothing was applied yet, and " + v.Why
	}
	return v
}

// newestAction is the last one whose effect is on the host and that sets what
// the clause wants: another setting by the same part proves nothing.
func newestAction(c clause, a holdfast.Asset, e Evidence) *holdfast.Action {
	var newest *holdfast.Action
	for i := range e.Actions {
		x := &e.Actions[i]
		if x.Asset != a.ID || len(c.Artefacts) == 0 || x.Part != "artefact/"+c.Artefacts[0] || !x.Live() && x.Status != holdfast.Accepted || !c.setBy(x.Params) {
			continue
		}
		if newest == nil || x.Applied.After(newest.Applied) {
			newest = x
		}
	}
	return newest
}

func (c *clause) setBy(params holdfast.Raw) bool {
	var p struct {
		Settings    map[string]string `json:"settings"`
		Requirement string            `json:"requirement"`
	}
	if json.Unmarshal(params, &p) != nil {
		return false
	}
	if c.key == "" {
		return p.Requirement == c.id
	}
	return p.Settings[c.key] == c.value
}

// verified asks the clause's checks.
func verified(c clause, a holdfast.Asset, e Evidence, now time.Time) holdfast.Facet {
	if c.How == holdfast.NotSupported || c.How == holdfast.DetectedOnly {
		return holdfast.Facet{State: holdfast.NotYet, Why: c.Text + " is " + c.How + ": " + c.Why}
	}
	if len(c.Checks) == 0 {
		return holdfast.Facet{State: holdfast.NotYet, Why: c.Text + ": " + c.Why}
	}
	out := holdfast.Facet{State: holdfast.Inapplicable}
	for _, id := range c.Checks {
		v, ok := newestVerdict(id, a.ID, e)
		f := holdfast.Facet{Evidence: []string{id}, At: v.FactsAt, Why: v.Why}
		switch {
		case !ok:
			f.State, f.Why = holdfast.StateUnknown, "the check "+id+" has said nothing yet"
		case now.Sub(v.FactsAt) > VerdictAge && v.Status != holdfast.NotApplicable:
			f.State, f.Why = holdfast.StateUnknown, fmt.Sprintf("the newest facts are of %s", v.FactsAt.Format(time.RFC3339))
		case v.Status == holdfast.Pass:
			f.State = holdfast.Holds
		case v.Status == holdfast.Fail:
			f.State = holdfast.Broken
		case v.Status == holdfast.NotApplicable:
			f.State = holdfast.Inapplicable
		default:
			f.State = holdfast.StateUnknown
		}
		if order[f.State] > order[out.State] || out.Evidence == nil {
			out = f
		}
	}
	return out
}

// monitored holds while the rules are loaded and the host's events arrive.
func monitored(c clause, a holdfast.Asset, e Evidence, now time.Time) holdfast.Facet {
	if len(c.Rules) == 0 {
		if len(c.Checks) > 0 {
			return recheck(c, a, e, now)
		}
		return holdfast.Facet{State: holdfast.NotYet, Why: "no rule watches for " + c.Text}
	}
	for _, r := range c.Rules {
		if !e.Rules[r] {
			return holdfast.Facet{State: holdfast.Broken, Why: "the rule " + r + " is not loaded", Evidence: []string{r}}
		}
	}
	for _, r := range c.Rules {
		for _, asset := range []string{a.ID, ""} {
			for _, rule := range []string{"", r} {
				if why := e.Blind[asset][rule]; why != "" {
					return holdfast.Facet{State: holdfast.StateUnknown, Why: "the rule " + r + " is blind: " + why, Evidence: c.Rules}
				}
			}
		}
	}
	last, ok := e.Sources[a.ID]
	switch {
	case !ok:
		return holdfast.Facet{State: holdfast.StateUnknown, Why: "no event of this host has arrived since the start", Evidence: c.Rules}
	case now.Sub(last) > SourceAge:
		return holdfast.Facet{State: holdfast.StateUnknown, Why: "the host's last event came " + last.Format(time.RFC3339), Evidence: c.Rules, At: last}
	}
	return holdfast.Facet{State: holdfast.Holds, Why: fmt.Sprintf("%d rules watch, and the host's events arrive", len(c.Rules)), Evidence: c.Rules, At: last}
}

// recheck is how a setting without a rule is watched: its check runs again and
// again, and a change is a finding.
func recheck(c clause, a holdfast.Asset, e Evidence, now time.Time) holdfast.Facet {
	v, ok := newestVerdict(c.Checks[0], a.ID, e)
	switch {
	case !ok || v.Status == holdfast.Unknown || now.Sub(v.FactsAt) > VerdictAge:
		return holdfast.Facet{State: holdfast.StateUnknown, Why: "its check has no fresh facts", Evidence: c.Checks}
	case v.Status == holdfast.NotApplicable:
		return holdfast.Facet{State: holdfast.Inapplicable, Why: v.Why, Evidence: c.Checks}
	}
	return holdfast.Facet{State: holdfast.Holds, Why: "its check runs again every 15 minutes", Evidence: c.Checks, At: v.FactsAt}
}

// drilled asks for the newest drill of each kind.
func drilled(c clause, a holdfast.Asset, e Evidence, now time.Time) holdfast.Facet {
	if len(c.Drills) == 0 {
		return holdfast.Facet{State: holdfast.Inapplicable, Why: "there is no drill for " + c.Text}
	}
	if v := verified(c, a, e, now); v.State == holdfast.Inapplicable {
		return v
	}
	out := holdfast.Facet{State: holdfast.Inapplicable}
	for _, kind := range c.Drills {
		f := holdfast.Facet{State: holdfast.StateUnknown, Why: "the drill " + kind + " was never run", Evidence: []string{kind}}
		var newest holdfast.Drill
		for _, d := range e.Drills {
			if d.Kind == kind && d.Asset == a.ID && d.Status != holdfast.DrillRunning && d.Started.After(newest.Started) {
				newest = d
			}
		}
		switch {
		case newest.ID == "":
		case now.Sub(newest.Ended) > DrillAge:
			f.Why, f.At = "the drill "+kind+" last ran "+newest.Ended.Format(time.DateOnly), newest.Ended
		case newest.Status == holdfast.DrillPassed:
			f = holdfast.Facet{State: holdfast.Holds, Why: "the drill " + kind + " passed", Evidence: []string{newest.ID}, At: newest.Ended}
		default:
			f = holdfast.Facet{State: holdfast.Broken, Why: "the drill " + kind + " failed: " + newest.Why, Evidence: []string{newest.ID}, At: newest.Ended}
		}
		if order[f.State] > order[out.State] {
			out = f
		}
	}
	return out
}
