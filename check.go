package holdfast

import "time"

// Status is the outcome of a check.
type Status string

// The outcomes. Unknown is never pass: a table that could not be read, a fact
// that is too old, an empty population are all unknown.
const (
	Pass          Status = "pass"
	Fail          Status = "fail"
	NotApplicable Status = "not-applicable"
	Unknown       Status = "unknown"
)

// Verdict is what a check says about one asset, with the fact that decided it.
type Verdict struct {
	Asset    string `json:"asset"`
	Check    string `json:"check"`
	Title    string `json:"title"`
	Severity Level  `json:"severity"`
	Status   Status `json:"status"`
	// Decided is the fact that decided: for fail, the offending row; for pass
	// over many rows, the count. Table names where it came from.
	Decided    Row       `json:"decided,omitempty"`
	Table      string    `json:"table,omitempty"`
	Why        string    `json:"why"`
	Population int       `json:"population"` // rows judged
	Failing    int       `json:"failing"`    // rows that failed
	FactsAt    time.Time `json:"facts_at"`   // age of the oldest table used
	At         time.Time `json:"at"`
	Since      time.Time `json:"since"` // when Status last changed
	Code       string    `json:"code"`  // hash of the check's source
	Fix        string    `json:"fix,omitempty"`
}

// Finding is a failed check on an asset: a weakness, from the moment it was
// first seen until the check is green.
type Finding struct {
	ID          string    `json:"id"` // StableID("fnd", asset, check)
	Asset       string    `json:"asset"`
	Check       string    `json:"check"`
	Title       string    `json:"title"`
	Severity    Level     `json:"severity"`
	Opened      time.Time `json:"opened"`
	Closed      time.Time `json:"closed,omitzero"`
	Requirement []string  `json:"requirement,omitempty"`
}
