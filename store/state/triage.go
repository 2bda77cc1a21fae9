package state

import (
	"context"
	"fmt"

	"holdfast"
)

// What triage reads and writes for many alerts at once.

// IncidentsSince returns the incidents that changed since a revision of the table,
// and the newest revision. Since 0 they are the live ones.
func (s store) IncidentsSince(ctx context.Context, rev uint64) (list []holdfast.Incident, newest uint64, err error) {
	if newest, err = s.IncidentsRevision(ctx); err != nil || newest == rev && rev > 0 {
		return nil, newest, err
	}
	if rev == 0 {
		list, err = s.Incidents().All(ctx, map[string]string{"live": "true"})
	} else {
		list, err = s.Incidents().rows(ctx, " WHERE rev > $1 ORDER BY rev, id", rev)
	}
	return list, newest, err
}

// IncidentsRevision is a number that grows with every change to an incident.
func (s store) IncidentsRevision(ctx context.Context) (rev uint64, err error) {
	if err = s.run.reader().QueryRowContext(ctx, "SELECT coalesce(max(rev), 0) FROM incidents").Scan(&rev); err != nil {
		return 0, fmt.Errorf("incidents: %w", err)
	}
	return rev, nil
}

// IncidentOf gives the incident of each of some alerts, "" where it has none.
// Alerts that are not kept are left out.
func (s store) IncidentOf(ctx context.Context, alerts []string) (map[string]string, error) {
	return byID(ctx, s, "incident", alerts, func(text []byte) (string, error) { return string(text), nil })
}

// StagesOf gives how many stages each of some alerts went through, as it is kept.
func (s store) StagesOf(ctx context.Context, alerts []string) (map[string]int, error) {
	return byID(ctx, s, "body", alerts, func(body []byte) (int, error) {
		var a struct{ Stages []struct{} }
		err := readBody(body, &a)
		return len(a.Stages), err
	})
}

func byID[T any](ctx context.Context, s store, column string, ids []string, read func([]byte) (T, error)) (map[string]T, error) {
	out := make(map[string]T, len(ids))
	for part := range parts(ids, s.run.rowsAtOnce()) {
		if err := readByID(ctx, s, column, part, read, out); err != nil {
			return nil, fmt.Errorf("alerts: %w", err)
		}
	}
	return out, nil
}

func readByID[T any](ctx context.Context, s store, column string, ids []string, read func([]byte) (T, error), into map[string]T) error {
	args := make([]any, len(ids))
	for i, id := range ids {
		args[i] = id
	}
	rows, err := s.run.reader().QueryContext(ctx, "SELECT id, "+column+" FROM alerts WHERE id IN ("+places(len(ids))+")", args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id string
		var text []byte
		if err := rows.Scan(&id, &text); err != nil {
			return err
		}
		if into[id], err = read(text); err != nil {
			return err
		}
	}
	return rows.Err()
}
