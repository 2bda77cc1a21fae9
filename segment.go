package holdfast

import (
	"cmp"
	"slices"
	"strconv"
	"time"
)

// Segment is one file of events, as the manifest knows it. What it says of the
// file is enough to prove the ledger, and to tell what was lost with the file.
type Segment struct {
	ID     string    `json:"id"`
	Day    string    `json:"day"`  // the folder
	Path   string    `json:"path"` // under the events folder
	Events uint64    `json:"events"`
	Bytes  uint64    `json:"bytes"`
	Oldest time.Time `json:"oldest"` // event time
	Newest time.Time `json:"newest"`
	First  uint64    `json:"first"` // bus positions it holds
	Last   uint64    `json:"last"`
	// Ranges are those positions where First to Last has holes.
	Ranges []Range   `json:"ranges,omitempty"`
	SHA256 string    `json:"sha256"`
	Made   time.Time `json:"made"`
	// Parts count its events; nil in a segment from before they were kept.
	Parts   []SegmentPart `json:"parts,omitempty"`
	FirstID EventID       `json:"first_id,omitzero"` // the smallest and the largest id
	LastID  EventID       `json:"last_id,omitzero"`
	// Written is how many bytes were written for these events in all, to this
	// file and to those that it took the place of.
	Written uint64 `json:"written,omitempty"`
	// Sum stands for the rows' values where they lie in a store of rows; it is
	// the sum of a number for each, so that those of several segments add up.
	Sum string `json:"sum,omitempty"`
	// Form says how the file's columns are to be read: SegmentForm, 1 where no
	// field has a column of its own, 0 where times had a zone as well.
	Form int `json:"form,omitempty"`
}

// SegmentForm is the form in which segments are written.
const SegmentForm = 2

// SegmentPart counts the events of one source and dataset that were received
// in one hour.
type SegmentPart struct {
	Source  string    `json:"source"`
	Dataset string    `json:"dataset"`
	Hour    time.Time `json:"hour"`
	Events  uint64    `json:"events"`
	Raw     uint64    `json:"raw"` // bytes of the records as they came
}

// Range is a run of bus positions, both ends included.
type Range struct {
	First uint64 `json:"first"`
	Last  uint64 `json:"last"`
}

// Covers are the bus positions of a segment.
func (s *Segment) Covers() []Range {
	if len(s.Ranges) > 0 {
		return s.Ranges
	}
	return []Range{{s.First, s.Last}}
}

// JoinRanges sorts ranges and makes one of those that touch. The second answer
// are positions that stand in two of them.
func JoinRanges(in []Range) (joined, twice []Range) {
	in = slices.Clone(in)
	slices.SortFunc(in, func(a, b Range) int { return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last)) })
	for _, r := range in {
		n := len(joined)
		if n == 0 || r.First > joined[n-1].Last+1 {
			joined = append(joined, r)
			continue
		}
		end := &joined[n-1].Last
		if r.First <= *end {
			twice = append(twice, Range{r.First, min(r.Last, *end)})
		}
		*end = max(*end, r.Last)
	}
	return joined, twice
}

// Manifest is all that is known of the segments, as of one moment.
type Manifest struct {
	Segments []Segment
	Drops    []Drop
	Ledger   []LedgerRow // by source
	Hours    []LedgerRow // by source and hour
	Position uint64      // of the writer
}

// Commit is what becomes true in one transaction when a segment is written.
type Commit struct {
	Segment  Segment // without events, only the place moves
	Position uint64  // of the writer on the bus
	Ledger   []LedgerRow
	Reparsed []Reparse
}

// Reparse says which event a dead letter has become.
type Reparse struct {
	Dead  EventID `json:"dead"`
	Event EventID `json:"event"`
}

// WriterPosition is the name of the writer's place on the bus.
const WriterPosition = "writer"

// DeadLetter is the dataset of records that could not be parsed.
const DeadLetter = "deadletter"

// ReparsedFrom is the field that names the dead letter that an event was, and
// is believed only with the id that ReparsedID gives.
const ReparsedFrom = "event.reparsed_from"

// ReparseBlock begins the id of every block of reparsed events.
const ReparseBlock = "rep-"

// ReparsedPart is the number, from 1, of a further event that a dead letter has
// become.
const ReparsedPart = "event.reparsed_part"

// ReparsedID is the id of the event that a dead letter becomes; part tells apart
// those of one that becomes several, and is 0 for the one that takes its place. No
// input can give it to a record.
func ReparsedID(dead EventID, raw []byte, part int) EventID {
	return NewEventID("reparse", dead.String(), raw, part)
}

// Reparsed returns the dead letter that the event was, if it was one. For a
// further event of the same dead letter it is a name that stands for it, and
// further is true: it was not counted as received yet.
func (e *Event) Reparsed() (dead EventID, further, ok bool) {
	f, ok := e.Get(ReparsedFrom)
	if !ok || dead.UnmarshalText([]byte(f.Text)) != nil {
		return EventID{}, false, false
	}
	part := 0
	if f, ok := e.Get(ReparsedPart); ok {
		if part, _ = strconv.Atoi(f.Text); part < 1 {
			return EventID{}, false, false
		}
	}
	if ReparsedID(dead, e.Raw, part) != e.ID {
		return EventID{}, false, false
	}
	if part > 0 {
		return NewEventID("reparse part", dead.String(), nil, part), true, true
	}
	return dead, false, true
}
