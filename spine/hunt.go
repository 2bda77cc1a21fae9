package spine

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"holdfast"
	"holdfast/detect"
	"holdfast/hunt"
	"holdfast/hunt/indicator"
	"holdfast/query"
	"holdfast/store/events"
	"holdfast/store/state"
)

const (
	maxHunts     = 2 // that run at a time on a node
	keptHunts    = 1000
	huntTimeout  = 6 * time.Hour
	partTimeout  = 100 * time.Second // what compaction replaces stays on disk for longer
	huntTells    = 500 * time.Millisecond
	huntSilent   = 2 * time.Minute // after which its node is taken for dead
	huntAgain    = 2               // times that a hunt is begun again, as it may be what ends servers
	huntSamples  = 200             // events of a rule that are kept
	huntTextMost = 64 << 10        // of a rule's text that is kept
)

// HuntRequest says what is looked for, and over which time: a loaded rule by
// key, the text of one, or a list of indicators.
type HuntRequest struct {
	Rule, Text string
	List       string
	Name       string // of the file, for its faults
	From, To   time.Time
	Raw        bool // look for indicators in the records as well
	SkipFaults bool // hunt with what is right of a list
}

// hunts are those that run on this node.
type hunts struct {
	mu     sync.Mutex
	cancel map[string]context.CancelFunc
	done   sync.WaitGroup
}

// add makes a place for a hunt, unless all are taken.
func (x *hunts) add(id string, cancel context.CancelFunc) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.cancel) >= maxHunts {
		return false
	}
	x.cancel[id] = cancel
	return true
}

// here tells whether a hunt runs on this node.
func (x *hunts) here(id string) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cancel[id] != nil
}

// end gives the place of a hunt free.
func (x *hunts) end(id string) {
	x.stop(id)
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.cancel, id)
}

// stop ends a hunt if it runs on this node.
func (x *hunts) stop(id string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if cancel := x.cancel[id]; cancel != nil {
		cancel()
	}
}

// prey is what a hunt looks for, ready to be walked over the parts.
type prey struct {
	replay *detect.Replay
	list   *hunt.Indicators
	// narrow finds the events to look at, counts all of the kinds that are hunted.
	narrow, counts *query.Query
	once           hunt.Once
}

// StartHunt begins a hunt; it goes on when the request that asked for it is
// over.
func (s *Spine) StartHunt(ctx context.Context, who string, r HuntRequest) (holdfast.Hunt, error) {
	now := s.Clock.Now().UTC()
	if r.To.IsZero() {
		r.To = now.Add(time.Minute) // clocks that run ahead a little
	}
	if r.From.IsZero() {
		r.From = r.To.Add(-30 * 24 * time.Hour)
	}
	h := holdfast.Hunt{ID: holdfast.NewID("hnt"), From: r.From.UTC(), To: r.To.UTC(), By: who, Started: now, Updated: now, Status: holdfast.HuntRunning, Raw: r.Raw}
	if !r.From.Before(r.To) {
		return h, fmt.Errorf("a hunt goes from a time to a later one: %w", holdfast.ErrInvalid)
	}
	p, err := s.prey(&h, r)
	if err != nil {
		return h, err
	}
	segs, err := s.State.Segments(ctx, h.From, h.To)
	if err != nil {
		return h, err
	}
	parts := hunt.Parts(segs, query.Range{From: h.From, To: h.To})
	h.Parts = len(parts)
	run, cancel := context.WithTimeout(s.running, huntTimeout)
	if !s.hunts.add(h.ID, cancel) {
		cancel()
		return h, fmt.Errorf("%d hunts are under way, which is the most at a time; wait, or end one with `holdfast hunt cancel HUNT`: %w", maxHunts, holdfast.ErrFull)
	}
	err = s.keepRecord(ctx, who, "hunt.start", h.ID, h.Name, map[string]any{"kind": h.Kind, "sha256": h.SHA256, "from": h.From, "to": h.To, "raw": h.Raw}, func(tx *state.Tx) error {
		if err := forgetHunts(ctx, tx); err != nil {
			return err
		}
		if err := tx.HuntAsks().Put(ctx, state.HuntAsk{ID: h.ID, Rule: r.Rule, Text: r.Text, List: r.List, Name: r.Name, SkipFaults: r.SkipFaults}); err != nil {
			return err
		}
		return tx.Hunts().Put(ctx, h)
	})
	if err != nil {
		s.hunts.end(h.ID)
		return h, err
	}
	s.goHunt(run, h, p, parts)
	return h, nil
}

// goHunt runs a hunt that has a place here, beside whoever asked for it.
func (s *Spine) goHunt(ctx context.Context, h holdfast.Hunt, p *prey, parts []query.Range) {
	s.hunts.done.Add(1)
	go func() {
		defer s.hunts.done.Done()
		defer s.hunts.end(h.ID)
		s.runHunt(ctx, h, p, parts)
	}()
}

// forgetHunts makes room for one more.
func forgetHunts(ctx context.Context, tx *state.Tx) error {
	for {
		old, n, err := tx.Hunts().List(ctx, state.Filter{Limit: 1, Ascending: true})
		if err != nil || n < keptHunts {
			return err
		}
		if err := tx.Hunts().Delete(ctx, old[0].ID); err != nil {
			return err
		}
		if err := tx.HuntAsks().Delete(ctx, old[0].ID); err != nil && !errors.Is(err, holdfast.ErrNotFound) {
			return err
		}
	}
}

// prey reads what is hunted, and says on the hunt what it is.
func (s *Spine) prey(h *holdfast.Hunt, r HuntRequest) (*prey, error) {
	given := 0
	for _, x := range []string{r.Rule, r.Text, r.List} {
		if x != "" {
			given++
		}
	}
	if given != 1 {
		return nil, fmt.Errorf("a hunt is for one rule, or for one list of indicators: %w", holdfast.ErrInvalid)
	}
	sum := sha256.Sum256([]byte(r.Rule + r.Text + r.List))
	h.SHA256 = hex.EncodeToString(sum[:])
	if r.List != "" {
		return s.preyList(h, r)
	}
	step := time.Hour
	if h.To.Sub(h.From) > 4*24*time.Hour {
		step = 24 * time.Hour
	}
	replay, err := s.Detect.NewReplay(r.Rule, r.Text, "", step)
	if err != nil {
		return nil, err
	}
	replay.Samples = huntSamples
	h.Kind, h.Name, h.Narrow = holdfast.HuntRule, replay.Name(), replay.Narrow()
	if len(r.Text) <= huntTextMost {
		h.Text = r.Text
	}
	kinds := replay.Datasets()
	if len(kinds) == 0 {
		return nil, fmt.Errorf("no parser makes events for the rule's logsource: %w", holdfast.ErrInvalid)
	}
	p := &prey{replay: replay}
	if p.narrow, err = query.Parse("events | where "+h.Narrow, h.Started); err == nil {
		p.counts, err = query.Parse(`events | where dataset in ("`+strings.Join(kinds, `", "`)+`") | summarize rows=count()`, h.Started)
	}
	if err != nil {
		return nil, fmt.Errorf("narrowing the rule: %w", err)
	}
	var pick query.Project
	for _, name := range []string{"id", "time", "received", "dataset", "source", "asset", "trouble", "drill", "fields", "raw"} {
		pick.Columns = append(pick.Columns, query.Named{Name: name, Expr: query.Field{Name: name}})
	}
	p.narrow.Stages = append(p.narrow.Stages, pick)
	return p, nil
}

func (s *Spine) preyList(h *holdfast.Hunt, r HuntRequest) (p *prey, err error) {
	list, faults := indicator.Read(cmp.Or(r.Name, "list"), []byte(r.List))
	if len(faults) > 0 && (!r.SkipFaults || len(list.Items) == 0) {
		return nil, faults
	}
	h.Kind, h.Name, h.Indicators, h.Notes = holdfast.HuntIndicators, cmp.Or(r.Name, "list"), hunt.Counts(list.Items), hunt.Notes(list, r.Raw)
	if len(faults) > 0 {
		h.Notes = append(h.Notes, fmt.Sprintf("%d lines with faults were passed over, the first: %s", len(faults), faults[0].Error()))
	}
	p = &prey{list: hunt.NewIndicators(list.Items, r.Raw)}
	p.counts, err = query.Parse("events | summarize rows=count()", h.Started)
	return p, err
}

// ask runs a query of a hunt.
func (s *Spine) ask(ctx context.Context, q *query.Query, r query.Range, head func([]string), row func([]any) error) error {
	const all = 1 << 40
	st, err := query.CompileWith(q, s.options(r, all))
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, partTimeout)
	defer cancel()
	_, err = s.Events.Stream(ctx, events.Statement{SQL: st.SQL, Args: st.Args, From: r.From, To: r.To, MaxRows: all}, func(c []events.Column) error {
		names := make([]string, len(c))
		for i := range c {
			names[i] = c[i].Name
		}
		head(names)
		return nil
	}, row)
	return err
}

// part looks at one part of the time.
func (s *Spine) huntPart(ctx context.Context, h *holdfast.Hunt, p *prey, r query.Range) error {
	var rows uint64
	err := s.ask(ctx, p.counts, r, func([]string) {}, func(row []any) error {
		rows = uint64(numberOf(row[0]))
		return nil
	})
	if err != nil || rows == 0 {
		return err
	}
	if p.list != nil {
		if err := p.list.Part(ctx, s.ask, r); err != nil {
			return err
		}
		h.Events, h.Looked, h.Found = h.Events+rows, p.list.Looked, p.list.Found
		return nil
	}
	var names []string
	p.once.Begin()
	err = s.ask(ctx, p.narrow, r, func(n []string) { names = n }, func(row []any) error {
		e, err := events.Decode(names, row)
		if err != nil {
			return err
		}
		if p.once.New(e.ID) {
			h.Looked++
			p.replay.Add(&e)
		}
		return nil
	})
	p.once.End(err)
	if h.Found = p.replay.Found(); err == nil {
		h.Events += rows
	}
	return err
}

// runHunt walks over the parts, and keeps how far it is and what came of it. A hunt
// that ends because the program does is left as it is: whoever is there next begins
// it again.
func (s *Spine) runHunt(ctx context.Context, h holdfast.Hunt, p *prey, parts []query.Range) {
	over := s.keepHeard(ctx, h)
	told := time.Now()
	err := hunt.Walk(ctx, parts, func(ctx context.Context, r query.Range) error { return s.huntPart(ctx, &h, p, r) }, func(done, of int) {
		h.Done, h.Parts = done, of
		if now := time.Now(); now.Sub(told) > huntTells {
			told = now
			s.tellHunt(ctx, h.ID, h.Again, func(now *holdfast.Hunt) { *now = h })
		}
	})
	over()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
	defer cancel()
	if now, gerr := s.State.Hunts().Get(last, h.ID); gerr == nil {
		h.Cancel = now.Cancel
	}
	switch {
	case err == nil:
		h.Status = holdfast.HuntDone
	case h.Cancel != "":
		h.Status = holdfast.HuntCancelled
	case s.running.Err() != nil:
		return
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		h.Status, h.Error = holdfast.HuntFailed, fmt.Sprintf("it took more than %s; hunt over a shorter time", huntTimeout)
	default:
		h.Status, h.Error = holdfast.HuntFailed, err.Error()
	}
	if p.list != nil {
		h.Hits, h.More = p.list.Hits()
	} else {
		var dropped uint64
		if h.Rules, dropped = p.replay.Result(); dropped > 0 {
			h.Notes = append(h.Notes, fmt.Sprintf("%d events that the rule held for were counted and not correlated, because there were too many", dropped))
		}
	}
	if err := s.State.Tx(last, func(tx *state.Tx) error { return s.endHunt(last, tx, h) }); err != nil {
		s.Log.Error("the result of a hunt was not kept", "hunt", h.ID, "error", err)
	}
}

// endHunt keeps how a hunt ended, unless it was begun again elsewhere meanwhile.
func (s *Spine) endHunt(ctx context.Context, tx *state.Tx, h holdfast.Hunt) error {
	if now, err := tx.Hunts().Get(ctx, h.ID); err != nil || now.Again != h.Again || now.Status != holdfast.HuntRunning {
		return err
	}
	h.Updated = s.Clock.Now().UTC()
	h.Ended = h.Updated
	detail, err := json.Marshal(map[string]any{"kind": h.Kind, "sha256": h.SHA256, "found": h.Found, "events": h.Events, "error": h.Error, "cancelled_by": h.Cancel, "again": h.Again})
	if err != nil {
		return err
	}
	if err := tx.HuntAsks().Delete(ctx, h.ID); err != nil && !errors.Is(err, holdfast.ErrNotFound) {
		return err
	}
	if err := tx.Hunts().Put(ctx, h); err != nil {
		return err
	}
	outcome := fmt.Sprintf("%s: %s; %d found in %d events", h.Status, h.Name, h.Found, h.Events)
	return tx.Record(ctx, holdfast.Evidence{Key: holdfast.NewID("evd"), At: h.Ended, Who: h.By, Did: "hunt.end", On: h.ID, Outcome: outcome, Detail: detail})
}

// tellHunt keeps how far a hunt is. It stops the hunt if somebody asked for that on
// another node, or if it was begun again there.
func (s *Spine) tellHunt(ctx context.Context, id string, again int, change func(*holdfast.Hunt)) {
	stop := false
	err := s.State.Tx(ctx, func(tx *state.Tx) error {
		h, err := tx.Hunts().Get(ctx, id)
		if err != nil {
			return err
		}
		if stop = h.Cancel != "" || h.Again != again; stop {
			return nil
		}
		change(&h)
		h.Updated = s.Clock.Now().UTC()
		return tx.Hunts().Put(ctx, h)
	})
	if stop {
		s.hunts.stop(id)
	}
	if err != nil && ctx.Err() == nil {
		s.Log.Warn("the progress of a hunt", "hunt", id, "error", err)
	}
}

// keepHeard has a hunt be heard of however long one of its parts takes, until over
// is called.
func (s *Spine) keepHeard(ctx context.Context, h holdfast.Hunt) (over func()) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		t := time.NewTicker(huntSilent / 5)
		defer t.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-t.C:
				s.tellHunt(ctx, h.ID, h.Again, func(*holdfast.Hunt) {})
			}
		}
	}()
	return func() {
		cancel()
		<-done
	}
}

// Hunts lists hunts without what they found, the newest first.
func (s *Spine) Hunts(ctx context.Context, limit, offset int) ([]holdfast.Hunt, int, error) {
	list, n, err := s.State.Hunts().List(ctx, state.Filter{Limit: limit, Offset: offset})
	for i := range list {
		h := &list[i]
		h.Hits, h.Rules, h.Text, h.More = nil, nil, "", h.More+len(h.Hits)
	}
	return list, n, err
}

// Hunt returns one.
func (s *Spine) Hunt(ctx context.Context, id string) (holdfast.Hunt, error) {
	return s.State.Hunts().Get(ctx, id)
}

// CancelHunt asks one to stop. What it found until then is kept.
func (s *Spine) CancelHunt(ctx context.Context, who, id string) (h holdfast.Hunt, err error) {
	err = s.State.Tx(ctx, func(tx *state.Tx) error {
		if h, err = tx.Hunts().Get(ctx, id); err != nil {
			return err
		}
		if h.Status != holdfast.HuntRunning {
			return fmt.Errorf("%s is %s: %w", id, h.Status, holdfast.ErrConflict)
		}
		h.Cancel = who
		return tx.Hunts().Put(ctx, h)
	})
	if err == nil {
		s.hunts.stop(id)
	}
	return h, err
}

// DeleteHunt forgets one that has ended. That it was is evidence.
func (s *Spine) DeleteHunt(ctx context.Context, who, id string) (h holdfast.Hunt, err error) {
	if h, err = s.State.Hunts().Get(ctx, id); err != nil {
		return h, err
	}
	if h.Status == holdfast.HuntRunning {
		return h, fmt.Errorf("%s still runs; `holdfast hunt cancel %s` first: %w", id, id, holdfast.ErrConflict)
	}
	return h, s.keepRecord(ctx, who, "hunt.delete", id, h.Name, map[string]any{"sha256": h.SHA256, "found": h.Found}, func(tx *state.Tx) error { return tx.Hunts().Delete(ctx, id) })
}
