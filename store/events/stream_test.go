package events

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"holdfast"
)

// own is what somebody wrote, as package query passes it on.
func own(sql string) Statement {
	return Statement{SQL: "SELECT * FROM (\n" + sql + "\n) LIMIT 101", Own: sql, MaxRows: 100, From: noon, To: noon.Add(50 * time.Second)}
}

func filled(t testing.TB, n int) *lab {
	t.Helper()
	ctx := context.Background()
	l := open(t, t.TempDir())
	w := l.writer(t)
	if err := errors.Join(w.Add(ctx, 1, block(0, n)), w.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestOwnSQL holds that what somebody wrote reads the events of its range and
// nothing else.
func TestOwnSQL(t *testing.T) {
	ctx := context.Background()
	l := filled(t, 200)
	secret := filepath.Join(t.TempDir(), "secret.csv")
	if err := os.WriteFile(secret, []byte("a\n1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, q := range []string{
		"SELECT count(*) FROM events", "select count(*) from Events where dataset = 'linux.sshd'", `WITH x AS (SELECT * FROM events) SELECT count(*) FROM x`,
		"SELECT count(*) FROM events AS e JOIN (SELECT 'ast-1' AS a) AS t ON e.asset = t.a",
	} {
		r, err := l.store.Query(ctx, own(q))
		if err != nil || len(r.Rows) != 1 || r.Rows[0][0] != int64(50) {
			t.Errorf("%s: %v %v", q, r.Rows, err)
		}
	}
	if r, err := l.store.Query(ctx, own("SELECT id FROM events UNION ALL SELECT id FROM events UNION ALL SELECT id FROM events")); err != nil || len(r.Rows) != 100 || !r.Truncated {
		t.Errorf("%d rows, %v", len(r.Rows), err)
	}
	for _, q := range []string{
		"SELECT 1; SELECT 2", "DROP TABLE events", "COPY events TO '/tmp/x'", "SET threads = 9", "ATTACH '/tmp/x.db'", "INSTALL httpfs", "PRAGMA database_list",
		"SELECT * FROM read_csv('" + secret + "')", "SELECT * FROM '" + secret + "'", "SELECT * FROM read_parquet('" + l.dir + "/events/*/*.parquet')",
		"SELECT * FROM glob('/*')", "SELECT content FROM read_text('" + secret + "')", "SELECT current_setting('allowed_directories')", "SELECT * FROM duckdb_settings()",
		"SELECT * FROM information_schema.tables", "SELECT * FROM stored", "SELECT 1) ; DROP TABLE events; SELECT (1", "SELECT * FROM events) UNION ALL (SELECT 1",
		"DESCRIBE events", "SHOW TABLES", "SELECT * FROM query('SELECT 1')", "SELECT getenv('HOME')", "SELECT (SELECT content FROM read_text('" + secret + "'))",
		"SELECT count(*) FROM events WHERE id IN (SELECT a FROM '" + secret + "')", "WITH x AS (SELECT * FROM read_csv('" + secret + "')) SELECT * FROM x", "CALL pragma_version()",
		"SELECT * FROM pragma_table_info('events')", "SELECT * FROM main.events", "FROM '" + secret + "'",
	} {
		r, err := l.store.Query(ctx, own(q))
		if err == nil {
			t.Errorf("%s: %v", q, r.Rows)
			continue
		}
		if !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s: refused by the engine only: %v", q, err)
		}
	}
}

// TestSearchEnds holds that a search ends with its context, however much there
// is to do, and leaves its place to others.
func TestSearchEnds(t *testing.T) {
	l := filled(t, 200)
	endless := Statement{SQL: "SELECT count(*) FROM events a, events b, events c, events d, events e", MaxRows: 1}
	for range 6 {
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
		_, err := l.store.Query(ctx, endless)
		cancel()
		if !errors.Is(err, holdfast.ErrTooLarge) {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() {
		_, err := l.store.Query(ctx, endless)
		done <- err
	}()
	for l.store.asked.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if n := l.count(t); n != 200 {
		t.Fatal(n)
	}
	if n := l.store.asked.Load(); n != 0 {
		t.Fatalf("%d places are not given back", n)
	}
	l.store.asked.Store(most)
	if _, err := l.store.Query(context.Background(), Statement{SQL: "SELECT 1", MaxRows: 1}); !errors.Is(err, holdfast.ErrFull) {
		t.Fatal(err)
	}
}

// TestMemoryIsBounded holds that a search that asks for more memory than there
// is fails, and only it.
func TestMemoryIsBounded(t *testing.T) {
	l := filled(t, 2000)
	_, err := l.store.Query(context.Background(), Statement{SQL: "SELECT list(repeat(a.raw, 4000)) FROM events a, events b", MaxRows: 1})
	if !errors.Is(err, holdfast.ErrTooLarge) {
		t.Fatal(err)
	}
	if n := l.count(t); n != 2000 {
		t.Fatal(n)
	}
}

func TestParquet(t *testing.T) {
	ctx := context.Background()
	l := filled(t, 20)
	var b bytes.Buffer
	if err := l.store.Parquet(ctx, Statement{SQL: `SELECT id, "time", "source.ip" AS "ip" FROM events WHERE "source.ip" <> $1::VARCHAR ORDER BY "time"`, Args: []any{"192.0.2.0"}}, &b); err != nil {
		t.Fatal(err)
	}
	type out struct {
		ID   string    `parquet:"id,optional"`
		Time time.Time `parquet:"time,optional"`
		IP   string    `parquet:"ip,optional"`
	}
	rows, err := parquet.Read[out](bytes.NewReader(b.Bytes()), int64(b.Len()))
	if err != nil || len(rows) != 19 || rows[0].IP != "192.0.2.1" || !rows[0].Time.Equal(noon.Add(time.Second)) {
		t.Fatalf("%v %v", err, rows)
	}
	left, err := filepath.Glob(filepath.Join(l.dir, "events", "export-*"))
	if err != nil || len(left) != 0 {
		t.Error(err, left)
	}
	if err := l.store.Parquet(ctx, Statement{SQL: "SELECT 1) TO '/tmp/x.parquet'; SELECT (1"}, &b); err == nil || strings.Contains(err.Error(), "IO") {
		t.Error(err)
	}
}
