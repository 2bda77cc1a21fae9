// Package clickhouse keeps rows in a table of ClickHouse over its HTTP interface:
// it makes the table, inserts whole Parquet files once however often it is told
// to, and streams answers. What the rows are, and which of them count, is left to
// package events.
package clickhouse

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"holdfast"
)

// oldest is the first version whose SQL is understood here.
const oldest = 24

// window is how many inserts the table remembers to know one that is repeated.
const window = "1000"

// Field is a column of the table.
type Field struct {
	Name, Type string
	Bloom      bool // has a filter for whole values
}

// Columns that every row has besides: the day of its segment, by which the table
// is divided, and the first block of the bus that the segment covers.
const (
	Day   = "day"
	Block = "block"
)

// Table says what the table is.
type Table struct {
	Name   string
	Fields []Field
	Order  []string
	Minmax string // a column that searches bound
}

// DB is a database of ClickHouse. It may be used from many goroutines.
type DB struct {
	base, host, database, user, password string

	http  *http.Client
	table Table
	setup chan struct{} // held by who looks at the server
	ready atomic.Bool   // it was looked at, and has the table
	// replicated says that the server is one of several that hold the same. It is
	// known once ready is true.
	replicated bool
	version    string
}

// Open looks at the server and makes the table, or the columns that it lacks. With
// an error that wraps holdfast.ErrAway there is a DB all the same: what is asked of
// it first looks at the server again.
func Open(ctx context.Context, address string, t Table) (*DB, error) {
	d, err := parse(address)
	if err != nil {
		return nil, err
	}
	d.table, d.setup = t, make(chan struct{}, 1)
	if err = d.Ready(ctx); err != nil && !errors.Is(err, holdfast.ErrAway) {
		return nil, err
	}
	return d, err
}

// Ready makes sure that the server was looked at and has the table.
func (d *DB) Ready(ctx context.Context) error {
	if d.ready.Load() {
		return nil
	}
	select {
	case d.setup <- struct{}{}:
		defer func() { <-d.setup }()
	case <-ctx.Done():
		return ctx.Err()
	}
	if d.ready.Load() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := d.look(ctx); err != nil {
		return err
	}
	if err := d.make(ctx); err != nil {
		return err
	}
	d.ready.Store(true)
	return nil
}

// Ping asks the server for a sign of life, and makes it ready if it is not yet.
func (d *DB) Ping(ctx context.Context) error {
	if err := d.Ready(ctx); err != nil {
		return err
	}
	_, err := d.one(ctx, "SELECT 1")
	return err
}

// Host is where the server is.
func (d *DB) Host() string { return d.host }

// Close lets the connections go.
func (d *DB) Close() error {
	d.http.CloseIdleConnections()
	return nil
}

// Name is the table, in the database, as SQL names it.
func (d *DB) Name() string { return quote(d.database) + "." + quote(d.table.Name) }

func quote(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}

func literal(text string) string {
	return "'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

func (d *DB) look(ctx context.Context) error {
	row, err := d.one(ctx, "SELECT version(), (SELECT count() FROM system.macros WHERE macro IN ('shard', 'replica'))")
	if err != nil {
		return err
	}
	d.version = fmt.Sprint(row[0])
	major, _, _ := strings.Cut(d.version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < oldest {
		return fmt.Errorf("ClickHouse at %s has version %q; Holdfast needs %d or later: %w", d.host, d.version, oldest, holdfast.ErrInvalid)
	}
	d.replicated = row[1] == int64(2)
	return nil
}

func (d *DB) one(ctx context.Context, sql string) ([]any, error) {
	r, err := d.query(ctx, sql, nil, Limits{Time: time.Minute})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	row, err := r.Next()
	if err != nil {
		return nil, err
	}
	if _, err := r.Next(); !errors.Is(err, io.EOF) {
		return nil, errors.Join(err, r.Close())
	}
	return row, nil
}

func (f Field) declared() string { return quote(f.Name) + " " + f.Type + " CODEC(ZSTD(1))" }

func (d *DB) make(ctx context.Context) error {
	var parts []string
	for _, f := range d.table.Fields {
		parts = append(parts, f.declared())
	}
	parts = append(parts, quote(Block)+" UInt64 CODEC(ZSTD(1))", quote(Day)+" Date CODEC(ZSTD(1))")
	if d.table.Minmax != "" {
		parts = append(parts, "INDEX "+quote("minmax_"+d.table.Minmax)+" "+quote(d.table.Minmax)+" TYPE minmax GRANULARITY 1")
	}
	for _, f := range d.table.Fields {
		if f.Bloom {
			parts = append(parts, "INDEX "+quote("bloom_"+f.Name)+" "+quote(f.Name)+" TYPE bloom_filter(0.01) GRANULARITY 1")
		}
	}
	order := make([]string, len(d.table.Order))
	for i, o := range d.table.Order {
		order[i] = quote(o)
	}
	engine, remember := "MergeTree", "non_replicated_deduplication_window"
	if d.replicated {
		engine, remember = "ReplicatedMergeTree", "replicated_deduplication_window"
	}
	// An insert that was answered must outlive a loss of power.
	err := d.exec(ctx, request{sql: "CREATE TABLE IF NOT EXISTS " + d.Name() + " (" + strings.Join(parts, ", ") + ") ENGINE = " + engine + " PARTITION BY " + quote(Day) +
		" ORDER BY (" + strings.Join(order, ", ") + ") SETTINGS " + remember + " = " + window + ", fsync_after_insert = 1, fsync_part_directory = 1"})
	if err != nil {
		return fmt.Errorf("the table of events: %w", err)
	}
	return d.addColumns(ctx)
}

// addColumns brings a table of before up to date.
func (d *DB) addColumns(ctx context.Context) error {
	has, err := d.names(ctx)
	if err != nil {
		return err
	}
	for _, f := range d.table.Fields {
		if slices.Contains(has, f.Name) {
			continue
		}
		if err := d.exec(ctx, request{sql: "ALTER TABLE " + d.Name() + " ADD COLUMN IF NOT EXISTS " + f.declared()}); err != nil {
			return fmt.Errorf("the table of events: its new column %s: %w", f.Name, err)
		}
	}
	return nil
}

func (d *DB) names(ctx context.Context) ([]string, error) {
	r, err := d.query(ctx, "SELECT name FROM system.columns WHERE database = {p1:String} AND table = {p2:String}", []any{d.database, d.table.Name}, Limits{Time: time.Minute})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	var out []string
	for {
		row, err := r.Next()
		if errors.Is(err, io.EOF) {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprint(row[0]))
	}
}
