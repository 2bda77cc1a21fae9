package respond

import (
	"fmt"
	"slices"
	"time"

	"holdfast"
)

// GateInput is what the gate looks at.
type GateInput struct {
	Verdicts []holdfast.Verdict // newest of each check on the incident's assets
	// Actions are the incident's, and the changes made for the requirements it
	// broke on its assets.
	Actions []holdfast.Action
	Drills  []holdfast.Drill // on the incident's assets
	Alerts  []holdfast.Alert // the incident's
	// Drillers names, for a rule, the kind of drill that makes it fire.
	Drillers map[string]string
	Now      time.Time
}

// Gate lists what keeps an incident from closing, each with the command that
// settles it; nothing means that it may close.
func Gate(in holdfast.Incident, g GateInput) []holdfast.Open {
	since := lastCleanUp(in, g)
	var open []holdfast.Open
	open = append(open, checksOpen(in, g, since)...)
	open = append(open, actionsOpen(g)...)
	open = append(open, detectionOpen(in, g, since)...)
	for _, t := range in.Tasks {
		if !t.Done {
			open = append(open, holdfast.Open{
				Gate: "task", Entity: t.ID, What: "to do: " + t.Say,
				Do: fmt.Sprintf("holdfast incidents task %s %s", in.ID, t.ID),
			})
		}
	}
	return open
}

// lastCleanUp is when the newest action on the incident's hosts took effect or
// ended; the incident's beginning if there was none.
func lastCleanUp(in holdfast.Incident, g GateInput) time.Time {
	last := in.Opened
	for _, a := range g.Actions {
		for _, t := range []time.Time{a.Applied, a.Confirmed, a.Undone} {
			if t.After(last) {
				last = t
			}
		}
	}
	return last
}

func checksOpen(in holdfast.Incident, g GateInput, since time.Time) []holdfast.Open {
	var open []holdfast.Open
	for _, b := range in.Requirements {
		o := holdfast.Open{Gate: "check", Entity: b.Asset, Do: fmt.Sprintf("holdfast verify %s --asset %s", b.Requirement, b.Asset)}
		i := slices.IndexFunc(g.Verdicts, func(v holdfast.Verdict) bool { return v.Asset == b.Asset && v.Check == b.Check })
		switch {
		case i < 0:
			o.What = fmt.Sprintf("%s: check %s has no verdict", b.Requirement, b.Check)
		case g.Verdicts[i].Status == holdfast.Fail:
			o.What = fmt.Sprintf("%s is still broken: check %s fails: %s", b.Requirement, b.Check, g.Verdicts[i].Why)
			o.Do = fmt.Sprintf("holdfast apply %s --asset %s", b.Requirement, b.Asset)
		case g.Verdicts[i].Status != holdfast.Pass && g.Verdicts[i].Status != holdfast.NotApplicable:
			o.What = fmt.Sprintf("%s: check %s is %s: %s", b.Requirement, b.Check, g.Verdicts[i].Status, g.Verdicts[i].Why)
		case !g.Verdicts[i].FactsAt.After(since):
			o.What = fmt.Sprintf("%s: check %s is green, but on facts of %s, older than the last action of %s",
				b.Requirement, b.Check, stamp(g.Verdicts[i].FactsAt), stamp(since))
		default:
			continue
		}
		open = append(open, o)
	}
	return open
}

func stamp(t time.Time) string { return t.UTC().Format("15:04:05") }

func actionsOpen(g GateInput) []holdfast.Open {
	var open []holdfast.Open
	for _, a := range g.Actions {
		o := holdfast.Open{Gate: "action", Entity: a.ID, Do: "holdfast actions reject " + a.ID}
		contains := containment(&a)
		switch a.Status {
		case holdfast.Proposed, holdfast.Planned, holdfast.Approved:
			o.What = fmt.Sprintf("%s is %s and waits for a decision", a.Part, a.Status)
			if a.Status != holdfast.Proposed {
				o.Do = fmt.Sprintf("holdfast actions approve %s, or: %s", a.ID, o.Do)
			}
		case holdfast.Applying, holdfast.Undoing:
			o.What = fmt.Sprintf("%s is mid-way: %s", a.Part, a.Status)
			if a.Error != "" {
				o.What += ": " + a.Error
			}
			o.Do = "holdfast actions " + a.ID
		case holdfast.Failed:
			if settledByAnother(&a, g.Actions) {
				continue
			}
			o.What = fmt.Sprintf("%s failed: %s", a.Part, a.Error)
		case holdfast.Applied:
			o.What = fmt.Sprintf("%s is applied but not proven", a.Part)
			if a.Error != "" {
				o.What += ": " + a.Error
			}
			o.Do = fmt.Sprintf("holdfast actions verify %[1]s, or: holdfast actions undo %[1]s", a.ID)
		case holdfast.Verified:
			if !contains {
				continue // a change for a requirement is meant to stay
			}
			o.Gate, o.What = "containment", fmt.Sprintf("%s is still in force", a.Part)
			if !a.Expires.IsZero() {
				o.What += " until " + stamp(a.Expires)
			}
			o.Do = fmt.Sprintf("holdfast actions undo %[1]s, or: holdfast actions accept %[1]s", a.ID)
		case holdfast.Undone:
			if a.UndoProof == nil || a.UndoProof.Holds {
				continue
			}
			o.Gate, o.What = "containment", fmt.Sprintf("%s is undone, but that is not proven: %s", a.Part, firstFailure(a.UndoProof))
			o.Do = "holdfast actions verify " + a.ID
		default:
			continue
		}
		open = append(open, o)
	}
	return open
}

func containment(a *holdfast.Action) bool { return len(a.Part) > 7 && a.Part[:7] == "action/" }

// settledByAnother reports whether a later action did what a failed one was to.
func settledByAnother(failed *holdfast.Action, all []holdfast.Action) bool {
	return slices.ContainsFunc(all, func(a holdfast.Action) bool {
		return a.Part == failed.Part && a.Asset == failed.Asset && sameJSON(a.Params, failed.Params) &&
			a.Proposed.After(failed.Proposed) && !a.Verified.IsZero()
	})
}

// detectionOpen asks of each strong rule that the story began with whether it
// still fires: in a drill, on that asset, after the last action.
func detectionOpen(in holdfast.Incident, g GateInput, since time.Time) []holdfast.Open {
	type pair struct{ rule, asset string }
	var need []pair
	for _, a := range g.Alerts {
		for _, s := range a.Stages {
			if s.Level.Rank() >= holdfast.High.Rank() && a.Asset != "" {
				insert(&need, pair{s.Rule, a.Asset}, 0)
				break
			}
		}
	}
	var open []holdfast.Open
	for _, n := range need {
		fired := slices.ContainsFunc(g.Drills, func(d holdfast.Drill) bool {
			return d.Asset == n.asset && d.Status == holdfast.DrillPassed && d.Started.After(since) && slices.Contains(d.Fired, n.rule)
		})
		if fired {
			continue
		}
		o := holdfast.Open{Gate: "detection", Entity: n.asset, What: fmt.Sprintf("the detection %s has not fired in a drill since the last action at %s", n.rule, stamp(since))}
		if kind, ok := g.Drillers[n.rule]; ok {
			o.Do = fmt.Sprintf("holdfast drills run %s --asset %s --incident %s", kind, n.asset, in.ID)
		} else {
			o.Do = fmt.Sprintf("no drill makes it fire yet; holdfast incidents override %s --because REASON", in.ID)
		}
		open = append(open, o)
	}
	return open
}

// Stage is the NIST SP 800-61r3 state that an incident has reached, as its
// gate and actions show; a closed one stays closed.
func Stage(in holdfast.Incident, g GateInput) string {
	if in.Status == holdfast.IncidentClosed {
		return in.Status
	}
	acted, contained := false, false
	for _, a := range g.Actions {
		acted = acted || !a.Applied.IsZero()
		contained = contained || containment(&a) && !a.Verified.IsZero()
	}
	stands := map[string]bool{}
	open := Gate(in, g)
	for _, o := range open {
		stands[o.Gate] = true
	}
	switch {
	case acted && len(open) == 0:
		return holdfast.IncidentVerified
	case acted && !stands["check"] && !stands["containment"] && !stands["action"]:
		return holdfast.IncidentRestored
	case acted && !stands["check"] && len(in.Requirements) > 0:
		return holdfast.IncidentEradicated
	case contained:
		return holdfast.IncidentContained
	}
	return holdfast.IncidentOpen
}
