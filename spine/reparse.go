package spine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"time"

	"holdfast"
	"holdfast/store/events"
)

const (
	// reparseMost is how many dead letters one call makes events of.
	reparseMost  = 20_000
	reparseBatch = 500
	// reparseKinds bounds the reasons that are told.
	reparseKinds = 50
)

// ReparseRequest says which dead letters are read again.
type ReparseRequest struct {
	Source   string // a name, or a pattern with *; all if empty
	From, To time.Time
	Dry      bool
}

// Reparsed is what became of them.
type Reparsed struct {
	Dry     bool           `json:"dry_run,omitempty"`
	Looked  int            `json:"looked"`  // dead letters that were not read before
	Already int            `json:"already"` // were read by an earlier run
	Parsed  int            `json:"parsed"`  // are events now, or would be
	By      map[string]int `json:"by"`      // their events, by dataset: a record may hold several
	Still   map[string]int `json:"still"`   // the others, by the reason
	More    bool           `json:"more"`    // there are more: ask again
}

var errEnough = errors.New("enough")

// Reparse gives dead letters to today's parsers. What they can read becomes an
// event, once, however often it is asked for; the dead letter stays, marked as
// read. It returns when the events can be found.
func (s *Spine) Reparse(ctx context.Context, who string, r ReparseRequest) (Reparsed, error) {
	out := Reparsed{Dry: r.Dry, By: map[string]int{}, Still: map[string]int{}}
	if _, err := path.Match(r.Source, ""); err != nil {
		return out, fmt.Errorf("source %q: %w: %w", r.Source, err, holdfast.ErrInvalid)
	}
	now := s.Clock.Now().UTC()
	if r.To.IsZero() {
		r.To = now.Add(25 * time.Hour) // clocks that run ahead a day are believed
	}
	if r.From.IsZero() {
		r.From = now.Add(-7 * 24 * time.Hour)
	}
	run := &reparsing{s: s, r: r, out: &out}
	_, err := s.Events.Each(ctx, r.From, r.To, []string{holdfast.DeadLetter}, func(e *holdfast.Event) error { return run.add(ctx, e) }, func(events.Walk) {})
	if errors.Is(err, errEnough) {
		out.More, err = true, nil
	}
	if err = errors.Join(err, run.flush(ctx)); err != nil {
		return out, err
	}
	if r.Dry || out.Parsed == 0 {
		return out, nil
	}
	if err := s.untilWritten(ctx, run.last); err != nil {
		return out, err
	}
	detail, err := json.Marshal(out)
	if err != nil {
		return out, err
	}
	return out, s.State.Record(ctx, holdfast.Evidence{
		Key: holdfast.NewID("evd"), At: s.Clock.Now().UTC(), Who: who, Did: "deadletter.reparse", On: r.Source,
		Outcome: fmt.Sprintf("%d of %d dead letters are events now", out.Parsed, out.Looked), Detail: detail,
	})
}

// reparsing is one run.
type reparsing struct {
	s     *Spine
	r     ReparseRequest
	out   *Reparsed
	batch []holdfast.Event // dead letters
	last  uint64           // newest block
}

func (x *reparsing) add(ctx context.Context, e *holdfast.Event) error {
	if x.r.Source != "" && x.r.Source != e.Source {
		if ok, _ := path.Match(x.r.Source, e.Source); !ok {
			return nil
		}
	}
	if x.batch = append(x.batch, *e); len(x.batch) < reparseBatch {
		return nil
	}
	if err := x.flush(ctx); err != nil {
		return err
	}
	if x.out.Parsed >= reparseMost && !x.r.Dry {
		return errEnough
	}
	return nil
}

func (x *reparsing) flush(ctx context.Context) error {
	ids := make([]holdfast.EventID, len(x.batch))
	for i := range x.batch {
		ids[i] = x.batch[i].ID
	}
	done, err := x.s.State.Reparsed(ctx, ids)
	if err != nil {
		return err
	}
	var mended []holdfast.Event
	for i := range x.batch {
		if _, ok := done[x.batch[i].ID]; ok {
			x.out.Already++
			continue
		}
		x.out.Looked++
		list, err := x.s.Ingest.Reparse(&x.batch[i])
		if err != nil {
			why := err.Error()
			if _, ok := x.out.Still[why]; !ok && len(x.out.Still) >= reparseKinds {
				why = "other reasons"
			}
			x.out.Still[why]++
			continue
		}
		x.out.Parsed++
		for j := range list {
			x.out.By[list[j].Dataset]++
		}
		mended = append(mended, list...)
	}
	x.batch = x.batch[:0]
	if x.r.Dry || len(mended) == 0 {
		return nil
	}
	seq, err := x.s.Ingest.PutReparsed(ctx, mended)
	x.last = max(x.last, seq)
	return err
}

// untilWritten waits until a block is in a segment.
func (s *Spine) untilWritten(ctx context.Context, seq uint64) error {
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for {
		if at, _ := s.written(ctx); at >= seq {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("the events are safe and not yet in a segment: %w", ctx.Err())
		case <-t.C:
		}
	}
}
