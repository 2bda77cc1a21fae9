package query

import (
	"bufio"
	"database/sql"
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"math/big"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/duckdb/duckdb-go/v2"
	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the goldens anew")

// golden is a query of testdata/golden/queries.txt with its name.
type golden struct{ name, query string }

func goldens(t testing.TB) []golden {
	t.Helper()
	b, err := os.ReadFile("testdata/golden/queries.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out []golden
	for _, block := range strings.Split("\n"+string(b), "\n# ")[1:] {
		name, q, _ := strings.Cut(block, "\n")
		out = append(out, golden{name, strings.TrimSpace(q)})
	}
	return out
}

// The goldens' events lie in six weeks before this time.
var (
	goldenNow   = time.Date(2026, 3, 1, 20, 0, 0, 0, time.UTC)
	goldenRange = Range{goldenNow.AddDate(0, 0, -42), goldenNow}
)

func goldenEvents(t testing.TB) []map[string]string {
	t.Helper()
	f, err := os.Open("testdata/golden/events.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out []map[string]string
	for s := bufio.NewScanner(f); s.Scan(); {
		var e map[string]string
		if err := json.Unmarshal(s.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		out = append(out, e)
	}
	return out
}

// goldenDuckDB holds the goldens' events in a real DuckDB.
func goldenDuckDB(t testing.TB) *sql.DB {
	t.Helper()
	db := emptyDatabase(t)
	names := EventColumns()
	list, places := make([]string, len(names)), make([]string, len(names))
	for i, n := range names {
		list[i], places[i] = DuckDB().quote(n), "?"
	}
	insert, err := db.Prepare("INSERT INTO events (" + strings.Join(list, ", ") + ") VALUES (" + strings.Join(places, ", ") + ")")
	if err != nil {
		t.Fatal(err)
	}
	defer insert.Close()
	for _, e := range goldenEvents(t) {
		vals := make([]any, len(names))
		for i, n := range names {
			vals[i] = e[n]
		}
		if _, err := insert.Exec(vals...); err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func compileGolden(t testing.TB, g golden, d Dialect, plain bool) Statement {
	t.Helper()
	q, err := Parse(g.query, goldenNow)
	if err != nil {
		t.Fatalf("%s: %v\n%s", g.name, err, g.query)
	}
	st, err := CompileWith(q, Options{Range: goldenRange, MaxRows: 1000, Dialect: d, Plain: plain, Narrow: true})
	if err != nil {
		t.Fatalf("%s: %v\n%s", g.name, err, g.query)
	}
	return st
}

// answer is what a query gives, as text: a row of names, then the rows.
func answer(t testing.TB, db *sql.DB, name string, st Statement) string {
	t.Helper()
	r, err := db.Query(st.SQL, st.Args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s\n%v", name, err, st.SQL, st.Args)
	}
	defer r.Close()
	lines := []string{strings.Join(st.Columns, " | ")}
	for r.Next() {
		vals := make([]any, len(st.Columns))
		for i := range vals {
			vals[i] = new(any)
		}
		if err := r.Scan(vals...); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		cells := make([]string, len(vals))
		for i, v := range vals {
			cells[i] = cell(*v.(*any))
		}
		lines = append(lines, strings.Join(cells, " | "))
	}
	if err := r.Err(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return strings.Join(lines, "\n")
}

// cell is a value as both engines are made to show it.
func cell(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.000000")
	case float64:
		return numberCell(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case int32:
		return strconv.Itoa(int(v))
	case *big.Int:
		return v.String()
	case duckdb.Decimal:
		return numberCell(v.Float64())
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = cell(x)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return strings.NewReplacer("\n", `\n`, "|", `\p`).Replace(fmt.Sprint(v))
}

func numberCell(f float64) string {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return "-"
	}
	if f == math.Trunc(f) && math.Abs(f) < 1e15 {
		return strconv.FormatInt(int64(f), 10)
	}
	return strconv.FormatFloat(f, 'g', 9, 64)
}

func readAnswers(t testing.TB) map[string]string {
	t.Helper()
	b, err := os.ReadFile("testdata/golden/answers.txt")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, block := range strings.Split("\n"+string(b), "\n# ")[1:] {
		name, rows, _ := strings.Cut(block, "\n")
		out[name] = strings.TrimRight(rows, "\n")
	}
	return out
}

// TestGolden holds the answers of DuckDB to the goldens, with the plan as
// written and as rewritten.
func TestGolden(t *testing.T) {
	db := goldenDuckDB(t)
	all := goldens(t)
	if len(all) < 60 {
		t.Errorf("%d goldens", len(all))
	}
	var b strings.Builder
	want := map[string]string{}
	if !*update {
		want = readAnswers(t)
	}
	for _, g := range all {
		got := answer(t, db, g.name, compileGolden(t, g, DuckDB(), false))
		if plain := answer(t, db, g.name, compileGolden(t, g, DuckDB(), true)); plain != got {
			t.Errorf("%s: the planner changes the answer (-as written +as planned):\n%s", g.name, cmp.Diff(plain, got))
		}
		if !*update && got != want[g.name] {
			t.Errorf("%s (-want +got):\n%s", g.name, cmp.Diff(want[g.name], got))
		}
		fmt.Fprintf(&b, "# %s\n%s\n\n", g.name, got)
	}
	if *update {
		if err := os.WriteFile("testdata/golden/answers.txt", []byte(b.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}
