package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"holdfast"
)

// write runs one statement in the transaction at hand, or in one of its own.
func (s store) write(ctx context.Context, q string, args ...any) error {
	return s.run.writing(ctx, func(tx *Tx) error {
		if _, err := tx.run.reader().ExecContext(ctx, q, args...); err != nil {
			return fmt.Errorf("state: %w", full(err))
		}
		return nil
	})
}

// PutFacts keeps the tables of an asset; tables it does not name stay.
func (s store) PutFacts(ctx context.Context, f holdfast.Facts) error {
	return s.run.writing(ctx, func(tx *Tx) error {
		for name, t := range f.Tables {
			body, err := json.Marshal(t)
			if err != nil {
				return fmt.Errorf("facts %s: %w", name, err)
			}
			err = tx.write(ctx, "INSERT INTO facts (asset, name, body) VALUES ($1, $2, $3) ON CONFLICT (asset, name) DO UPDATE SET body = excluded.body", f.Asset, name, string(body))
			if err != nil {
				return err
			}
		}
		*tx.changed = append(*tx.changed, change{"asset", f.Asset})
		return nil
	})
}

// Facts returns all tables of an asset.
func (s store) Facts(ctx context.Context, asset string) (holdfast.Facts, error) {
	f := holdfast.Facts{Asset: asset, Tables: map[string]holdfast.Table{}}
	rows, err := s.run.reader().QueryContext(ctx, "SELECT name, body FROM facts WHERE asset = $1", asset)
	if err != nil {
		return f, fmt.Errorf("facts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var name, body string
		if err := rows.Scan(&name, &body); err != nil {
			return f, fmt.Errorf("facts: %w", err)
		}
		var t holdfast.Table
		if err := json.Unmarshal([]byte(body), &t); err != nil {
			return f, fmt.Errorf("facts %s: %w", name, err)
		}
		f.Tables[name] = t
	}
	return f, rows.Err()
}

// Position returns how far a consumer of the bus has come, with its snapshot.
// One that never ran is at 0.
func (s store) Position(ctx context.Context, name string) (seq uint64, snapshot []byte, err error) {
	err = s.run.reader().QueryRowContext(ctx, "SELECT seq, snapshot FROM positions WHERE name = $1", name).Scan(&seq, &snapshot)
	if errors.Is(err, sql.ErrNoRows) {
		return 0, nil, nil
	}
	return seq, snapshot, err
}

// SetPosition keeps how far a consumer has come. A nil snapshot leaves the one
// that is there.
func (s store) SetPosition(ctx context.Context, name string, seq uint64, snapshot []byte) error {
	return s.write(ctx, `INSERT INTO positions (name, seq, snapshot) VALUES ($1, $2, $3)
		ON CONFLICT (name) DO UPDATE SET seq = excluded.seq, snapshot = coalesce(excluded.snapshot, positions.snapshot)`, name, seq, snapshot)
}

// NextNumber counts from 1.
func (s store) NextNumber(ctx context.Context, name string) (uint64, error) {
	return s.NextNumbers(ctx, name, 1)
}

// NextNumbers takes the next n numbers, and returns the last of them. With 0 it is
// the one that was taken last.
func (s store) NextNumbers(ctx context.Context, name string, n uint64) (last uint64, err error) {
	err = s.run.writing(ctx, func(tx *Tx) error {
		return tx.run.reader().QueryRowContext(ctx, `INSERT INTO counters (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value RETURNING value`, name, n).Scan(&last)
	})
	return last, err
}

// Setting returns a setting, or ErrNotFound.
func (s store) Setting(ctx context.Context, name string) (v string, err error) {
	err = s.run.reader().QueryRowContext(ctx, "SELECT value FROM settings WHERE name = $1", name).Scan(&v)
	return v, missing(err, "setting", name)
}

// SetSetting keeps a setting.
func (s store) SetSetting(ctx context.Context, name, value string) error {
	return s.write(ctx, "INSERT INTO settings (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
}

// Record puts evidence into the outbox, from where it goes to the evidence log
// in the same order, each once.
func (s store) Record(ctx context.Context, list ...holdfast.Evidence) error {
	return s.run.writing(ctx, func(tx *Tx) error {
		for part := range parts(list, tx.run.rowsAtOnce()) {
			bodies := make([]any, len(part))
			for i, e := range part {
				body, err := json.Marshal(e)
				if err != nil {
					return fmt.Errorf("evidence: %w", err)
				}
				bodies[i] = string(body)
				*tx.changed = append(*tx.changed, change{"evidence", e.Key})
			}
			if err := tx.write(ctx, "INSERT INTO outbox (body) VALUES "+valueRows(len(part), 1, ""), bodies...); err != nil {
				return err
			}
		}
		return nil
	})
}

// Outbox returns the oldest n entries of the outbox, and the number of the last.
func (s store) Outbox(ctx context.Context, n int) (out []holdfast.Evidence, last uint64, err error) {
	rows, err := s.run.reader().QueryContext(ctx, "SELECT seq, body FROM outbox ORDER BY seq LIMIT $1", n)
	if err != nil {
		return nil, 0, fmt.Errorf("outbox: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var body string
		if err := rows.Scan(&last, &body); err != nil {
			return nil, 0, fmt.Errorf("outbox: %w", err)
		}
		var e holdfast.Evidence
		if err := json.Unmarshal([]byte(body), &e); err != nil {
			return nil, 0, fmt.Errorf("outbox: %w", err)
		}
		out = append(out, e)
	}
	return out, last, rows.Err()
}

// DropOutbox removes what has reached the evidence log.
func (s store) DropOutbox(ctx context.Context, upto uint64) error {
	return s.write(ctx, "DELETE FROM outbox WHERE seq <= $1", upto)
}
