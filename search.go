package holdfast

import "time"

// Search is a search that somebody keeps under a name. With a Rule it is run
// over what comes in, and raises alerts.
type Search struct {
	Name  string   `json:"name"` // "failed-logins"; used once
	Title string   `json:"title,omitempty"`
	Query string   `json:"query"`
	Last  Duration `json:"last,omitempty"` // how far back it looks; 0 for what the query says
	Owner string   `json:"owner"`
	// Shared says that everybody sees it, else only its owner does.
	Shared  bool        `json:"shared"`
	Created time.Time   `json:"created"`
	Updated time.Time   `json:"updated"`
	By      string      `json:"by"` // who changed it last
	Rule    *SearchRule `json:"rule,omitempty"`
	Runs    *SearchRuns `json:"runs,omitempty"` // of the rule
}

// SearchRule says when the rows of a search are an alert. All durations are
// of when events came in, not of their own time.
type SearchRule struct {
	Every  Duration `json:"every"`            // a span of events is looked at once, when it is over
	Window Duration `json:"window,omitempty"` // what is counted together; Every if 0, else a multiple of it
	// Threshold is how many rows make an alert, for each value of the column
	// GroupBy if it is set.
	Threshold int       `json:"threshold"`
	GroupBy   string    `json:"group_by,omitempty"`
	Level     Level     `json:"level"`
	Attack    []string  `json:"attack,omitempty"`
	Throttle  Duration  `json:"throttle,omitempty"` // no second alert of a group for so long
	SetBy     string    `json:"set_by"`
	Set       time.Time `json:"set"`
}

// SearchRuns is how far the rule of a search has come.
type SearchRuns struct {
	// Position is the newest block that was looked at. The next run begins
	// behind it, however long that takes.
	Position  uint64    `json:"position"`
	At        time.Time `json:"at"`              // until when, by when events were received
	Ran       time.Time `json:"ran,omitzero"`    // wall clock
	Runs      uint64    `json:"runs"`            // spans that were looked at
	Alerts    uint64    `json:"alerts"`          // raised
	Throttled uint64    `json:"throttled"`       // would have been
	TookMS    float64   `json:"took_ms"`         // of the newest run
	Fault     string    `json:"fault,omitempty"` // why the newest run failed; it is tried again
	Failed    time.Time `json:"failed,omitzero"` // since when
	Note      string    `json:"note,omitempty"`  // what a run left out
}

// AlertRule is the name under which a search stands in alerts.
func (s *Search) AlertRule() string { return "search:" + s.Name }
