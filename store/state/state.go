// Package state keeps what Holdfast knows but events: nouns, positions, the
// manifest of segments, the ledger, leases and the outbox of evidence, in SQLite
// or PostgreSQL, with one transaction around all that must be true together.
// Deciding anything is left to the stages.
//
// The SQL keeps to what both engines share, so that one code path serves them.
// Transactions that write run one at a time on either, on PostgreSQL those of
// all nodes.
package state

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"github.com/pressly/goose/v3"
	_ "modernc.org/sqlite" // the engine

	"holdfast"
	"holdfast/internal/clock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// DB is the state. It may be used from many goroutines; transactions that
// write run one at a time.
type DB struct {
	store
	write *sql.DB // of SQLite: one connection
	read  *sql.DB
	clock clock.Clock
	pg    *server // nil for SQLite

	mu       sync.Mutex
	onChange []func(noun, id string)
}

// Tx is one transaction. It must not be used after its function has returned.
type Tx struct{ store }

// querier is what DB and Tx share of database/sql.
type querier interface {
	ExecContext(ctx context.Context, q string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, q string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, q string, args ...any) *sql.Row
}

// store carries the collections for both DB and Tx.
type store struct {
	run     runner
	changed *[]change // of the transaction
	segs    *segments // nil in one
}

// runner gives a reader, and runs what writes.
type runner interface {
	reader() querier
	// together runs what reads several times and must see one moment.
	together(ctx context.Context, do func(store) error) error
	writing(ctx context.Context, do func(*Tx) error) error
	// now is the time that leases go by, in microseconds.
	now(ctx context.Context) (int64, error)
	// rowsAtOnce is how many rows a statement had best have, a power of two.
	rowsAtOnce() int
	// packs reports whether long bodies are to be packed before they are kept.
	packs() bool
}

type change struct{ noun, id string }

// pragmas keep what a commit says over a loss of power. What SQLite notes to take
// back half a statement stays in memory: in files it would be as much again as what
// the statements change.
const pragmas = "?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=foreign_keys(1)&_pragma=temp_store(MEMORY)"

// Open opens the state in a file, makes it if it is missing, and brings it to
// the newest migration.
func Open(ctx context.Context, path string, c clock.Clock) (*DB, error) {
	dsn := "file:" + filepath.ToSlash(path) + pragmas
	write, err := sql.Open("sqlite", dsn+"&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	write.SetMaxOpenConns(1)
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	if err := migrate(ctx, goose.DialectSQLite3, write, sub); err != nil {
		write.Close()
		return nil, fmt.Errorf("state %s: %w; restore it from a copy, or move it away to begin anew", path, err)
	}
	read, err := sql.Open("sqlite", dsn+"&_pragma=query_only(1)")
	if err != nil {
		write.Close()
		return nil, fmt.Errorf("state: %w", err)
	}
	read.SetMaxOpenConns(4)
	db := &DB{write: write, read: read, clock: c}
	db.store = store{run: db, segs: &segments{}}
	return db, nil
}

func migrate(ctx context.Context, d goose.Dialect, db *sql.DB, from fs.FS) error {
	p, err := goose.NewProvider(d, db, from)
	if err == nil {
		_, err = p.Up(ctx)
	}
	return err
}

// OpenReadOnly opens the state of a data folder to read it, also beside a
// server that runs from it.
func OpenReadOnly(ctx context.Context, path string) (*DB, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("state: %w; name a data folder of Holdfast", err)
	}
	read, err := sql.Open("sqlite", "file:"+filepath.ToSlash(path)+"?mode=ro&_pragma=busy_timeout(10000)&_pragma=query_only(1)")
	if err != nil {
		return nil, fmt.Errorf("state: %w", err)
	}
	db := &DB{write: read, read: read}
	db.store = store{run: db, segs: &segments{}}
	var n int
	if err := read.QueryRowContext(ctx, "SELECT count(*) FROM ledger_hours").Scan(&n); err != nil {
		read.Close()
		return nil, fmt.Errorf("state %s: %w; start this version of Holdfast with it once", path, err)
	}
	return db, nil
}

// Close closes the state.
func (db *DB) Close() error {
	if db.pg != nil {
		db.pg.stop()
		return db.write.Close()
	}
	return errors.Join(db.read.Close(), db.write.Close())
}

// OnChange has f called after each commit with every noun that changed; the id is
// "" where so many did that all are to be looked at again. f must be quick and must
// not call back.
func (db *DB) OnChange(f func(noun, id string)) {
	db.mu.Lock()
	db.onChange = append(db.onChange, f)
	db.mu.Unlock()
}

// Tx runs do in one transaction: all of it is durable when Tx returns nil, and
// none of it otherwise.
func (db *DB) Tx(ctx context.Context, do func(*Tx) error) error {
	t, err := db.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("state: %w", full(err))
	}
	defer t.Rollback() //nolint:errcheck // after Commit it has nothing to do
	var changed []change
	in := inside{t, &Tx{}, db}
	in.tx.store = store{run: in, changed: &changed}
	if err := db.pg.begin(ctx, t); err != nil {
		return err
	}
	if err := do(in.tx); err != nil {
		return err
	}
	changed = gathered(changed)
	if err := db.pg.notify(ctx, t, changed); err != nil {
		return err
	}
	if err := t.Commit(); err != nil {
		return fmt.Errorf("state: %w", full(err))
	}
	db.tell(changed)
	return nil
}

// manyChanges is how many of a noun are told of one by one.
const manyChanges = 100

// gathered leaves out what is told already. Where very many of a noun changed, one
// change without an id says so.
func gathered(changed []change) (out []change) {
	of, told := map[string]int{}, map[change]bool{}
	for _, c := range changed {
		if !told[c] {
			told[c] = true
			of[c.noun]++
		}
	}
	clear(told)
	for _, c := range changed {
		if of[c.noun] > manyChanges {
			c.id = ""
		}
		if !told[c] {
			told[c] = true
			out = append(out, c)
		}
	}
	return out
}

func (db *DB) tell(changed []change) {
	db.mu.Lock()
	fs := db.onChange
	db.mu.Unlock()
	for _, c := range changed {
		for _, f := range fs {
			f(c.noun, c.id)
		}
	}
}

func (db *DB) reader() querier {
	if db.pg != nil {
		return plainText{db.read}
	}
	return db.read
}

func (db *DB) together(ctx context.Context, do func(store) error) error {
	t, err := db.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true, Isolation: db.oneMoment()})
	if err != nil {
		return fmt.Errorf("state: %w", err)
	}
	defer t.Rollback() //nolint:errcheck // it has only read
	return do(store{run: inside{t, nil, db}})
}

// oneMoment is the isolation of a transaction that sees one moment. In SQLite
// each does.
func (db *DB) oneMoment() sql.IsolationLevel {
	if db.pg != nil {
		return sql.LevelRepeatableRead
	}
	return sql.LevelDefault
}

func (db *DB) writing(ctx context.Context, do func(*Tx) error) error { return db.Tx(ctx, do) }

func (db *DB) now(ctx context.Context) (int64, error) {
	if db.pg != nil {
		return serverNow(ctx, db.read)
	}
	return db.clock.Now().UnixMicro(), nil
}

// rowsAtOnce is few for SQLite: it is no way off, and looks through all parameters
// of a statement for the name of each.
func (db *DB) rowsAtOnce() int {
	if db.pg != nil {
		return 128
	}
	return 8
}

// packs is not for PostgreSQL, which packs long texts itself.
func (db *DB) packs() bool { return db.pg == nil }

type inside struct {
	t  *sql.Tx
	tx *Tx
	db *DB
}

func (i inside) reader() querier {
	if i.db.pg != nil {
		return plainText{i.t}
	}
	return i.t
}

func (i inside) together(_ context.Context, do func(store) error) error { return do(store{run: i}) }

func (i inside) writing(_ context.Context, do func(*Tx) error) error { return do(i.tx) }

func (i inside) now(ctx context.Context) (int64, error) {
	if i.db.pg != nil {
		return serverNow(ctx, i.t)
	}
	return i.db.clock.Now().UnixMicro(), nil
}

func (i inside) rowsAtOnce() int { return i.db.rowsAtOnce() }

func (i inside) packs() bool { return i.db.packs() }

// full marks "no room" of either engine as ErrFull.
func full(err error) error {
	var pg interface{ SQLState() string }
	if errors.As(err, &pg) && pg.SQLState() == postgresFull {
		return fmt.Errorf("%w: %w", err, holdfast.ErrFull)
	}
	var code interface{ Code() int }
	if errors.As(err, &code) && code.Code()&0xff == sqliteFull {
		return fmt.Errorf("%w: %w", err, holdfast.ErrFull)
	}
	return err
}

// sqliteFull is SQLITE_FULL of sqlite3.h: the disk has no room.
const sqliteFull = 13

// postgresFull is disk_full of PostgreSQL's list of error codes.
const postgresFull = "53100"
