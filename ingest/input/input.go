// Package input is the contract and catalogue of ways in: each input turns a
// source's bytes into records and hands them on. Parsing is left to package
// parser, durability to whoever gives the Sink.
package input

import (
	"context"
	"log/slog"
	"time"

	"holdfast"
	"holdfast/internal/clock"
)

// MaxRecord is the largest record taken in whole: 1 MiB. A longer one is cut
// there and marked Truncated; a file and HTTP give the rest in further pieces.
const MaxRecord = 1 << 20

// Sink takes records. Put returns once they are durable, or with an error, in
// which case the input must offer the same records again and must not move its
// position. An error that wraps holdfast.ErrFull means "later, there is no
// room"; the input waits and tries again. Put may be called from many
// goroutines.
type Sink interface {
	Put(ctx context.Context, records []holdfast.Record) error
}

// Positions keeps where each source was read to, by the input's own key. Save
// is called after Put has returned; what is saved survives a crash, but may be
// older than the last Put, so a record may be read twice, with the same id.
type Positions interface {
	Load(key string) (string, bool)
	Save(key, position string) error
}

// Env is what an input is given.
type Env struct {
	Sink      Sink
	Positions Positions
	Log       *slog.Logger
	Clock     clock.Clock
	Asset     string // the id of the host the input runs on
	// Note reports a change of health for people: "cannot read /var/log/auth.log:
	// permission denied; run as root or join group adm". Empty means well again.
	Note func(source, trouble string)
}

// Config is one input as the user wrote it.
type Config struct {
	Kind    string            `json:"kind"`  // the name of the input: "file", "journald", "s3", …
	Where   string            `json:"where"` // path or glob, listen address
	Dataset string            `json:"dataset,omitempty"`
	Options map[string]string `json:"options,omitempty"`
}

// Input describes one kind of way in.
type Input struct {
	Name        string
	Title       string
	Description string
	References  []string          // specifications, with section
	Options     map[string]string // name to what it does
	// Lossy says why this way in cannot promise at-least-once; "" if it does.
	Lossy string
	// Send is a line for a shell that sends one record, with the server's address
	// in $URL and a token in $TOKEN; "" where there is none.
	Send string
	// Example is a configuration that works on a common host.
	Example Config
	// Check says what is wrong with a configuration, before anything starts.
	Check func(Config) error
	// Run reads until ctx is done. It keeps going over anything that may heal
	// (a file that is missing, a port taken) and returns only what cannot.
	Run func(ctx context.Context, cfg Config, env Env) error
}

// FlushEvery is how long an input may hold records before it calls Put.
const FlushEvery = 200 * time.Millisecond
