package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"holdfast"
)

// Batch is rows that are inserted together. Of batches with the same token and
// day one is kept, whichever comes first.
type Batch struct {
	Token string
	Day   string // 2006-01-02
	Block uint64
}

func (b Batch) check() error {
	if _, err := time.Parse(time.DateOnly, b.Day); err != nil || b.Token == "" {
		return fmt.Errorf("a batch of events wants a token and a day: %w", holdfast.ErrInvalid)
	}
	return nil
}

func (b Batch) settings(d *DB) map[string]string {
	m := map[string]string{"insert_deduplicate": "1", "insert_deduplication_token": b.Token, "async_insert": "0", "session_timezone": "UTC"}
	if d.replicated { // more than half of the replicas have it before it is answered
		m["insert_quorum"] = "auto"
	}
	return m
}

// Insert inserts a Parquet file whose columns are the table's fields.
func (d *DB) Insert(ctx context.Context, b Batch, file io.Reader) error {
	if err := errors.Join(b.check(), d.Ready(ctx)); err != nil {
		return err
	}
	names, types := make([]string, len(d.table.Fields)), make([]string, len(d.table.Fields))
	for i, f := range d.table.Fields {
		names[i] = quote(f.Name)
		types[i] = quote(f.Name) + " " + f.Type
	}
	list := strings.Join(names, ", ")
	sql := "INSERT INTO " + d.Name() + " (" + list + ", " + quote(Block) + ", " + quote(Day) + ") SELECT " + list + ", " + strconv.FormatUint(b.Block, 10) +
		", toDate(" + literal(b.Day) + ") FROM input(" + literal(strings.Join(types, ", ")) + ") FORMAT Parquet"
	if err := d.exec(ctx, request{sql: sql, body: struct{ io.Reader }{file}, settings: b.settings(d), id: insertID(b.Token)}); err != nil {
		return fmt.Errorf("segment %s: %w", b.Token, err)
	}
	return nil
}

func insertID(token string) string { return "holdfast-insert-" + token }

// Burn makes sure that a batch is not there, and that it is not kept if it
// arrives later: a row takes its token, unless the batch has it already, and then
// whatever is there of it is deleted.
func (d *DB) Burn(ctx context.Context, b Batch) error {
	if err := errors.Join(b.check(), d.Ready(ctx)); err != nil {
		return err
	}
	// Only to be quick: an insert that goes on finds its token taken. So it is no
	// harm if the user may not kill.
	_ = d.Kill(ctx, insertID(b.Token))
	sql := "INSERT INTO " + d.Name() + " (" + quote(Block) + ", " + quote(Day) + ") SELECT " + strconv.FormatUint(b.Block, 10) + ", toDate(" + literal(b.Day) + ")"
	if err := d.exec(ctx, request{sql: sql, settings: b.settings(d)}); err != nil {
		return fmt.Errorf("segment %s: %w", b.Token, err)
	}
	return d.Delete(ctx, Place([]string{b.Day}, []holdfast.Range{{First: b.Block, Last: b.Block}}), nil)
}

// Kill ends a query of this user; there may be none.
func (d *DB) Kill(ctx context.Context, id string) error {
	return d.exec(ctx, request{sql: "KILL QUERY WHERE query_id = " + literal(id) + " AND user = currentUser() SYNC"})
}

// Place is the condition of rows of some days whose blocks lie in some ranges.
func Place(days []string, ranges []holdfast.Range) string {
	in := make([]string, len(days))
	for i, x := range days {
		in[i] = "toDate(" + literal(x) + ")"
	}
	where := make([]string, len(ranges))
	for i, r := range ranges {
		where[i] = quote(Block) + " BETWEEN " + strconv.FormatUint(r.First, 10) + " AND " + strconv.FormatUint(r.Last, 10)
	}
	return quote(Day) + " IN (" + strings.Join(in, ", ") + ") AND (" + strings.Join(where, " OR ") + ")"
}

// Delete deletes rows; when it returns, no search sees them.
func (d *DB) Delete(ctx context.Context, where string, args []any) error {
	if err := d.Ready(ctx); err != nil {
		return err
	}
	set := map[string]string{"lightweight_deletes_sync": "2"}
	if err := d.exec(ctx, request{sql: "DELETE FROM " + d.Name() + " WHERE " + where, args: args, settings: set}); err != nil {
		return fmt.Errorf("deleting events: %w", err)
	}
	return nil
}

// Change runs a statement that changes the table, as an administrator may.
func (d *DB) Change(ctx context.Context, sql string) error {
	if err := d.Ready(ctx); err != nil {
		return err
	}
	return d.exec(ctx, request{sql: sql})
}

// DropDay drops all rows of a day.
func (d *DB) DropDay(ctx context.Context, day string) error {
	if _, err := time.Parse(time.DateOnly, day); err != nil {
		return fmt.Errorf("%q is no day: %w", day, holdfast.ErrInvalid)
	}
	if err := d.Change(ctx, "ALTER TABLE "+d.Name()+" DROP PARTITION "+literal(day)); err != nil {
		return fmt.Errorf("dropping %s: %w", day, err)
	}
	return nil
}
