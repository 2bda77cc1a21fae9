package events

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast"
	"holdfast/internal/turn"
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
// once however often it is added. While one segment is written the next gathers.
type Writer struct {
	store    *Store
	entities func(*holdfast.Event) []holdfast.Entity

	mu      sync.Mutex
	cur     *batch  // what is added goes there
	spare   *batch  // an empty one, or nil
	flight  *flight // the segment that is written meanwhile, or nil
	last    uint64  // newest block added
	kept    uint64  // newest block that is known to be committed
	known   *recent
	failing error

	// In ClickHouse a segment that was begun is ended before another begins.
	begun  *holdfast.Commit
	suffix string // of the names of this writer's segments
}

// flight is a batch that is made a segment. err may be read when done is closed.
type flight struct {
	batch *batch
	done  chan struct{}
	err   error
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
		store: s, entities: entities, cur: newBatch(), last: seq, kept: seq,
		suffix: suffix, known: newRecent(remember),
	}
	w.cur.from = min(from, seq) + 1
	if err := w.missed(ctx); err != nil {
		return nil, err
	}
	if err := w.recall(ctx); err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return w, nil
}

// missed says which blocks the bus has no more although this manifest has none of
// their events: it is older than the bus, or was begun anew. They are in no segment's
// range, so that verify names them as well.
func (w *Writer) missed(ctx context.Context) error {
	if w.store.bus == nil {
		return nil
	}
	first, _, err := w.store.bus(ctx)
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	if first > w.last+1 {
		w.store.log.Error("the bus has given up blocks that this state has no events of, so it was begun anew or is an older copy", "first", w.last+1, "last", first-1)
		w.cur.from = first
	}
	return nil
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
	_ = w.land(false)
	return w.kept
}

// Waiting counts for each source the events that are added and not committed.
func (w *Writer) Waiting() map[string]holdfast.LedgerRow {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.land(false)
	out := map[string]holdfast.LedgerRow{}
	rows := slices.Collect(maps.Values(w.cur.ledger))
	if w.flight != nil {
		rows = slices.AppendSeq(rows, maps.Values(w.flight.batch.ledger))
	}
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
	if w.land(false) != nil || w.failing != nil {
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	if b.Unreadable { // no segment has it, so that verify names it
		if err := w.flush(ctx); err != nil {
			return err
		}
		w.last, w.cur.from = seq, seq+1
		return nil
	}
	mended, err := w.reparsed(ctx, b)
	if err != nil {
		return err
	}
	if w.cur.blocks == 0 {
		w.cur.since = w.store.clock.Now()
	}
	w.last, w.cur.last = seq, seq
	w.cur.blocks++
	for _, c := range b.Counts {
		l := w.cur.row(c.Source, c.Hour)
		l.Received += c.Received
		l.Rejected += c.Rejected
	}
	t := w.store.turns.Begin(turn.Stored)
	for some := range slices.Chunk(b.Events, expected) {
		w.known.expect(some)
		for i := range some {
			w.take(&some[i], mended)
		}
	}
	t.End()
	if w.cur.full() {
		w.failing = w.begin(ctx)
	}
	return nil
}

// reparsed finds the events of a block that were dead letters, and which of
// these have become events before: true for those.
func (w *Writer) reparsed(ctx context.Context, b *holdfast.Block) (map[holdfast.EventID]bool, error) {
	if !strings.HasPrefix(b.ID, holdfast.ReparseBlock) {
		return nil, nil
	}
	var ids []holdfast.EventID
	for i := range b.Events {
		if dead, _, ok := b.Events[i].Reparsed(); ok {
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
	l := w.cur.row(e.Source, e.Received)
	var dead holdfast.EventID
	again, further, was := false, false, false
	if len(mended) > 0 {
		if dead, further, was = e.Reparsed(); was {
			again = mended[dead]
		}
	}
	if again || !w.known.add(e.ID) {
		l.Doubled++
		if !was && l.Received > 0 {
			l.Received--
		}
		return
	}
	if was {
		w.cur.mended = append(w.cur.mended, holdfast.Reparse{Dead: dead, Event: e.ID})
	}
	switch {
	case further: // its dead letter was received as one record
		l.Received++
	case was:
		l.Reparsed++
	}
	if e.Dataset == holdfast.DeadLetter {
		l.DeadLettered++
	} else {
		l.Stored++
	}
	if e.Received.After(l.Last) {
		l.Last = e.Received
	}
	r := newRow(e, w.entities(e), &w.cur.memory)
	r.Position = int64(w.last)
	w.cur.rows.Add(&r)
	w.cur.bytes += len(e.Raw) + 512
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
			if err := w.due(ctx); err != nil && ctx.Err() == nil {
				w.store.log.Warn("writing a segment", "error", err)
			}
		}
	}
}

// due begins a segment if it is time for one, and tries again what failed.
func (w *Writer) due(ctx context.Context) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.land(false)
	switch {
	case err != nil || w.failing != nil:
		return errors.Join(err, w.flush(ctx))
	case w.flight != nil || w.cur.blocks == 0 || w.store.clock.Now().Sub(w.cur.since) < flushEvery:
		return nil
	}
	w.failing = w.begin(ctx)
	return w.failing
}

// Settle returns when no segment is being written. What is written later is
// begun by Add or Flush.
func (w *Writer) Settle() {
	w.mu.Lock()
	defer w.mu.Unlock()
	_ = w.land(true)
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
	if err := w.land(true); err != nil {
		if err := w.again(ctx); err != nil {
			return err
		}
	}
	if w.cur.blocks == 0 {
		w.failing = nil
		return nil
	}
	if w.store.far != nil {
		return w.beginFar(ctx)
	}
	f := w.depart()
	close(f.done)
	return w.again(ctx)
}

// begin has what was added written, beside what is added from then on, once the
// segment before is committed.
func (w *Writer) begin(ctx context.Context) error {
	if w.store.far != nil {
		return w.beginFar(ctx)
	}
	if err := w.land(true); err != nil {
		return err
	}
	f := w.depart()
	go func() {
		defer close(f.done)
		f.err = w.keep(ctx, f.batch)
	}()
	return nil
}

// depart parts what was added from what will be.
func (w *Writer) depart() *flight {
	f := &flight{batch: w.cur, done: make(chan struct{})}
	if w.cur = w.spare; w.cur == nil {
		w.cur = newBatch()
	}
	w.flight, w.spare, w.cur.from = f, nil, f.batch.next()
	return f
}

// land takes note of a segment that is committed, or has failed: it is then tried
// again by again. It waits for one on its way if it is told to.
func (w *Writer) land(wait bool) error {
	f := w.flight
	if f == nil {
		return nil
	}
	if !wait {
		select {
		case <-f.done:
		default:
			return nil
		}
	}
	<-f.done
	if f.err != nil {
		w.failing = f.err
		return f.err
	}
	w.landed()
	return nil
}

func (w *Writer) landed() {
	b := w.flight.batch
	w.kept, w.failing, w.flight, w.spare = b.last, nil, nil, b
	b.clear(0)
}

// again keeps what failed before, or was not tried yet.
func (w *Writer) again(ctx context.Context) error {
	f := w.flight
	if f.err = w.keep(ctx, f.batch); f.err != nil {
		w.failing = f.err
		return f.err
	}
	w.landed()
	return nil
}

// keep writes and commits a batch.
func (w *Writer) keep(ctx context.Context, b *batch) error {
	c, err := w.write(b)
	if err != nil {
		return err
	}
	if err := w.store.manifest.CommitSegment(ctx, c); err != nil {
		return fmt.Errorf("events: %w", err)
	}
	w.store.step("committed")
	return nil
}

// write makes a batch a file, which nothing knows of yet.
func (w *Writer) write(b *batch) (c holdfast.Commit, err error) {
	c = b.commit()
	now := w.store.clock.Now().UTC()
	day := now.Format(time.DateOnly)
	c.Segment = holdfast.Segment{ID: fmt.Sprintf("%s-%016d-%016d", day, b.from, b.last) + w.suffix, Day: day, First: b.from, Last: b.last, Made: now}
	c.Segment.Path = day + "/" + c.Segment.ID + ".parquet"
	if b.rows.Len() > 0 {
		if c.Segment, err = writeSegment(w.store.dir, c.Segment, b.rows, w.store.encoders, w.store.turns); err != nil {
			return c, err
		}
	}
	w.store.step("written")
	return c, nil
}

// beginFar writes what was added, and carries it to ClickHouse.
func (w *Writer) beginFar(ctx context.Context) error {
	b := w.cur
	c, err := w.write(b)
	if err != nil {
		w.failing = err
		return err
	}
	if b.rows.Len() > 0 {
		c.Segment.Sum = sumOf(b.list())
		w.begun = &c
		b.clear(b.next())
		return w.carry(ctx)
	}
	if err := w.store.manifest.CommitSegment(ctx, c); err != nil {
		w.failing = err
		return fmt.Errorf("events: %w", err)
	}
	w.store.step("committed")
	w.kept, w.failing = b.last, nil
	b.clear(b.from)
	return nil
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
