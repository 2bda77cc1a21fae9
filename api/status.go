package api

import (
	"context"
	"time"

	"holdfast"
)

// Status is the health of the whole pipeline.
type Status struct {
	Version string    `json:"version"`
	Started time.Time `json:"started"`
	Uptime  float64   `json:"uptime_seconds"`
	Ready   time.Time `json:"ready,omitzero"` // first facts judged after the start
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
	} `json:"events"`
	Disk struct {
		Free    uint64 `json:"free"`
		Total   uint64 `json:"total"`
		Reserve uint64 `json:"reserve"`
	} `json:"disk"`
	Ledger       []holdfast.LedgerRow `json:"ledger"`
	Notes        []Trouble            `json:"notes"`
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

func (a *API) status() {
	add(a, route{"GET", "/status", "status.read", "Health of the pipeline", ""}, func(ctx context.Context, _ *struct{}) (*One[Status], error) {
		return one(a.Loop.Status(ctx))
	})
	add(a, route{"GET", "/loop", "loop.read", "The loop on one page", ""}, func(ctx context.Context, _ *struct{}) (*One[Overview], error) {
		return one(a.Loop.Overview(ctx))
	})
}
