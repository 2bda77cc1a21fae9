package spine

import (
	"time"

	"holdfast"
	"holdfast/detect/correlate"
	"holdfast/store/events"
)

// Status is the health of the whole pipeline.
type Status struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Uptime  float64   `json:"uptime_seconds"`
	DataDir string    `json:"data_dir"`
	Ingest  struct {
		Accepting bool   `json:"accepting"`
		Why       string `json:"why,omitempty"`
	} `json:"ingest"`
	Bus struct {
		Last     uint64 `json:"last"`
		Written  uint64 `json:"written"`
		Detected uint64 `json:"detected"`
		Bytes    uint64 `json:"bytes"`
	} `json:"bus"`
	Events struct {
		Segments int       `json:"segments"`
		Events   uint64    `json:"events"`
		Bytes    uint64    `json:"bytes"`
		Oldest   time.Time `json:"oldest,omitzero"`
		Newest   time.Time `json:"newest,omitzero"`
		Raw      uint64    `json:"raw"`     // bytes of the records as they came
		Written  uint64    `json:"written"` // bytes ever written for what is kept

		Searches int `json:"searches"` // that run or wait on this node

		Compaction events.Compaction `json:"compaction"`
	} `json:"events"`
	Disk struct {
		Free    uint64 `json:"free"`
		Total   uint64 `json:"total"`
		Reserve uint64 `json:"reserve"`
	} `json:"disk"`
	Ledger       []holdfast.LedgerRow `json:"ledger"`
	Notes        []Trouble            `json:"notes"`
	Correlation  correlate.Stats      `json:"correlation"`
	Rules        Loaded               `json:"rules"`
	Checks       Loaded               `json:"checks"`
	Requirements Loaded               `json:"requirements"`
	Memory       struct {
		RSS uint64 `json:"rss_bytes"`
	} `json:"memory"`
}

// Loaded counts what was read from files, with what was not.
type Loaded struct {
	Loaded int             `json:"loaded"`
	Faults holdfast.Faults `json:"faults"`
}

// Trouble is something that is not as it should be, in words.
type Trouble struct {
	Source  string    `json:"source"`
	Trouble string    `json:"trouble"`
	At      time.Time `json:"at"`
}

// Overview is the loop on one page.
type Overview struct {
	Stages []StageView `json:"stages"`
}

// StageView is one stage of the loop, with what needs a person now.
type StageView struct {
	Name    string   `json:"name"`
	State   string   `json:"state"` // ok, attention, broken, unknown
	Numbers []Figure `json:"numbers"`
	Needs   []Need   `json:"needs"`
}

// Figure is a number with its name.
type Figure struct {
	Label string `json:"label"`
	Value string `json:"value"`
}

// Need is something a person should do now.
type Need struct {
	Say   string         `json:"say"`
	Href  string         `json:"href"`
	At    time.Time      `json:"at"`
	Level holdfast.Level `json:"level"`
}

// Assessment is the outcome of one look at a host.
type Assessment struct {
	Took     time.Duration      `json:"took"`
	Verdicts []holdfast.Verdict `json:"verdicts"`
}

// CheckInfo describes a check to people.
type CheckInfo struct {
	ID          string              `json:"id"`
	Title       string              `json:"title"`
	Severity    holdfast.Level      `json:"severity"`
	Description string              `json:"description"`
	References  []string            `json:"references,omitempty"`
	Expression  string              `json:"expression"`
	Maps        map[string][]string `json:"maps,omitempty"`
	Fix         string              `json:"fix,omitempty"`
	Source      string              `json:"source,omitempty"`
}

// Proofs is what verify found for a requirement on an asset.
type Proofs struct {
	Proofs   []ActionProof      `json:"proofs"`
	Verdicts []holdfast.Verdict `json:"verdicts"`
}

// ActionProof is the proof of one action, or, without one, of what the server
// tried itself.
type ActionProof struct {
	Action string         `json:"action,omitempty"`
	Part   string         `json:"part"`
	Proof  holdfast.Proof `json:"proof"`
}

// Work is what people do on an incident besides actions. One part is set.
type Work struct {
	Note   string
	Task   string
	Done   bool
	Assign *string
	Reopen string // the reason
	Found  *Found
}

// Found is an event that a person found and wants in an incident, with what it
// names.
type Found struct {
	Event    holdfast.Event
	Entities []holdfast.Entity
	Because  string
}

// Proposal is an action that somebody asks for.
type Proposal struct {
	Part        string            `json:"part" maxLength:"100"`
	Asset       string            `json:"asset" maxLength:"200"`
	Entity      *holdfast.Entity  `json:"entity,omitempty"`
	Params      holdfast.Raw      `json:"params,omitempty"`
	Incident    string            `json:"incident,omitempty" maxLength:"200"`
	Requirement string            `json:"requirement,omitempty" maxLength:"200"`
	Lease       holdfast.Duration `json:"lease,omitempty"`
	Why         string            `json:"why" minLength:"3" maxLength:"2000"`
}

// Part describes a part of a catalogue to people.
type Part struct {
	Name        string   `json:"name"`
	Title       string   `json:"title"`
	Description string   `json:"description"`
	References  []string `json:"references,omitempty"`
	Never       []string `json:"never,omitempty"`
	// Where, Send and Lossy are of a way in: where it listens or reads, a line for
	// a shell that tries it, and why it cannot promise to lose nothing.
	Where string `json:"where,omitempty"`
	Send  string `json:"send,omitempty"`
	Lossy string `json:"lossy,omitempty"`
}

// InputInfo is one way in, as it stands.
type InputInfo struct {
	Source   string    `json:"source"`
	Asset    string    `json:"asset,omitempty"`
	Lossy    string    `json:"lossy,omitempty"`
	Trouble  string    `json:"trouble,omitempty"`
	Last     time.Time `json:"last,omitzero"`
	Received uint64    `json:"received"`
}
