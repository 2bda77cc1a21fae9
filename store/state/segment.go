package state

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"holdfast"
)

// CommitSegment makes a segment part of the store, together with the writer's
// place on the bus, what the segment adds to the ledger and which dead letters
// it holds as events. A segment without events only moves the place.
func (s store) CommitSegment(ctx context.Context, c holdfast.Commit) error {
	return s.run.writing(ctx, func(tx *Tx) error {
		if c.Segment.Events > 0 {
			if err := tx.putSegment(ctx, c.Segment); err != nil {
				return err
			}
		}
		if err := tx.addLedger(ctx, c.Ledger); err != nil {
			return err
		}
		for _, r := range c.Reparsed {
			err := tx.write(ctx, "INSERT INTO reparsed (dead, event, at) VALUES ($1, $2, $3)", r.Dead.String(), r.Event.String(), micros(c.Segment.Made))
			if err != nil {
				return err
			}
		}
		*tx.changed = append(*tx.changed, change{"event", ""})
		return tx.SetPosition(ctx, holdfast.WriterPosition, c.Position, nil)
	})
}

// intent is the setting with what the writer is about to insert into a store that
// takes no part in the transactions here.
const intent = "events.intent"

// Intend keeps what the writer is about to insert. It stands until the next one;
// what is not behind the writer's position may be under way.
func (s store) Intend(ctx context.Context, c holdfast.Commit) error {
	body, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("segment: %w", err)
	}
	return s.SetSetting(ctx, intent, string(body))
}

// Intent returns what was intended last, or ErrNotFound.
func (s store) Intent(ctx context.Context) (c holdfast.Commit, err error) {
	body, err := s.Setting(ctx, intent)
	if err != nil {
		return c, err
	}
	if err := json.Unmarshal([]byte(body), &c); err != nil {
		return c, fmt.Errorf("segment: what was intended: %w", err)
	}
	return c, nil
}

// Dropped keeps a drop whose rows are deleted.
func (s store) Dropped(ctx context.Context, d holdfast.Drop) error { return s.Drops().Put(ctx, d) }

func (s store) putSegment(ctx context.Context, seg holdfast.Segment) error {
	body, err := json.Marshal(seg)
	if err != nil {
		return fmt.Errorf("segment: %w", err)
	}
	return s.write(ctx, "INSERT INTO segments (id, day, oldest, newest, body) VALUES ($1, $2, $3, $4, $5)", seg.ID, seg.Day, micros(seg.Oldest), micros(seg.Newest), string(body))
}

// ReplaceSegments puts one segment in the place of several that hold the same
// events. If one of them is not there any more, nothing is done and the error
// wraps ErrConflict.
func (s store) ReplaceSegments(ctx context.Context, old []string, seg holdfast.Segment) error {
	return s.run.writing(ctx, func(tx *Tx) error {
		if err := tx.removeSegments(ctx, old...); err != nil {
			return err
		}
		return tx.putSegment(ctx, seg)
	})
}

func (tx *Tx) removeSegments(ctx context.Context, ids ...string) error {
	for _, id := range ids {
		r, err := tx.run.reader().ExecContext(ctx, "DELETE FROM segments WHERE id = $1", id)
		if err != nil {
			return fmt.Errorf("state: %w", full(err))
		}
		if n, err := r.RowsAffected(); err != nil || n != 1 {
			return fmt.Errorf("segment %s is not in the manifest any more: %w", id, holdfast.ErrConflict)
		}
	}
	return nil
}

// DropEvents takes events out of the store for ever: the segment goes, what is
// left of it (nil for nothing) takes its place, and ledger, the record of the
// drop and evidence say so. Holds is what LiveHolds returned when it was decided
// what may go; if they have changed since, nothing is done and the error wraps
// ErrConflict.
func (s store) DropEvents(ctx context.Context, d holdfast.Drop, left *holdfast.Segment, holds string, e holdfast.Evidence) error {
	return s.run.writing(ctx, func(tx *Tx) error {
		_, now, err := tx.LiveHolds(ctx)
		if err != nil {
			return err
		}
		if now != holds {
			return fmt.Errorf("the holds have changed meanwhile: %w", holdfast.ErrConflict)
		}
		if err := tx.removeSegments(ctx, d.Segment); err != nil {
			return err
		}
		if left != nil {
			if err := tx.putSegment(ctx, *left); err != nil {
				return err
			}
		}
		if err := tx.addLedger(ctx, dropped(d.Parts)); err != nil {
			return err
		}
		if err := tx.Drops().Put(ctx, d); err != nil {
			return err
		}
		*tx.changed = append(*tx.changed, change{"event", ""})
		return tx.Record(ctx, e)
	})
}

func dropped(parts []holdfast.SegmentPart) []holdfast.LedgerRow {
	out := make([]holdfast.LedgerRow, len(parts))
	for i, p := range parts {
		out[i] = holdfast.LedgerRow{Source: p.Source, Hour: p.Hour}
		if p.Dataset == holdfast.DeadLetter {
			out[i].DroppedDead = p.Events
		} else {
			out[i].Dropped = p.Events
		}
	}
	return out
}

const ledgerColumns = "received, stored, rejected, dead, doubled, reparsed, dropped, dropped_dead, last"

// ledgerAdds adds to a row. Reparsed records are in stored, and leave dead.
const ledgerAdds = `received = %[1]s.received + excluded.received, stored = %[1]s.stored + excluded.stored, rejected = %[1]s.rejected + excluded.rejected,
	dead = %[1]s.dead + excluded.dead, doubled = %[1]s.doubled + excluded.doubled, reparsed = %[1]s.reparsed + excluded.reparsed,
	dropped = %[1]s.dropped + excluded.dropped, dropped_dead = %[1]s.dropped_dead + excluded.dropped_dead,
	last = CASE WHEN excluded.last > %[1]s.last THEN excluded.last ELSE %[1]s.last END`

func (tx *Tx) addLedger(ctx context.Context, add []holdfast.LedgerRow) error {
	values := func(r holdfast.LedgerRow) []any {
		return []any{r.Source, r.Received, r.Stored, r.Rejected, int64(r.DeadLettered) - int64(r.Reparsed), r.Doubled, r.Reparsed, r.Dropped, r.DroppedDead, micros(r.Last)}
	}
	for _, r := range add {
		err := tx.write(ctx, "INSERT INTO ledger (source, "+ledgerColumns+") VALUES ("+places(10)+") ON CONFLICT (source) DO UPDATE SET "+fmt.Sprintf(ledgerAdds, "ledger"), values(r)...)
		if err == nil {
			err = tx.write(ctx, "INSERT INTO ledger_hours (source, "+ledgerColumns+", hour) VALUES ("+places(11)+") ON CONFLICT (source, hour) DO UPDATE SET "+fmt.Sprintf(ledgerAdds, "ledger_hours"), append(values(r), micros(r.Hour))...)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Segments returns the segments with events in a range of time, by id; a zero
// end is open. Nobody changes what their slices hold: others are given the same.
func (s store) Segments(ctx context.Context, from, to time.Time) ([]holdfast.Segment, error) {
	lo, hi := span(from, to)
	rows, err := s.run.reader().QueryContext(ctx, "SELECT body FROM segments WHERE newest >= $1 AND oldest <= $2 ORDER BY id", lo, hi)
	if err != nil {
		return nil, fmt.Errorf("segments: %w", err)
	}
	defer rows.Close()
	var out []holdfast.Segment
	for rows.Next() {
		var body string
		if err := rows.Scan(&body); err != nil {
			return nil, fmt.Errorf("segments: %w", err)
		}
		seg, err := s.segs.decode(body)
		if err != nil {
			return nil, fmt.Errorf("segments: %w", err)
		}
		out = append(out, seg)
	}
	return out, rows.Err()
}

func span(from, to time.Time) (lo, hi int64) {
	lo, hi = -1<<62, 1<<62
	if !from.IsZero() {
		lo = micros(from)
	}
	if !to.IsZero() {
		hi = micros(to)
	}
	return lo, hi
}

// Ledger returns what every source gave; Waiting is not known here.
func (s store) Ledger(ctx context.Context) ([]holdfast.LedgerRow, error) {
	return s.ledgerRows(ctx, "SELECT source, 0, "+ledgerColumns+" FROM ledger ORDER BY source")
}

// LedgerHours returns what a source, or every one, gave hour by hour, the
// newest first. A zero end is open; limit 0 is all.
func (s store) LedgerHours(ctx context.Context, source string, from, to time.Time, limit int) ([]holdfast.LedgerRow, error) {
	lo, hi := span(from, to)
	q, args := "SELECT source, hour, "+ledgerColumns+" FROM ledger_hours WHERE hour >= $1 AND hour <= $2", []any{lo, hi}
	if source != "" {
		q, args = q+" AND source = $3", append(args, source)
	}
	q += " ORDER BY hour DESC, source"
	if limit > 0 {
		q += " LIMIT " + strconv.Itoa(limit)
	}
	return s.ledgerRows(ctx, q, args...)
}

func (s store) ledgerRows(ctx context.Context, q string, args ...any) ([]holdfast.LedgerRow, error) {
	rows, err := s.run.reader().QueryContext(ctx, q, args...)
	if err != nil {
		return nil, fmt.Errorf("ledger: %w", err)
	}
	defer rows.Close()
	var out []holdfast.LedgerRow
	for rows.Next() {
		var r holdfast.LedgerRow
		var hour, last int64
		err := rows.Scan(&r.Source, &hour, &r.Received, &r.Stored, &r.Rejected, &r.DeadLettered, &r.Doubled, &r.Reparsed, &r.Dropped, &r.DroppedDead, &last)
		if err != nil {
			return nil, fmt.Errorf("ledger: %w", err)
		}
		if r.Last = time.UnixMicro(last).UTC(); hour != 0 {
			r.Hour = time.UnixMicro(hour).UTC()
		}
		out = append(out, r)
	}
	return out, rows.Err()
}

// Manifest returns all that is known of the segments, as of one moment.
func (s store) Manifest(ctx context.Context) (m holdfast.Manifest, err error) {
	err = s.run.together(ctx, func(s store) error {
		if m.Position, _, err = s.Position(ctx, holdfast.WriterPosition); err != nil {
			return err
		}
		if m.Segments, err = s.Segments(ctx, time.Time{}, time.Time{}); err != nil {
			return err
		}
		if m.Drops, err = s.Drops().All(ctx, nil); err != nil {
			return err
		}
		if m.Ledger, err = s.Ledger(ctx); err != nil {
			return err
		}
		m.Hours, err = s.LedgerHours(ctx, "", time.Time{}, time.Time{}, 0)
		return err
	})
	return m, err
}

// Reparsed returns which of some dead letters have become events.
func (s store) Reparsed(ctx context.Context, dead []holdfast.EventID) (map[holdfast.EventID]holdfast.EventID, error) {
	out := map[holdfast.EventID]holdfast.EventID{}
	for len(dead) > 0 {
		n := min(len(dead), 500)
		args := make([]any, n)
		for i, id := range dead[:n] {
			args[i] = id.String()
		}
		dead = dead[n:]
		if err := s.reparsed(ctx, out, args); err != nil {
			return nil, fmt.Errorf("reparsed: %w", err)
		}
	}
	return out, nil
}

func (s store) reparsed(ctx context.Context, out map[holdfast.EventID]holdfast.EventID, ids []any) error {
	rows, err := s.run.reader().QueryContext(ctx, "SELECT dead, event FROM reparsed WHERE dead IN ("+places(len(ids))+")", ids...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var a, b string
		var dead, event holdfast.EventID
		if err := rows.Scan(&a, &b); err != nil {
			return err
		}
		if err := dead.UnmarshalText([]byte(a)); err != nil {
			return err
		}
		if err := event.UnmarshalText([]byte(b)); err != nil {
			return err
		}
		out[dead] = event
	}
	return rows.Err()
}

// Drops are what retention took away, newest first.
func (s store) Drops() Collection[holdfast.Drop] {
	return Collection[holdfast.Drop]{s, &noun[holdfast.Drop]{
		name: "drop", table: "drops",
		id: func(d *holdfast.Drop) string { return d.ID }, sort: func(d *holdfast.Drop) int64 { return micros(d.At) },
		values: func(*holdfast.Drop) []string { return nil },
	}}
}

// Retentions are the rules of retention, by dataset.
func (s store) Retentions() Collection[holdfast.Retention] {
	return Collection[holdfast.Retention]{s, &noun[holdfast.Retention]{
		name: "retention", table: "retentions",
		id: func(r *holdfast.Retention) string { return r.Dataset }, sort: func(*holdfast.Retention) int64 { return 0 },
		values: func(*holdfast.Retention) []string { return nil },
	}}
}

// LegalHolds, newest first. Live is "true" until a hold is released.
func (s store) LegalHolds() Collection[holdfast.Hold] {
	return Collection[holdfast.Hold]{s, &noun[holdfast.Hold]{
		name: "hold", table: "holds",
		id: func(h *holdfast.Hold) string { return h.Name }, sort: func(h *holdfast.Hold) int64 { return micros(h.Created) },
		keys:   []string{"live"},
		values: func(h *holdfast.Hold) []string { return []string{strconv.FormatBool(h.Released.IsZero())} },
	}}
}

// LiveHolds returns the holds that are in force, and a text that changes when
// they do.
func (s store) LiveHolds(ctx context.Context) ([]holdfast.Hold, string, error) {
	list, err := s.LegalHolds().All(ctx, map[string]string{"live": "true"})
	if err != nil {
		return nil, "", err
	}
	var mark strings.Builder
	for _, h := range list {
		fmt.Fprintf(&mark, "%q@%d ", h.Name, micros(h.Created))
	}
	return list, mark.String(), nil
}
