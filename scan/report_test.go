package scan

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/html"

	"holdfast"
	"holdfast/detect/sigma"
)

const hostile = `</script><script>alert(1)</script>"'><img src=x onerror=alert(2)> =cmd|'/c calc'!A1 {{.}} ` + "\u202e\x00\x1b[31m"

// found makes n matches of many rules and hosts, with hostile text everywhere.
func found(n int) []*Match {
	begin := time.Date(2026, 11, 23, 10, 15, 4, 0, time.UTC)
	levels := []holdfast.Level{holdfast.Informational, holdfast.Low, holdfast.Medium, holdfast.High, holdfast.Critical}
	out := make([]*Match, 0, n)
	for i := range n {
		e := holdfast.Event{Fields: []holdfast.Field{{Name: "a" + hostile, Text: hostile}, {Name: "n", Text: "7", Kind: holdfast.Number}}}
		m := &Match{
			Time: begin.Add(time.Duration(i) * 37 * time.Second), Level: levels[i%5], Rule: fmt.Sprintf("rule-%d", i%100), Title: fmt.Sprintf("%s %d", hostile, i%100),
			Attack: []string{"T1490", "S0002"}, File: "a: b/" + hostile, Record: uint64(i), Host: fmt.Sprintf("%s %d", hostile, i%3000), Dataset: "d",
			Because: []holdfast.Predicate{{Selection: "s", Field: "a", Op: "equals", Want: hostile, Got: hostile}},
			Event:   e.AppendFieldsJSON(nil), Kind: Detection,
			Meta: &sigma.Meta{Description: hostile, Tags: []string{"attack.impact"}, FalsePositives: []string{hostile}},
		}
		if i%1000 == 7 {
			m.Kind, m.Why, m.Because, m.Event, m.Count = Correlation, hostile, nil, nil, 5
			m.Events = []Made{{m.Time, m.File, 1, "r", hostile}}
		}
		out = append(out, m)
	}
	return out
}

func written(t testing.TB, format string, ms []*Match) string {
	t.Helper()
	f, err := FormatNamed(format)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	w := f.New(&b)
	for _, m := range ms {
		if err := w.Match(m); err != nil {
			t.Fatal(err)
		}
	}
	r := Report{
		Version: "1", Paths: []string{hostile}, Rules: 100, Started: time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC), Faults: holdfast.Faults{{File: hostile, What: hostile}},
		Summary: Summary{Matches: uint64(len(ms)), Left: []Left{{hostile, hostile}}, Noted: []Left{{hostile, "odd"}}},
	}
	if err := w.Close(r); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestHTML is that a report loads nothing, runs nothing but its own script,
// takes no value for markup, and stays small.
func TestHTML(t *testing.T) {
	for _, n := range []int{0, 1, 100_000} {
		text := written(t, "html", found(n))
		if len(text) > 16<<20 {
			t.Errorf("%d matches make %d bytes", n, len(text))
		}
		doc, err := html.Parse(strings.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		scripts, styles, policy, rules := "", "", "", 0
		var walk func(*html.Node)
		walk = func(x *html.Node) {
			if x.Type == html.ElementNode {
				for _, a := range x.Attr {
					switch {
					case a.Key == "src" || strings.HasPrefix(a.Key, "on") || a.Key == "style", a.Key == "href" && !strings.HasPrefix(a.Val, "#"):
						t.Errorf("<%s %s=%q>", x.Data, a.Key, a.Val)
					case x.Data == "meta" && a.Key == "content" && strings.Contains(a.Val, "default-src"):
						policy = a.Val
					case a.Key == "data-search":
						rules++
					}
				}
				switch x.Data {
				case "script":
					scripts += x.FirstChild.Data
				case "style":
					styles += x.FirstChild.Data
				case "img", "link", "iframe", "object", "embed", "base", "form":
					t.Errorf("there is a <%s>", x.Data)
				}
			}
			for c := x.FirstChild; c != nil; c = c.NextSibling {
				walk(c)
			}
		}
		walk(doc)
		for _, part := range []string{digest(scripts), digest(styles), "default-src 'none'"} {
			if !strings.Contains(policy, part) {
				t.Errorf("the policy %q lacks %s", policy, part)
			}
		}
		if rules != min(n, 100) {
			t.Errorf("%d rules of %d matches", rules, n)
		}
		if cut := strings.Contains(text, "Shown are 3000 of 100000 matches"); cut != (n > 3000) {
			t.Errorf("%d matches, told to be cut: %v", n, cut)
		}
		if strings.Contains(text, "NaN") || n > 0 && !strings.Contains(text, "<rect") {
			t.Errorf("%d matches: the timeline is not there", n)
		}
	}
}

// TestHTMLOfLargeEvents is that a report stays small whatever an event holds.
func TestHTMLOfLargeEvents(t *testing.T) {
	var e holdfast.Event
	for i := range 150 {
		e.Fields = append(e.Fields, holdfast.Field{Name: fmt.Sprint("f", i), Text: strings.Repeat("<", 3000)})
	}
	event := e.AppendFieldsJSON(nil)
	ms := found(100)
	for _, m := range ms {
		m.Event = event
	}
	if text := written(t, "html", ms); len(text) > 24<<20 || !strings.Contains(text, "more fields") {
		t.Errorf("%d bytes", len(text))
	}
}

// TestSARIF holds a log to what version 2.1.0 asks for.
func TestSARIF(t *testing.T) {
	for _, n := range []int{0, 1, 1008} {
		var log struct {
			Schema  string `json:"$schema"`
			Version string
			Runs    []struct {
				Tool struct {
					Driver struct {
						Name  string
						Rules []struct{ ID string }
					}
				}
				Invocations []struct {
					ExecutionSuccessful        *bool
					ToolExecutionNotifications []struct {
						Level   string
						Message struct{ Text string }
					}
				}
				Results []struct {
					RuleID, Level string
					RuleIndex     int
					Message       struct{ Text string }
					Locations     []struct {
						PhysicalLocation struct{ ArtifactLocation struct{ URI string } }
					}
					PartialFingerprints map[string]string
				}
			}
		}
		if err := json.Unmarshal([]byte(written(t, "sarif", found(n))), &log); err != nil {
			t.Fatal(err)
		}
		run := log.Runs[0]
		told := run.Invocations[0].ToolExecutionNotifications
		if len(told) != 2 || told[0].Level != "warning" || told[1].Level != "note" || told[1].Message.Text != "odd" {
			t.Errorf("told: %+v", told)
		}
		if log.Version != "2.1.0" || len(log.Runs) != 1 || run.Tool.Driver.Name == "" || run.Tool.Driver.Rules == nil || run.Results == nil || len(run.Results) != n ||
			*run.Invocations[0].ExecutionSuccessful != true {
			t.Errorf("%d matches: %+v", n, run)
		}
		seen := map[string]bool{}
		for _, r := range run.Results {
			uri := r.Locations[0].PhysicalLocation.ArtifactLocation.URI
			if run.Tool.Driver.Rules[r.RuleIndex].ID != r.RuleID || !regexp.MustCompile("^(error|warning|note)$").MatchString(r.Level) || r.Message.Text == "" ||
				!regexp.MustCompile(`^[A-Za-z0-9._~:/?#\[\]@!$&'()*+,;=%-]+$`).MatchString(uri) || seen[r.PartialFingerprints["match/v1"]] {
				t.Fatalf("%+v", r)
			}
			seen[r.PartialFingerprints["match/v1"]] = true
		}
	}
}

// TestCSV is that no cell can be taken for a formula, and all of them be read.
func TestCSV(t *testing.T) {
	ms := found(8)
	for i, start := range []string{"=", "+", "-", "@", "\t", "\r", "\n", "x"} {
		ms[i].Title = start + "1+1"
	}
	rows, err := csv.NewReader(strings.NewReader(written(t, "csv", ms))).ReadAll()
	if err != nil || len(rows) != 9 {
		t.Fatal(len(rows), err)
	}
	for _, r := range rows[1:] {
		for _, c := range r {
			if c != "" && strings.ContainsRune("=+-@\t\r\n", rune(c[0])) {
				t.Errorf("%q", c)
			}
		}
	}
	if rows[8][3] != "x1+1" {
		t.Errorf("%q", rows[8])
	}
}

// TestOCSF has what class 2004 requires, and at the end, by class 6007, what was
// left out and noted.
func TestOCSF(t *testing.T) {
	dec := json.NewDecoder(strings.NewReader(written(t, "ocsf", found(10))))
	n, scans := 0, 0
	for {
		var f map[string]any
		if err := dec.Decode(&f); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if f["class_uid"] == 6007.0 {
			scans++
			more, _ := f["unmapped"].(map[string]any)
			if f["type_uid"] != 600702.0 || f["num_skipped_items"] != 1.0 || more["left"] == nil || more["noted"] == nil || f["scan"] == nil {
				t.Errorf("%v", f)
			}
			continue
		}
		n++
		for _, key := range []string{"activity_id", "category_uid", "class_uid", "type_uid", "time", "severity_id", "metadata", "finding_info"} {
			if f[key] == nil {
				t.Errorf("no %s", key)
			}
		}
		info, _ := f["finding_info"].(map[string]any)
		if f["class_uid"] != 2004.0 || f["type_uid"] != 200401.0 || info["uid"] == "" || info["title"] == "" {
			t.Errorf("%v", f)
		}
		if attacks, err := json.Marshal(info["attacks"]); err != nil || string(attacks) != `[{"technique":{"name":"T1490","uid":"T1490"}}]` {
			t.Errorf("%s %v", attacks, err)
		}
	}
	if n != 10 || scans != 1 {
		t.Errorf("%d findings, %d scans", n, scans)
	}
}

// TestOCSFAttack parts a subtechnique from its technique.
func TestOCSFAttack(t *testing.T) {
	a := newOCSFAttack("T1059.001")
	if a.Technique.UID != "T1059" || a.SubTechnique == nil || a.SubTechnique.UID != "T1059.001" {
		t.Errorf("%+v", a)
	}
}

// TestLayer is a layer in which each technique stands once, and nothing else.
func TestLayer(t *testing.T) {
	var l Layer
	if err := json.Unmarshal([]byte(written(t, "navigator", found(1000))), &l); err != nil {
		t.Fatal(err)
	}
	if len(l.Techniques) != 1 || l.Techniques[0].ID != "T1490" || l.Techniques[0].Score != 1000 || l.Gradient.Max != 1000 || l.Versions.Layer != "4.5" || l.Domain != "enterprise-attack" || !strings.Contains(l.Techniques[0].Comment, "and other rules") {
		t.Errorf("%+v", l)
	}
}

// TestCreate is that a report has its name only once it is whole.
func TestCreate(t *testing.T) {
	dir := t.TempDir()
	for path, want := range map[string]string{"a.html": "html", "a.json": "ndjson", "b.SARIF.json": "sarif", "b.ocsf.json": "ocsf", "c.layer.json": "navigator", "c.csv": "csv"} {
		format, err := FormatOf(path)
		if err != nil || format.Name != want {
			t.Errorf("%s: %s %v", path, format.Name, err)
		}
		f, err := Create(filepath.Join(dir, path), format)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, path)); err == nil {
			t.Errorf("%s is there before its end", path)
		}
		if want == "csv" {
			f.Drop()
			continue
		}
		if err := f.Close(Report{}); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(filepath.Join(dir, path)); err != nil {
			t.Error(err)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := FormatOf("a.pdf"); !errors.Is(err, holdfast.ErrInvalid) {
		t.Error(err)
	}
}

// TestTimeline is that bars stay few over any stretch of time, and none is lost.
func TestTimeline(t *testing.T) {
	l := timeline{step: time.Minute, bars: map[int64]*[6]int{}}
	for i := range 20_000 {
		l.add(time.Unix(int64(i)*86_400-1e9, 0), 1+i%5)
	}
	out, step := l.chart()
	sum := 0
	for _, b := range out {
		sum += b.Total
	}
	if len(out) > bars || sum != 20_000 || step < 24*time.Hour {
		t.Errorf("%d bars of %s, %d in all", len(out), step, sum)
	}
}
