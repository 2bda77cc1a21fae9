package control

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/control/requirement"
)

// How old evidence may be before it proves nothing.
const (
	freshVerdict = 24 * time.Hour
	freshEvents  = 24 * time.Hour
	freshDrill   = 30 * 24 * time.Hour
)

// Evidence is what standings rest on.
type Evidence struct {
	Verdicts []holdfast.Verdict
	Actions  []holdfast.Action
	Rules    map[string]bool      // names of loaded rules
	Sources  map[string]time.Time // asset id to its last event
	Drills   []holdfast.Drill
}

// Standings says how every requirement stands on every asset it is for. The
// worst clause decides; what is stale is unknown.
func (b *Book) Standings(assets []holdfast.Asset, e Evidence, now time.Time) []holdfast.Standing {
	j := newJudge(e, now)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.governs = map[string]map[string]bool{}
	var out []holdfast.Standing
	for _, q := range b.entries {
		b.governs[q.ID] = map[string]bool{}
		for i := range assets {
			a := &assets[i]
			var cs []clause
			for _, c := range q.clauses {
				if c.on.Match(*a) {
					cs = append(cs, c)
				}
			}
			b.governs[q.ID][a.ID] = len(cs) > 0
			if len(cs) == 0 {
				continue
			}
			s := j.stand(q.ID, a, cs)
			for _, x := range b.excepts {
				if x.Requirement == q.ID && x.Live(now) && x.For.Match(*a) {
					except(&s, x)
				}
			}
			out = append(out, s)
		}
	}
	return out
}

// except marks what does not hold as excused, and still says how it is.
func except(s *holdfast.Standing, x requirement.Exception) {
	for _, f := range []*holdfast.Facet{&s.Implemented, &s.Verified, &s.Monitored, &s.Drilled} {
		if f.State == holdfast.Holds || f.State == holdfast.Inapplicable || f.State == holdfast.Excepted {
			continue
		}
		f.Why = fmt.Sprintf("excepted until %s, because %s (approved by %s); without it %s: %s", x.Expires.Format(time.DateOnly), x.Because, x.ApprovedBy, f.State, f.Why)
		f.State = holdfast.Excepted
	}
}

// key is something on an asset.
type key struct{ asset, name string }

type judge struct {
	now      time.Time
	e        Evidence
	verdicts map[key]holdfast.Verdict
	drills   map[key]holdfast.Drill
	actions  map[key][]holdfast.Action // by asset and requirement, newest first
}

func newJudge(e Evidence, now time.Time) *judge {
	j := &judge{now: now, e: e, verdicts: map[key]holdfast.Verdict{}, drills: map[key]holdfast.Drill{}, actions: map[key][]holdfast.Action{}}
	for _, v := range e.Verdicts {
		k := key{v.Asset, v.Check}
		if old, ok := j.verdicts[k]; !ok || v.At.After(old.At) {
			j.verdicts[k] = v
		}
	}
	for _, d := range e.Drills {
		k := key{d.Asset, d.Kind}
		if old, ok := j.drills[k]; d.Status != holdfast.DrillRunning && (!ok || d.Started.After(old.Started)) {
			j.drills[k] = d
		}
	}
	for _, a := range e.Actions {
		k := key{a.Asset, a.Requirement}
		j.actions[k] = append(j.actions[k], a)
	}
	for _, as := range j.actions {
		slices.SortFunc(as, func(a, b holdfast.Action) int { return b.Proposed.Compare(a.Proposed) })
	}
	return j
}

func (j *judge) stand(id string, a *holdfast.Asset, cs []clause) holdfast.Standing {
	s := holdfast.Standing{Requirement: id, Asset: a.ID, At: j.now}
	var done, verified, monitored, drilled []holdfast.Facet
	for _, c := range cs {
		done = append(done, about(c, j.implemented(id, a, c)))
		verified = append(verified, about(c, j.verified(a.ID, c)))
		monitored = append(monitored, about(c, j.monitored(a, c)))
		drilled = append(drilled, about(c, j.drilled(a.ID, c)))
	}
	s.Implemented, s.Verified = worst(done), worst(verified)
	// One rule or drill may watch or prove several clauses together, so a
	// clause without its own is named, and does not decide.
	s.Monitored, s.Drilled = worst(withParts(monitored)), worst(withParts(drilled))
	return s
}

func about(c clause, f holdfast.Facet) holdfast.Facet {
	name, _, _ := strings.Cut(c.Text, " = ")
	f.Why = name + ": " + f.Why
	return f
}

func withParts(fs []holdfast.Facet) []holdfast.Facet {
	var with []holdfast.Facet
	var without []string
	for _, f := range fs {
		if f.State == holdfast.NotYet {
			without = append(without, f.Why)
		} else {
			with = append(with, f)
		}
	}
	if len(with) == 0 {
		return fs
	}
	if len(without) > 0 {
		with[0].Why += " (" + strings.Join(without, "; ") + ")"
	}
	return with
}

func rank(s holdfast.State) int {
	return slices.Index([]holdfast.State{holdfast.Inapplicable, holdfast.Holds, holdfast.NotYet, holdfast.StateUnknown, holdfast.Broken}, s)
}

// worst joins facets: the worst decides and says why; the evidence is that of
// all, and its age that of the oldest.
func worst(fs []holdfast.Facet) holdfast.Facet {
	w := fs[0]
	for _, f := range fs[1:] {
		if rank(f.State) > rank(w.State) {
			w.State = f.State
		}
	}
	var whys []string
	out := holdfast.Facet{State: w.State}
	for _, f := range fs {
		if f.State == w.State && !slices.Contains(whys, f.Why) {
			whys = append(whys, f.Why)
		}
		for _, e := range f.Evidence {
			if !slices.Contains(out.Evidence, e) {
				out.Evidence = append(out.Evidence, e)
			}
		}
		if !f.At.IsZero() && (out.At.IsZero() || f.At.Before(out.At)) {
			out.At = f.At
		}
	}
	out.Why = strings.Join(whys, "; ")
	return out
}

// implemented asks for a verified change by the clause's part; a host that is
// so already needs none.
func (j *judge) implemented(id string, a *holdfast.Asset, c clause) holdfast.Facet {
	if len(c.Artefacts) == 0 {
		return holdfast.Facet{State: holdfast.NotYet, Why: c.Why}
	}
	check := j.verified(a.ID, c)
	for _, act := range j.actions[key{a.ID, id}] {
		if act.Part != c.setting.part || !asks(act.Params, c) {
			continue
		}
		switch act.Status {
		case holdfast.Verified, holdfast.Accepted:
			f := holdfast.Facet{State: holdfast.Holds, Why: fmt.Sprintf("%s was applied and verified", act.Part), Evidence: []string{act.ID}, At: act.Verified}
			if act.Status == holdfast.Accepted {
				f.Why += ", and made permanent"
			}
			if check.State == holdfast.Broken && check.At.After(act.Verified) {
				f.State, f.At, f.Evidence = holdfast.Broken, check.At, append(f.Evidence, check.Evidence...)
				f.Why = fmt.Sprintf("%s was applied and verified, and has been changed since: %s", act.Part, check.Why)
			}
			return f
		case holdfast.Applying, holdfast.Applied, holdfast.Undoing:
			return holdfast.Facet{State: holdfast.StateUnknown, Why: fmt.Sprintf("%s is %s and not verified", act.Part, act.Status), Evidence: []string{act.ID}, At: act.Updated}
		}
	}
	switch check.State {
	case holdfast.Holds:
		check.Why = "already so without a change by Holdfast: " + check.Why
	case holdfast.Broken:
		check.Why = "nothing has been applied; " + check.Why
	}
	return check
}

// asks reports whether an action's parameters set what the clause wants.
func asks(params holdfast.Raw, c clause) bool {
	var p struct {
		Settings map[string]string `json:"settings"`
	}
	if json.Unmarshal(params, &p) != nil {
		return false
	}
	return strings.EqualFold(p.Settings[c.setting.key], c.value)
}

func (j *judge) verified(asset string, c clause) holdfast.Facet {
	if len(c.Checks) == 0 {
		return holdfast.Facet{State: holdfast.NotYet, Why: c.Why}
	}
	fs := make([]holdfast.Facet, 0, len(c.Checks))
	for _, name := range c.Checks {
		v, ok := j.verdicts[key{asset, name}]
		if !ok {
			fs = append(fs, holdfast.Facet{State: holdfast.StateUnknown, Why: name + " has not been judged here"})
			continue
		}
		f := holdfast.Facet{Why: v.Why, Evidence: []string{name}, At: v.FactsAt}
		if f.At.IsZero() || v.At.Before(f.At) {
			f.At = v.At
		}
		age := j.now.Sub(f.At)
		switch {
		case v.Status == holdfast.NotApplicable:
			f.State = holdfast.Inapplicable
		case age > freshVerdict:
			f.State, f.Why = holdfast.StateUnknown, fmt.Sprintf("%s was last judged on facts %s old: %s", name, age.Round(time.Hour), v.Why)
		case v.Status == holdfast.Pass:
			f.State = holdfast.Holds
		case v.Status == holdfast.Fail:
			f.State = holdfast.Broken
		default:
			f.State = holdfast.StateUnknown
		}
		if f.Why == "" {
			f.Why = fmt.Sprintf("%s says %s", name, v.Status)
		}
		fs = append(fs, f)
	}
	return worst(fs)
}

func (j *judge) monitored(a *holdfast.Asset, c clause) holdfast.Facet {
	if len(c.Rules) == 0 {
		return holdfast.Facet{State: holdfast.NotYet, Why: "no rule watches for its violation yet"}
	}
	f := holdfast.Facet{State: holdfast.Holds, Evidence: slices.Clone(c.Rules)}
	for _, r := range c.Rules {
		if !j.e.Rules[r] {
			f.State, f.Why = holdfast.Broken, "the rule "+r+" is not loaded"
			return f
		}
	}
	last := j.e.Sources[a.ID]
	f.At = last
	switch age := j.now.Sub(last); {
	case last.IsZero():
		f.State, f.Why = holdfast.StateUnknown, "the rules are loaded, and no event of this asset has ever come"
	case age > freshEvents:
		f.State, f.Why = holdfast.StateUnknown, fmt.Sprintf("the rules are loaded, and the last event of this asset is %s old", age.Round(time.Hour))
	default:
		f.Why = "watched by " + strings.Join(c.Rules, " and ") + "; the asset's events arrive"
	}
	return f
}

func (j *judge) drilled(asset string, c clause) holdfast.Facet {
	if len(c.Drills) == 0 {
		return holdfast.Facet{State: holdfast.NotYet, Why: "no drill proves it yet"}
	}
	fs := make([]holdfast.Facet, 0, len(c.Drills))
	for _, kind := range c.Drills {
		d, ok := j.drills[key{asset, kind}]
		f := holdfast.Facet{State: holdfast.StateUnknown, Evidence: []string{d.ID}, At: d.Started}
		switch age := j.now.Sub(d.Started); {
		case !ok:
			f = holdfast.Facet{State: holdfast.StateUnknown, Why: "the drill " + kind + " has never been run here"}
		case age > freshDrill:
			f.Why = fmt.Sprintf("the drill %s was last run %d days ago", kind, int(age.Hours()/24))
		case d.Status == holdfast.DrillPassed:
			f.State, f.Why = holdfast.Holds, "the drill "+kind+" passed"
		default:
			f.State, f.Why = holdfast.Broken, "the drill "+kind+" failed: "+d.Why
		}
		fs = append(fs, f)
	}
	return worst(fs)
}
