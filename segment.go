package holdfast

import "time"

// Segment is one file of events, as the manifest knows it.
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
	SHA256 string    `json:"sha256"`
	Made   time.Time `json:"made"`
}

// WriterPosition is the name of the writer's place on the bus.
const WriterPosition = "writer"
