// Package sink is a sink for tests of ways in over HTTP: it remembers what it
// was given, and refuses when told to. Parsing is not its business.
package sink

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/intake"
)

// Token is a token that may send as "shipper"; Reader is one that may not send.
const (
	Token  = "good-token"
	Reader = "reader-token"
)

// Sink remembers records.
type Sink struct {
	mu      sync.Mutex
	records []holdfast.Record
	refused []holdfast.Record
	once    map[string]bool // the positions that no other record may have
	refuse  error
	room    int
}

// Put takes records, or refuses them. A second record at a position that was said
// to come once is a fault of the way in, and not to be missed.
func (s *Sink) Put(_ context.Context, r []holdfast.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil && len(s.records) >= s.room {
		return s.refuse
	}
	if s.once == nil {
		s.once = map[string]bool{}
	}
	for i := range r {
		at := r[i].Source + " " + r[i].Position
		if s.once[at] {
			panic("two records stand at " + at)
		}
		if r[i].Once {
			s.once[at] = true
		}
	}
	s.records = append(s.records, r...)
	return nil
}

// Refuse makes Put fail with err once it has n records.
func (s *Sink) Refuse(err error, n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuse, s.room = err, n
}

// Records returns what was taken.
func (s *Sink) Records() []holdfast.Record {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.records)
}

// Raws returns the bytes of what was taken.
func (s *Sink) Raws() []string {
	var out []string
	for _, r := range s.Records() {
		out = append(out, string(r.Raw))
	}
	return out
}

// Refused returns what a limit turned away.
func (s *Sink) Refused() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.refused)
}

// Gate returns a gate before the sink that knows the two tokens.
func (s *Sink) Gate() *intake.Gate {
	return s.GateFor(intake.Sender{Name: "shipper", ID: "tok-1"}, clock.System{})
}

// GateFor returns one where the token stands for a certain sender.
func (s *Sink) GateFor(who intake.Sender, c clock.Clock) *intake.Gate {
	return intake.New(intake.Options{
		Sink: s, Clock: c, Log: slog.New(slog.DiscardHandler),
		Refused: func(r []holdfast.Record) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.refused = append(s.refused, r...)
		},
		Room: func() error {
			s.mu.Lock()
			defer s.mu.Unlock()
			return s.refuse
		},
		Authorise: func(_ context.Context, secret string) (intake.Sender, error) {
			switch secret {
			case Token:
				return who, nil
			case Reader:
				return intake.Sender{}, holdfast.ErrForbidden
			}
			return intake.Sender{}, errors.New("no token")
		},
	})
}
