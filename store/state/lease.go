package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"holdfast"
)

// Lease is the right to carry a duty that one node at a time carries. Term
// grows with every change of hands.
type Lease struct {
	Name, Holder string
	Term         uint64
}

// TakeLease takes a lease that is free, has run out, or is the holder's own
// already, for a time. It returns false while another has it. A holder's name
// is never used again by another process.
func (s store) TakeLease(ctx context.Context, name, holder string, ttl time.Duration) (l Lease, ok bool, err error) {
	err = s.run.writing(ctx, func(tx *Tx) error {
		now, err := tx.run.now(ctx)
		if err != nil {
			return fmt.Errorf("lease %s: %w", name, err)
		}
		l = Lease{Name: name, Holder: holder}
		var has string
		var until int64
		err = tx.run.reader().QueryRowContext(ctx, "SELECT holder, term, until FROM leases WHERE name = $1", name).Scan(&has, &l.Term, &until)
		switch {
		case err != nil && !errors.Is(err, sql.ErrNoRows):
			return fmt.Errorf("lease %s: %w", name, err)
		case err == nil && has != holder && now < until:
			l = Lease{}
			return nil
		case has != holder:
			l.Term++
		}
		ok = true
		return tx.write(ctx, `INSERT INTO leases (name, holder, term, until) VALUES ($1, $2, $3, $4)
			ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, term = excluded.term, until = excluded.until`, name, holder, l.Term, now+ttl.Microseconds())
	})
	return l, ok && err == nil, err
}

// DropLease gives a lease back, so that another need not wait for its end.
func (s store) DropLease(ctx context.Context, l Lease) error {
	return s.write(ctx, "UPDATE leases SET until = 0 WHERE name = $1 AND holder = $2 AND term = $3", l.Name, l.Holder, l.Term)
}

// Leased is a lease as it stands. One that was given back ends with the zero of
// Unix.
type Leased struct {
	Lease
	Until time.Time
}

// Leases lists those whose names begin so, by name, and the time by which their
// ends are told.
func (s store) Leases(ctx context.Context, begin string) (out []Leased, now time.Time, err error) {
	micros, err := s.run.now(ctx)
	if err != nil {
		return nil, now, fmt.Errorf("leases: %w", err)
	}
	rows, err := s.run.reader().QueryContext(ctx, "SELECT name, holder, term, until FROM leases WHERE substr(name, 1, $1) = $2 ORDER BY name", len(begin), begin)
	if err != nil {
		return nil, now, fmt.Errorf("leases: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var l Leased
		var until int64
		if err := rows.Scan(&l.Name, &l.Holder, &l.Term, &until); err != nil {
			return nil, now, fmt.Errorf("leases: %w", err)
		}
		l.Until = time.UnixMicro(until).UTC()
		out = append(out, l)
	}
	return out, time.UnixMicro(micros).UTC(), rows.Err()
}

// Holds returns an error that wraps ErrConflict if the lease went to another.
// Within a transaction it holds until the commit, as only one writes at a time.
// The zero Lease is always held.
func (s store) Holds(ctx context.Context, l Lease) error {
	if l == (Lease{}) {
		return nil
	}
	var holder string
	var term uint64
	err := s.run.reader().QueryRowContext(ctx, "SELECT holder, term FROM leases WHERE name = $1", l.Name).Scan(&holder, &term)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("lease %s: %w", l.Name, err)
	}
	if holder != l.Holder || term != l.Term {
		return fmt.Errorf("%s has the lease of %s now: %w", holder, l.Name, holdfast.ErrConflict)
	}
	return nil
}

// SettingOr returns a setting, and keeps the one that is made if there is none.
// Of many who ask at once, one makes it.
func (s store) SettingOr(ctx context.Context, name string, made func() (string, error)) (v string, err error) {
	if v, err = s.Setting(ctx, name); !errors.Is(err, holdfast.ErrNotFound) {
		return v, err
	}
	err = s.run.writing(ctx, func(tx *Tx) error {
		if v, err = tx.Setting(ctx, name); !errors.Is(err, holdfast.ErrNotFound) {
			return err
		}
		if v, err = made(); err != nil {
			return err
		}
		return tx.SetSetting(ctx, name, v)
	})
	return v, err
}

// Held is a view of the state's manifest for the holder of a lease: nothing is
// written once another has it.
type Held struct {
	*DB
	Lease Lease
}

// CommitSegment is that of the state. A segment whose place is behind the one
// that is kept was committed already, by a call whose answer was lost.
func (h Held) CommitSegment(ctx context.Context, c holdfast.Commit) error {
	return h.Tx(ctx, func(tx *Tx) error {
		if err := tx.Holds(ctx, h.Lease); err != nil {
			return err
		}
		if now, _, err := tx.Position(ctx, holdfast.WriterPosition); err != nil || now >= c.Position {
			return err
		}
		return tx.CommitSegment(ctx, c)
	})
}

// Intend is that of the state.
func (h Held) Intend(ctx context.Context, c holdfast.Commit) error {
	return h.Tx(ctx, func(tx *Tx) error {
		if err := tx.Holds(ctx, h.Lease); err != nil {
			return err
		}
		return tx.Intend(ctx, c)
	})
}

// ReplaceSegments is that of the state.
func (h Held) ReplaceSegments(ctx context.Context, old []string, seg holdfast.Segment) error {
	return h.Tx(ctx, func(tx *Tx) error {
		if err := tx.Holds(ctx, h.Lease); err != nil {
			return err
		}
		return tx.ReplaceSegments(ctx, old, seg)
	})
}

// DropEvents is that of the state.
func (h Held) DropEvents(ctx context.Context, d holdfast.Drop, left *holdfast.Segment, holds string, e holdfast.Evidence) error {
	return h.Tx(ctx, func(tx *Tx) error {
		if err := tx.Holds(ctx, h.Lease); err != nil {
			return err
		}
		return tx.DropEvents(ctx, d, left, holds, e)
	})
}
