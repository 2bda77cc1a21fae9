package events

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// goldensThroughStore asks the store the golden queries of package query.
func goldensThroughStore(t *testing.T, open opening) {
	ctx := context.Background()
	l := open(t, t.TempDir(), nil)
	w := l.writer(t)
	for _, r := range goldenRows(t) {
		w.cur.rows.Add(&r)
	}
	w.last, w.cur.last, w.cur.blocks = 1, 1, 1
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	to := time.Date(2026, 3, 1, 20, 0, 0, 0, time.UTC)
	queries, answers := blocksOf(t, "queries.txt"), blocksOf(t, "answers.txt")
	if len(queries) < 60 {
		t.Errorf("%d goldens", len(queries))
	}
	for name, text := range queries {
		res, err := l.store.Query(ctx, compiled(t, l, text, to.AddDate(0, 0, -42), to, 1000))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		lines := []string{columnNames(res.Columns)}
		for _, r := range res.Rows {
			cells := make([]string, len(r))
			for i, v := range r {
				cells[i] = goldenCell(v)
			}
			lines = append(lines, strings.Join(cells, " | "))
		}
		if got := strings.Join(lines, "\n"); got != answers[name] {
			t.Errorf("%s (-want +got):\n%s", name, cmp.Diff(answers[name], got))
		}
	}
}

func columnNames(cols []Column) string {
	names := make([]string, len(cols))
	for i, c := range cols {
		names[i] = c.Name
	}
	return strings.Join(names, " | ")
}

func blocksOf(t testing.TB, file string) map[string]string {
	t.Helper()
	b, err := os.ReadFile("../../query/testdata/golden/" + file)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for _, block := range strings.Split("\n"+string(b), "\n# ")[1:] {
		name, text, _ := strings.Cut(block, "\n")
		out[name] = strings.TrimRight(text, "\n")
	}
	return out
}

func goldenRows(t testing.TB) []row {
	t.Helper()
	b, err := os.ReadFile("../../query/testdata/golden/events.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	var out []row
	for line := range strings.Lines(string(b)) {
		var e map[string]string
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		var r row
		v := reflect.ValueOf(&r).Elem()
		for _, c := range relation {
			for _, s := range storedColumns() {
				switch {
				case s.name != c.stored:
				case s.time:
					at, err := time.Parse("2006-01-02 15:04:05.000000", e[c.name])
					if err != nil {
						t.Fatal(err)
					}
					v.Field(s.index).SetInt(at.UnixMicro())
				case v.Field(s.index).Kind() == reflect.String:
					v.Field(s.index).SetString(e[c.name])
				}
			}
		}
		r.keep()
		out = append(out, r)
	}
	return out
}

// goldenCell is a value as the goldens show it.
func goldenCell(v any) string {
	switch v := v.(type) {
	case nil:
		return "-"
	case time.Time:
		return v.UTC().Format("2006-01-02 15:04:05.000000")
	case float64:
		if v == math.Trunc(v) && math.Abs(v) < 1e15 {
			return strconv.FormatInt(int64(v), 10)
		}
		return strconv.FormatFloat(v, 'g', 9, 64)
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = goldenCell(x)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	return strings.NewReplacer("\n", `\n`, "|", `\p`).Replace(fmt.Sprint(v))
}
