package http_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/zstd"

	"holdfast"
	"holdfast/ingest/input"
	input_http "holdfast/ingest/input/http"
	"holdfast/internal/clock"
	"holdfast/internal/intake"
)

type sink struct {
	mu      sync.Mutex
	records []holdfast.Record
	refuse  error
}

func (s *sink) Put(_ context.Context, r []holdfast.Record) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse != nil {
		return s.refuse
	}
	s.records = append(s.records, r...)
	return nil
}

func handler(s *sink) http.Handler {
	return input_http.Handler(intake.New(intake.Options{
		Sink: s, Log: slog.New(slog.DiscardHandler), Clock: clock.System{},
		Authorise: func(_ context.Context, secret string) (intake.Sender, error) {
			switch secret {
			case "good":
				return intake.Sender{Name: "shipper", ID: "tok-1"}, nil
			case "reader":
				return intake.Sender{}, holdfast.ErrForbidden
			}
			return intake.Sender{}, errors.New("no token")
		},
	}))
}

// post sends over a real connection.
func post(t testing.TB, s *sink, body []byte, headers ...string) (*http.Response, []byte) {
	t.Helper()
	server := httptest.NewServer(handler(s))
	defer server.Close()
	r, err := http.NewRequest(http.MethodPost, server.URL+"/api/v1/events", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer good")
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
	return resp, said
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

func zst(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(b, nil)
}

func TestLines(t *testing.T) {
	body := []byte("{\"a\":1}\n\n{\"a\":\r\n" + strings.Repeat("x", input.MaxRecord+5) + "\n{\"a\":2}")
	for encoding, packed := range map[string][]byte{"identity": body, "gzip": gz(t, body), "zstd": zst(t, body)} {
		t.Run(encoding, func(t *testing.T) {
			s := &sink{}
			resp, said := post(t, s, packed, "Content-Encoding", encoding, "Content-Type", "application/x-ndjson", "Idempotency-Key", "k1")
			if resp.StatusCode != http.StatusOK {
				t.Fatalf("%d %s", resp.StatusCode, said)
			}
			var got input_http.Answer
			if err := json.Unmarshal(said, &got); err != nil {
				t.Fatal(err)
			}
			want := input_http.Answer{Received: 5, Accepted: 5, Bytes: input.MaxRecord + 24, Lines: []input_http.Line{
				{Line: 3, Trouble: "no JSON; kept as it is, in the dataset deadletter"},
				{Line: 4, Trouble: "longer than 1048576 bytes; kept in pieces of that size"},
			}}
			if d := cmp.Diff(want, got); d != "" {
				t.Error(d)
			}
			var at []string
			for _, r := range s.records {
				at = append(at, fmt.Sprint(r.Source, " ", r.Position, " ", len(r.Raw), " ", r.Truncated, " ", r.Part))
			}
			if d := cmp.Diff([]string{"http:shipper key:k1:1 7 false 0", "http:shipper key:k1:3 5 false 0", "http:shipper key:k1:4 1048576 true 0", "http:shipper key:k1:4:1 5 false 1", "http:shipper key:k1:5 7 false 0"}, at); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestRefusals(t *testing.T) {
	bomb := gz(t, make([]byte, 129<<20))
	for name, c := range map[string]struct {
		body    []byte
		headers []string
		refuse  error
		status  int
		after   string
	}{
		"no token":    {nil, []string{"Authorization", ""}, nil, 401, ""},
		"wrong right": {nil, []string{"Authorization", "Bearer reader"}, nil, 403, ""},
		"encoding":    {nil, []string{"Content-Encoding", "br"}, nil, 415, ""},
		"no gzip":     {[]byte("plain"), []string{"Content-Encoding", "gzip"}, nil, 400, ""},
		"cut gzip":    {gz(t, []byte("{}\n"))[:20], []string{"Content-Encoding", "gzip"}, nil, 400, ""},
		"no zstd":     {[]byte("plain"), []string{"Content-Encoding", "zstd"}, nil, 400, ""},
		"bomb":        {bomb, []string{"Content-Encoding", "gzip"}, nil, 413, ""},
		"zstd bomb":   {zst(t, make([]byte, 129<<20)), []string{"Content-Encoding", "zstd"}, nil, 413, ""},
		"too large":   {bytes.Repeat([]byte(strings.Repeat("x", 1023)+"\n"), 33<<10), nil, nil, 413, ""},
		"many lines":  {bytes.Repeat([]byte("x\n"), 100_001), nil, nil, 413, ""},
		"long key":    {nil, []string{"Idempotency-Key", strings.Repeat("k", 201)}, nil, 400, ""},
		"full":        {[]byte("{}"), nil, fmt.Errorf("the disk: %w", holdfast.ErrFull), 429, "5"},
		"broken":      {[]byte("{}"), nil, errors.New("broken"), 503, "1"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sink{refuse: c.refuse}
			resp, said := post(t, s, c.body, c.headers...)
			if resp.StatusCode != c.status || resp.Header.Get("Retry-After") != c.after {
				t.Errorf("%d, Retry-After %q: %s", resp.StatusCode, resp.Header.Get("Retry-After"), said)
			}
			if resp.Header.Get("Content-Type") != "application/problem+json" || strings.Contains(string(said), "broken") {
				t.Errorf("said %s", said)
			}
		})
	}
}

func TestArrayAndCSV(t *testing.T) {
	for name, c := range map[string]struct {
		kind, body string
		want       []string
		trouble    int
	}{
		"array":                   {"application/json", " [{\"a\":1},\n{\"b\":[2]}, nope ]", []string{`{"a":1}`, `{"b":[2]}`, `nope`}, 1},
		"list":                    {"application/x-www-form-urlencoded", "{\"Records\":[{\"a\":1},\n {\"b\":[2]}]}\n", []string{`{"a":1}`, `{"b":[2]}`}, 0},
		"unsaid array":            {"application/x-www-form-urlencoded", "[\n  {\n    \"a\": 1\n  },\n  {\"b\":[2]}\n]\n", []string{"{\n    \"a\": 1\n  }", `{"b":[2]}`}, 0},
		"unsaid, over many lines": {"application/octet-stream", "{\n  \"a\": 1\n}\n", []string{"{\n  \"a\": 1\n}"}, 0},
		"unsaid lines":            {"application/x-www-form-urlencoded", "[12:00] {\n[{ x\n", []string{"[12:00] {", "[{ x"}, 0},
		"said text":               {"text/plain", "[\n{\"a\":1}\n]\n", []string{"[", `{"a":1}`, "]"}, 0},
		"lines":                   {"application/json", "{\"a\":1}\n{\"a\":2}", []string{`{"a":1}`, `{"a":2}`}, 0},
		"csv":                     {"text/csv; charset=utf-8", "\ufeffa,\"b \"\"c\"\"\",\r\n1,\"x,\ny\",3\r\n\n4\n5,6,7,8", []string{`{"a":"1","b \"c\"":"x,\ny","column3":"3"}`, `{"a":"4"}`, `{"a":"5","b \"c\"":"6","column3":"7","column4":"8"}`}, 2},
		"csv, no rows":            {"text/csv", "a,b\n", nil, 0},
		"csv, quote":              {"text/csv", "a\n\"open\nnever closed", []string{`{"a":"open\nnever closed"}`}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s := &sink{}
			resp, said := post(t, s, []byte(c.body), "Content-Type", c.kind)
			var got input_http.Answer
			if err := json.Unmarshal(said, &got); err != nil || resp.StatusCode != http.StatusOK || got.Accepted != len(c.want) || len(got.Lines) != c.trouble {
				t.Errorf("%v %d %s", err, resp.StatusCode, said)
			}
			var raws []string
			for _, r := range s.records {
				raws = append(raws, string(r.Raw))
			}
			if d := cmp.Diff(c.want, raws); d != "" {
				t.Error(d)
			}
		})
	}
	wide := strings.Repeat("c,", 10_000)
	for _, body := range []string{wide + "\n1", strings.Repeat("n", 64<<10) + "\n1", strings.Repeat("x", 2<<20)} {
		if resp, said := post(t, &sink{}, []byte(body), "Content-Type", "text/csv"); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%.20s: %d %s", body, resp.StatusCode, said)
		}
	}
}

func FuzzCSV(f *testing.F) {
	f.Add([]byte("a,b\n1,\"x\ny\"\n\"\"\"\n2"))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := &sink{}
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer good")
		r.Header.Set("Content-Type", "text/csv")
		w := httptest.NewRecorder()
		handler(s).ServeHTTP(w, r)
		if !json.Valid(w.Body.Bytes()) {
			t.Errorf("%d, no JSON: %q", w.Code, w.Body)
		}
	})
}

// FuzzArray reads a JSON array of records, packed or not: what is acknowledged is
// what was handed on, and each has a place of its own.
func FuzzArray(f *testing.F) {
	f.Add([]byte(`[{"a":1}, "two",3,[4],null]`), "")
	f.Add([]byte("[{\"a\\u0000\\\"'<b>\":{\"b\":[[[[]]]]}},"), "")
	f.Add([]byte("[[[[[[[[[[[[[["), "")
	f.Add(gz(f, []byte(`[{}]`)), "gzip")
	f.Fuzz(func(t *testing.T, body []byte, encoding string) {
		s := &sink{}
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer good")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Content-Encoding", encoding)
		w := httptest.NewRecorder()
		handler(s).ServeHTTP(w, r)
		if w.Code == http.StatusOK {
			var a input_http.Answer
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || a.Accepted != len(s.records) {
				t.Errorf("%s: %v, %d records", w.Body, err, len(s.records))
			}
		}
		seen := map[string]bool{}
		for _, r := range s.records {
			if seen[r.Position] {
				t.Errorf("two records at %s", r.Position)
			}
			seen[r.Position] = true
		}
	})
}

func TestTooManyRequests(t *testing.T) {
	h := handler(&sink{})
	server := httptest.NewServer(h)
	defer server.Close()
	var hold []*io.PipeWriter
	var all sync.WaitGroup
	send := func(body io.Reader) (int, error) {
		r, err := http.NewRequest(http.MethodPost, server.URL, body)
		if err != nil {
			return 0, err
		}
		r.Header.Set("Authorization", "Bearer good")
		resp, err := server.Client().Do(r)
		if err != nil {
			return 0, err
		}
		resp.Body.Close()
		return resp.StatusCode, nil
	}
	for range 32 {
		pr, pw := io.Pipe()
		hold = append(hold, pw)
		all.Go(func() {
			if code, err := send(pr); err != nil || code != http.StatusOK {
				t.Errorf("%d %v", code, err)
			}
		})
		if _, err := pw.Write([]byte("x")); err != nil {
			t.Fatal(err)
		}
	}
	// The server takes the requests up when it likes, and says nothing of it.
	code, err := send(strings.NewReader("{}"))
	for range 500 {
		if err != nil || code == http.StatusTooManyRequests {
			break
		}
		time.Sleep(10 * time.Millisecond)
		code, err = send(strings.NewReader("{}"))
	}
	for _, w := range hold {
		w.Close()
	}
	all.Wait()
	if err != nil || code != http.StatusTooManyRequests {
		t.Errorf("%d %v", code, err)
	}
}

func FuzzBody(f *testing.F) {
	f.Add([]byte("{\"a\":1}\n\n{\"a\":\r\nx"), "", "k")
	f.Add(gz(f, []byte("{}\n{}")), "gzip", "")
	f.Add(zst(f, []byte("{}\n{}")), "zstd", "")
	f.Fuzz(func(t *testing.T, body []byte, encoding, key string) {
		s := &sink{}
		r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer good")
		r.Header.Set("Content-Encoding", encoding)
		r.Header.Set("Idempotency-Key", key)
		w := httptest.NewRecorder()
		handler(s).ServeHTTP(w, r)
		if w.Code == http.StatusOK {
			var a input_http.Answer
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || a.Accepted != len(s.records) || a.Received != a.Accepted {
				t.Errorf("%s: %v, %d records", w.Body, err, len(s.records))
			}
		}
	})
}
