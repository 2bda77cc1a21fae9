package holdfast

import "time"

// Hunt is one look for one thing over stored history: a rule, or a list of
// indicators. Nothing comes of it but what it found, which is kept.
type Hunt struct {
	ID      string    `json:"id"`
	Kind    string    `json:"kind"` // HuntRule or HuntIndicators
	Name    string    `json:"name"` // of the rule or the list
	From    time.Time `json:"from"`
	To      time.Time `json:"to"`
	By      string    `json:"by"`
	Started time.Time `json:"started"`
	Updated time.Time `json:"updated"` // of its progress
	Ended   time.Time `json:"ended,omitzero"`
	Status  string    `json:"status"` // one of the Hunt… words
	Error   string    `json:"error,omitempty"`
	Cancel  string    `json:"cancel,omitempty"` // who asked it to stop
	Again   int       `json:"again,omitempty"`  // times it was begun again, as the server that ran it was gone

	Done   int    `json:"done"` // parts of the time range, of
	Parts  int    `json:"parts"`
	Events uint64 `json:"events"` // stored in the range
	Looked uint64 `json:"looked"` // of these, looked at one by one
	Found  uint64 `json:"found"`  // of these, that the rule or an indicator fits

	// Text is what was hunted for: the rule as it was given. SHA256 is that of
	// the rule or of the list.
	Text   string `json:"text,omitempty"`
	SHA256 string `json:"sha256"`
	// Narrow is the search that found the events to look at; empty if all of
	// the rule's datasets were.
	Narrow string       `json:"narrow,omitempty"`
	Rules  []ReplayRule `json:"rules,omitempty"`

	Raw        bool           `json:"raw,omitempty"` // the records themselves were searched, too
	Indicators map[string]int `json:"indicators,omitempty"`
	Hits       []HuntHit      `json:"hits,omitempty"` // those with the most hosts first
	More       int            `json:"more,omitempty"` // indicators that hit and are not in Hits
	Notes      []string       `json:"notes,omitempty"`
}

// The kinds of hunt.
const (
	HuntRule       = "rule"
	HuntIndicators = "indicators"
)

// How a hunt stands.
const (
	HuntRunning   = "running"
	HuntDone      = "done"
	HuntCancelled = "cancelled"
	HuntFailed    = "failed"
)

// Bounds on what a hunt keeps.
const (
	MaxHuntHits    = 1000
	MaxHuntHosts   = 50 // by name; all are counted, up to ten thousand
	MaxHuntSamples = 5
)

// HuntHit is one indicator that was seen.
type HuntHit struct {
	Indicator string        `json:"indicator"`
	Type      string        `json:"type"`
	Note      string        `json:"note,omitempty"` // what the list said of it
	Events    uint64        `json:"events"`
	Hosts     []ReplayHost  `json:"hosts"` // those with the most events
	HostCount int           `json:"host_count"`
	First     time.Time     `json:"first"`
	Last      time.Time     `json:"last"`
	Fields    []string      `json:"fields"` // where it stood
	Samples   []HiddenEvent `json:"samples"`
}
