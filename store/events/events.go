// Package events keeps events as Parquet segments in day folders and answers
// searches over them with DuckDB. The segments that count are those of the
// manifest, which is kept elsewhere; a file that is not in it is litter. What a
// search means is left to package query.
package events

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math/big"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/duckdb/duckdb-go/v2"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/turn"
)

// Manifest says which segments there are.
type Manifest interface {
	CommitSegment(ctx context.Context, c holdfast.Commit) error
	ReplaceSegments(ctx context.Context, old []string, seg holdfast.Segment) error
	DropEvents(ctx context.Context, d holdfast.Drop, left *holdfast.Segment, holds string, e holdfast.Evidence) error
	Manifest(ctx context.Context) (holdfast.Manifest, error)
	Reparsed(ctx context.Context, dead []holdfast.EventID) (map[holdfast.EventID]holdfast.EventID, error)
	Segments(ctx context.Context, from, to time.Time) ([]holdfast.Segment, error)
	Position(ctx context.Context, name string) (uint64, []byte, error)
	// Intend keeps what is about to be inserted elsewhere; Intent is the newest,
	// or ErrNotFound.
	Intend(ctx context.Context, c holdfast.Commit) error
	Intent(ctx context.Context) (holdfast.Commit, error)
	// Dropped keeps a drop whose rows are deleted.
	Dropped(ctx context.Context, d holdfast.Drop) error
}

// Options say where events lie and how much a search may take.
type Options struct {
	Dir      string
	Manifest Manifest
	// Shared says that other nodes write into the folder, too, one at a time:
	// see Succeed.
	Shared bool
	// ClickHouse is the address of the database that keeps the events; "" keeps
	// them in Dir, which is else for what is on its way only.
	ClickHouse string
	Memory     string // DuckDB's limit; "512MB" if empty
	Clock      clock.Clock
	Log        *slog.Logger
	// Rate is how many bytes a second putting segments together may write;
	// 32 MiB for 0.
	Rate int
	// Reserve is how many bytes of the disk putting segments together leaves free.
	Reserve uint64
	// Step is called between the steps that change files and manifest, so that
	// tests can end the process there. May be nil.
	Step func(point string)
	// Turns are taken by what writes while a search runs. May be nil.
	Turns *turn.Turns
	// Bus gives the first and the last block that the bus has. Nil stands for all
	// that the writer has not read.
	Bus func(ctx context.Context) (first, last uint64, err error)
}

// noCopies has DuckDB keep nothing of the files that it read. The system keeps them,
// and gives them up when memory is wanted; the engine's copies grew by 6 MB with each
// segment of a million events that was counted, until its limit was reached.
const noCopies = "SET enable_external_file_cache = false"

// Store keeps events. It may be used from many goroutines.
type Store struct {
	dir      string
	manifest Manifest
	clock    clock.Clock
	log      *slog.Logger
	db       *sql.DB
	far      *far   // where events lie in ClickHouse; else nil
	mark     string // ends the names of this writer's segments
	encoders *encoders

	asked atomic.Int32 // searches that run or wait

	rate    int
	reserve uint64
	step    func(string)

	turns *turn.Turns
	bus   func(ctx context.Context) (first, last uint64, err error)

	broken *broken

	house sync.Mutex // held by what replaces segments

	mu       sync.Mutex
	doomed   []doomed
	progress Compaction
	counted  map[string]counts // by the segment's SHA-256

	counts uint64 // the least of a segment that is counted
	looked uint64 // about how many events are looked at first for the newest
}

// doomed is a file that compaction has replaced and that a search may still
// read.
type doomed struct {
	path string
	at   time.Time
}

// Open opens the store, removes what is left of files that were never finished, and
// sets aside segments that the manifest does not know: see sweep.
func Open(ctx context.Context, o Options) (*Store, error) {
	dir, err := filepath.Abs(o.Dir)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	if o.Memory == "" {
		o.Memory = "512MB"
	}
	s := &Store{dir: dir, manifest: o.Manifest, clock: o.Clock, log: o.Log, rate: o.Rate, reserve: o.Reserve, step: o.Step, turns: o.Turns, bus: o.Bus, broken: &broken{by: map[string]brokenFile{}}, encoders: newEncoders(), counted: map[string]counts{}, counts: countedRows, looked: firstLooked}
	if s.rate == 0 {
		s.rate = defaultRate
	}
	if s.step == nil {
		s.step = func(string) {}
	}
	if err := s.sameHome(ctx, o.ClickHouse != ""); err != nil {
		return nil, err
	}
	if o.ClickHouse != "" {
		return s, openFar(ctx, s, o.ClickHouse)
	}
	if !o.Shared {
		if err := s.sweep(ctx); err != nil {
			return nil, err
		}
	}
	connector, err := duckdb.NewConnector("", nil)
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	s.db = sql.OpenDB(connector)
	s.db.SetMaxOpenConns(4)
	// Searches may read the segments and nothing else of this machine.
	for _, q := range []string{
		"SET memory_limit = " + literal(o.Memory), "SET threads = 2", "SET parquet_metadata_cache = true", noCopies, "SET temp_directory = ''", lateColumns,
		"SET autoinstall_known_extensions = false", "SET autoload_known_extensions = false",
		"SET allowed_directories = [" + literal(dir+"/") + "]", "SET enable_external_access = false", "SET TimeZone = 'UTC'", "SET lock_configuration = true",
	} {
		if _, err := s.db.ExecContext(ctx, q); err != nil {
			if strings.Contains(q, "TimeZone") {
				continue // only with the icu extension; TIMESTAMP has no zone anyway
			}
			return nil, fmt.Errorf("events: %s: %w", q, err)
		}
	}
	return s, nil
}

// Close closes the store.
func (s *Store) Close() error {
	if s.far != nil {
		return s.far.db.Close()
	}
	return s.db.Close()
}

// sameHome refuses where the events that the manifest knows lie elsewhere.
func (s *Store) sameHome(ctx context.Context, far bool) error {
	segs, err := s.manifest.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		return fmt.Errorf("events: %w", err)
	}
	for i := range segs {
		if there := segs[i].Path == ""; there != far {
			if there {
				return fmt.Errorf("the events of this state are in ClickHouse; name it with --events clickhouse://…: %w", holdfast.ErrConflict)
			}
			return fmt.Errorf("this state has events in Parquet files, which a search in ClickHouse would not find; leave --events as it was, or begin with an empty state: %w", holdfast.ErrConflict)
		}
	}
	return nil
}

func literal(text string) string { return "'" + strings.ReplaceAll(text, "'", "''") + "'" }

// Column is a column of a result.
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"` // text, number, time, boolean, list
}

// Statement is a search: one SELECT over the relation "events".
type Statement struct {
	SQL  string
	Args []any
	// Find is a SELECT of query.Places for the same rows, "" for none.
	Find     string
	FindArgs []any
	// Newest is how many rows Find gives at most, where these are the newest of the
	// range and it may be asked span by span; 0 where they are others.
	Newest   int
	Own      string    // the part of SQL that somebody wrote; "" for none
	From, To time.Time // which segments to look at; zero is open
	MaxRows  int
	// Whole has it fail where segments of the range cannot be read, which are left out
	// otherwise.
	Whole bool
	// Arrived narrows the relation by how events came in; nil for all.
	Arrived *Arrived
}

// Arrived is a span of how events came in, whatever their own time: positions
// on the bus after one and up to another, and within these when they were
// received, from a time on and before another, if they are set. Events of
// drills are left out.
type Arrived struct {
	After, Upto uint64
	From, To    time.Time
}

// Result is the answer to a search.
type Result struct {
	Columns   []Column
	Rows      [][]any
	Truncated bool // there were more than MaxRows
	Took      time.Duration
}

// onlySelect asks DuckDB's own parser, which makes a tree of SELECTs and of
// nothing else: COPY, ATTACH, SET or a second statement do not pass.
func (s *Store) onlySelect(ctx context.Context, text string) error {
	var out string
	if err := s.db.QueryRowContext(ctx, "SELECT json_serialize_sql($1::VARCHAR)::VARCHAR", text).Scan(&out); err != nil {
		return queryError(ctx, err)
	}
	var tree struct {
		Error      bool              `json:"error"`
		Message    string            `json:"error_message"`
		Statements []json.RawMessage `json:"statements"`
	}
	if err := json.Unmarshal([]byte(out), &tree); err != nil {
		return fmt.Errorf("search: %w", err)
	}
	if tree.Error || len(tree.Statements) != 1 {
		return fmt.Errorf("search: one SELECT is taken: %s: %w", tree.Message, holdfast.ErrInvalid)
	}
	return nil
}

func queryError(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return fmt.Errorf("the search took too long; narrow its time range: %w", holdfast.ErrTooLarge)
	case ctx.Err() != nil:
		return ctx.Err()
	}
	var de *duckdb.Error
	if errors.As(err, &de) && de.Type == duckdb.ErrorTypeOutOfMemory {
		return fmt.Errorf("the search needs more memory than it may have; narrow its time range or group by less: %w", holdfast.ErrTooLarge)
	}
	return fmt.Errorf("search: %w", err)
}

func kindOf(t string) string {
	switch {
	case strings.HasSuffix(t, "[]"):
		return "list"
	case strings.HasPrefix(t, "TIMESTAMP"):
		return "time"
	case t == "BOOLEAN":
		return "boolean"
	case strings.Contains(t, "INT"), t == "DOUBLE", t == "FLOAT", strings.HasPrefix(t, "DECIMAL"):
		return "number"
	}
	return "text"
}

// plain makes a value of DuckDB one that JSON can say.
func plain(v any) any {
	switch v := v.(type) {
	case *big.Int:
		if v.IsInt64() {
			return v.Int64()
		}
		f, _ := new(big.Float).SetInt(v).Float64()
		return f
	case duckdb.Decimal:
		return v.Float64()
	case []byte:
		return string(v)
	case time.Time:
		return v.UTC()
	case driver.Valuer:
		x, err := v.Value()
		if err != nil {
			return fmt.Sprint(v)
		}
		return x
	}
	return v
}

// Event returns one event, or ErrNotFound.
func (s *Store) Event(ctx context.Context, id holdfast.EventID) (holdfast.Event, error) {
	if s.far != nil {
		return s.far.find(ctx, id)
	}
	segs, err := s.manifest.Segments(ctx, time.Time{}, time.Time{})
	if err != nil {
		return holdfast.Event{}, fmt.Errorf("events: %w", err)
	}
	segs = s.readable(segs)
	sort.Slice(segs, func(i, j int) bool { return segs[i].ID > segs[j].ID })
	for len(segs) > 0 {
		n := min(len(segs), 500)
		e, err := s.find(ctx, segs[:n], id)
		if err != nil && !errors.Is(err, holdfast.ErrNotFound) && s.blame(ctx, Statement{}, err) {
			segs = s.readable(segs)
			continue
		}
		if !errors.Is(err, holdfast.ErrNotFound) {
			return e, err
		}
		segs = segs[n:]
	}
	return holdfast.Event{}, fmt.Errorf("event %s: %w", id, holdfast.ErrNotFound)
}

func (s *Store) find(ctx context.Context, segs []holdfast.Segment, id holdfast.EventID) (holdfast.Event, error) {
	var parts []string
	for _, t := range tablesOf(segs, "") {
		at, received := stored(column{stored: "time", kind: "TIMESTAMP"}, t.form), stored(column{stored: "received", kind: "TIMESTAMP"}, t.form)
		parts = append(parts, "SELECT id, "+at+", "+received+", dataset, source, asset, trouble, drill, fields, raw, raw_bytes FROM "+s.files(t.segs)+" WHERE id = $1")
	}
	var r row
	var at, received time.Time
	err := s.db.QueryRowContext(ctx, strings.Join(parts, " UNION ALL ")+" LIMIT 1", id.String()).
		Scan(&r.ID, &at, &received, &r.Dataset, &r.Source, &r.Asset, &r.Trouble, &r.Drill, &r.Fields, &r.Raw, &r.RawBytes)
	if errors.Is(err, sql.ErrNoRows) {
		return holdfast.Event{}, holdfast.ErrNotFound
	}
	if err != nil {
		return holdfast.Event{}, queryError(ctx, err)
	}
	r.Time, r.Received = at.UnixMicro(), received.UnixMicro()
	return r.event()
}
