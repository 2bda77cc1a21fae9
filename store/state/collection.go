package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"holdfast"
)

// Filter chooses and orders the rows of a list.
type Filter struct {
	Where     map[string]string // searched column to value; a value may list several, comma-separated
	Limit     int               // 0 for 1,000
	Offset    int
	Ascending bool
}

// noun says how a noun is kept.
type noun[T any] struct {
	name, table string
	id          func(*T) string
	sort        func(*T) int64 // newest or highest first
	keys        []string       // searched columns, in the order of values
	values      func(*T) []string
	secret      func(*T) *string // what its JSON leaves out; nil for none
	revised     bool             // it has a column "rev", which grows with every change to the table
	long        bool             // its bodies are packed where the engine does not do so itself
}

// Collection keeps one kind of noun.
type Collection[T any] struct {
	s store
	n *noun[T]
}

// Put keeps t, in place of the one with the same id.
func (c Collection[T]) Put(ctx context.Context, t T) error { return c.PutAll(ctx, []T{t}) }

// PutAll keeps nouns, each in place of the one with the same id. No two of them
// have the same.
func (c Collection[T]) PutAll(ctx context.Context, list []T) error {
	return c.s.run.writing(ctx, func(tx *Tx) error {
		for part := range parts(list, tx.run.rowsAtOnce()) {
			if err := c.put(ctx, tx, part); err != nil {
				return err
			}
		}
		return nil
	})
}

// put keeps nouns by one statement.
func (c Collection[T]) put(ctx context.Context, tx *Tx, list []T) error {
	cols := []string{"id", "sort", "body"}
	for _, k := range c.n.keys {
		cols = append(cols, quoted(k))
	}
	if c.n.secret != nil {
		cols = append(cols, "secret")
	}
	args := make([]any, 0, len(list)*len(cols))
	var room []byte
	for i := range list {
		t := &list[i]
		body, err := json.Marshal(t)
		if err != nil {
			return fmt.Errorf("%s: %w", c.n.name, err)
		}
		var short []byte
		if c.n.long && tx.run.packs() {
			short, room = packed(body, room)
		}
		args = append(args, c.n.id(t), c.n.sort(t))
		if short != nil {
			args = append(args, short)
		} else {
			args = append(args, string(body))
		}
		for _, v := range c.n.values(t) {
			args = append(args, v)
		}
		if c.n.secret != nil {
			args = append(args, *c.n.secret(t))
		}
		*tx.changed = append(*tx.changed, change{c.n.name, c.n.id(t)})
	}
	rows := valueRows(len(list), len(cols), "")
	if c.n.revised {
		rows = valueRows(len(list), len(cols), ", (SELECT coalesce(max(rev), 0) + 1 FROM "+c.n.table+")")
		cols = append(cols, "rev")
	}
	sets := make([]string, len(cols)-1)
	for i, col := range cols[1:] {
		sets[i] = col + " = excluded." + col
	}
	q := "INSERT INTO " + c.n.table + " (" + strings.Join(cols, ", ") + ") VALUES " + rows + " ON CONFLICT (id) DO UPDATE SET " + strings.Join(sets, ", ")
	if _, err := tx.run.reader().ExecContext(ctx, q, args...); err != nil {
		return fmt.Errorf("%s: %w", c.n.table, full(err))
	}
	return nil
}

// Get returns the noun with an id, or ErrNotFound.
func (c Collection[T]) Get(ctx context.Context, id string) (T, error) {
	return c.one(ctx, "id", id)
}

func (c Collection[T]) one(ctx context.Context, column, value string) (T, error) {
	var t T
	rows, err := c.rows(ctx, " WHERE "+column+" = $1", value)
	if err != nil {
		return t, err
	}
	if len(rows) == 0 {
		return t, fmt.Errorf("%s %q: %w", c.n.name, value, holdfast.ErrNotFound)
	}
	return rows[0], nil
}

// List returns the nouns of a filter, and how many there are without Limit and
// Offset.
func (c Collection[T]) List(ctx context.Context, f Filter) ([]T, int, error) {
	where, args, err := c.where(f.Where)
	if err != nil {
		return nil, 0, err
	}
	var total int
	if err := c.s.run.reader().QueryRowContext(ctx, "SELECT count(*) FROM "+c.n.table+where, args...).Scan(&total); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", c.n.table, err)
	}
	dir := " DESC"
	if f.Ascending {
		dir = " ASC"
	}
	limit := f.Limit
	if limit <= 0 {
		limit = 1000
	}
	items, err := c.rows(ctx, where+" ORDER BY sort"+dir+", id LIMIT "+strconv.Itoa(limit)+" OFFSET "+strconv.Itoa(max(f.Offset, 0)), args...)
	return items, total, err
}

// All returns every noun that fits.
func (c Collection[T]) All(ctx context.Context, where map[string]string) ([]T, error) {
	w, args, err := c.where(where)
	if err != nil {
		return nil, err
	}
	return c.rows(ctx, w+" ORDER BY sort, id", args...)
}

// Delete removes a noun; one that is not there is no error.
func (c Collection[T]) Delete(ctx context.Context, id string) error {
	return c.exec(ctx, id, "DELETE FROM "+c.n.table+" WHERE id = $1", id)
}

func (c Collection[T]) where(want map[string]string) (string, []any, error) {
	var parts []string
	var args []any
	for _, k := range slices.Sorted(maps.Keys(want)) {
		if !slices.Contains(c.n.keys, k) {
			return "", nil, fmt.Errorf("%s cannot be filtered by %q, only by %s: %w", c.n.table, k, strings.Join(c.n.keys, ", "), holdfast.ErrInvalid)
		}
		var in []string
		for v := range strings.SplitSeq(want[k], ",") {
			args = append(args, v)
			in = append(in, "$"+strconv.Itoa(len(args)))
		}
		parts = append(parts, quoted(k)+" IN ("+strings.Join(in, ", ")+")")
	}
	if len(parts) == 0 {
		return "", nil, nil
	}
	return " WHERE " + strings.Join(parts, " AND "), args, nil
}

func (c Collection[T]) rows(ctx context.Context, rest string, args ...any) ([]T, error) {
	cols := "body"
	if c.n.secret != nil {
		cols += ", secret"
	}
	rows, err := c.s.run.reader().QueryContext(ctx, "SELECT "+cols+" FROM "+c.n.table+rest, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.n.table, err)
	}
	defer rows.Close()
	var out []T
	for rows.Next() {
		var t T
		var body []byte
		var secret string
		into := []any{&body}
		if c.n.secret != nil {
			into = append(into, &secret)
		}
		if err := rows.Scan(into...); err != nil {
			return nil, fmt.Errorf("%s: %w", c.n.table, err)
		}
		if err := readBody(body, &t); err != nil {
			return nil, fmt.Errorf("%s: %w", c.n.table, err)
		}
		if c.n.secret != nil {
			*c.n.secret(&t) = secret
		}
		out = append(out, t)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", c.n.table, err)
	}
	return out, nil
}

func (c Collection[T]) exec(ctx context.Context, id, q string, args ...any) error {
	return c.s.run.writing(ctx, func(tx *Tx) error {
		if _, err := tx.run.reader().ExecContext(ctx, q, args...); err != nil {
			return fmt.Errorf("%s: %w", c.n.table, full(err))
		}
		*tx.changed = append(*tx.changed, change{c.n.name, id})
		return nil
	})
}

func quoted(name string) string { return `"` + name + `"` }

// parts cuts a list into parts of powers of two, n at most, so that there are few
// different statements, which an engine prepares once.
func parts[T any](list []T, n int) iter.Seq[[]T] {
	return func(yield func([]T) bool) {
		for len(list) > 0 {
			for n > len(list) {
				n /= 2
			}
			if !yield(list[:n]) {
				return
			}
			list = list[n:]
		}
	}
}

// valueRows writes places for rows of some parameters, each with more behind it.
func valueRows(rows, params int, more string) string {
	var b strings.Builder
	for n := range rows * params {
		switch {
		case n == 0:
			b.WriteString("(")
		case n%params == 0:
			b.WriteString(more + "), (")
		default:
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(n+1))
	}
	return b.String() + more + ")"
}

func places(n int) string {
	p := make([]string, n)
	for i := range p {
		p[i] = "$" + strconv.Itoa(i+1)
	}
	return strings.Join(p, ", ")
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// missing makes sql.ErrNoRows ErrNotFound.
func missing(err error, noun, id string) error {
	if errors.Is(err, sql.ErrNoRows) {
		return fmt.Errorf("%s %q: %w", noun, id, holdfast.ErrNotFound)
	}
	return err
}
