package http_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"holdfast/ingest/input"
)

// chunk is what Fluent Bit's output http sends without being told a format: its own
// chunk, as MessagePack. Two records with their metadata, the marks around a group,
// one as version 1 wrote it, and one with values of all kinds.
const chunk = "\x92\x92\xd7\x00\x6b\x03\x87\x82\x1d\xcd\x65\x00\x80\x81\xa3log\xa5hello" +
	"\x92\x92\xd7\x00\xff\xff\xff\xff\x00\x00\x00\x00\x81\xa1a\x01\x81\xa8resource\x80" +
	"\x92\x92\xd7\x00\x6b\x03\x87\x83\x00\x00\x00\x00\x80\x81\xa3log\xd9\x06caf\xe9 \"" +
	"\x92\x92\xd7\x00\xff\xff\xff\xfe\x00\x00\x00\x00\x80\x80" +
	"\x92\xcb\x41\xda\xc0\xe1\xe0\xa0\x00\x00\x81\xa4date\xa1x" +
	"\x92\xce\x6b\x03\x87\x82\x8b\xa1a\xc0\xa1b\xc3\xa1c\xff\xa1d\xd0\x80\xa1e\xd3\xff\xff\xff\xff\x00\x00\x00\x00\xa1f\xcf\xff\xff\xff\xff\xff\xff\xff\xff" +
	"\xa1g\xca\x3f\x80\x00\x00\xa1h\xdc\x00\x02\x01\xc2\xa1i\xc4\x02ok\xa1j\xd4\x05\xff\x07\xde\x00\x01\xa1k\xd1\x80\x00"

func TestMessagePack(t *testing.T) {
	want := []string{
		`{"date":1795393410.500000000,"log":"hello"}`,
		"{\"date\":1795393411,\"log\":\"caf\ufffd \\\"\"}",
		`{"date":"x"}`,
		`{"date":1795393410,"a":null,"b":true,"c":-1,"d":-128,"e":-4294967296,"f":18446744073709551615,"g":1,"h":[1,false],"i":"ok","j":"/w==","7":{"k":-32768}}`,
	}
	s := &sink{}
	resp, said := post(t, s, []byte(chunk), "Content-Type", "application/msgpack")
	if d := cmp.Diff(want, raws(s)); resp.StatusCode != http.StatusOK || d != "" || !strings.Contains(string(said), `"accepted":4`) {
		t.Errorf("%d %s %s", resp.StatusCode, said, d)
	}
	// One that breaks off says so, and what came before it is whole.
	for name, body := range map[string]string{
		"cut": chunk[:40], "no such code": chunk[:32] + "\xc1", "very long": chunk[:32] + "\xdb\xff\xff\xff\xff",
		"very many": chunk[:32] + "\xdd\xff\xff\xff\xff", "nested": chunk[:32] + strings.Repeat("\x91", 1000),
	} {
		s := &sink{}
		if resp, said := post(t, s, []byte(body), "Content-Type", "application/msgpack"); resp.StatusCode < 400 || len(s.records) > 1 || name != "very long" && len(s.records) != 1 {
			t.Errorf("%s: %d %s %s", name, resp.StatusCode, said, raws(s))
		}
	}
	s = &sink{}
	if resp, said := post(t, s, []byte("a line of text\n"), "Content-Type", "application/msgpack"); resp.StatusCode != http.StatusBadRequest || len(s.records) > 0 || !strings.Contains(string(said), "a record is a map") {
		t.Errorf("a text: %d %s %s", resp.StatusCode, said, raws(s))
	}
	s = &sink{}
	long := "\x92\x01\x81\xa1a\xdb\x00\x20\x00\x00" + strings.Repeat("x", 2<<20)
	if _, said := post(t, s, []byte(long), "Content-Type", "application/msgpack"); len(s.records) != 3 || !s.records[0].Truncated || s.records[2].Part != 2 || s.records[2].Truncated {
		t.Errorf("a record of 2 MiB: %d pieces, %s", len(s.records), said)
	}
}

func raws(s *sink) (out []string) {
	for i := range s.records {
		out = append(out, string(s.records[i].Raw))
	}
	return out
}

// TestStream takes objects that follow one another without a line end, as Fluent
// Bit's format json_stream has them, beside lines of which one is damaged.
func TestStream(t *testing.T) {
	for body, want := range map[string][]string{
		`{"date":1,"log":"a}{"}{"date":2,"log":"b\\\"}{"} {"c":{"d":[{},{}]}}`: {`{"date":1,"log":"a}{"}`, `{"date":2,"log":"b\\\"}{"} `, `{"c":{"d":[{},{}]}}`},
		"{\"a\":\"b\n{\"c\":1}\r\n{\"d\":2}{\"e\":3}\n":                        {`{"a":"b`, `{"c":1}`, `{"d":2}`, `{"e":3}`},
		"{\"a\":1}, {\"b\":2}\n":                                               {`{"a":1}, {"b":2}`},
	} {
		s := &sink{}
		resp, said := post(t, s, []byte(body), "Content-Type", "application/json")
		if d := cmp.Diff(want, raws(s)); resp.StatusCode != http.StatusOK || d != "" {
			t.Errorf("%s: %d %s %s", body, resp.StatusCode, said, d)
		}
	}
	s := &sink{}
	one := `{"log":"` + strings.Repeat("x", 1000) + `"}`
	if _, said := post(t, s, []byte(strings.Repeat(one, 3000)), "Content-Type", "application/json"); len(s.records) != 3000 || string(s.records[2999].Raw) != one {
		t.Errorf("%d records: %.300s", len(s.records), said)
	}
}

func FuzzMessagePack(f *testing.F) {
	f.Add([]byte(chunk))
	f.Add([]byte("\x93\x01\x02\xdf\x00\x00\x00\x01\xca\x7f\xc0\x00\x00\xa1x"))
	f.Fuzz(func(t *testing.T, body []byte) {
		s := &sink{}
		r := httptest.NewRequest(http.MethodPost, "/ingest/v1/events", bytes.NewReader(body))
		r.Header.Set("Authorization", "Bearer good")
		r.Header.Set("Content-Type", "application/msgpack")
		handler(s).ServeHTTP(httptest.NewRecorder(), r)
		for _, raw := range raws(s) {
			if len(raw) < input.MaxRecord && !json.Valid([]byte(raw)) {
				t.Errorf("no JSON: %q", raw)
			}
		}
	})
}
