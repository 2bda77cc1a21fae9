package clickhouse

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast/internal/testkit/clicklab"
)

func TestAddresses(t *testing.T) {
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		"clickhouse://ch/hf":                                     "http://ch:8123/",
		"clickhouse://me:word@[::1]:9000/hf":                     "http://[::1]:9000/",
		"clickhouse://me@ch/hf?tls=true&password-file=" + secret: "https://ch:8443/",
		"clickhouse://ch":                                        "names no database",
		"clickhouse:///hf":                                       "names no host",
		"clickhouse://ch/a%27b":                                  "names no database",
		"clickhouse://me:word@ch/hf?tls=maybe":                   "true or false",
		"clickhouse://me:word@ch/hf?x=1":                         "no option",
		"clickhouse://me:wo%zzrd@ch/hf":                          "cannot be read",
		"clickhouse://ch/hf?password-file=/nowhere":              "readable",
		"clickhouse://ch/hf?ca=" + secret:                        "has none in PEM",
	} {
		d, err := parse(text)
		switch {
		case err != nil && (!strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "word@")):
			t.Errorf("%s: %v", text, err)
		case err == nil && d.base != want:
			t.Errorf("%s: %s", text, d.base)
		}
	}
}

var small = Table{Name: "t", Fields: []Field{{Name: "dataset", Type: "String"}, {Name: "time", Type: "DateTime64(6, 'UTC')"}}, Order: []string{"dataset", "time"}, Minmax: "time"}

// answering is a server that gives one answer to everything. What it stands for
// are servers that cannot be had here: old ones, and such that refuse.
func answering(t *testing.T, status, code int, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if code != 0 {
			w.Header().Set("X-ClickHouse-Exception-Code", fmt.Sprint(code))
		}
		w.WriteHeader(status)
		io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return "clickhouse://me:s3cret@" + strings.TrimPrefix(s.URL, "http://") + "/hf"
}

// TestFaultsNameTheNextStep holds what a server may be refused for to words that
// say what to do.
func TestFaultsNameTheNextStep(t *testing.T) {
	version := func(v string) string {
		return `["version()","n"]` + "\n" + `["String","UInt64"]` + "\n" + `["` + v + `",0]` + "\n"
	}
	for address, want := range map[string]string{
		answering(t, 200, 0, version("21.8.1")):                  "needs 24 or later",
		answering(t, 200, 0, version("x")):                       "needs 24 or later",
		answering(t, 403, codeLogin, "no"):                       "password-file",
		answering(t, 500, codeDenied, "no"):                      "grant it",
		answering(t, 404, codeUnknownDatabase, "no"):             "CREATE DATABASE hf",
		answering(t, 200, 0, "<html>hello"):                      "ClickHouse",
		answering(t, 200, 0, ""):                                 "cut off",
		answering(t, 200, 0, `["a"]`+"\n"+`["A","B"]`+"\n[1]\n"): "names of columns",
		"clickhouse://me:s3cret@127.0.0.1:1/hf":                  "does --events name its HTTP port",
	} {
		_, err := Open(context.Background(), address, small)
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("want %q: %v", want, err)
		}
	}
}

// TestTableGrows opens a table of before with a column more.
func TestTableGrows(t *testing.T) {
	ctx := context.Background()
	s := clicklab.Start(t)
	address := s.Database()
	d, err := Open(ctx, address, small)
	if err != nil {
		t.Fatal(err)
	}
	b := Batch{Token: "one", Day: "2026-03-01", Block: 1}
	if err := d.Burn(ctx, b); err != nil {
		t.Fatal(err)
	}
	more := small
	more.Fields = append(more.Fields[:2:2], Field{Name: "new", Type: "String", Bloom: true})
	if d, err = Open(ctx, address, more); err != nil {
		t.Fatal(err)
	}
	row, err := d.one(ctx, "SELECT count(), max(new) FROM "+d.Name())
	if err != nil || cmp.Diff([]any{int64(0), ""}, row) != "" {
		t.Errorf("%v %v", err, row)
	}
	if err := d.Burn(ctx, Batch{Token: "x", Day: "'; DROP"}); err == nil {
		t.Error("a day that is none was taken")
	}
}

func TestValues(t *testing.T) {
	text := `["a","b","c","d","e","f"]` + "\n" + `["UInt64","Nullable(Float64)","DateTime64(6, 'UTC')","Nullable(Bool)","Array(Nullable(Float64))","LowCardinality(String)"]` + "\n" +
		`[18446744073709551615,null,"2026-03-01 12:00:00.000001",true,[1,null],"x"]` + "\n\r\n__exception__\r\nCode: 241. DB::Exception: Memory limit\r\n"
	d, err := parse(answering(t, 200, 0, text))
	if err != nil {
		t.Fatal(err)
	}
	r, err := d.query(context.Background(), "SELECT", nil, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	row, err := r.Next()
	want := []any{uint64(1<<64 - 1), nil, time.Date(2026, 3, 1, 12, 0, 0, 1000, time.UTC), true, []any{1.0, nil}, "x"}
	if err != nil || cmp.Diff(want, row) != "" {
		t.Errorf("%v %s", err, cmp.Diff(want, row))
	}
	if _, err := r.Next(); err == nil || errors.Is(err, io.EOF) || !strings.Contains(err.Error(), "memory") {
		t.Errorf("an error in the middle: %v", err)
	}
}

func FuzzRows(f *testing.F) {
	f.Add([]byte(`["a"]` + "\n" + `["Array(String)"]` + "\n" + `[["x"]]` + "\n"))
	f.Add([]byte(`["a"]` + "\n" + `["UInt64"]` + "\n__exception__\r\nCode: 1. x"))
	f.Add([]byte(`["a","b"]` + "\n" + `["Nullable(DateTime64(6, 'UTC'))","Bool"]` + "\n" + `["2026-03-01 12:00:00",1]`))
	f.Fuzz(func(t *testing.T, b []byte) {
		r := &Rows{db: &DB{host: "ch"}, r: bufio.NewReader(bytes.NewReader(b))}
		var names, types []string
		if r.line(&names) != nil || r.line(&types) != nil || len(names) != len(types) {
			return
		}
		for i := range names {
			r.Columns = append(r.Columns, Column{names[i], bare(types[i])})
		}
		for range 1000 {
			row, err := r.Next()
			if err != nil {
				return
			}
			if len(row) != len(r.Columns) {
				t.Fatal(len(row))
			}
		}
	})
}
