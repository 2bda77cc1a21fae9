package query

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// clickRelation makes "events" of a table with the columns of a segment, as the
// distributed store does.
func clickRelation() (create, relation string) {
	var table, list []string
	for _, n := range EventColumns() {
		stored := strings.ReplaceAll(n, ".", "_")
		typ := "String"
		if columns[n] == instant {
			typ = "DateTime64(6, 'UTC')"
		}
		table = append(table, stored+" "+typ)
		list = append(list, stored+` AS "`+n+`"`)
	}
	return "CREATE TABLE stored (" + strings.Join(table, ", ") + ") ENGINE = MergeTree ORDER BY time", "WITH events AS (SELECT " + strings.Join(list, ", ") + " FROM stored) "
}

// TestGoldenClickHouse holds the answers of ClickHouse to the goldens: the same
// queries, compiled for its dialect.
func TestGoldenClickHouse(t *testing.T) {
	if _, err := os.Stat("testdata/oracle/node_modules/chdb"); err != nil {
		t.Skip("ClickHouse is not there: run npm install --no-save --ignore-scripts in query/testdata/oracle (546 MB)")
	}
	type query struct {
		SQL  string `json:"sql"`
		Args []any  `json:"args"`
	}
	create, relation := clickRelation()
	var in struct {
		Setup    []string            `json:"setup"`
		Relation string              `json:"relation"`
		Rows     []map[string]string `json:"rows"`
		Queries  []query             `json:"queries"`
	}
	in.Setup, in.Relation = []string{create}, relation
	for _, e := range goldenEvents(t) {
		row := map[string]string{}
		for k, v := range e {
			row[strings.ReplaceAll(k, ".", "_")] = v
		}
		in.Rows = append(in.Rows, row)
	}
	type asked struct {
		golden
		plain bool
		st    Statement
	}
	var all []asked
	for _, g := range goldens(t) {
		for _, plain := range []bool{true, false} {
			st := compileGolden(t, g, ClickHouse(), plain)
			if !plain && len(st.Rewrites) == 0 {
				continue
			}
			if st.Args == nil {
				st.Args = []any{}
			}
			all = append(all, asked{g, plain, st})
			in.Queries = append(in.Queries, query{st.SQL, st.Args})
		}
	}
	b, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	c := exec.Command("node", "run.js")
	c.Dir, c.Stdin = "testdata/oracle", bytes.NewReader(b)
	var stderr bytes.Buffer
	c.Stderr = &stderr
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	want := readAnswers(t)
	lines := strings.Split(strings.TrimRight(string(out), "\n"), "\n")
	if len(lines) != len(all) {
		t.Fatalf("%d answers to %d queries", len(lines), len(all))
	}
	for i, line := range lines {
		var got struct {
			Rows  []string `json:"rows"`
			Error string   `json:"error"`
		}
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if got.Error != "" {
			t.Errorf("%s: %s\n%s\n%v", all[i].name, got.Error, all[i].st.SQL, all[i].st.Args)
			continue
		}
		rows := []string{strings.Join(all[i].st.Columns, " | ")}
		for _, r := range got.Rows {
			rows = append(rows, clickCells(t, r))
		}
		if text := strings.Join(rows, "\n"); text != want[all[i].name] {
			t.Errorf("%s (-DuckDB +ClickHouse):\n%s\n%s", all[i].name, cmp.Diff(want[all[i].name], text), all[i].st.SQL)
		}
	}
}

func clickCells(t *testing.T, row string) string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(row))
	d.UseNumber()
	var vals []any
	if err := d.Decode(&vals); err != nil {
		t.Fatalf("%s: %v", row, err)
	}
	cells := make([]string, len(vals))
	for i, v := range vals {
		cells[i] = clickCell(v)
	}
	return strings.Join(cells, " | ")
}

func clickCell(v any) string {
	switch v := v.(type) {
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			return v.String()
		}
		f, err := v.Float64()
		if err != nil {
			return err.Error()
		}
		return numberCell(f)
	case string:
		if v == "nan" || v == "inf" || v == "-inf" {
			return "-"
		}
		if at, err := time.Parse("2006-01-02 15:04:05.000000", v); err == nil {
			return at.Format("2006-01-02 15:04:05.000000")
		}
	case []any:
		parts := make([]string, len(v))
		for i, x := range v {
			parts[i] = clickCell(x)
		}
		return "[" + strings.Join(parts, ", ") + "]"
	}
	if v == nil {
		return "-"
	}
	return cell(fmt.Sprint(v))
}
