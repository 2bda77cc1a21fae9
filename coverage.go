package holdfast

import "time"

// Coverage says, for each technique of ATT&CK that a rule names, whether it
// would be seen.
type Coverage struct {
	Techniques []TechniqueCover `json:"techniques"` // by id
	// Untagged are the rules that name no technique.
	Untagged []string `json:"untagged"`
	// Since is from when on data counts as flowing; zero if nobody looked.
	Since time.Time `json:"since,omitzero"`
}

// TechniqueCover is one technique: rules are there, their data flows, and a
// drill has shown that they fire.
type TechniqueCover struct {
	Technique string      `json:"technique"` // T1110.001
	Rules     []RuleCover `json:"rules"`
	Data      time.Time   `json:"data,omitzero"`   // newest event that one of the rules looks at
	Proven    time.Time   `json:"proven,omitzero"` // last time a drill made one of the rules fire
}

// RuleCover is one rule of a technique.
type RuleCover struct {
	Rule   string    `json:"rule"`
	Title  string    `json:"title"`
	Level  Level     `json:"level"`
	Data   time.Time `json:"data,omitzero"`
	Proven time.Time `json:"proven,omitzero"`
	Drill  string    `json:"drill,omitempty"` // the one that has proven it
}
