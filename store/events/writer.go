package events

import (
	"context"
	"fmt"
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
	first   uint64 // block of the oldest row in rows
	last    uint64 // newest block added
	kept    uint64 // newest block that is committed
	since   time.Time
	ledger  map[string]*holdfast.LedgerRow
	known   map[holdfast.EventID]bool
	order   []holdfast.EventID
	failing error
}

// NewWriter makes a writer that goes on where the manifest stands.
func (s *Store) NewWriter(ctx context.Context, entities func(*holdfast.Event) []holdfast.Entity) (*Writer, error) {
	seq, _, err := s.manifest.Position(ctx, holdfast.WriterPosition)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	return &Writer{
		store: s, entities: entities, last: seq, kept: seq,
		ledger: map[string]*holdfast.LedgerRow{}, known: map[holdfast.EventID]bool{},
	}, nil
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
	for k, v := range w.ledger {
		out[k] = *v
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
	if len(w.rows) == 0 {
		w.first, w.since = seq, w.store.clock.Now()
	}
	w.last = seq
	for _, c := range b.Counts {
		l := w.row(c.Source)
		l.Received += c.Received
		l.Rejected += c.Rejected
	}
	for i := range b.Events {
		w.take(&b.Events[i])
	}
	if len(w.rows) >= flushRows || w.bytes >= flushBytes {
		w.failing = w.flush(ctx)
	}
	return nil
}

func (w *Writer) row(source string) *holdfast.LedgerRow {
	l := w.ledger[source]
	if l == nil {
		l = &holdfast.LedgerRow{Source: source}
		w.ledger[source] = l
	}
	return l
}

func (w *Writer) take(e *holdfast.Event) {
	l := w.row(e.Source)
	if w.known[e.ID] {
		l.Doubled++
		if l.Received > 0 {
			l.Received--
		}
		return
	}
	w.known[e.ID] = true
	if w.order = append(w.order, e.ID); len(w.order) > remember {
		delete(w.known, w.order[0])
		w.order = w.order[1:]
	}
	if e.Dataset == "deadletter" {
		l.DeadLettered++
	} else {
		l.Stored++
	}
	if e.Received.After(l.Last) {
		l.Last = e.Received
	}
	w.rows = append(w.rows, newRow(e, w.entities(e)))
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
	if w.last == w.kept {
		return nil
	}
	var add []holdfast.LedgerRow
	for _, l := range w.ledger {
		add = append(add, *l)
	}
	now := w.store.clock.Now().UTC()
	day := now.Format(time.DateOnly)
	seg := holdfast.Segment{ID: fmt.Sprintf("%s-%016d-%016d", day, w.first, w.last) + w.store.mark, Day: day, First: w.first, Last: w.last, Made: now}
	seg.Path = day + "/" + seg.ID + ".parquet"
	if len(w.rows) > 0 {
		var err error
		if seg, err = writeSegment(w.store.dir, seg, w.rows); err != nil {
			w.failing = err
			return err
		}
	}
	if err := w.store.manifest.CommitSegment(ctx, seg, w.last, add); err != nil {
		w.failing = err
		return fmt.Errorf("events: %w", err)
	}
	w.kept, w.failing = w.last, nil
	w.rows, w.bytes = w.rows[:0], 0
	clear(w.ledger)
	return nil
}
