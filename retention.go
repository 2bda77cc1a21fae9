package holdfast

import (
	"path"
	"time"
)

// Retention says how long, and how much, of a dataset is kept. Age counts from
// when an event was received, so that no source can age what it sends.
type Retention struct {
	Dataset string    `json:"dataset"`        // a name, or a pattern with *; the longest that fits counts
	Age     Duration  `json:"age,omitempty"`  // 0 for ever
	Size    uint64    `json:"size,omitempty"` // bytes of segments; 0 for any
	SetBy   string    `json:"set_by"`         // who, or "settings"
	Set     time.Time `json:"set,omitzero"`
}

// RetentionOf returns the rule for a dataset: the one that names it, or the
// longest pattern that fits.
func RetentionOf(rules []Retention, dataset string) (Retention, bool) {
	var best Retention
	found := false
	for _, r := range rules {
		if r.Dataset == dataset {
			return r, true
		}
		if ok, err := path.Match(r.Dataset, dataset); err == nil && ok && len(r.Dataset) > len(best.Dataset) {
			best, found = r, true
		}
	}
	return best, found
}

// Hold keeps events from being dropped until it is released. All that it
// names must fit: a dataset, a range of event time, a search.
type Hold struct {
	Name     string    `json:"name"`
	Query    string    `json:"query,omitempty"`
	Dataset  string    `json:"dataset,omitempty"`
	From     time.Time `json:"from,omitzero"`
	To       time.Time `json:"to,omitzero"`
	Reason   string    `json:"reason"`
	By       string    `json:"by"`
	Created  time.Time `json:"created"`
	Released time.Time `json:"released,omitzero"`
	// ReleasedBy says who, and Because why.
	ReleasedBy string `json:"released_by,omitempty"`
	Because    string `json:"because,omitempty"`
}

// Drop is what retention took away of one segment, for ever on record.
type Drop struct {
	ID       string        `json:"id"`
	At       time.Time     `json:"at"`
	Why      string        `json:"why"`
	Segment  string        `json:"segment"`
	Events   uint64        `json:"events"`
	Bytes    uint64        `json:"bytes"`   // freed on disk
	Written  uint64        `json:"written"` // for events that are no more
	Parts    []SegmentPart `json:"parts"`
	Ranges   []Range       `json:"ranges,omitempty"` // the segment's, if nothing is left of it
	Replaced string        `json:"replaced,omitempty"`
	// Rows are those that a store of rows has still to delete; nil when it has.
	Rows *DropRows `json:"rows,omitempty"`
}

// DropRows says which rows of a store of rows a drop takes away: All of a place,
// or those of its datasets that were received before a time and that no hold
// keeps.
type DropRows struct {
	Day    string               `json:"day"`
	Ranges []Range              `json:"ranges"`
	All    bool                 `json:"all,omitempty"`
	Limits map[string]time.Time `json:"limits,omitempty"`
	Kept   []KeptRows           `json:"kept,omitempty"`
}

// KeptRows are rows that a hold keeps: of some datasets and a span of time, in
// microseconds, and of those only some, if IDs is not nil.
type KeptRows struct {
	From     int64    `json:"from"`
	To       int64    `json:"to"`
	Datasets []string `json:"datasets"`
	IDs      []string `json:"ids,omitempty"`
}
