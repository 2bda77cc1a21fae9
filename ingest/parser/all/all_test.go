package all_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/all"
	"holdfast/internal/testkit/spent"
)

var update = flag.Bool("update", false, "write the golden files anew")

var received = time.Date(2026, 11, 23, 2, 10, 0, 0, time.UTC)

// TestEveryParser runs each parser over its own lines and over those of all the
// others.
func TestEveryParser(t *testing.T) {
	seen := map[string]string{}
	known := map[string]bool{}
	for _, p := range all.All() {
		for _, d := range p.Datasets {
			known[d.Name] = true
			if other := seen[d.Name]; other != "" {
				t.Errorf("dataset %s is described by %s and %s", d.Name, other, p.Name)
			}
			seen[d.Name] = p.Name
			if d.Title == "" || len(d.ECS) == 0 {
				t.Errorf("dataset %s lacks a title or a map to ECS", d.Name)
			}
		}
	}
	for _, p := range all.All() {
		t.Run(p.Name, func(t *testing.T) {
			if p.Name == "" || p.Title == "" || p.Description == "" || len(p.References) == 0 || p.Parse == nil {
				t.Fatal("the description has gaps")
			}
			golden(t, p)
			for _, other := range all.All() {
				for _, line := range lines(t, other.Name) {
					before := bytes.Clone(line)
					got, err := p.Parse(line, parser.Hint{Received: received})
					if !bytes.Equal(before, line) {
						t.Errorf("%q was changed", before)
					}
					if err != nil {
						continue
					}
					if err := got.Check(); err != nil {
						t.Errorf("%q: %v", line, err)
					}
					for _, e := range events(got) {
						if e.Err == nil && !known[e.Dataset] {
							t.Errorf("%q: nobody describes dataset %q", line, e.Dataset)
						}
					}
					alone(t, p, got)
				}
			}
		})
	}
}

// events are what a parser found: its parts, or the one event.
func events(p parser.Parsed) []parser.Part {
	if len(p.Parts) > 0 {
		return p.Parts
	}
	return []parser.Part{{Parsed: p}}
}

// alone holds that what is kept of a record for one of its events is that event
// and no other. An envelope adds what it says itself.
func alone(t *testing.T, p parser.Parser, got parser.Parsed) {
	t.Helper()
	if p.Name == "envelope" {
		return
	}
	for _, part := range got.Parts {
		again, err := p.Parse(part.Raw, parser.Hint{Received: received})
		if (err == nil) != (part.Err == nil) {
			t.Errorf("%q: %v among others, %v alone", part.Raw, part.Err, err)
		}
		if d := cmp.Diff(part.Parsed, again); err == nil && d != "" {
			t.Errorf("%q: %s", part.Raw, d)
		}
	}
}

func lines(t *testing.T, name string) [][]byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("..", name, "testdata", "lines.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	s := bufio.NewScanner(bytes.NewReader(b))
	for s.Scan() {
		out = append(out, bytes.Clone(s.Bytes()))
	}
	if len(out) == 0 {
		t.Fatal("no lines")
	}
	return out
}

// golden compares what becomes of testdata/lines.txt with testdata/lines.golden:
// the line, then what was read from it.
func golden(t *testing.T, p parser.Parser) {
	var got bytes.Buffer
	for _, line := range lines(t, p.Name) {
		got.Write(line)
		got.WriteString("\n  ")
		parsed, err := p.Parse(line, parser.Hint{Received: received})
		switch {
		case errors.Is(err, parser.ErrOther):
			got.WriteString("another parser's\n")
		case err != nil:
			got.WriteString("dead letter: " + err.Error() + "\n")
		default:
			for i, part := range events(parsed) {
				if i > 0 {
					got.WriteString("  ")
				}
				if part.Raw != nil {
					fmt.Fprintf(&got, "%s\n  ", part.Raw)
				}
				if part.Err != nil {
					got.WriteString("dead letter: " + part.Err.Error() + "\n")
					continue
				}
				e := holdfast.Event{Fields: part.Fields}
				head, err := json.Marshal([]string{part.Dataset, part.Time.UTC().Format(time.RFC3339Nano), part.Host})
				if err != nil {
					t.Fatal(err)
				}
				got.Write(append(head, "\n  "...))
				got.Write(e.AppendFieldsJSON(nil))
				got.WriteByte('\n')
			}
		}
	}
	name := filepath.Join("..", p.Name, "testdata", "lines.golden")
	if *update {
		if err := os.WriteFile(name, got.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Error(d)
	}
}

// TestNoRecordTakesLong gives every parser records of the largest size, made to
// cost it as much as possible.
func TestNoRecordTakesLong(t *testing.T) {
	full := func(head, part string) []byte {
		n := (1<<20 - len(head)) / len(part)
		return append([]byte(head), bytes.Repeat([]byte(part), n)...)
	}
	for _, raw := range [][]byte{
		full("Nov 23 02:09:06 h sshd[1]: Failed publickey for ", "x from 192.0.2.7 port 1 ssh2: "),
		full("Nov 23 02:09:06 h sshd[1]: Disconnecting user ", "192.0.2.7 port 1: "),
		full("Nov 23 02:09:06 h sudo: a : TTY=", "x ; USER=y"),
		full("Nov 23 02:09:06 h sudo: a : TTY=", "x ; "),
		full("Nov 23 02:09:06 h useradd[1]: add '", "' to group '"),
		full("<1>1 - h a p m ", `[a b="c"]`),
		full("<1>1 - h a p m [a", ` b="`),
		full("{", `{"a":`),
		full("", `{"a":`),
		full(`{"`+string(bytes.Repeat([]byte("k"), 500_000))+`":{"a":{}`, `,"a":{}`),
		append(full(`{"`+string(bytes.Repeat([]byte("k"), 500_000))+`":{"a":{}`, `,"a":{}`), "}}"...),
		append(full(`{"__REALTIME_TIMESTAMP":"1","MESSAGE":[1`, ",1"), "]}"...),
		full("CEF:0|a|b|c|d|e|f|", " a="),
		full("CEF:0|a|b|c|d|e|f|k=v "+string(bytes.Repeat([]byte("a"), 500_000)), `"=`),
		full(`CEF:0|a`, `\|`),
		full("LEEF:2.0|a|b|c|d|^|k=v", "^v"),
		full("LEEF:1.0|a|b|c|d|", "a=b\t"),
		full("<13>Nov 23 02:09:06 h 29: ", "Nov 23 02:09:06 h 29: "),
		full(`{"properties":{"flows":[{"flows":[{"flowTuples":["`, `","`),
		append(full(`{"x":"`+string(bytes.Repeat([]byte("y"), 900))+`","properties":{"flows":[{"flows":[{"flowTuples":[0`, `,0`), "]}]}]}}"...),
		full("", "["),
		full("", " "),
	} {
		for _, p := range all.All() {
			began := spent.Time(t)
			got, err := p.Parse(raw, parser.Hint{Received: received, Source: "syslog:tcp:192.0.2.7"})
			if took := spent.Time(t) - began; took > 3*time.Second {
				t.Errorf("%s took %s over %.60q", p.Name, took, raw)
			}
			if err == nil {
				if err := got.Check(); err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// FuzzAll asks every parser about the same bytes, as ingest does.
func FuzzAll(f *testing.F) {
	parsers := all.All()
	for _, p := range parsers {
		b, err := os.ReadFile(filepath.Join("..", p.Name, "testdata", "lines.txt"))
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.SplitSeq(b, []byte("\n")) {
			f.Add(bytes.Clone(line))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		for _, p := range parsers {
			got, err := p.Parse(raw, parser.Hint{Received: received, Source: "syslog:udp:192.0.2.7"})
			if !bytes.Equal(before, raw) {
				t.Fatalf("%s changed the record", p.Name)
			}
			if err == nil {
				if err := got.Check(); err != nil {
					t.Errorf("%s: %v", p.Name, err)
				}
			}
		}
	})
}
