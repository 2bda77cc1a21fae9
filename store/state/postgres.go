package state

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io/fs"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	_ "github.com/jackc/pgx/v5/stdlib" // the engine
	"github.com/pressly/goose/v3"

	"holdfast"
	"holdfast/internal/clock"
)

const (
	// writers is the advisory lock that every transaction that writes holds, so
	// that they run one at a time on all nodes together: what a transaction has
	// read is true when it commits, and numbers come in the order of commits.
	writers = 0x686f6c64
	// movers is held by the node that brings the tables up to date.
	movers  = 0x686f6c65
	channel = "holdfast"
	// maxNotice is less than PostgreSQL takes in one notice.
	maxNotice = 7000
)

// server is what the state needs besides database/sql when PostgreSQL has it.
type server struct {
	dsn    string
	node   string // tells our own notices from those of others
	cancel context.CancelFunc
	done   chan struct{}
}

// OpenPostgres opens the state in a PostgreSQL database, and brings its tables
// to the newest migration. Many nodes may have it open; each is told what the
// others change.
func OpenPostgres(ctx context.Context, dsn string, c clock.Clock) (*DB, error) {
	full, err := withLimits(dsn)
	if err != nil {
		return nil, err
	}
	pool, err := sql.Open("pgx", full)
	if err != nil {
		return nil, fmt.Errorf("state: %s: %w", holdfastName(dsn), err)
	}
	pool.SetMaxOpenConns(12)
	pool.SetMaxIdleConns(6)
	if err := moveUp(ctx, pool); err != nil {
		pool.Close()
		return nil, fmt.Errorf("state in %s: %w; is the server up, and may this user make tables in that database?", holdfastName(dsn), err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	db := &DB{write: pool, read: pool, clock: c, pg: &server{dsn: full, node: holdfast.NewID("node"), cancel: cancel, done: make(chan struct{})}}
	db.store = store{run: db, segs: &segments{}}
	go db.listen(run)
	return db, nil
}

// withLimits adds what keeps a node that hangs from holding up all others.
func withLimits(dsn string) (string, error) {
	u, err := url.Parse(dsn)
	if err != nil || u.Scheme != "postgres" && u.Scheme != "postgresql" {
		return "", fmt.Errorf("the state's address should look like postgres://user@host:5432/holdfast: %w", holdfast.ErrInvalid)
	}
	q := u.Query()
	for name, value := range map[string]string{
		"application_name": "holdfast", "connect_timeout": "5",
		"lock_timeout": "20000", "idle_in_transaction_session_timeout": "15000", "timezone": "UTC",
	} {
		if !q.Has(name) {
			q.Set(name, value)
		}
	}
	u.RawQuery = q.Encode()
	return u.String(), nil
}

// holdfastName is a database's address without its password.
func holdfastName(dsn string) string {
	u, err := url.Parse(dsn)
	if err != nil {
		return "the database"
	}
	return u.Redacted()
}

func moveUp(ctx context.Context, pool *sql.DB) error {
	c, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, "SELECT pg_advisory_lock($1)", movers); err != nil {
		return err
	}
	defer c.ExecContext(context.WithoutCancel(ctx), "SELECT pg_advisory_unlock($1)", movers) //nolint:errcheck // it ends with the connection at the latest
	sub, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	return migrate(ctx, goose.DialectPostgres, pool, spoken{sub})
}

// spoken are the migrations in PostgreSQL's words.
type spoken struct{ fs.FS }

var words = strings.NewReplacer("INTEGER PRIMARY KEY AUTOINCREMENT", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY", " BLOB", " BYTEA")

// Open opens a file whose text is translated.
func (s spoken) Open(name string) (fs.File, error) {
	f, err := s.FS.Open(name)
	if err != nil || !strings.HasSuffix(name, ".sql") {
		return f, err
	}
	defer f.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(f); err != nil {
		return nil, err
	}
	info, err := f.Stat()
	return spokenFile{strings.NewReader(words.Replace(b.String())), info}, err
}

type spokenFile struct {
	*strings.Reader
	info fs.FileInfo
}

func (f spokenFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f spokenFile) Close() error               { return nil }

// plainText makes every text one that PostgreSQL can keep: UTF-8 without NUL.
type plainText struct{ querier }

func (p plainText) ExecContext(ctx context.Context, q string, args ...any) (sql.Result, error) {
	return p.querier.ExecContext(ctx, q, kept(args)...)
}

func (p plainText) QueryContext(ctx context.Context, q string, args ...any) (*sql.Rows, error) {
	return p.querier.QueryContext(ctx, q, kept(args)...)
}

func (p plainText) QueryRowContext(ctx context.Context, q string, args ...any) *sql.Row {
	return p.querier.QueryRowContext(ctx, q, kept(args)...)
}

func kept(args []any) []any {
	for i, a := range args {
		if s, ok := a.(string); ok {
			args[i] = strings.ReplaceAll(strings.ToValidUTF8(s, "\uFFFD"), "\x00", "\uFFFD")
		}
	}
	return args
}

func serverNow(ctx context.Context, q querier) (now int64, err error) {
	err = q.QueryRowContext(ctx, "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint").Scan(&now)
	return now, err
}

// begin waits for the turn of a transaction that writes.
func (p *server) begin(ctx context.Context, t *sql.Tx) error {
	if p == nil {
		return nil
	}
	if _, err := t.ExecContext(ctx, "SELECT pg_advisory_xact_lock($1)", writers); err != nil {
		return fmt.Errorf("state: waiting for the turn to write: %w", err)
	}
	return nil
}

// notice is what the nodes tell one another.
type notice struct {
	Node    string      `json:"node"`
	Changes [][2]string `json:"changes"`
}

// notify has the other nodes told of what changed, if the transaction commits.
func (p *server) notify(ctx context.Context, t *sql.Tx, changed []change) error {
	if p == nil || len(changed) == 0 {
		return nil
	}
	n := notice{Node: p.node}
	size := 0
	send := func() error {
		b, err := json.Marshal(n)
		if err == nil {
			_, err = t.ExecContext(ctx, "SELECT pg_notify($1, $2)", channel, string(b))
		}
		if err != nil {
			return fmt.Errorf("state: %w", err)
		}
		n.Changes, size = nil, 0
		return nil
	}
	seen := map[change]bool{}
	for _, c := range changed {
		if len(c.id) > 200 {
			c.id = "" // a reader looks again at all of them
		}
		if seen[c] {
			continue
		}
		seen[c] = true
		n.Changes = append(n.Changes, [2]string{c.noun, c.id})
		if size += 6*len(c.id) + 40; size > maxNotice {
			if err := send(); err != nil {
				return err
			}
		}
	}
	if len(n.Changes) == 0 {
		return nil
	}
	return send()
}

// nouns are told of anew when notices may have been missed.
var nouns = []string{"task", "evidence", "verdict", "action", "drill", "asset", "exception", "alert", "incident", "event", "search", "hunt"}

// listen tells of what other nodes change.
func (db *DB) listen(ctx context.Context) {
	defer close(db.pg.done)
	for first := true; ctx.Err() == nil; first = false {
		if !first {
			select {
			case <-ctx.Done():
				return
			case <-time.After(time.Second):
			}
		}
		_ = db.listenOnce(ctx, first) // the next try says whether it helped; what was missed is told then
	}
}

func (db *DB) listenOnce(ctx context.Context, first bool) error {
	conn, err := pgx.Connect(ctx, db.pg.dsn)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "LISTEN "+channel); err != nil {
		return err
	}
	if !first {
		for _, noun := range nouns {
			db.tell([]change{{noun, ""}})
		}
	}
	for {
		m, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		var n notice
		if err := json.Unmarshal([]byte(m.Payload), &n); err != nil || n.Node == db.pg.node {
			continue
		}
		changed := make([]change, len(n.Changes))
		for i, c := range n.Changes {
			changed[i] = change{c[0], c[1]}
		}
		db.tell(changed)
	}
}

func (p *server) stop() {
	p.cancel()
	<-p.done
}

// IsAddress reports whether a setting names a PostgreSQL database.
func IsAddress(text string) bool {
	return strings.HasPrefix(text, "postgres://") || strings.HasPrefix(text, "postgresql://")
}
