package holdfast

import "time"

// The states of an incident, after NIST SP 800-61r3.
const (
	IncidentOpen       = "open"
	IncidentContained  = "contained"
	IncidentEradicated = "eradicated"
	IncidentRestored   = "restored"
	IncidentVerified   = "verified"
	IncidentClosed     = "closed"
)

// Incident is the alerts and findings that belong together, with what was done
// and what still stands open.
type Incident struct {
	ID       string   `json:"id"` // "inc-12": counted, so that people can say it
	Title    string   `json:"title"`
	Status   string   `json:"status"`
	Level    Level    `json:"level"`
	Rank     int      `json:"rank"`    // 0 to 100; higher first
	Reasons  []Reason `json:"reasons"` // why the rank is what it is; they sum to it
	Entities []Entity `json:"entities"`
	Assets   []string `json:"assets"`
	Alerts   []string `json:"alerts"`
	Findings []string `json:"findings,omitempty"`
	// Requirements that the incident shows to be broken, with the check that
	// says so.
	Requirements []BrokenRequirement `json:"requirements,omitempty"`
	Attack       []string            `json:"attack,omitempty"`
	Tasks        []IncidentTask      `json:"tasks"`
	Notes        []Note              `json:"notes,omitempty"`
	Timeline     []Moment            `json:"timeline"`
	Drill        string              `json:"drill,omitempty"` // an incident that a drill made; it closes with the drill
	Opened       time.Time           `json:"opened"`
	Updated      time.Time           `json:"updated"`
	Closed       time.Time           `json:"closed,omitzero"`
	ClosedBy     string              `json:"closed_by,omitempty"`
	Override     *Override           `json:"override,omitempty"`
	Assignee     string              `json:"assignee,omitempty"`
}

// Reason is one part of a rank.
type Reason struct {
	Points int    `json:"points"`
	Why    string `json:"why"`
}

// BrokenRequirement ties an incident to what should have held.
type BrokenRequirement struct {
	Requirement string `json:"requirement"`
	Asset       string `json:"asset"`
	Check       string `json:"check"`
	Why         string `json:"why"` // "password login was allowed"
}

// IncidentTask is a thing for a person to do or to see done.
type IncidentTask struct {
	ID   string    `json:"id"`
	Say  string    `json:"say"`
	Done bool      `json:"done"`
	By   string    `json:"by,omitempty"`
	At   time.Time `json:"at,omitzero"`
}

// Note is what a person wrote.
type Note struct {
	By   string    `json:"by"`
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Moment is one entry of an incident's merged timeline.
type Moment struct {
	At   time.Time `json:"at"`
	Kind string    `json:"kind"` // alert, raised, action, check, drill, person, requirement
	Ref  string    `json:"ref,omitempty"`
	Say  string    `json:"say"`
}

// Override is the closing of an incident against the gate: asked by one
// person, granted by another, and only for a time.
type Override struct {
	AskedBy   string    `json:"asked_by"`
	GrantedBy string    `json:"granted_by,omitempty"`
	Because   string    `json:"because"`
	Expires   time.Time `json:"expires"`
	Open      []Open    `json:"open"` // what stood open when it was granted
}

// Open is one thing that keeps an incident from closing, and what would settle
// it.
type Open struct {
	Gate   string `json:"gate"` // "check", "containment", "detection", "action"
	Entity string `json:"entity"`
	What   string `json:"what"`
	Do     string `json:"do"` // the command that settles it
}
