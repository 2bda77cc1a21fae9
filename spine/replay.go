package spine

import (
	"context"
	"fmt"
	"time"

	"holdfast"
	"holdfast/store/events"
)

// Longest is the longest time that a replay goes over, and for how long.
const (
	LongestReplay = 400 * 24 * time.Hour
	replayTimeout = 30 * time.Minute
)

// ReplayRequest says which rule is run over which time: one that is loaded, by
// key, or the text of a file. Where is the condition of an exception to be
// tried on it.
type ReplayRequest struct {
	Rule, Text, Where string
	From, To          time.Time
}

// Replay runs a rule over stored events. Nothing comes of it but the answer.
// The function it returns does the work and calls step now and then; what is
// wrong with the request is an error before that.
func (s *Spine) Replay(r ReplayRequest) (func(ctx context.Context, step func(holdfast.ReplayLine)) (holdfast.Replay, error), error) {
	now := s.Clock.Now().UTC()
	if r.To.IsZero() {
		r.To = now
	}
	if r.From.IsZero() {
		r.From = r.To.Add(-24 * time.Hour)
	}
	if !r.From.Before(r.To) || r.To.Sub(r.From) > LongestReplay {
		return nil, fmt.Errorf("a replay goes from a time to a later one, %d days at most: %w", int(LongestReplay.Hours()/24), holdfast.ErrInvalid)
	}
	step := time.Hour
	if r.To.Sub(r.From) > 4*24*time.Hour {
		step = 24 * time.Hour
	}
	replay, err := s.Detect.NewReplay(r.Rule, r.Text, r.Where, step)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, tell func(holdfast.ReplayLine)) (holdfast.Replay, error) {
		start := time.Now()
		ctx, cancel := context.WithTimeout(ctx, replayTimeout)
		defer cancel()
		out := holdfast.Replay{From: r.From, To: r.To, Step: step}
		datasets := replay.Datasets()
		if len(datasets) == 0 {
			return out, fmt.Errorf("no parser makes events for the rule's logsource: %w", holdfast.ErrInvalid)
		}
		w, err := s.Events.Each(ctx, r.From, r.To, datasets, func(e *holdfast.Event) error { replay.Add(e); return nil }, func(w events.Walk) {
			tell(holdfast.ReplayLine{Segments: w.Segments, Total: w.Total, Events: w.Events, Found: replay.Found()})
		})
		if err != nil {
			return out, err
		}
		out.Rules, out.Dropped = replay.Result()
		out.Events, out.Gone, out.Took = w.Events, w.Gone, time.Since(start)
		return out, nil
	}, nil
}
