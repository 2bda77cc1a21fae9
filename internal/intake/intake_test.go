package intake_test

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"holdfast"
	"holdfast/internal/intake"
)

type hand struct{ now time.Time }

func (h *hand) Now() time.Time { return h.now }

type taken struct{ n, refused int }

func (t *taken) Put(_ context.Context, r []holdfast.Record) error { t.n += len(r); return nil }

func TestLimits(t *testing.T) {
	clock := &hand{time.Date(2026, 11, 23, 23, 59, 0, 0, time.UTC)}
	got := &taken{}
	gate := intake.New(intake.Options{
		Sink: got, Clock: clock, Log: slog.New(slog.DiscardHandler), Refused: func(r []holdfast.Record) { got.refused += len(r) },
		Authorise: func(_ context.Context, secret string) (intake.Sender, error) {
			s := intake.Sender{Name: secret, ID: secret}
			switch secret {
			case "rate":
				s.Rate = 10
			case "quota":
				s.Quota = 100
			}
			return s, nil
		},
	})
	visit := func(secret string) *intake.Visit {
		v, err := gate.EnterWith(t.Context(), "Bearer "+secret)
		if err != nil {
			t.Fatal(err)
		}
		defer v.Leave()
		return v
	}
	put := func(secret string, n, size int) int {
		r := slices.Repeat([]holdfast.Record{{Raw: make([]byte, size)}}, n)
		err := visit(secret).Put(t.Context(), r)
		if err == nil {
			return 0
		}
		if !errors.Is(err, holdfast.ErrFull) {
			t.Error(err)
		}
		return intake.RetryAfter(err)
	}
	for i, c := range []struct {
		who           string
		n, size, wait int
		after         time.Duration
	}{
		{"rate", 30, 1, 0, 0}, // more than a second's share, once
		{"rate", 1, 1, 3, 0},
		{"none", 1000, 1, 0, 0}, // another is not touched
		{"rate", 1, 1, 0, 3 * time.Second},
		{"quota", 1, 60, 0, 0},
		{"quota", 1, 60, 57, 0}, // until midnight
		{"quota", 1, 40, 0, 0},
		{"quota", 1, 60, 0, time.Minute},
	} {
		clock.now = clock.now.Add(c.after)
		if wait := put(c.who, c.n, c.size); wait != c.wait {
			t.Errorf("%d: wait %d s, want %d", i, wait, c.wait)
		}
	}
	if got.n != 1034 || got.refused != 2 {
		t.Errorf("%d taken, %d refused", got.n, got.refused)
	}
}

// TestPlaces: one sender does not take the places of all.
func TestPlaces(t *testing.T) {
	gate := intake.New(intake.Options{Authorise: func(_ context.Context, secret string) (intake.Sender, error) { return intake.Sender{ID: secret}, nil }})
	var in []*intake.Visit
	for {
		v, err := gate.EnterWith(t.Context(), "Bearer a")
		if err != nil {
			if !errors.Is(err, intake.ErrBusy) {
				t.Error(err)
			}
			break
		}
		in = append(in, v)
	}
	if _, err := gate.EnterWith(t.Context(), "Bearer b"); err != nil {
		t.Errorf("with %d of another: %v", len(in), err)
	}
	in[0].Leave()
	in[0].Leave()
	if _, err := gate.EnterWith(t.Context(), "Bearer a"); err != nil {
		t.Error(err)
	}
	if _, err := gate.EnterWith(t.Context(), "Bearer a"); !errors.Is(err, intake.ErrBusy) {
		t.Error("a place was given back twice")
	}
}

func TestSecret(t *testing.T) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for header, want := range map[string]string{
		"Bearer x": "x", "Splunk x": "x", "splunk  x ": "x", "Basic " + b64("u:x"): "x", "Basic " + b64("u:x:y"): "x:y", "Basic ?": "", "Basic " + b64("u"): "",
		"ApiKey " + b64("id:x"): "x", "ApiKey x": "x", "Digest x": "", "x": "", "": "",
	} {
		if got := intake.Secret(header); got != want {
			t.Errorf("%q: %q", header, got)
		}
	}
}

func values(text string, max int, elements, slow bool) (out []string, err error) {
	var r io.Reader = strings.NewReader(text)
	if slow {
		r = iotest.OneByteReader(r)
	}
	v := intake.NewValues(r, max, elements)
	for range 2*len(text) + 2 { // a number may end in an empty piece
		raw, more, err := v.Next()
		if err != nil {
			if len(raw) > 0 {
				out = append(out, string(raw))
			}
			return out, err
		}
		if more {
			raw = append(raw, "…"...)
		}
		out = append(out, string(raw))
	}
	return out, errors.New("no end")
}

func TestValues(t *testing.T) {
	for _, c := range []struct {
		text     string
		elements bool
		want     []string
		end      error
	}{
		{`{"a":1}{"b":"}\""} [1]`, false, []string{`{"a":1}`, `{"b":"}\""}`, `[1]`}, io.EOF},
		{`[ {"a":1}, 2,"x", [3] ]`, true, []string{`{"a":1}`, `2`, `"x"`, `[3]`}, io.EOF},
		{`[1]`, false, []string{`[1]`}, io.EOF},
		{`{"a":[}`, false, []string{`{"a":[}`}, io.ErrUnexpectedEOF},
		{`{"a`, false, []string{`{"a`}, io.ErrUnexpectedEOF},
		{`nonsense{"a":1}} {"b":2}`, false, []string{`nonsense`, `{"a":1}`, `}`, `{"b":2}`}, io.EOF},
		{`{"long":"0123456789"}{}`, false, []string{`{"long":"01…`, `23456789"}`, `{}`}, io.EOF},
		{" \n", true, nil, io.EOF},
		{"{ \"records\" : [ {\"a\":1},\n{\"b\":[2]} ] }\n{\"Records\":[{}]}{\"c\":3}", true, []string{`{"a":1}`, `{"b":[2]}`, `{}`, `{"c":3}`}, io.EOF},
		{`{"records":[{"a":1}],"n":{"b":2}} {}`, true, []string{`{"a":1}`, `{"n":{"b":2…`, `}}`, `{}`}, io.EOF},
		{`{"records":[1]}`, true, []string{`{"records":…`, `[1]}`}, io.EOF},
		{`{"records":[]}`, true, []string{`{"records":…`, `[]}`}, io.EOF},
		{`{"records":[{}]}`, false, []string{`{"records":…`, `[{}]}`}, io.EOF},
		{`{"records":[{"a":1},`, true, []string{`{"a":1}`}, io.ErrUnexpectedEOF},
		{`{"records":[{"a":1}]`, true, []string{`{"a":1}`}, io.ErrUnexpectedEOF},
	} {
		for _, slow := range []bool{false, true} {
			got, err := values(c.text, 11, c.elements, slow)
			if d := cmp.Diff(c.want, got); d != "" || !errors.Is(err, c.end) {
				t.Errorf("%s: %v %s", c.text, err, d)
			}
		}
	}
}

// FuzzValues: the text comes apart the same however it arrives, and nothing of
// it is lost but what stands between values.
func FuzzValues(f *testing.F) {
	f.Add(`[{"a":1},{"b":"\\\""}] x`, true, 9)
	f.Add(`{"a":1}{"b`, false, 3)
	f.Add(`{"Records":[{"a":1},{}],"x":{"y":"]}"}} {"records":[{}]}`, true, 7)
	f.Fuzz(func(t *testing.T, text string, elements bool, max int) {
		if max < 1 || max > 100 || len(text) > 4000 {
			return
		}
		fast, ferr := values(text, max, elements, false)
		slow, serr := values(text, max, elements, true)
		if d := cmp.Diff(fast, slow); d != "" || !errors.Is(ferr, serr) {
			t.Errorf("%v, %v: %s", ferr, serr, d)
		}
		if elements && strings.Contains(text, `ecords"`) {
			return // an envelope goes
		}
		drop := strings.NewReplacer(" ", "", "\t", "", "\r", "", "\n", "", ",", "", "[", "", "]", "", "…", "")
		if got, want := drop.Replace(strings.Join(fast, "")), drop.Replace(text); got != want {
			t.Errorf("%q became %q", want, got)
		}
	})
}

func TestUnpackKnows(t *testing.T) {
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("x"))
	r.Header.Set("Content-Encoding", "br")
	if _, _, err := intake.Unpack(httptest.NewRecorder(), r, 10); !errors.Is(err, intake.ErrEncoding) {
		t.Error(err)
	}
	r = httptest.NewRequest(http.MethodPost, "/", strings.NewReader(strings.Repeat("x", 11)))
	body, done, err := intake.Unpack(httptest.NewRecorder(), r, 10)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if b, err := io.ReadAll(body); len(b) != 10 || !intake.TooLarge(err) {
		t.Errorf("%d bytes, %v", len(b), err)
	}
}

// TestUnpacks reads a body in each way of packing, by each name that senders have
// for it.
func TestUnpacks(t *testing.T) {
	text := strings.Repeat("a line of a log\n", 5000)
	through := func(open func(io.Writer) io.WriteCloser) []byte {
		var b bytes.Buffer
		w := open(&b)
		if _, err := io.WriteString(w, text); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	framed := through(func(w io.Writer) io.WriteCloser { return snappy.NewBufferedWriter(w) })
	for _, c := range []struct {
		name   string
		packed []byte
	}{
		{"gzip", through(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })},
		{"GZIP", through(func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })},
		{"deflate", through(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })},
		{"zlib", through(func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) })},
		{"deflate", through(func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, 6); return f })},
		{"snappy", framed},
		{"x-snappy-framed", framed},
		{"snappy", snappy.Encode(nil, []byte(text))},
		{"lz4", through(func(w io.Writer) io.WriteCloser { return lz4.NewWriter(w) })},
		{"zstd", through(func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z })},
	} {
		unpack := func(packed []byte, plain int64) (string, error) {
			r := httptest.NewRequest(http.MethodPost, "/", bytes.NewReader(packed))
			r.Header.Set("Content-Encoding", c.name)
			body, done, err := intake.Unpack(httptest.NewRecorder(), r, plain)
			if err != nil {
				t.Fatalf("%s: %v", c.name, err)
			}
			defer done()
			b, err := io.ReadAll(body)
			return string(b), err
		}
		if got, err := unpack(c.packed, 1<<20); err != nil || got != text {
			t.Errorf("%s: %d bytes, %v", c.name, len(got), err)
		}
		if got, err := unpack(c.packed, 100); len(got) != 100 || !intake.TooLarge(err) {
			t.Errorf("%s beyond the limit: %d bytes, %v", c.name, len(got), err)
		}
		if _, err := unpack(c.packed[:len(c.packed)/2], 1<<20); err == nil {
			t.Errorf("%s: half of it is taken for the whole", c.name)
		}
	}
	// A few bytes that say of themselves that they unpack to very many.
	r := httptest.NewRequest(http.MethodPost, "/", strings.NewReader("\xff\xff\xff\xff\x07abc"))
	r.Header.Set("Content-Encoding", "snappy")
	body, done, err := intake.Unpack(httptest.NewRecorder(), r, 1<<30)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if _, err := io.ReadAll(body); !errors.Is(err, snappy.ErrCorrupt) {
		t.Error(err)
	}
}

func TestMessage(t *testing.T) {
	for _, c := range []struct {
		text  string
		lines bool
		want  []string
	}{
		{"one", false, []string{"p=one"}},
		{"one\ntwo", false, []string{"p=one\ntw", "p:1=o"}},
		{"one\r\n\ntwo-long\n", true, []string{"p:1=one", "p:3=two-lo", "p:3:1=ng"}},
		{`{"records":[{"a":1},{}]}`, false, []string{`p:1={"a":1`, `p:1:1=}`, `p:2={}`}},
		{`{"records":[{"a":1}`, true, []string{`p:1={"a":1`, `p:1:1=}`}},
		{"", false, nil},
	} {
		var got []string
		for _, r := range intake.Message(nil, []byte(c.text), holdfast.Record{Position: "p", Source: "s"}, c.lines, 6) {
			got = append(got, r.Position+"="+string(r.Raw))
			if r.Source != "s" || strings.Count(r.Position, ":") == 2 && r.Part == 0 {
				t.Errorf("%+v", r)
			}
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: %s", c.text, d)
		}
	}
}

// TestUnknownToken: who sends a token that nobody knows is told so, and not that
// there is none.
func TestUnknownToken(t *testing.T) {
	inside := errors.New("inside")
	gate := intake.New(intake.Options{Authorise: func(_ context.Context, secret string) (intake.Sender, error) {
		if secret == "reader" {
			return intake.Sender{}, fmt.Errorf("no right: %w", holdfast.ErrForbidden)
		}
		if secret == "away" {
			return intake.Sender{}, intake.ErrAway
		}
		return intake.Sender{}, inside
	}})
	if _, err := gate.EnterWith(t.Context(), "Bearer away"); !errors.Is(err, intake.ErrBusy) || errors.Is(err, intake.ErrUnknown) {
		t.Errorf("a token that cannot be looked up: %v", err)
	}
	for header, told := range map[string]string{
		"": "send one", "Bearer": "send one", "Bearer reader": "send one",
		"Bearer x": "this token is not known; `holdfast inputs token NAME` makes one",
	} {
		_, err := gate.EnterWith(t.Context(), header)
		if got := intake.Told(err, "send one"); err == nil || got != told {
			t.Errorf("%q: %q", header, got)
		}
		if errors.Is(err, holdfast.ErrForbidden) != strings.HasSuffix(header, "reader") {
			t.Errorf("%q: %v", header, err)
		}
	}
}
