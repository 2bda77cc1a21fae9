package events

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast"
	"holdfast/store/events/clickhouse"
)

// What one search in ClickHouse may take; the caller's context may be shorter.
const (
	farTime   = 10 * time.Minute
	farMemory = 4 << 30
)

// wherever is a condition with its arguments.
type wherever struct {
	sql  string
	args []any
}

// place adds an argument and is where it stands.
func (w *wherever) place(v any, typ string) string {
	w.args = append(w.args, v)
	return "{p" + strconv.Itoa(len(w.args)) + ":" + typ + "}"
}

func (w *wherever) and(sql string) {
	if w.sql != "" {
		w.sql += " AND "
	}
	w.sql += "(" + sql + ")"
}

// at is a comparison of a column of times, by its number: a time that ClickHouse
// cannot print is compared all the same.
func at(name, op string, micros int64) string {
	return ticks(name) + " " + op + " " + strconv.FormatInt(micros, 10)
}

// relation is the SELECT that makes "events" of the table.
func (x *far) relation(where string) string {
	cols := make([]string, len(relation))
	for i, c := range relation {
		cols[i] = "`" + c.stored + "` AS `" + c.name + "`"
	}
	sql := "SELECT " + strings.Join(cols, ", ") + " FROM " + x.db.Name()
	if where != "" {
		sql += " WHERE " + where
	}
	return sql
}

func (x *far) text(st Statement, where string) (string, error) {
	if st.Own != "" {
		return "", fmt.Errorf("sql is not taken while the events are in ClickHouse; write the search as events | where … | summarize …, or ask ClickHouse itself: %w", holdfast.ErrInvalid)
	}
	if st.Arrived != nil {
		w := wherever{sql: where}
		w.and(st.Arrived.far())
		where = w.sql
	}
	return "WITH events AS (" + x.relation(where) + ") " + st.SQL, nil
}

// far is where in the words of ClickHouse.
func (a *Arrived) far() string {
	out := fmt.Sprintf("`position` > %d AND `position` <= %d AND `drill` = ''", a.After, a.Upto)
	if !a.From.IsZero() {
		out += " AND " + at("received", ">=", a.From.UnixMicro())
	}
	if !a.To.IsZero() {
		out += " AND " + at("received", "<", a.To.UnixMicro())
	}
	return out
}

func farLimits(st Statement) clickhouse.Limits {
	return clickhouse.Limits{Time: farTime, Memory: farMemory, Rows: 2 * (st.MaxRows + 1)}
}

func (x *far) stream(ctx context.Context, st Statement, head func([]Column) error, row func([]any) error) (truncated bool, err error) {
	text, err := x.text(st, "")
	if err != nil {
		return false, err
	}
	rows, err := x.db.Query(ctx, text, st.Args, farLimits(st))
	if err != nil {
		return false, farError(ctx, err)
	}
	defer rows.Close()
	cols := make([]Column, len(rows.Columns))
	for i, c := range rows.Columns {
		cols[i] = Column{c.Name, farKind(c.Type)}
	}
	if err := head(cols); err != nil {
		return false, err
	}
	for n := 0; ; n++ {
		vals, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, farError(ctx, err)
		}
		if n == st.MaxRows {
			return true, nil
		}
		for i := range vals {
			vals[i] = finite(vals[i])
		}
		if err := row(vals); err != nil {
			return false, err
		}
	}
}

func farError(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("the search took too long; narrow its time range: %w", holdfast.ErrTooLarge)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	return fmt.Errorf("search: %w", err)
}

func farKind(t string) string {
	switch {
	case strings.HasPrefix(t, "Array("):
		return "list"
	case strings.HasPrefix(t, "Date"):
		return "time"
	case t == "Bool":
		return "boolean"
	case strings.HasPrefix(t, "Int"), strings.HasPrefix(t, "UInt"), strings.HasPrefix(t, "Float"), strings.HasPrefix(t, "Decimal"):
		return "number"
	}
	return "text"
}

func (x *far) parquet(ctx context.Context, st Statement, w io.Writer) error {
	text, err := x.text(st, "")
	if err != nil {
		return err
	}
	if err := x.db.Write(ctx, w, "Parquet", text, st.Args, farLimits(st)); err != nil {
		return farError(ctx, err)
	}
	return nil
}

// rows reads stored rows as they were written.
func (x *far) rows(ctx context.Context, w wherever, order string, f func(*row) error) error {
	list := []string{"id", ticks("time"), ticks("received"), "dataset", "source", "asset", "trouble", "drill", "fields", "raw", "hex(raw_bytes)"}
	got, err := x.db.Query(ctx, "SELECT "+strings.Join(list, ", ")+" FROM "+x.db.Name()+" WHERE "+w.sql+order, w.args, clickhouse.Limits{Time: 24 * time.Hour, Memory: farMemory})
	if err != nil {
		return farError(ctx, err)
	}
	defer got.Close()
	for {
		v, err := got.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return farError(ctx, err)
		}
		text := func(i int) string { s, _ := v[i].(string); return s }
		number := func(i int) int64 { n, _ := v[i].(int64); return n }
		r := row{
			ID: text(0), Time: number(1), Received: number(2), Dataset: text(3), Source: text(4), Asset: text(5), Trouble: text(6), Drill: text(7), Fields: text(8), Raw: text(9),
			RawBytes: raw(text(10)),
		}
		if err := f(&r); err != nil {
			return err
		}
	}
}

// raw is bytes that came as hex; nil for none.
func raw(text string) []byte {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) == 0 {
		return nil
	}
	return b
}

// find returns one event.
func (x *far) find(ctx context.Context, id holdfast.EventID) (e holdfast.Event, err error) {
	var w wherever
	w.and("id = " + w.place(id.String(), "String"))
	err = fmt.Errorf("event %s: %w", id, holdfast.ErrNotFound)
	got := x.rows(ctx, w, " LIMIT 1", func(r *row) error {
		e, err = r.event()
		return err
	})
	if got != nil {
		err = got
	}
	return e, err
}

// each goes through the days of the segments of a range.
func (s *Store) eachFar(ctx context.Context, from, to time.Time, datasets []string, f func(*holdfast.Event) error, step func(Walk)) (Walk, error) {
	segs, err := s.manifest.Segments(ctx, from, to)
	if err != nil {
		return Walk{}, fmt.Errorf("events: %w", err)
	}
	count := map[string]int{}
	for i := range segs {
		if holds(&segs[i], datasets) {
			count[segs[i].Day]++
		}
	}
	w := Walk{Total: len(segs)}
	for _, day := range sortedKeys(count) {
		var q wherever
		q.and("day = toDate(" + q.place(day, "String") + ")")
		q.and(at("time", ">=", from.UnixMicro()) + " AND " + at("time", "<", to.UnixMicro()))
		if len(datasets) > 0 {
			q.and(q.oneOf("dataset", datasets))
		}
		err := s.far.rows(ctx, q, " ORDER BY dataset, time", func(r *row) error {
			e, err := r.event()
			if err != nil {
				return err
			}
			if w.Events++; w.Events%(20*eachBatch) == 0 {
				step(w)
			}
			return f(&e)
		})
		if err != nil {
			return w, err
		}
		w.Segments += count[day]
		step(w)
	}
	w.Segments = w.Total
	return w, nil
}

func (w *wherever) oneOf(column string, list []string) string {
	places := make([]string, len(list))
	for i, x := range list {
		places[i] = w.place(x, "String")
	}
	return "`" + column + "` IN (" + strings.Join(places, ", ") + ")"
}

// ids returns the ids that a search finds in one segment.
func (x *far) ids(ctx context.Context, g *holdfast.Segment, st Statement) (map[holdfast.EventID]bool, error) {
	text, err := x.text(Statement{SQL: "SELECT id FROM (" + st.SQL + ")"}, placeOf(g))
	if err != nil {
		return nil, err
	}
	out := map[holdfast.EventID]bool{}
	return out, x.eachID(ctx, text, st.Args, func(id holdfast.EventID) { out[id] = true })
}

// newest returns the ids of the events that were inserted last, the newest first.
func (x *far) newest(ctx context.Context, n int) (out []holdfast.EventID, err error) {
	sql := "SELECT id FROM " + x.db.Name() + " ORDER BY day DESC, block DESC LIMIT " + strconv.Itoa(n)
	err = x.eachID(ctx, sql, nil, func(id holdfast.EventID) { out = append(out, id) })
	return out, err
}

func (x *far) eachID(ctx context.Context, sql string, args []any, f func(holdfast.EventID)) error {
	rows, err := x.db.Query(ctx, sql, args, clickhouse.Limits{Time: farTime, Memory: farMemory})
	if err != nil {
		return farError(ctx, err)
	}
	defer rows.Close()
	for {
		v, err := rows.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return farError(ctx, err)
		}
		var id holdfast.EventID
		if err := id.UnmarshalText([]byte(fmt.Sprint(v[0]))); err != nil {
			return err
		}
		f(id)
	}
}

func sortedKeys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	slices.Sort(out)
	return out
}
