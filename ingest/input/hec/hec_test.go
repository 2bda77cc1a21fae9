package hec_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/ingest/input/hec"
	"holdfast/internal/intake"
	"holdfast/internal/testkit/sink"
)

func ask(t testing.TB, h http.Handler, method, path string, body []byte, headers ...string) (int, string) {
	t.Helper()
	r := httptest.NewRequest(method, path, bytes.NewReader(body))
	r.Header.Set("Authorization", "Splunk "+sink.Token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if !json.Valid(w.Body.Bytes()) {
		t.Errorf("no JSON: %q", w.Body)
	}
	return w.Code, w.Body.String()
}

const events = `{"time":1795399746.5,"host":"web-01","source":"/var/log/a","sourcetype":"app","event":"one"}{"event":{"two":[2]},"fields":{"a":"b"}}
{"event":"three"}`

func gz(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestEvents(t *testing.T) {
	for _, path := range []string{"/services/collector", "/services/collector/event", "/services/collector/event/1.0"} {
		s := &sink.Sink{}
		code, said := ask(t, hec.Handler(s.Gate()), "POST", path, gz(t, []byte(events)), "Content-Encoding", "gzip")
		if code != 200 || said != `{"text":"Success","code":0}` {
			t.Errorf("%d %s", code, said)
		}
		if d := cmp.Diff([]string{
			`{"time":1795399746.5,"host":"web-01","source":"/var/log/a","sourcetype":"app","event":"one"}`,
			`{"event":{"two":[2]},"fields":{"a":"b"}}`, `{"event":"three"}`,
		}, s.Raws()); d != "" {
			t.Error(d)
		}
		if r := s.Records()[0]; r.Source != "hec:shipper" || r.Dataset != "app" {
			t.Error(r)
		}
	}
}

func TestRaw(t *testing.T) {
	s := &sink.Sink{}
	code, said := ask(t, hec.Handler(s.Gate()), "POST", "/services/collector/raw?host=h%221&sourcetype=app", []byte("one\r\n\ntwo \"2\"\n\xff\n"))
	if code != 200 || said != `{"text":"Success","code":0}` {
		t.Errorf("%d %s", code, said)
	}
	if d := cmp.Diff([]string{`{"host":"h\"1","sourcetype":"app","event":"one"}`, `{"host":"h\"1","sourcetype":"app","event":"two \"2\""}`, "\xff"}, s.Raws()); d != "" {
		t.Error(d)
	}
}

// TestRawLong: the last piece of a long line may be nothing but the line's end;
// the next line stands elsewhere all the same.
func TestRawLong(t *testing.T) {
	s := &sink.Sink{}
	code, said := ask(t, hec.Handler(s.Gate()), "POST", "/services/collector/raw", []byte(strings.Repeat("a", input.MaxRecord)+"\r\nnext\n"))
	if code != 200 {
		t.Errorf("%d %s", code, said)
	}
	r := s.Records()
	if len(r) != 2 || r[0].Position == r[1].Position || !r[0].Once || !r[1].Once {
		t.Errorf("%d records, the last at %s", len(r), r[len(r)-1].Position)
	}
}

// TestAcks: an id is true only if its request is durable, to the one who was
// given it, and also after a restart.
func TestAcks(t *testing.T) {
	s := &sink.Sink{}
	gate := func(key string) *intake.Gate {
		g := s.Gate()
		g.AckKey = []byte(key)
		return g
	}
	h := hec.Handler(gate("key"))
	const channel = "X-Splunk-Request-Channel"
	var ids []uint64
	for range 2 {
		_, said := ask(t, h, "POST", "/services/collector", []byte(events), channel, "c1")
		var answer struct{ AckID *uint64 }
		if err := json.Unmarshal([]byte(said), &answer); err != nil || answer.AckID == nil || *answer.AckID >= 1<<53 {
			t.Fatal(said, err)
		}
		ids = append(ids, *answer.AckID)
	}
	if ids[0] == ids[1] {
		t.Error("two requests have one id")
	}
	s.Refuse(fmt.Errorf("disk: %w", holdfast.ErrFull), 0)
	if code, said := ask(t, h, "POST", "/services/collector", []byte(events), channel, "c1"); code != 503 || said != `{"text":"Server is busy","code":9}` {
		t.Errorf("%d %s", code, said)
	}
	question := fmt.Appendf(nil, `{"acks":[%d,%d,0,1,%d,%d,18446744073709551615]}`, ids[0], ids[1], ids[0]+1, ids[0]|1<<63)
	answer := func(is bool) map[string]map[string]bool {
		all := map[string]bool{"0": false, "1": false, "18446744073709551615": false, fmt.Sprint(ids[0] + 1): false, fmt.Sprint(ids[0] | 1<<63): false}
		all[fmt.Sprint(ids[0])], all[fmt.Sprint(ids[1])] = is, is
		return map[string]map[string]bool{"acks": all}
	}
	restarted, other := hec.Handler(gate("key")), hec.Handler(gate("another server's key"))
	for _, c := range []struct {
		h       http.Handler
		channel string
		is      bool
	}{{h, "c1", true}, {restarted, "c1", true}, {h, "c2", false}, {restarted, "c2", false}, {other, "c1", false}} {
		_, said := ask(t, c.h, "POST", "/services/collector/ack?channel="+c.channel, question)
		var got map[string]map[string]bool
		if err := json.Unmarshal([]byte(said), &got); err != nil || cmp.Diff(answer(c.is), got) != "" {
			t.Errorf("%s: %s %v", c.channel, said, err)
		}
	}
	if code, said := ask(t, h, "GET", "/services/collector/health", nil); code != 503 || !strings.Contains(said, `"code":18`) {
		t.Errorf("%d %s", code, said)
	}
}

func TestRefusals(t *testing.T) {
	long := `{"event":"` + strings.Repeat("x", input.MaxRecord) + `"}`
	for name, c := range map[string]struct {
		path, body string
		headers    []string
		status     int
		says       string
		taken      int
	}{
		"no token":     {"", events, []string{"Authorization", ""}, 401, `"code":2`, 0},
		"no scheme":    {"", events, []string{"Authorization", "Digest x"}, 401, `"code":3`, 0},
		"wrong token":  {"", events, []string{"Authorization", "Splunk x"}, 403, `"code":4`, 0},
		"reader":       {"", events, []string{"Authorization", "Splunk " + sink.Reader}, 403, `"code":1`, 0},
		"nothing":      {"", "", nil, 400, `"code":5`, 0},
		"no event":     {"", `{"event":"a"}{"host":"x"}{"event":"b"}`, nil, 400, `"code":12,"invalid-event-number":1`, 3},
		"blank":        {"", `{"event":""}{"event":"b"}`, nil, 400, `"code":13,"invalid-event-number":0`, 2},
		"fields":       {"", `{"event":"a","fields":[]}`, nil, 400, `"code":15`, 1},
		"no JSON":      {"", `{"event":"a"} broken {"event":"b"}`, nil, 400, `"code":6,"invalid-event-number":1`, 3},
		"cut":          {"", `{"event":"a"}{"event":"b`, nil, 400, `"code":6,"invalid-event-number":1`, 2},
		"long":         {"", long + `{"event":"b"}`, nil, 400, `"code":6,"invalid-event-number":0`, 3},
		"ack":          {"/ack", `{"acks":[0]}`, nil, 400, `"code":10`, 0},
		"bad ack":      {"/ack?channel=c", `{"acks":"x"}`, nil, 400, `"code":6`, 0},
		"bad channel":  {"/event?channel=a/b", events, nil, 400, `"code":11`, 0},
		"bad encoding": {"", events, []string{"Content-Encoding", "br"}, 415, `"code":6`, 0},
		"elsewhere":    {"/x", events, nil, 404, "not found", 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sink.Sink{}
			code, said := ask(t, hec.Handler(s.Gate()), "POST", "/services/collector"+c.path, []byte(c.body), c.headers...)
			if code != c.status || !strings.Contains(said, c.says) || len(s.Records()) != c.taken {
				t.Errorf("%d, %d records: %s", code, len(s.Records()), said)
			}
		})
	}
	s := &sink.Sink{}
	if code, said := ask(t, hec.Handler(s.Gate()), "POST", "/services/collector", gz(t, make([]byte, 129<<20)), "Content-Encoding", "gzip"); code/100 != 4 {
		t.Errorf("a bomb: %d %s", code, said)
	}
}

// TestAskedBefore: Docker's log driver asks whether there is a collector before it
// starts a container, and shows no token yet.
func TestAskedBefore(t *testing.T) {
	s := &sink.Sink{}
	for _, path := range []string{"/services/collector/event/1.0", "/services/collector/raw"} {
		r := httptest.NewRequest(http.MethodOptions, path, http.NoBody)
		w := httptest.NewRecorder()
		hec.Handler(s.Gate()).ServeHTTP(w, r)
		if w.Code != http.StatusOK || w.Body.Len() > 0 || !strings.Contains(w.Header().Get("Allow"), "POST") {
			t.Errorf("%s: %d %v %s", path, w.Code, w.Header(), w.Body)
		}
	}
	if code, _ := ask(t, hec.Handler(s.Gate()), "PUT", "/services/collector", []byte(events)); code != http.StatusMethodNotAllowed || len(s.Records()) > 0 {
		t.Errorf("PUT: %d, %d records", code, len(s.Records()))
	}
}

func FuzzEvents(f *testing.F) {
	f.Add([]byte(events), "event", "c")
	f.Add([]byte(`[{"event":1},{"event":null,"fields":{"metric_name:x":1}}] x }{`), "", "")
	f.Add([]byte("one\ntwo"), "raw", "")
	f.Add([]byte(`{"acks":[0,18446744073709551615]}`), "ack", "c")
	f.Fuzz(func(t *testing.T, body []byte, what, channel string) {
		s := &sink.Sink{}
		r := httptest.NewRequest(http.MethodPost, "/services/collector/", bytes.NewReader(body))
		r.URL.Path += what
		r.Header.Set("Authorization", "Splunk "+sink.Token)
		r.Header.Set("X-Splunk-Request-Channel", channel)
		w := httptest.NewRecorder()
		hec.Handler(s.Gate()).ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d, no JSON: %q", w.Code, w.Body)
		}
	})
}
