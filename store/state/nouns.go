package state

import (
	"context"
	"strconv"
	"time"

	"holdfast"
)

// QueuedTask is a task with where it stands.
type QueuedTask struct {
	holdfast.Task
	Status string           `json:"status"` // TaskQueued or TaskDone
	Result *holdfast.Result `json:"result,omitempty"`
}

// Where a task stands.
const (
	TaskQueued = "queued"
	TaskDone   = "done"
)

// HuntAsk is what a hunt was asked to look for, kept until it has ended, so that
// another server can begin it again.
type HuntAsk struct {
	ID         string `json:"id"` // of the hunt
	Rule       string `json:"rule,omitempty"`
	Text       string `json:"text,omitempty"`
	List       string `json:"list,omitempty"`
	Name       string `json:"name,omitempty"`
	SkipFaults bool   `json:"skip_faults,omitempty"`
}

// Agent is an enrolled agent: the certificate that speaks for an asset.
type Agent struct {
	Asset    string    `json:"asset"`
	Serial   string    `json:"serial"`
	Enrolled time.Time `json:"enrolled"`
	Revoked  bool      `json:"revoked,omitempty"`
}

// Alerts, newest first.
func (s store) Alerts() Collection[holdfast.Alert] {
	return Collection[holdfast.Alert]{s, &noun[holdfast.Alert]{
		name: "alert", table: "alerts",
		id: func(a *holdfast.Alert) string { return a.ID }, sort: func(a *holdfast.Alert) int64 { return micros(a.Raised) },
		keys:   []string{"status", "rule", "incident", "drill", "asset"},
		values: func(a *holdfast.Alert) []string { return []string{a.Status, a.Rule, a.Incident, a.Drill, a.Asset} },
		long:   true,
	}}
}

// Incidents, the highest rank first, then the newest. Live is "true" until an
// incident is closed.
func (s store) Incidents() Collection[holdfast.Incident] {
	return Collection[holdfast.Incident]{s, &noun[holdfast.Incident]{
		name: "incident", table: "incidents",
		id: func(i *holdfast.Incident) string { return i.ID },
		sort: func(i *holdfast.Incident) int64 {
			n := micros(i.Updated) / 1000
			if i.Status != holdfast.IncidentClosed && i.Drill == "" {
				n += int64(i.Rank+1) << 44 // 2^44 ms are 557 years
			}
			return n
		},
		revised: true,
		long:    true,
		keys:    []string{"status", "drill", "live"},
		values: func(i *holdfast.Incident) []string {
			return []string{i.Status, i.Drill, strconv.FormatBool(i.Status != holdfast.IncidentClosed)}
		},
	}}
}

// Actions, newest first. Ended is "true" for undone, failed and rejected.
func (s store) Actions() Collection[holdfast.Action] {
	return Collection[holdfast.Action]{s, &noun[holdfast.Action]{
		name: "action", table: "actions",
		id: func(a *holdfast.Action) string { return a.ID }, sort: func(a *holdfast.Action) int64 { return micros(a.Proposed) },
		keys: []string{"status", "incident", "asset", "requirement", "part", "ended"},
		values: func(a *holdfast.Action) []string {
			ended := a.Status == holdfast.Undone || a.Status == holdfast.Failed || a.Status == holdfast.Rejected
			return []string{string(a.Status), a.Incident, a.Asset, a.Requirement, a.Part, strconv.FormatBool(ended)}
		},
	}}
}

// Assets, in the order in which they came.
func (s store) Assets() Collection[holdfast.Asset] {
	return Collection[holdfast.Asset]{s, &noun[holdfast.Asset]{
		name: "asset", table: "assets",
		id: func(a *holdfast.Asset) string { return a.ID }, sort: func(a *holdfast.Asset) int64 { return -micros(a.Enrolled) },
		keys:   []string{"kind", "name"},
		values: func(a *holdfast.Asset) []string { return []string{a.Kind, a.Name} },
	}}
}

// Verdicts, the gravest first; one for each asset and check.
func (s store) Verdicts() Collection[holdfast.Verdict] {
	return Collection[holdfast.Verdict]{s, &noun[holdfast.Verdict]{
		name: "verdict", table: "verdicts",
		id:     func(v *holdfast.Verdict) string { return v.Asset + "/" + v.Check },
		sort:   func(v *holdfast.Verdict) int64 { return int64(v.Severity.Rank()) },
		keys:   []string{"asset", "check", "status"},
		values: func(v *holdfast.Verdict) []string { return []string{v.Asset, v.Check, string(v.Status)} },
	}}
}

// Findings, the gravest first.
func (s store) Findings() Collection[holdfast.Finding] {
	return Collection[holdfast.Finding]{s, &noun[holdfast.Finding]{
		name: "finding", table: "findings",
		id: func(f *holdfast.Finding) string { return f.ID }, sort: func(f *holdfast.Finding) int64 { return int64(f.Severity.Rank()) },
		keys:   []string{"asset", "open"},
		values: func(f *holdfast.Finding) []string { return []string{f.Asset, strconv.FormatBool(f.Closed.IsZero())} },
	}}
}

// Standings, one for each requirement and asset.
func (s store) Standings() Collection[holdfast.Standing] {
	return Collection[holdfast.Standing]{s, &noun[holdfast.Standing]{
		name: "standing", table: "standings",
		id:     func(x *holdfast.Standing) string { return x.Requirement + "/" + x.Asset },
		sort:   func(*holdfast.Standing) int64 { return 0 },
		keys:   []string{"requirement", "asset"},
		values: func(x *holdfast.Standing) []string { return []string{x.Requirement, x.Asset} },
	}}
}

// Drills, newest first.
func (s store) Drills() Collection[holdfast.Drill] {
	return Collection[holdfast.Drill]{s, &noun[holdfast.Drill]{
		name: "drill", table: "drills",
		id: func(d *holdfast.Drill) string { return d.ID }, sort: func(d *holdfast.Drill) int64 { return micros(d.Started) },
		keys:   []string{"status", "asset", "kind", "incident"},
		values: func(d *holdfast.Drill) []string { return []string{d.Status, d.Asset, d.Kind, d.Incident} },
	}}
}

// Tasks, by their counter.
func (s store) Tasks() Collection[QueuedTask] {
	return Collection[QueuedTask]{s, &noun[QueuedTask]{
		name: "task", table: "tasks",
		id: func(t *QueuedTask) string { return t.ID }, sort: func(t *QueuedTask) int64 { return int64(t.Counter) },
		keys:   []string{"asset", "status", "subject"},
		values: func(t *QueuedTask) []string { return []string{t.Asset, t.Status, t.Subject} },
	}}
}

// Users, in the order in which they came.
func (s store) Users() Collection[holdfast.User] {
	return Collection[holdfast.User]{s, &noun[holdfast.User]{
		name: "user", table: "users",
		id: func(u *holdfast.User) string { return u.Name }, sort: func(u *holdfast.User) int64 { return -micros(u.Created) },
		values: func(*holdfast.User) []string { return nil },
		secret: func(u *holdfast.User) *string { return &u.Password },
	}}
}

// Tokens, newest first.
func (s store) Tokens() Collection[holdfast.Token] {
	return Collection[holdfast.Token]{s, &noun[holdfast.Token]{
		name: "token", table: "tokens",
		id: func(t *holdfast.Token) string { return t.ID }, sort: func(t *holdfast.Token) int64 { return micros(t.Created) },
		keys:   []string{"user", "kind"},
		values: func(t *holdfast.Token) []string { return []string{t.User, t.Kind} },
		secret: func(t *holdfast.Token) *string { return &t.Hash },
	}}
}

// Agents, by certificate serial.
func (s store) Agents() Collection[Agent] {
	return Collection[Agent]{s, &noun[Agent]{
		name: "agent", table: "agents",
		id: func(a *Agent) string { return a.Serial }, sort: func(a *Agent) int64 { return micros(a.Enrolled) },
		keys: []string{"asset"}, values: func(a *Agent) []string { return []string{a.Asset} },
	}}
}

// Exceptions, newest first. What they have hidden is not kept with them.
func (s store) Exceptions() Collection[holdfast.Exception] {
	return Collection[holdfast.Exception]{s, &noun[holdfast.Exception]{
		name: "exception", table: "exceptions",
		id: func(x *holdfast.Exception) string { return x.ID }, sort: func(x *holdfast.Exception) int64 { return micros(x.Created) },
		keys: []string{"rule"}, values: func(x *holdfast.Exception) []string { return []string{x.Rule} },
	}}
}

// Searches, newest first. Scheduled is "true" for those with a rule.
func (s store) Searches() Collection[holdfast.Search] {
	return Collection[holdfast.Search]{s, &noun[holdfast.Search]{
		name: "search", table: "searches",
		id: func(x *holdfast.Search) string { return x.Name }, sort: func(x *holdfast.Search) int64 { return micros(x.Created) },
		keys: []string{"owner", "shared", "scheduled"},
		values: func(x *holdfast.Search) []string {
			return []string{x.Owner, strconv.FormatBool(x.Shared), strconv.FormatBool(x.Rule != nil)}
		},
	}}
}

// Hunts, newest first.
func (s store) Hunts() Collection[holdfast.Hunt] {
	return Collection[holdfast.Hunt]{s, &noun[holdfast.Hunt]{
		name: "hunt", table: "hunts",
		id: func(h *holdfast.Hunt) string { return h.ID }, sort: func(h *holdfast.Hunt) int64 { return micros(h.Started) },
		keys: []string{"status", "kind"}, values: func(h *holdfast.Hunt) []string { return []string{h.Status, h.Kind} },
	}}
}

// HuntAsks are what was asked for of hunts that have not ended.
func (s store) HuntAsks() Collection[HuntAsk] {
	return Collection[HuntAsk]{s, &noun[HuntAsk]{
		name: "hunt_ask", table: "hunt_asks", long: true,
		id: func(a *HuntAsk) string { return a.ID }, sort: func(*HuntAsk) int64 { return 0 },
		values: func(*HuntAsk) []string { return nil },
	}}
}

// TokenByHash finds a token by the SHA-256 of its secret.
func (s store) TokenByHash(ctx context.Context, hash string) (holdfast.Token, error) {
	return s.Tokens().one(ctx, "secret", hash)
}

// TakeToken removes a token and returns it; of two who take the same one, one
// gets ErrNotFound.
func (s store) TakeToken(ctx context.Context, hash string) (t holdfast.Token, err error) {
	err = s.run.writing(ctx, func(tx *Tx) error {
		if t, err = tx.TokenByHash(ctx, hash); err != nil {
			return err
		}
		return tx.Tokens().Delete(ctx, t.ID)
	})
	return t, err
}
