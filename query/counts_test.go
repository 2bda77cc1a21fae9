package query

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestGoldenFromCounts answers the goldens as the embedded store does: from the
// events of the range, and from counts where those are enough. Half of the events
// are in counts of a minute and a value, as those of whole segments are, the other
// half stand for themselves.
func TestGoldenFromCounts(t *testing.T) {
	db := goldenDuckDB(t)
	run := func(text string) {
		t.Helper()
		if _, err := db.Exec(text); err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
	}
	run(`CREATE TABLE asked (since TIMESTAMP, upto TIMESTAMP)`)
	run(`CREATE VIEW "` + Within + `" AS SELECT *, coalesce(json_extract_string(fields, '/` + KeptCommandLine + `'), '') AS "` + KeptColumn(KeptCommandLine) +
		`" FROM events WHERE "time" >= (SELECT since FROM asked) AND "time" < (SELECT upto FROM asked)`)
	for _, of := range CountsKept() {
		list := `"` + strings.ReplaceAll(of, ", ", `", "`) + `"`
		minutes := strings.Replace(list, `"time"`, `date_trunc('minute', "time")::TIMESTAMP AS "time"`, 1)
		run(`CREATE VIEW "` + CountsOf(of) + `" AS SELECT ` + minutes + `, count(*) AS counted FROM "` + Within + `" WHERE hash(id) % 2 = 0 GROUP BY ALL UNION ALL SELECT ` +
			list + `, 1 FROM "` + Within + `" WHERE hash(id) % 2 = 1`)
	}
	want, counted, narrowed := readAnswers(t), 0, 0
	for _, g := range goldens(t) {
		st := compileGolden(t, g, Segments(), false)
		run(`DELETE FROM asked; INSERT INTO asked VALUES (TIMESTAMP '` + timeText(st.Range.From) + `', TIMESTAMP '` + timeText(st.Range.To) + `')`)
		if st.Range != goldenRange {
			narrowed++
		}
		if d := cmp.Diff(want[g.name], answer(t, db, g.name, st)); d != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", g.name, d, st.SQL)
		}
		if strings.Contains(st.SQL, `"counts of `) {
			counted++
		}
	}
	if counted < 5 || narrowed < 2 {
		t.Errorf("only %d goldens are answered from counts, and %d narrow their range", counted, narrowed)
	}
}

// TestCountsAreEnough: what asks for more than counts have reads the events.
func TestCountsAreEnough(t *testing.T) {
	for text, of := range map[string]string{
		`events | count`: "dataset",
		`events | summarize n=count() by user.name | top 10 by n`:                                   "user.name",
		`events | summarize count() by bin(time, 1h)`:                                               "time",
		`dataset:zeek.* | summarize count() by bin(time, 5m)`:                                       "dataset, time",
		`events | extend h=tolower(host.name) | where h != "" | distinct h`:                         "host.name",
		`events | summarize dcount(source.ip), countif(source.ip startswith "10.")`:                 "source.ip",
		`events | summarize make_set(dataset), min(dataset)`:                                        "dataset",
		`events | summarize count() by bin(time, 90s)`:                                              "",
		`events | summarize count() by bin(received, 1h)`:                                           "",
		`events | summarize min(time) by user.name`:                                                 "",
		`events | where time > datetime(2026-02-01) | summarize count()`:                            "",
		`events | summarize count() by user.name, host.name`:                                        "",
		`events | summarize count() by dataset, user.name`:                                          "",
		`events | summarize count() by bin(time, 1h), user.name`:                                    "",
		`events | summarize sum(n)`:                                                                 "",
		`events | summarize count() by CommandLine`:                                                 "",
		`events | summarize take_any(user.name)`:                                                    "",
		`events | where user.name in ((events | project user.name)) | count`:                        "",
		`events | order by user.name asc | extend p=prev(user.name) | where p == user.name | count`: "",
		`events | summarize make_list(user.name)`:                                                   "",
		`events | take 10 | count`:                                                                  "",
		`events | summarize count() by file.path`:                                                   "",
		`x | count`: "",
	} {
		q, err := Parse(text, goldenNow)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		st, err := CompileWith(q, Options{Range: goldenRange, MaxRows: 10, Dialect: Segments()})
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		_, rest, found := strings.Cut(st.SQL, `"counts of `)
		got, _, _ := strings.Cut(rest, `"`)
		if got != of || found != (of != "") || found != strings.Contains(strings.Join(st.Rewrites, " "), "counted from the counts") {
			t.Errorf("%s: counts of %q, not %q\n%s", text, got, of, st.SQL)
		}
	}
}
