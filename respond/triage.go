package respond

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"holdfast"
)

// TriageInput is what triage knows besides the alert.
type TriageInput struct {
	// Broken are the requirements that the alert shows to be broken, on any
	// asset; those of other assets are left out.
	Broken   []holdfast.BrokenRequirement
	Findings []holdfast.Finding // open ones; those of other assets are left out
	Asset    *holdfast.Asset    // the alert's; nil if it is not known
	NextID   func() string      // called at most once, when an incident opens
	Now      time.Time
}

const (
	storyTime      = 24 * time.Hour // how long an incident without news takes in alerts
	maxEntities    = 500
	maxTimeline    = 2000
	credentialTask = "credentials"
)

// Triage puts an alert into the live incident whose story it belongs to, or opens
// one. Where several fit, it is the one that was opened first. It reports whether
// anything changed; the same alert again changes nothing. An alert below medium that
// belongs to no story opens none, and the incident returned is then empty. Drills
// and real alerts never meet. The caller changes nothing of what is returned.
func (s *Stories) Triage(alert holdfast.Alert, in TriageInput) (holdfast.Incident, bool) {
	if one := s.find(&alert, in.Now); one != nil {
		changed := one.take(&alert, in)
		s.know(one, &alert)
		return one.Incident, changed
	}
	if alert.Level.Rank() < holdfast.Medium.Rank() {
		return holdfast.Incident{}, false
	}
	one := &story{Incident: holdfast.Incident{
		ID: in.NextID(), Status: holdfast.IncidentOpen, Level: alert.Level, Drill: alert.Drill,
		Opened: in.Now, Updated: in.Now, Tasks: []holdfast.IncidentTask{},
	}}
	one.take(&alert, in)
	s.enter(one)
	return one.Incident, true
}

// groupOf is what an alert is grouped by, or all its entities if by nothing.
func groupOf(a *holdfast.Alert) []holdfast.Entity {
	if len(a.Group) > 0 {
		return a.Group
	}
	return a.Entities
}

func filter[T any](all []T, keep func(T) bool) []T {
	var out []T
	for _, one := range all {
		if keep(one) {
			out = append(out, one)
		}
	}
	return out
}

func clone(in holdfast.Incident) holdfast.Incident {
	in.Reasons = slices.Clone(in.Reasons)
	in.Entities = slices.Clone(in.Entities)
	in.Assets = slices.Clone(in.Assets)
	in.Alerts = slices.Clone(in.Alerts)
	in.Findings = slices.Clone(in.Findings)
	in.Requirements = slices.Clone(in.Requirements)
	in.Attack = slices.Clone(in.Attack)
	in.Tasks = slices.Clone(in.Tasks)
	in.Notes = slices.Clone(in.Notes)
	in.Timeline = slices.Clone(in.Timeline)
	return in
}

// take adds an alert to an incident and reports whether that changed it.
func (in *story) take(alert *holdfast.Alert, t TriageInput) bool {
	changed := in.addAlert(alert.ID)
	if alert.Asset != "" {
		changed = insert(&in.Assets, alert.Asset, 0) || changed
	}
	for _, e := range alert.Group {
		changed = in.addEntity(e) || changed
	}
	for _, e := range alert.Entities {
		changed = in.addEntity(e) || changed
	}
	for _, id := range alert.Attack {
		changed = insert(&in.Attack, id, 0) || changed
	}
	for _, b := range t.Broken {
		if b.Asset == alert.Asset && insert(&in.Requirements, b, 0) {
			changed = true
			in.addMoment(holdfast.Moment{At: t.Now, Kind: "requirement", Ref: b.Requirement, Say: fmt.Sprintf("%s did not hold: %s", b.Requirement, b.Why)})
		}
	}
	for _, f := range t.Findings {
		if f.Asset == alert.Asset && f.Closed.IsZero() {
			changed = insert(&in.Findings, f.ID, 0) || changed
		}
	}
	for n, s := range alert.Stages {
		kind := "alert"
		if n > 0 {
			kind = "raised"
		}
		changed = in.addMoment(holdfast.Moment{At: s.At, Kind: kind, Ref: alert.ID, Say: fmt.Sprintf("%s (%s): %s", s.Title, s.Level, s.Why)}) || changed
	}
	if users := LoggedIn(alert); len(users) > 0 {
		changed = insertTask(&in.Incident, holdfast.IncidentTask{
			ID: credentialTask, Say: fmt.Sprintf("Replace the credentials of %s and look through what was done after the login", strings.Join(users, ", ")),
		}) || changed
	}
	if in.Title == "" || alert.Level.Rank() > in.Level.Rank() {
		in.Title = title(alert, t.Asset)
		changed = true
	}
	if alert.Level.Rank() > in.Level.Rank() {
		in.Level = alert.Level
	}
	if reasons := rank(&in.Incident, t.Asset); !slices.Equal(reasons, in.Reasons) {
		in.Reasons, in.Rank, changed = reasons, 0, true
		for _, r := range reasons {
			in.Rank += r.Points
		}
	}
	if changed {
		in.Updated = t.Now
	}
	return changed
}

// insert adds what is not there yet, up to a limit; 0 is none.
func insert[T comparable](list *[]T, one T, limit int) bool {
	if slices.Contains(*list, one) || limit > 0 && len(*list) >= limit {
		return false
	}
	*list = append(*list, one)
	return true
}

func moment(in *holdfast.Incident, m holdfast.Moment) bool {
	there := slices.ContainsFunc(in.Timeline, func(o holdfast.Moment) bool { return o.Kind == m.Kind && o.Ref == m.Ref && o.Say == m.Say })
	if there || len(in.Timeline) >= maxTimeline {
		return false
	}
	in.Timeline = append(in.Timeline, m)
	return true
}

func insertTask(in *holdfast.Incident, t holdfast.IncidentTask) bool {
	for i, have := range in.Tasks {
		if have.ID == t.ID {
			if have.Say == t.Say {
				return false
			}
			// More accounts than when it was done: it is to do again.
			in.Tasks[i] = t
			return true
		}
	}
	in.Tasks = append(in.Tasks, t)
	return true
}

func title(a *holdfast.Alert, asset *holdfast.Asset) string {
	s := a.Title
	for _, e := range groupOf(a) {
		if e.Kind == holdfast.EntitySource {
			s += " from " + e.Value
			break
		}
	}
	if asset != nil && asset.Name != "" {
		s += " on " + asset.Name
	}
	if a.Drill != "" {
		s = "Drill: " + s
	}
	return s
}

// rank gives points with reasons; they sum to 100 at most.
func rank(in *holdfast.Incident, asset *holdfast.Asset) []holdfast.Reason {
	var out []holdfast.Reason
	give := func(points int, format string, args ...any) {
		out = append(out, holdfast.Reason{Points: points, Why: fmt.Sprintf(format, args...)})
	}
	give(map[holdfast.Level]int{holdfast.Critical: 40, holdfast.High: 30, holdfast.Medium: 20, holdfast.Low: 8}[in.Level], "its strongest alert is %s", in.Level)
	for _, m := range in.Timeline {
		if m.Kind == "raised" {
			give(10, "it rose: %s", m.Say)
			break
		}
	}
	for _, t := range in.Tasks {
		if t.ID == credentialTask {
			give(20, "a login succeeded")
		}
	}
	if points, grade := classPoints(asset); points > 0 {
		give(points, "the asset's class is %s", grade)
	} else {
		// Keep what another alert of the incident knew of its asset.
		for _, r := range in.Reasons {
			if strings.HasPrefix(r.Why, "the asset's class is ") {
				out = append(out, r)
			}
		}
	}
	if len(in.Requirements) > 0 {
		give(10, "a requirement did not hold: %s", in.Requirements[0].Requirement)
	}
	accounts := len(filter(in.Entities, func(e holdfast.Entity) bool { return e.Kind == holdfast.EntityUser }))
	switch {
	case accounts >= 10:
		give(5, "ten accounts or more are named")
	case accounts >= 3:
		give(3, "three accounts or more are named")
	}
	if len(in.Assets) > 1 {
		give(5, "more than one asset is concerned")
	}
	return out
}

func classPoints(a *holdfast.Asset) (int, string) {
	if a == nil {
		return 0, ""
	}
	grades := []string{a.Class.Confidentiality, a.Class.Integrity, a.Class.Availability}
	switch {
	case slices.Contains(grades, "high"):
		return 10, "high"
	case !slices.Contains(grades, "moderate") && !slices.Contains(grades, ""):
		return 0, "low"
	}
	return 5, "moderate"
}

// accepted is sshd's line for a login that worked (OpenSSH auth.c, auth_log);
// the account is one that exists, so it has a plain name.
var accepted = regexp.MustCompile(`\bAccepted \S+ for ([a-zA-Z_][a-zA-Z0-9_.-]{0,63}) from \S+ port \d+`)

// LoggedIn lists the accounts that an alert's events show to have logged in
// after the failures that the alert began with.
func LoggedIn(a *holdfast.Alert) []string {
	var users []string
	if len(a.Stages) < 2 {
		return nil
	}
	for _, m := range a.Matches {
		if found := accepted.FindStringSubmatch(m.Message); found != nil {
			insert(&users, found[1], 20)
		}
	}
	slices.Sort(users)
	return users
}
