package events

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast"
)

const (
	flushEvery = time.Second
	flushRows  = 20_000
	flushBytes = 32 << 20
	// remember is how many event ids the writer knows, to store a record that
	// was sent twice once.
	remember = 200_000
)

// Writer turns blocks into segments. A segment, the place on the bus and the
// ledger become true in one transaction of the manifest, so a block is stored
// once however often it is added.
type Writer struct {
	store    *Store
	entities func(*holdfast.Event) []holdfast.Entity

	mu      sync.Mutex
	rows    []row
	bytes   int
	from    uint64 // the first block that no segment covers
	last    uint64 // newest block added
	kept    uint64 // newest block that is committed
	since   time.Time
	ledger  map[part]*holdfast.LedgerRow // by source and hour
	mended  []holdfast.Reparse
	known   map[holdfast.EventID]bool
	order   []holdfast.EventID
	failing error

	// In ClickHouse a segment that was begun is ended before another begins.
	begun  *holdfast.Commit
	suffix string // of the names of this writer's segments
}

// NewWriter makes a writer that goes on where the manifest stands.
func (s *Store) NewWriter(ctx context.Context, entities func(*holdfast.Event) []holdfast.Entity) (*Writer, error) {
	suffix := s.mark
	if s.far != nil { // names are tokens, which ClickHouse knows from before
		suffix += holdfast.NewID("")
		if err := s.recover(ctx); err != nil {
			return nil, err
		}
	}
	seq, _, err := s.manifest.Position(ctx, holdfast.WriterPosition)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	from, err := s.covered(ctx)
	if err != nil {
		return nil, err
	}
	w := &Writer{
		store: s, entities: entities, last: seq, kept: seq, from: min(from, seq) + 1,
		suffix: suffix, ledger: map[part]*holdfast.LedgerRow{}, known: map[holdfast.EventID]bool{},
	}
	if err := w.recall(ctx); err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return w, nil
}

// covered is the newest block that the manifest has a segment for, or the
// record of one that was dropped. Blocks behind it had no events.
func (s *Store) covered(ctx context.Context) (uint64, error) {
	m, err := s.manifest.Manifest(ctx)
	if err != nil {
		return 0, fmt.Errorf("events: %w", err)
	}
	var last uint64
	for i := range m.Segments {
		last = max(last, m.Segments[i].Last)
	}
	for _, d := range m.Drops {
		for _, r := range d.Ranges {
			last = max(last, r.Last)
		}
	}
	return last, nil
}

// Position is the newest block whose events are committed.
func (w *Writer) Position() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.kept
}

// Waiting counts for each source the events that are added and not committed.
func (w *Writer) Waiting() map[string]holdfast.LedgerRow {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := map[string]holdfast.LedgerRow{}
	rows := slices.Collect(maps.Values(w.ledger))
	if w.begun != nil {
		for i := range w.begun.Ledger {
			rows = append(rows, &w.begun.Ledger[i])
		}
	}
	for _, v := range rows {
		sum := out[v.Source]
		sum.Source = v.Source
		sum.Received, sum.Stored, sum.Rejected = sum.Received+v.Received, sum.Stored+v.Stored, sum.Rejected+v.Rejected
		sum.DeadLettered, sum.Doubled, sum.Reparsed = sum.DeadLettered+v.DeadLettered, sum.Doubled+v.Doubled, sum.Reparsed+v.Reparsed
		if v.Last.After(sum.Last) {
			sum.Last = v.Last
		}
		out[v.Source] = sum
	}
	return out
}

// Add takes a block. It returns an error only if what was added before cannot
// be written; the block is then not taken.
func (w *Writer) Add(ctx context.Context, seq uint64, b *holdfast.Block) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if seq <= w.last {
		return nil
	}
	if w.failing != nil {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	mended, err := w.reparsed(ctx, b)
	if err != nil {
		return err
	}
	if w.last == w.kept {
		w.since = w.store.clock.Now()
	}
	w.last = seq
	for _, c := range b.Counts {
		l := w.row(c.Source, c.Hour)
		l.Received += c.Received
		l.Rejected += c.Rejected
	}
	for i := range b.Events {
		w.take(&b.Events[i], mended)
	}
	if len(w.rows) >= flushRows || w.bytes >= flushBytes {
		w.failing = w.flush(ctx)
	}
	return nil
}

func (w *Writer) row(source string, at time.Time) *holdfast.LedgerRow {
	key := part{source: utf8Text(source), hour: holdfast.Hour(at).UnixMicro()}
	l := w.ledger[key]
	if l == nil {
		l = &holdfast.LedgerRow{Source: key.source, Hour: holdfast.Hour(at)}
		w.ledger[key] = l
	}
	return l
}

// reparsed finds the events of a block that were dead letters, and which of
// these have become events before: true for those.
func (w *Writer) reparsed(ctx context.Context, b *holdfast.Block) (map[holdfast.EventID]bool, error) {
	if !strings.HasPrefix(b.ID, holdfast.ReparseBlock) {
		return nil, nil
	}
	var ids []holdfast.EventID
	for i := range b.Events {
		if dead, ok := b.Events[i].Reparsed(); ok {
			ids = append(ids, dead)
		}
	}
	if len(ids) == 0 {
		return nil, nil
	}
	done, err := w.store.manifest.Reparsed(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	out := make(map[holdfast.EventID]bool, len(ids))
	for _, id := range ids {
		_, out[id] = done[id]
	}
	return out, nil
}

func (w *Writer) take(e *holdfast.Event, mended map[holdfast.EventID]bool) {
	l := w.row(e.Source, e.Received)
	var dead holdfast.EventID
	again, was := false, false
	if len(mended) > 0 {
		if dead, was = e.Reparsed(); was {
			again = mended[dead]
		}
	}
	if again || w.known[e.ID] {
		l.Doubled++
		if !was && l.Received > 0 {
			l.Received--
		}
		return
	}
	w.known[e.ID] = true
	if w.order = append(w.order, e.ID); len(w.order) > remember {
		delete(w.known, w.order[0])
		w.order = w.order[1:]
	}
	switch {
	case e.Dataset == holdfast.DeadLetter:
		l.DeadLettered++
	case was:
		l.Reparsed++
		w.mended = append(w.mended, holdfast.Reparse{Dead: dead, Event: e.ID})
		fallthrough
	default:
		l.Stored++
	}
	if e.Received.After(l.Last) {
		l.Last = e.Received
	}
	r := newRow(e, w.entities(e))
	r.Position = int64(w.last)
	w.rows = append(w.rows, r)
	w.bytes += len(e.Raw) + 512
}

// Run flushes once a second until ctx is done, and then once more.
func (w *Writer) Run(ctx context.Context) {
	t := time.NewTicker(flushEvery / 4)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			if err := w.Flush(last); err != nil {
				w.store.log.Warn("events stay on the bus until the next start", "error", err)
			}
			return
		case <-t.C:
			w.mu.Lock()
			due := w.last > w.kept && w.store.clock.Now().Sub(w.since) >= flushEvery
			w.mu.Unlock()
			if due {
				if err := w.Flush(ctx); err != nil && ctx.Err() == nil {
					w.store.log.Warn("writing a segment", "error", err)
				}
			}
		}
	}
}

// Flush commits all that was added.
func (w *Writer) Flush(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.flush(ctx)
}

func (w *Writer) flush(ctx context.Context) error {
	if w.begun != nil {
		if err := w.carry(ctx); err != nil {
			return err
		}
	}
	if w.last == w.kept {
		return nil
	}
	c := holdfast.Commit{Position: w.last, Reparsed: w.mended}
	for _, l := range w.ledger {
		c.Ledger = append(c.Ledger, *l)
	}
	now := w.store.clock.Now().UTC()
	day := now.Format(time.DateOnly)
	c.Segment = holdfast.Segment{ID: fmt.Sprintf("%s-%016d-%016d", day, w.from, w.last) + w.suffix, Day: day, First: w.from, Last: w.last, Made: now}
	c.Segment.Path = day + "/" + c.Segment.ID + ".parquet"
	if len(w.rows) > 0 {
		var err error
		if c.Segment, err = writeSegment(w.store.dir, c.Segment, w.rows, w.store.encoders); err != nil {
			w.failing = err
			return err
		}
	}
	w.store.step("written")
	if w.store.far != nil && len(w.rows) > 0 {
		c.Segment.Sum = sumOf(w.rows)
		w.begun = &c
		w.from = w.last + 1
		w.clear()
		return w.carry(ctx)
	}
	if err := w.store.manifest.CommitSegment(ctx, c); err != nil {
		w.failing = err
		return fmt.Errorf("events: %w", err)
	}
	w.store.step("committed")
	if len(w.rows) > 0 {
		w.from = w.last + 1
	}
	w.kept, w.failing = w.last, nil
	w.clear()
	return nil
}

// clear forgets what was added and is a segment now.
func (w *Writer) clear() {
	clear(w.rows)
	w.rows, w.bytes, w.mended = w.rows[:0], 0, nil
	clear(w.ledger)
}

// carry ends the segment that was begun.
func (w *Writer) carry(ctx context.Context) error {
	if err := w.store.carry(ctx, *w.begun); err != nil {
		w.failing = err
		return err
	}
	w.kept, w.failing, w.begun = w.begun.Position, nil, nil
	return nil
}
