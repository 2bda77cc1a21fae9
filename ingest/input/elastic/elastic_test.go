package elastic_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/ingest/input/elastic"
	"holdfast/internal/testkit/sink"
)

// ask sends one request over a real connection.
func ask(t testing.TB, s *sink.Sink, method, path string, body []byte, headers ...string) (*http.Response, string) {
	t.Helper()
	server := httptest.NewServer(elastic.Handler(s.Gate()))
	defer server.Close()
	r, err := http.NewRequest(method, server.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.SetBasicAuth("elastic", sink.Token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	resp, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("X-Elastic-Product") != "Elasticsearch" {
		t.Error("the product's header is missing")
	}
	if len(said) > 0 && strings.Contains(resp.Header.Get("Content-Type"), "json") && !json.Valid(said) {
		t.Errorf("no JSON: %s", said)
	}
	return resp, string(said)
}

func gz(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := gzip.NewWriterLevel(&out, gzip.BestSpeed)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// beats is a request as Filebeat 8 makes it: no index of its own, its filter,
// gzip.
const beats = `{"create":{"_index":"filebeat-8.15.0"}}
{"@timestamp":"2026-11-23T02:09:06.123Z","message":"a"}
{"create":{"_index":"filebeat-8.15.0"}}
{"@timestamp":"2026-11-23T02:09:06.124Z","message":"b"}
`

func TestBeats(t *testing.T) {
	s := &sink.Sink{}
	resp, said := ask(t, s, "POST", "/_bulk?filter_path=errors%2Citems.%2A.error%2Citems.%2A.status", gz(t, []byte(beats)),
		"Content-Encoding", "gzip", "Content-Type", "application/json; charset=UTF-8", "User-Agent", "Elastic-filebeat/8.15.0 (linux; amd64)")
	if resp.StatusCode != http.StatusOK || said != `{"errors":false,"items":[{"create":{"status":201}},{"create":{"status":201}}]}` {
		t.Errorf("%d %s", resp.StatusCode, said)
	}
	var at []string
	for i, r := range s.Records() {
		at = append(at, fmt.Sprint(r.Source, " ", r.Dataset, " ", strings.HasSuffix(r.Position, fmt.Sprint(":", i)), " ", string(r.Raw)))
	}
	if d := cmp.Diff([]string{
		`elastic:shipper filebeat-8.15.0 true {"@timestamp":"2026-11-23T02:09:06.123Z","message":"a"}`,
		`elastic:shipper filebeat-8.15.0 true {"@timestamp":"2026-11-23T02:09:06.124Z","message":"b"}`,
	}, at); d != "" {
		t.Error(d)
	}
}

// TestItems: damage in one item is said of it and touches no other.
func TestItems(t *testing.T) {
	s := &sink.Sink{}
	long := `{"a":"` + strings.Repeat("x", input.MaxRecord) + `"}`
	body := strings.Join([]string{
		`{"index":{"_index":"logs-system.auth-default","_id":"1"}}`, `{"n":1}`,
		`{"create":{}}`, `{"n":2`,
		`{"delete":{"_id":"1"}}`,
		`{"update":{"_id":"1"}}`, `{"doc":{"n":3}}`,
		`{"index":{"_index":"x","_id":7,"_type":"_doc"}}`, `"text"`,
		`{"create":{"_index":"x"}}`, long,
		`{"create":{"_id":"` + strings.Repeat("i", 600) + `"}}`, `{"n":4}`,
		`{"create":{"_index":"x"}}`, `{"n":5}`,
	}, "\r\n")
	resp, said := ask(t, s, "POST", "/elastic/idx/_bulk", []byte(body))
	var got struct {
		Errors bool
		Items  []map[string]struct {
			Index  string `json:"_index"`
			Status int
			Error  struct{ Type, Reason string }
		}
	}
	if err := json.Unmarshal([]byte(said), &got); err != nil || resp.StatusCode != http.StatusOK || !got.Errors {
		t.Fatalf("%v %d %s", err, resp.StatusCode, said)
	}
	var items []string
	for _, it := range got.Items {
		for op, x := range it {
			items = append(items, fmt.Sprint(op, " ", x.Index, " ", x.Status, " ", x.Error.Type))
		}
	}
	if d := cmp.Diff([]string{
		"index logs-system.auth-default 201 ", "create idx 400 mapper_parsing_exception", "delete idx 400 illegal_argument_exception",
		"update idx 400 illegal_argument_exception", "index x 400 mapper_parsing_exception", "create x 400 document_parsing_exception",
		"create idx 400 illegal_argument_exception", "create x 201 ",
	}, items); d != "" {
		t.Error(d)
	}
	var at []string
	for _, r := range s.Records() {
		at = append(at, fmt.Sprintf("%s %.8s %d %v %d", r.Dataset, r.Raw, len(r.Raw), r.Truncated, r.Part))
	}
	if d := cmp.Diff([]string{
		`system.auth {"n":1} 7 false 0`, `idx {"n":2 6 false 0`, `x "text" 6 false 0`,
		fmt.Sprintf(`x {"a":"xx %d true 0`, input.MaxRecord), `x xxxxxx"} 8 false 1`, `x {"n":5} 7 false 0`,
	}, at); d != "" {
		t.Error(d)
	}
	if p := s.Records()[0].Position; p != "id:logs-system.auth-default/1" {
		t.Errorf("an item with an id has the position %q", p)
	}
}

func TestFull(t *testing.T) {
	full := fmt.Errorf("the disk: %w", holdfast.ErrFull)
	s := &sink.Sink{}
	s.Refuse(full, 0)
	resp, said := ask(t, s, "POST", "/_bulk", []byte(beats))
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "5" || !strings.Contains(said, "es_rejected_execution_exception") {
		t.Errorf("%d %s", resp.StatusCode, said)
	}
	// What fits is taken, and each of the rest is told to come again.
	s = &sink.Sink{}
	s.Refuse(full, 1000)
	resp, said = ask(t, s, "POST", "/_bulk", bytes.Repeat([]byte("{\"create\":{\"_index\":\"x\"}}\n{\"a\":1}\n"), 2500))
	if resp.StatusCode != http.StatusOK || strings.Count(said, `"status":201`) != 1000 || strings.Count(said, `"status":429`) != 1500 || len(s.Records()) != 1000 {
		t.Errorf("%d, %d records: %.500s", resp.StatusCode, len(s.Records()), said)
	}
	if s.Refused() != 500 { // the last 500 were not even offered
		t.Errorf("%d refused", s.Refused())
	}
	// A fault of ours means later too: by default the collector's exporter drops what
	// is refused with another status.
	s = &sink.Sink{}
	s.Refuse(errors.New("a secret of ours"), 0)
	if resp, said = ask(t, s, "POST", "/_bulk", []byte(beats)); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" || strings.Contains(said, "secret") {
		t.Errorf("%d %s", resp.StatusCode, said)
	}
	s = &sink.Sink{}
	s.Refuse(errors.New("a secret of ours"), 1000)
	resp, said = ask(t, s, "POST", "/_bulk", bytes.Repeat([]byte("{\"create\":{\"_index\":\"x\"}}\n{\"a\":1}\n"), 1500))
	if resp.StatusCode != http.StatusOK || strings.Count(said, `"status":201`) != 1000 || strings.Count(said, `"status":429`) != 500 || strings.Contains(said, "secret") {
		t.Errorf("%d: %.500s", resp.StatusCode, said)
	}
}

func TestRefusals(t *testing.T) {
	apiKey := base64.StdEncoding.EncodeToString([]byte("id:" + sink.Token))
	line := "{\"create\":{}}\n{\"a\":1}\n"
	for name, c := range map[string]struct {
		body    []byte
		headers []string
		status  int
		taken   int
		says    string
	}{
		"bearer":        {[]byte(line), []string{"Authorization", "Bearer " + sink.Token}, 200, 1, ""},
		"api key":       {[]byte(line), []string{"Authorization", "ApiKey " + apiKey}, 200, 1, ""},
		"plain api key": {[]byte(line), []string{"Authorization", "ApiKey " + sink.Token}, 200, 1, ""},
		"no token":      {[]byte(line), []string{"Authorization", ""}, 401, 0, "security_exception"},
		"wrong token":   {[]byte(line), []string{"Authorization", "Bearer x"}, 401, 0, "security_exception"},
		"wrong right":   {[]byte(line), []string{"Authorization", "Bearer " + sink.Reader}, 403, 0, "may not send"},
		"empty":         {nil, nil, 400, 0, "request body is required"},
		"no action":     {[]byte(line + "{\"n\":1}\n{\"n\":2}\n"), nil, 400, 1, "line [3]"},
		"no document":   {[]byte(line + "{\"create\":{}}"), nil, 400, 1, "missing"},
		"list":          {[]byte(line + "[]\n"), nil, 400, 1, "line [3]"},
		"long action":   {[]byte(line + strings.Repeat("x", input.MaxRecord+1)), nil, 400, 1, "too long"},
		"bad encoding":  {[]byte(line), []string{"Content-Encoding", "br"}, 415, 0, "gzip"},
		"no gzip":       {[]byte(line), []string{"Content-Encoding", "gzip"}, 400, 0, "to its end"},
		"cut gzip":      {gz(t, bytes.Repeat([]byte(line), 100))[:50], []string{"Content-Encoding", "gzip"}, 400, -1, "to its end"},
		"bomb":          {gz(t, make([]byte, 129<<20)), []string{"Content-Encoding", "gzip"}, 400, 0, "too long"},
		"bomb of items": {gz(t, bytes.Repeat([]byte("{\"create\":{}}\n{}\n"), 110_000)), []string{"Content-Encoding", "gzip"}, 413, -1, "content_too_long"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sink.Sink{}
			resp, said := ask(t, s, "POST", "/_bulk", c.body, c.headers...)
			if resp.StatusCode != c.status || !strings.Contains(said, c.says) || c.taken >= 0 && len(s.Records()) != c.taken {
				t.Errorf("%d, %d records: %.500s", resp.StatusCode, len(s.Records()), said)
			}
		})
	}
}

// TestHandshakes are the questions that shippers ask before they send.
func TestHandshakes(t *testing.T) {
	for _, c := range []struct{ method, path, agent, says string }{
		{"GET", "/", "curl/8", `"number":"8.19.0"`},
		{"GET", "/elastic", "Elastic-winlogbeat/9.1.2 (windows; amd64)", `"number":"9.1.2"`},
		{"GET", "/elastic/", "Filebeat/7.17.9 (linux)", `"number":"7.17.9"`},
		{"HEAD", "/", "Logstash", ""},
		{"GET", "/_license?human=false", "Elastic-filebeat/8.15.0", `"status":"active"`},
		{"GET", "/_xpack", "", `"ilm":{"available":true`},
		{"GET", "/_cluster/health", "Vector/0.40", `"status":"green"`},
		{"GET", "/_cat/health", "", "green"},
		{"HEAD", "/_index_template/filebeat-8.15.0", "", ""},
		{"PUT", "/_index_template/filebeat-8.15.0", "", `"acknowledged":true`},
		{"GET", "/_template/logstash", "", `{"logstash":{}}`},
		{"GET", "/_ilm/policy/filebeat", "", `"policy"`},
		{"PUT", "/_ilm/policy/filebeat", "", `"acknowledged":true`},
		{"GET", "/_data_stream/filebeat-8.15.0", "", `"data_streams"`},
		{"PUT", "/_ingest/pipeline/winlogbeat-8.15.0-routing", "", `"acknowledged":true`},
		{"GET", "/_alias/x%22%3Cb%3E", "", `-000001"`},
	} {
		s := &sink.Sink{}
		resp, said := ask(t, s, c.method, c.path, nil, "User-Agent", c.agent, "Accept", "application/vnd.elasticsearch+json; compatible-with=8")
		if resp.StatusCode != http.StatusOK || !strings.Contains(said, c.says) {
			t.Errorf("%s %s: %d %s", c.method, c.path, resp.StatusCode, said)
		}
		if resp, _ := ask(t, s, c.method, c.path, nil, "Authorization", ""); resp.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s %s without a token: %d", c.method, c.path, resp.StatusCode)
		}
	}
	for _, c := range [][2]string{{"DELETE", "/_index_template/x"}, {"GET", "/_search"}, {"GET", "/x/_bulk"}} {
		if resp, _ := ask(t, &sink.Sink{}, c[0], c[1], nil); resp.StatusCode < 400 {
			t.Errorf("%s: %d", c, resp.StatusCode)
		}
	}
}

// TestNodes: a client that looks for the nodes of a cluster finds the way in by
// which it came, and Filebeat's modules the processors of their pipelines.
func TestNodes(t *testing.T) {
	for host, at := range map[string]string{"": "", "log.example:8440": "log.example:8440", "log.example": "log.example:80", "[2001:db8::1]": "[2001:db8::1]:80"} {
		server := httptest.NewServer(elastic.Handler((&sink.Sink{}).Gate()))
		defer server.Close()
		r, err := http.NewRequest(http.MethodGet, server.URL+"/_nodes/http", nil)
		if err != nil {
			t.Fatal(err)
		}
		r.SetBasicAuth("elastic", sink.Token)
		if r.Host = host; host == "" {
			at = strings.TrimPrefix(server.URL, "http://")
		}
		resp, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var got struct {
			Nodes map[string]struct {
				HTTP struct {
					Address string `json:"publish_address"`
				}
				Roles  []string
				Ingest struct{ Processors []struct{ Type string } }
			}
		}
		if err := json.NewDecoder(resp.Body).Decode(&got); err != nil {
			t.Fatal(err)
		}
		if len(got.Nodes) != 1 || got.Nodes["holdfast"].HTTP.Address != at {
			t.Errorf("%q: %+v", host, got)
		}
		has := map[string]bool{}
		for _, p := range got.Nodes["holdfast"].Ingest.Processors {
			has[p.Type] = true
		}
		for _, p := range []string{"geoip", "user_agent", "community_id", "redact"} {
			if !has[p] {
				t.Errorf("there is no processor %s", p)
			}
		}
	}
}

func TestOne(t *testing.T) {
	s := &sink.Sink{}
	if resp, said := ask(t, s, "PUT", "/idx/_create/7", []byte(`{"a":1}`)); resp.StatusCode != http.StatusCreated || !strings.Contains(said, `"result":"created"`) {
		t.Errorf("%d %s", resp.StatusCode, said)
	}
	if resp, said := ask(t, s, "POST", "/idx/_doc", []byte(`{"a":`)); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%d %s", resp.StatusCode, said)
	}
	if d := cmp.Diff([]string{`{"a":1}`, `{"a":`}, s.Raws()); d != "" {
		t.Error(d)
	}
}

// TestTakes: at the root a person finds the console, and a shipper the API.
func TestTakes(t *testing.T) {
	for path, want := range map[string]bool{
		"/elastic": true, "/elastic/x": true, "/_bulk": true, "/a/_bulk": true, "/a/_doc/1": true, "/_license": true, "/": false,
		"/alerts": false, "/api/v1/events": false, "/elastics": false, "/alerts/_x": false, "/v1/logs": false,
	} {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		if got := elastic.Takes(r); got != want {
			t.Errorf("%s: %v", path, got)
		}
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	if r.SetBasicAuth("a", "b"); !elastic.Takes(r) {
		t.Error("/ with a token is the console's")
	}
}

func FuzzBulk(f *testing.F) {
	f.Add([]byte(beats), "", "errors")
	f.Add([]byte("{\"delete\":{\"_id\":1}}\n{\"update\":{}}\n{}\n{\"index\":{\"_index\":\"\\u0000\"}}\nx"), "", "items.*.error,**")
	f.Add(gz(f, []byte(beats)), "gzip", "took")
	f.Fuzz(func(t *testing.T, body []byte, encoding, paths string) {
		s := &sink.Sink{}
		r := httptest.NewRequest(http.MethodPost, "/_bulk", bytes.NewReader(body))
		q := r.URL.Query()
		q.Set("filter_path", paths)
		r.URL.RawQuery = q.Encode()
		r.SetBasicAuth("elastic", sink.Token)
		r.Header.Set("Content-Encoding", encoding)
		w := httptest.NewRecorder()
		elastic.Handler(s.Gate()).ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d, no JSON: %q", w.Code, w.Body)
		}
	})
}
