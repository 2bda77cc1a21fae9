package api

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/parquet-go/parquet-go"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/query"
	"holdfast/store/events"
)

// stocked is an API over a real store with a few events.
func stocked(t *testing.T) (*API, string) {
	t.Helper()
	a, tokens := guarded(t)
	ctx := context.Background()
	store, err := events.Open(ctx, events.Options{Dir: filepath.Join(t.TempDir(), "events"), Manifest: a.State, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	w, err := store.NewWriter(ctx, func(*holdfast.Event) []holdfast.Entity { return nil })
	if err != nil {
		t.Fatal(err)
	}
	b := &holdfast.Block{ID: "1", Counts: []holdfast.Count{{Source: "file", Received: 5}}}
	for i := range 5 {
		raw := fmt.Appendf(nil, "=1+1 failed %d", i)
		at := time.Now().Add(-time.Duration(i) * time.Minute)
		b.Events = append(b.Events, holdfast.Event{
			ID: holdfast.NewEventID("file", fmt.Sprint(i), raw, 0), Time: at, Received: at, Source: "file", Dataset: "linux.sshd", Raw: raw,
			Fields: []holdfast.Field{{Name: "src_ip", Text: fmt.Sprintf("192.0.2.%d", i)}, {Name: "n", Text: fmt.Sprint(i), Kind: holdfast.Number}},
		})
	}
	if err := errors.Join(w.Add(ctx, 1, b), w.Flush(ctx)); err != nil {
		t.Fatal(err)
	}
	a.Events = store
	a.Datasets = map[string]holdfast.Dataset{"linux.sshd": {Name: "linux.sshd", ECS: map[string]string{"src_ip": "client.ip"}}}
	return a, tokens["analyst"]
}

func post(t *testing.T, a *API, token, path string, in map[string]any) *httptest.ResponseRecorder {
	t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, Prefix+path, bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer "+token)
	w := httptest.NewRecorder()
	a.ServeHTTP(w, r)
	return w
}

func TestQueryStream(t *testing.T) {
	a, token := stocked(t)
	w := post(t, a, token, "/query/stream", map[string]any{"q": "client.ip:192.0.2.* | project src_ip, n | order by n asc", "limit": 3})
	want := `["192.0.2.0","0"]` + "\n" + `["192.0.2.1","1"]` + "\n" + `["192.0.2.2","2"]` + "\n"
	if w.Code != 200 || !strings.HasPrefix(w.Body.String(), `{"columns":[{"name":"src_ip","type":"text"}`) || !strings.Contains(w.Body.String(), want) || !strings.Contains(w.Body.String(), `"truncated":true`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := post(t, a, token, "/query/stream", map[string]any{"q": "events | wher x"}); w.Code != 422 || !strings.Contains(w.Body.String(), `did you mean \"where\"?`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := post(t, a, token, "/query", map[string]any{"q": "sql SELECT count(*) AS n FROM events"}); w.Code != 200 || !strings.Contains(w.Body.String(), `"rows":[[5]]`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := post(t, a, token, "/query", map[string]any{"q": "sql SELECT * FROM '/etc/passwd'"}); w.Code != 422 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := post(t, a, token, "/query/explain", map[string]any{"q": "scr_ip:192.0.2.1"}); w.Code != 200 || !strings.Contains(w.Body.String(), `did you mean \"src_ip\"?`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestHintsAreDoubted holds that a field which came after the last look at the
// fields is not taken for a slip.
func TestHintsAreDoubted(t *testing.T) {
	a, token := stocked(t)
	hints := func() bool {
		w := post(t, a, token, "/query", map[string]any{"q": "src_ip:192.0.2.1"})
		if w.Code != 200 {
			t.Fatalf("%d %s", w.Code, w.Body)
		}
		return strings.Contains(w.Body.String(), "no event has had a field")
	}
	a.seen.fields, a.seen.at = []string{"other"}, a.Clock.Now()
	if !hints() {
		t.Error("a field that was not seen a moment ago goes without a hint")
	}
	a.seen.fields, a.seen.at = []string{"other"}, a.Clock.Now().Add(-fieldsDoubted)
	if hints() || !slices.Contains(a.seen.fields, "src_ip") {
		t.Errorf("known: %q", a.seen.fields)
	}
}

// heldFields is a store whose fields come only once it is told.
type heldFields struct {
	*events.Store
	tell chan struct{}
}

func (h heldFields) Query(ctx context.Context, st events.Statement) (events.Result, error) {
	if strings.Contains(st.SQL, "json_keys") {
		<-h.tell
	}
	return h.Store.Query(ctx, st)
}

// TestSearchDoesNotWaitForFields holds that a search is answered while the fields
// that were seen long ago are looked for again, and that the next one knows them.
func TestSearchDoesNotWaitForFields(t *testing.T) {
	a, token := stocked(t)
	h := heldFields{a.Events.(*events.Store), make(chan struct{})}
	a.Events = h
	a.seen.fields, a.seen.at = []string{"n"}, a.Clock.Now().Add(-time.Hour)
	if w := post(t, a, token, "/query", map[string]any{"q": "events | where n >= 0 | count"}); w.Code != 200 || !strings.Contains(w.Body.String(), "[[5]]") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	close(h.tell)
	if w := post(t, a, token, "/query", map[string]any{"q": "src_ip:192.0.2.1"}); w.Code != 200 || strings.Contains(w.Body.String(), "no event has had a field") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// TestRangeIsTooShort holds that a range which cuts off what a search asks for
// says so, and one that is made of the search does not.
func TestRangeIsTooShort(t *testing.T) {
	a, token := stocked(t)
	in := map[string]any{"q": "events | where time > ago(30d) | count"}
	if w := post(t, a, token, "/query", in); w.Code != 200 || strings.Contains(w.Body.String(), "the range begins") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	in["from"] = a.Clock.Now().AddDate(0, 0, -1)
	for _, path := range []string{"/query", "/query/stream"} {
		if w := post(t, a, token, path, in); w.Code != 200 || !strings.Contains(w.Body.String(), "and the range begins at") {
			t.Errorf("%s: %d %s", path, w.Code, w.Body)
		}
	}
}

func TestQueryExport(t *testing.T) {
	a, token := stocked(t)
	in := map[string]any{"q": "events | order by n asc | project raw, n = toint(n) | take 2"}
	for format, want := range map[string]string{
		"csv":    "raw,n\n'=1+1 failed 0,0\n'=1+1 failed 1,1\n",
		"ndjson": `{"raw":"=1+1 failed 0","n":0}` + "\n" + `{"raw":"=1+1 failed 1","n":1}` + "\n",
	} {
		in["format"] = format
		if w := post(t, a, token, "/query/export", in); w.Code != 200 || w.Body.String() != want {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	in["format"] = "parquet"
	w := post(t, a, token, "/query/export", in)
	rows, err := parquet.Read[struct {
		Raw string `parquet:"raw,optional"`
		N   int64  `parquet:"n,optional"`
	}](bytes.NewReader(w.Body.Bytes()), int64(w.Body.Len()))
	if err != nil || len(rows) != 2 || rows[1].N != 1 || rows[1].Raw != "=1+1 failed 1" {
		t.Errorf("%v %v", err, rows)
	}
	in["q"] = "sql SELECT * FROM nothing"
	if w := post(t, a, token, "/query/export", in); w.Code != 422 || w.Header().Get("Content-Type") != "application/problem+json" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestQueryComplete(t *testing.T) {
	a, token := stocked(t)
	for q, want := range map[string]string{
		"events | where sr": `"text":"src_ip","kind":"field"`, "events | where cli": `"text":"client.ip"`, `events | where src_ip == "192.0.2.3`: `"text":"\"192.0.2.3\"","kind":"value","detail":"1"`, "src_ip:192.0.2.4": `"text":"192.0.2.4"`,
	} {
		w := post(t, a, token, "/query/complete", map[string]any{"q": q, "cursor": len(q)})
		var c query.Completion
		if err := json.Unmarshal(w.Body.Bytes(), &c); w.Code != 200 || err != nil || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s: %d %v %s", q, w.Code, err, w.Body)
		}
	}
}
