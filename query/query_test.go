package query

import (
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// emptyDatabase is a real DuckDB with the relation and nothing in it.
func emptyDatabase(t testing.TB) *sql.DB {
	t.Helper()
	db, err := sql.Open("duckdb", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	create := "CREATE TABLE events ("
	for i, n := range EventColumns() {
		if i > 0 {
			create += ", "
		}
		typ := "VARCHAR DEFAULT ''"
		if columns[n] == 'i' {
			typ = "TIMESTAMP"
		}
		create += DuckDB().quote(n) + " " + typ
	}
	if _, err := db.Exec(create + ")"); err != nil {
		t.Fatal(err)
	}
	return db
}

// database holds a few events in a real DuckDB, under the relation's name.
func database(t testing.TB) *sql.DB {
	t.Helper()
	db := emptyDatabase(t)
	for i, e := range []struct{ user, ip, dataset, fields, raw string }{
		{"root", "192.0.2.7", "linux.sshd", `{"action":"login_failed","src_ip":"192.0.2.7","user":"root","src_port":50001}`, "Failed password for root from 192.0.2.7 port 50001 ssh2"},
		{"root", "192.0.2.7", "linux.sshd", `{"action":"login_failed","src_ip":"192.0.2.7","user":"root","src_port":50002}`, "Failed password for root from 192.0.2.7 port 50002 ssh2"},
		{"alice", "192.0.2.9", "linux.sshd", `{"action":"login_success","src_ip":"192.0.2.9","user":"alice","src_port":40000}`, "Accepted publickey for alice from 192.0.2.9 port 40000 ssh2"},
		{"", "", "json", `{"a.b":"x/y~z","n":5,"weird\"name":"q","pct":"100%_sure"}`, `{"a":{"b":"x/y~z"},"n":5}`},
		{"bob", "", "linux.sudo", `{"action":"command","user":"bob","command":"/bin/cat /etc/shadow"}`, `bob : COMMAND=/bin/cat /etc/shadow <script>`},
	} {
		_, err := db.Exec(`INSERT INTO events (id, time, received, dataset, asset, source, "user.name", "source.ip", fields, raw) VALUES (?,?,?,?,?,?,?,?,?,?)`,
			fmt.Sprintf("%032d", i), noon.Add(time.Duration(i)*time.Minute), noon.Add(time.Duration(i)*time.Minute), e.dataset, "ast-1", "file", e.user, e.ip, e.fields, e.raw)
		if err != nil {
			t.Fatal(err)
		}
	}
	return db
}

func run(t testing.TB, db *sql.DB, q string) [][]string {
	t.Helper()
	parsed, err := Parse(q, noon.Add(time.Hour))
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	st, err := Compile(parsed, Range{noon.Add(-time.Hour), noon.Add(time.Hour)}, 1000)
	if err != nil {
		t.Fatalf("%s: %v", q, err)
	}
	return rows(t, db, st)
}

func rows(t testing.TB, db *sql.DB, st Statement) [][]string {
	t.Helper()
	r, err := db.Query(st.SQL, st.Args...)
	if err != nil {
		t.Fatalf("%s\n%v\n%v", st.SQL, st.Args, err)
	}
	defer r.Close()
	cols, err := r.Columns()
	if err != nil {
		t.Fatal(err)
	}
	var out [][]string
	for r.Next() {
		vals := make([]any, len(cols))
		for i := range vals {
			vals[i] = new(any)
		}
		if err := r.Scan(vals...); err != nil {
			t.Fatal(err)
		}
		var row []string
		for _, v := range vals {
			switch x := (*v.(*any)).(type) {
			case time.Time:
				row = append(row, x.UTC().Format("15:04"))
			default:
				row = append(row, fmt.Sprint(x))
			}
		}
		out = append(out, row)
	}
	if err := r.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestTerms counts the rows that bare terms find.
func TestTerms(t *testing.T) {
	db := database(t)
	for q, want := range map[string]int{
		"":                                   5,
		"failed":                             2,
		"FAILED root":                        2,
		`"password for root"`:                2,
		"user.name:root":                     2,
		"user:ROOT":                          2,
		"user:r*":                            2,
		"user:r??t":                          2,
		"user:root OR user:alice":            3,
		"user:(root alice)":                  3,
		`user:("root" OR bob)`:               3,
		"-user:root":                         3,
		"NOT user:root":                      3,
		"NOT (user:root OR user:alice)":      2,
		"src_port:>50001":                    1,
		"src_port:>=50001 src_port:<50002":   1,
		"n:5":                                1,
		"a.b:x/y~z":                          1,
		"pct:100%_sure":                      1,
		"pct:100%*":                          1,
		"pct:1__%*":                          0,
		"source.ip:*":                        3,
		"time:>2026-03-01T12:03:00Z":         1,
		"dataset:linux.* -action:login_*":    1,
		"user:root | where src_port > 50001": 1,
		"| take 2":                           2,
		`raw:*<script>*`:                     1,
	} {
		if got := len(run(t, db, q)); got != want {
			t.Errorf("%s: %d rows, want %d", q, got, want)
		}
	}
}

func TestPipes(t *testing.T) {
	db := database(t)
	for _, c := range []struct {
		q    string
		want [][]string
	}{
		{"events | count", [][]string{{"5"}}},
		{`events | where user == "root" | count`, [][]string{{"2"}}},
		{`events | where user == "ROOT" | count`, [][]string{{"0"}}},
		{`events | where user =~ "ROOT" and src_port != 50001 | count`, [][]string{{"1"}}},
		{`events | where user.name !in ("root", "alice") | count`, [][]string{{"2"}}},
		{`events | where user.name in~ ("ROOT") | count`, [][]string{{"2"}}},
		{`events | where raw contains "PASSWORD" | count`, [][]string{{"2"}}},
		{`events | where raw contains_cs "PASSWORD" | count`, [][]string{{"0"}}},
		{`events | where raw has "shadow" | count`, [][]string{{"1"}}},
		{`events | where raw has "shado" | count`, [][]string{{"0"}}},
		{`events | where raw !has "failed" | count`, [][]string{{"3"}}},
		{`events | where raw startswith "failed" and raw endswith "SSH2" | count`, [][]string{{"2"}}},
		{`events | where raw matches regex @"port \d+1 " | count`, [][]string{{"1"}}},
		{`events | where src_port between (50001 .. 50002) | count`, [][]string{{"2"}}},
		{`events | where time > ago(58m) | count`, [][]string{{"2"}}},
		{`events | where time >= datetime(2026-03-01T12:04:00Z) | count`, [][]string{{"1"}}},
		{`events | where time >= "2026-03-01 12:04" | count`, [][]string{{"1"}}},
		{`events | where isempty(user) | count`, [][]string{{"1"}}},
		{`events | where ['weird"name'] == "q" | count`, [][]string{{"1"}}},
		{`events | where not(user == "root") or false | count`, [][]string{{"3"}}},
		{`events | summarize fails=count(), users=dcount(user) by source.ip | order by fails desc, source.ip asc`, [][]string{{"", "2", "2"}, {"192.0.2.7", "2", "1"}, {"192.0.2.9", "1", "1"}}},
		{`events | where action == "login_failed" | summarize count() by src_ip`, [][]string{{"192.0.2.7", "2"}}},
		{`events | summarize n=countif(action == "login_failed"), hi=max(toint(src_port)) by dataset | order by dataset asc | take 2`, [][]string{{"json", "0", "<nil>"}, {"linux.sshd", "2", "50002"}}},
		{`events | summarize count() by bin(time, 2m) | order by time asc`, [][]string{{"12:00", "2"}, {"12:02", "2"}, {"12:04", "1"}}},
		{`events | order by time asc | project user, p = toint(src_port) + 1 | take 2`, [][]string{{"root", "50002"}, {"root", "50003"}}},
		{`events | top 1 by src_port | project src_port`, [][]string{{"50002"}}},
		{`events | distinct dataset | order by dataset asc`, [][]string{{"json"}, {"linux.sshd"}, {"linux.sudo"}}},
		{`events | extend who = iff(user == "root", "admin", user) | summarize count() by who | order by count_ desc, who asc | take 1`, [][]string{{"admin", "2"}}},
		{`user:root | project src_port | order by src_port asc | project x = src_port`, [][]string{{"50001"}, {"50002"}}},
		{`events | where time - datetime(2026-03-01T12:00:00Z) > 200 | count`, [][]string{{"1"}}},
		{`events | where time + 5m > datetime(2026-03-01T12:08:30Z) | count`, [][]string{{"1"}}},
		{`events | summarize make_set(user) by dataset | where dataset == "linux.sshd" | project set_user`, [][]string{{"[alice root]"}}},
	} {
		if diff := cmp.Diff(c.want, run(t, db, c.q)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.q, diff)
		}
	}
}

func TestHistogram(t *testing.T) {
	db := database(t)
	q, err := Parse("dataset:linux.sshd | summarize count() by user", noon)
	if err != nil {
		t.Fatal(err)
	}
	st, err := Histogram(q, Range{noon.Add(-time.Hour), noon.Add(time.Hour)}, 2*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([][]string{{"12:00", "2"}, {"12:02", "1"}}, rows(t, db, st)); diff != "" {
		t.Error(diff)
	}
}

// TestFaults holds that every fault points at its characters.
func TestFaults(t *testing.T) {
	for _, c := range []struct{ q, at, says string }{
		{"events | wher x == 1", "wher", `did you mean "where"`},
		{`events | where user = "x"`, "=", "to compare write =="},
		{`events | where user == "x" && n == 1`, "&", "write and"},
		{`events | where user == "x" || n == 1`, "||", "write or"},
		{`events | where user == "\x4"`, `\x4"`, "2 hexadecimal digits"},
		{`events | where user == "\w"`, `\w`, "no escape"},
		{"events | where n > 1e99", "1e99", "too large"},
		{"events | where n > 0xfffffffffffffffff", "0xfffffffffffffffff", "too large"},
		{"user:(NOT root)", "NOT", "one of which is looked for"},
		{"user:(root AND bob)", "AND", "user:a AND NOT user:b"},
		{"user:(root -bob)", "-", "-user:value"},
		{"n:(-5 7)", "", ""},
		{`events | where user contain "x"`, "contain", `did you mean "contains"`},
		{"events | where coun() > 1", "coun", `did you mean "count"`},
		{"events | where count() > 1", "count()", "use it in summarize"},
		{"events | where user", "user", "a value, not a condition"},
		{`events | where user == "x`, `"x`, "no closing"},
		{"events | summarize count() by dataset | where dataste == 'x'", "dataste", `did you mean "dataset"`},
		{`events | where user matches regex "("`, `"("`, "missing closing"},
		{"events | take x", "x", "a number of rows"},
		{"events | where n == 5x", "x", "no unit of time"},
		{"events | where ago(5) < time", "5", "takes a duration"},
		{"events where x", "", ""},
		{"user:", "user:", "has no value"},
		{"(a OR b", "(", "not closed"},
		{"a ) b", ")", "no opening"},
		{"events | extend time = 1", "1", "already"},
		{"events | project a, a", "a", "two columns"},
		{"events | where x == 'a' ; drop", "drop", "stands where"},
		{"events | where #", "#", "no meaning"},
		{"events | summarize user", "user", "wants an aggregate"},
		{"let f = (a:long) { a + 1 }; events | extend f(n)", "f", "let makes no functions"},
		{"let rows = () { events }; rows", "rows", "let makes no functions"},
		{"events | extend a = toscaler(events | count)", "toscaler", `did you mean "toscalar"`},
		{"events | where parse_json(raw). == 1", "==", "a name"},
		{"events | where ago(1h).x == 1", "ago(1h)", "nothing has a name"},
		{"events | where . == 1", ".", "a field or a value"},
		{"events | where n == toscalar(events)", "toscalar(events)", "not a value"},
		{"events | where n == toscalar(events | summarize make_set(n))", "toscalar(events | summarize make_set(n))", "a list"},
		{"events | lookup kind=leftanti (events) on id", "leftanti", "no kind of lookup"},
		{"events | project-keep nothing*", "nothing*", "no column"},
		{"events | project split(raw, ',')[-x]", "-", "a number or a name"},
		{"events | summarize round(n)", "round(n)", "wants an aggregate"},
		{"events | summarize max(sum(n))", "sum(n)", "use it in summarize"},
		{"events | summarize max(n) + other by user", "other", "no column"},
		{"events | summarize round(percentiles(n, 5, 95))", "percentiles(n, 5, 95)", "several columns"},
		{"events | where time > 'soon'", "time > 'soon'", "a time"},
		{"sql DELETE FROM events", "DELETE FROM", "sql only reads"},
		{"sql update events set x = 1", "update events set", "sql only reads"},
		{"sql drop table events", "drop table", "sql only reads"},
		{"sql update failed", "", ""}, // words that are searched for
		{"sql server", "", ""},
		{"a | order by user | summarize count() | project user", "user", "no column"},
	} {
		q, err := Parse(c.q, noon)
		if err == nil {
			_, err = Compile(q, Range{noon, noon}, 10)
		}
		if c.at == "" {
			if err != nil {
				t.Errorf("%s: %v", c.q, err)
			}
			continue
		}
		var fault *Error
		if !errors.As(err, &fault) {
			t.Errorf("%s: no fault, %v", c.q, err)
			continue
		}
		if fault.Pos+fault.Len > len(c.q) || c.q[fault.Pos:fault.Pos+fault.Len] != c.at {
			t.Errorf("%s: points at %d+%d, want %q (%v)", c.q, fault.Pos, fault.Len, c.at, err)
		}
		if !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: says %q, want %q", c.q, err, c.says)
		}
	}
}

// TestOddTerms holds that words which are searched for, though something else
// was meant most likely, are named.
func TestOddTerms(t *testing.T) {
	for q, want := range map[string][]string{
		"user:root and user:bob":                {"and"},
		"not user:root":                         {"not"},
		"user == root":                          {"=="},
		"failed or refused | take 1":            {"or"},
		"SecurityEvent | where EventID == 4624": {"SecurityEvent"},
		"Syslog_Custom_CL | take 1":             {"Syslog_Custom_CL"},
		"and":                                   nil,
		`"and" user:root`:                       nil,
		"user:root AND user:bob":                nil,
		"Failed | count":                        nil,
	} {
		parsed, err := Parse(q, noon)
		if err != nil {
			t.Errorf("%s: %v", q, err)
			continue
		}
		var got []string
		for _, h := range parsed.hints {
			got = append(got, q[h.Pos:h.Pos+h.Len])
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", q, diff)
		}
	}
}

// TestEventColumns holds that the relation has a column for every entity kind.
func TestEventColumns(t *testing.T) {
	for _, k := range holdfast.EntityKinds() {
		if columns[k] == 0 {
			t.Errorf("no column for %s", k)
		}
	}
	if len(columns) != len(EventColumns()) {
		t.Errorf("%d columns, %d listed", len(columns), len(EventColumns()))
	}
}

// FuzzParse holds that no text panics, that faults stay inside the text, and
// that what compiles is one statement DuckDB can prepare, whatever a person
// wrote.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"user:root -src_ip:10.* failed", `events | where a == "x" and b in (1,2) | summarize n=count() by bin(time,5m) | order by n desc | take 5`,
		`a"b'c; DROP TABLE events --`, `['x"; DROP'] == 1`, `events | extend ["a\"b"] = 1`, "events | project a=b | where a contains '''", "((((", "NOT NOT -a",
	} {
		f.Add(s)
	}
	for _, g := range goldens(f) {
		f.Add(g.query)
	}
	db := database(f)
	f.Fuzz(func(t *testing.T, s string) {
		q, err := Parse(s, noon)
		var st Statement
		if err == nil {
			st, err = Compile(q, Range{noon, noon}, 10)
		}
		if err != nil {
			var fault *Error
			if !errors.As(err, &fault) {
				t.Fatalf("%q: %v is no *Error", s, err)
			}
			if fault.Pos < 0 || fault.Pos > len(s) {
				t.Fatalf("%q: points at %d", s, fault.Pos)
			}
			return
		}
		if strings.ContainsRune(s, 0) {
			return // DuckDB takes no NUL in a name; the statement is refused there
		}
		p, err := db.Prepare(st.SQL)
		if err != nil {
			t.Fatalf("%q\n%s\n%v", s, st.SQL, err)
		}
		defer p.Close()
	})
}
