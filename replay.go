package holdfast

import "time"

// Replay is how often rules would have fired over stored events.
type Replay struct {
	From   time.Time     `json:"from"`
	To     time.Time     `json:"to"`
	Step   time.Duration `json:"step"` // width of a bucket
	Events uint64        `json:"events"`
	Rules  []ReplayRule  `json:"rules"`
	// Dropped counts events that were counted and not correlated, because there
	// were too many; Gone counts segments that could not be read any more.
	Dropped uint64        `json:"dropped,omitempty"`
	Gone    int           `json:"gone,omitempty"`
	Took    time.Duration `json:"took"`
}

// ReplayRule is one rule of a replay.
type ReplayRule struct {
	Rule    string         `json:"rule"`
	Title   string         `json:"title"`
	Level   Level          `json:"level"`
	Kind    string         `json:"kind"`   // detection, correlation
	Asked   bool           `json:"asked"`  // else one that it refers to
	Events  uint64         `json:"events"` // that a detection held for
	Alerts  uint64         `json:"alerts"` // that would have been raised
	First   time.Time      `json:"first,omitzero"`
	Last    time.Time      `json:"last,omitzero"`
	Buckets []ReplayBucket `json:"buckets"` // events of a detection, alerts of a correlation
	Hosts   []ReplayHost   `json:"hosts"`   // those with the most
	Samples []HiddenEvent  `json:"samples"`
	Hidden  uint64         `json:"hidden"` // by exceptions and filters in force
	Tried   Hidden         `json:"tried"`  // by the exception that was tried
}

// ReplayBucket is a count within one step of time.
type ReplayBucket struct {
	Time  time.Time `json:"time"`
	Count int       `json:"count"`
}

// ReplayHost is a host with its count.
type ReplayHost struct {
	Name  string `json:"name"`
	Count int    `json:"count"`
}

// ReplayLine is one line of a replay's answer: how far it has come, and in the
// end the result or what went wrong.
type ReplayLine struct {
	Segments int     `json:"segments"`
	Total    int     `json:"total"`
	Events   uint64  `json:"events"`
	Found    uint64  `json:"found"`
	Result   *Replay `json:"result,omitempty"`
	Error    string  `json:"error,omitempty"`
}
