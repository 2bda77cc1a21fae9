package holdfast

import "time"

// Drill is one run of a safe attempt to violate a requirement: the attempt
// must be blocked, and the alert must come.
type Drill struct {
	ID       string `json:"id"`
	Kind     string `json:"kind"` // "ssh-bruteforce", "ssh-password-login"
	Asset    string `json:"asset"`
	Target   string `json:"target"` // address and port tried
	Incident string `json:"incident,omitempty"`
	By       string `json:"by"`
	Status   string `json:"status"` // running, passed, failed
	// Marker is a random account name that only this drill uses; ingest tags
	// events that carry it.
	Marker  string        `json:"marker"`
	Hops    []Hop         `json:"hops"`
	Blocked *bool         `json:"blocked,omitempty"` // was the attempt refused
	Rules   []string      `json:"rules,omitempty"`   // rules it expects to fire
	Fired   []string      `json:"fired,omitempty"`
	Why     string        `json:"why,omitempty"`
	Started time.Time     `json:"started"`
	Ended   time.Time     `json:"ended,omitzero"`
	Took    time.Duration `json:"took"`
}

// Hop is one measured step of a drill: attempt, event, alert, incident.
type Hop struct {
	Name string        `json:"name"`
	At   time.Time     `json:"at,omitzero"`
	Took time.Duration `json:"took"` // since the hop before
	OK   bool          `json:"ok"`
	Ref  string        `json:"ref,omitempty"`
	Say  string        `json:"say"`
}

// What a drill's Status may be.
const (
	DrillRunning = "running"
	DrillPassed  = "passed"
	DrillFailed  = "failed"
)
