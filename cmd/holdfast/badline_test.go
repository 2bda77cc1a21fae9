package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast"
)

// bad is a line that somebody should not have sent, and what must be found.
type bad struct {
	name  string
	line  []byte
	empty bool   // it is no line at all
	find  string // a query that finds it, and nothing else
	raw   []byte // what it is kept as; nil for the line itself
	say   string // what is said of it, in the event's trouble
	dead  bool   // it is a dead letter
	// pieces is how many more it is kept in.
	pieces int
}

// badLines are the bad lines of one way in; each carries the mark, so that the
// query that looks for it finds no other way's.
func badLines(mark string) []bad {
	long := []byte("longline" + mark + " ")
	for i := 0; len(long) < 10<<20; i++ {
		long = fmt.Appendf(long, "%09d ", i)
	}
	garbage := []byte("garbage" + mark + " ")
	r := rand.New(rand.NewPCG(1, 2))
	for len(garbage) < 4000 {
		if b := byte(r.Uint32()); b != '\n' && b != '\r' {
			garbage = append(garbage, b)
		}
	}
	garbage = append(garbage, 0xff, '.')
	return []bad{
		{name: "10 MB", line: long, find: "longline" + mark, raw: long[:1<<20], say: "cut at 1048576 bytes", dead: true, pieces: 10},
		{name: "binary", line: garbage, find: "garbage" + mark, say: "no UTF-8", dead: true},
		{name: "invalid UTF-8", line: []byte("{\"message\":\"latin" + mark + " caf\xe9\"}"), find: "latin" + mark, say: "no UTF-8"},
		{name: "NUL", line: []byte("nulbytes" + mark + " a\x00b\x00\x00c"), find: "nulbytes" + mark, say: "no parser", dead: true},
		{name: "1970", line: []byte(`{"time":"1970-01-01T00:00:01Z","message":"ancient` + mark + `"}`), find: "ancient" + mark, say: "clock 1970-01-01T00:00:01Z repaired"},
		{name: "2099", line: []byte(`{"time":"2099-12-31T23:59:59Z","message":"future` + mark + `"}`), find: "future" + mark, say: "clock 2099-12-31T23:59:59Z repaired"},
		{name: "empty", line: nil, empty: true},
		// A file's line is kept if there is anything in it; NDJSON allows blanks
		// between records.
		{
			name: "blanks", line: []byte(" \t "), empty: mark == "http", dead: mark != "http", say: "no parser",
			find: "dataset:deadletter source:*app.log -longline" + mark + " -garbage" + mark + " -nulbytes" + mark + " -error:piece*",
		},
	}
}

// good is a normal line, as sshd writes it.
func good(user string) []byte {
	return fmt.Appendf(nil, "%s host sshd[42]: Failed password for %s from 192.0.2.7 port 4711 ssh2", time.Now().Format(time.Stamp), user)
}

// TestBadLines has each bad line come between two normal ones, from a file and
// over HTTP.
func TestBadLines(t *testing.T) {
	log := filepath.Join(t.TempDir(), "app.log")
	s := newSolo(t, t.TempDir())
	s.follow(log)
	s.start()
	token := s.inputToken("shipper")
	for _, way := range []struct {
		name, source string
		send         func([]byte)
	}{
		{"file", "file:" + log, func(text []byte) {
			if err := os.WriteFile(log, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}},
		{"http", "http:shipper", func(text []byte) {
			status, _, answer := s.post(token, "", text)
			if status != http.StatusOK {
				t.Fatal(status, answer)
			}
			if !strings.Contains(answer, `"line":2,"trouble":"longer than 1048576 bytes`) {
				t.Errorf("the sender is not told that its line was cut: %s", answer)
			}
		}},
	} {
		t.Run(way.name, func(t *testing.T) {
			var text []byte
			lines := badLines(way.name)
			total, dead := 0, 0
			for i, b := range lines {
				text = append(append(text, good(fmt.Sprintf("before%d%s", i, way.name))...), '\n')
				text = append(append(text, b.line...), '\n')
				text = append(append(text, good(fmt.Sprintf("after%d%s", i, way.name))...), '\n')
				total += 2
				if !b.empty {
					total++
				}
				if b.dead {
					dead++
				}
				total, dead = total+b.pieces, dead+b.pieces
			}
			way.send(text)
			var row holdfast.LedgerRow
			s.wait(time.Minute, "all lines are stored", func() bool {
				row = s.ledger(way.source)
				return row.Stored+row.DeadLettered >= uint64(total) && row.Waiting == 0
			})
			if row.Received != uint64(total) || row.DeadLettered != uint64(dead) || row.Stored != uint64(total-dead) || !row.Balanced() {
				t.Errorf("of %d lines with %d dead letters the ledger has %+v", total, dead, row)
			}
			s.badLinesFound(t, way.name, way.source, lines)
			s.deadLettersShown(t, way.source, dead)
		})
	}
}

func (s *solo) badLinesFound(t *testing.T, way, source string, lines []bad) {
	t.Helper()
	for i, b := range lines {
		for _, user := range []string{fmt.Sprintf("before%d%s", i, way), fmt.Sprintf("after%d%s", i, way)} {
			rows := s.rows("action:login_failed user:" + user + " dataset:linux.sshd src_ip:192.0.2.7")
			if len(rows) != 1 {
				t.Errorf("%s: the normal line of %s is there %d times", b.name, user, len(rows))
			}
		}
		if b.empty {
			continue
		}
		rows := s.rows(b.find)
		if len(rows) != 1 {
			t.Errorf("%s: found %d times", b.name, len(rows))
			continue
		}
		raw := b.raw
		if raw == nil {
			raw = b.line
		}
		if got := s.rawOf(fmt.Sprint(rows[0]["id"])); !bytes.Equal(got, raw) {
			t.Errorf("%s: kept as %.200q, not as %.200q", b.name, got, raw)
		}
		for n := 1; n <= b.pieces; n++ {
			more := s.rows(fmt.Sprintf("dataset:deadletter source:*%s error:\"piece %d of a record longer than 1048576 bytes\" | project id", source[strings.LastIndexAny(source, ":/")+1:], n+1))
			if len(more) != 1 {
				t.Errorf("%s: piece %d is there %d times", b.name, n+1, len(more))
				continue
			}
			if got := s.rawOf(fmt.Sprint(more[0]["id"])); !bytes.Equal(got, b.line[n<<20:min((n+1)<<20, len(b.line))]) {
				t.Errorf("%s: piece %d is kept as %.100q", b.name, n+1, got)
			}
		}
		if said := fmt.Sprint(rows[0]["trouble"]); !strings.Contains(said, b.say) {
			t.Errorf("%s: what is said of it: %q", b.name, said)
		}
		if b.dead != (rows[0]["dataset"] == "deadletter") {
			t.Errorf("%s: dataset %v", b.name, rows[0]["dataset"])
		}
		at, err := time.Parse(time.RFC3339Nano, fmt.Sprint(rows[0]["time"]))
		if err != nil || time.Since(at).Abs() > time.Hour {
			t.Errorf("%s: it is dated %v", b.name, rows[0]["time"])
		}
	}
}

// rawOf asks for the very bytes of one event.
func (s *solo) rawOf(id string) []byte {
	s.t.Helper()
	var e struct {
		Raw   string
		Bytes []byte `json:"raw_base64"`
	}
	s.api("/events/"+id, &e)
	if e.Bytes != nil {
		return e.Bytes
	}
	return []byte(e.Raw)
}

// deadLettersShown looks where people look.
func (s *solo) deadLettersShown(t *testing.T, source string, dead int) {
	t.Helper()
	out, errOut, code := s.run("status")
	if code != 0 {
		t.Errorf("status ended with %d: %s", code, errOut)
	}
	shown := false
	for line := range strings.Lines(out) {
		f := strings.Fields(line)
		shown = shown || len(f) > 5 && strings.HasSuffix(f[0], source) && f[4] == fmt.Sprint(dead)
	}
	if !shown {
		t.Errorf("status does not show %d dead letters of %s:\n%s", dead, source, out)
	}
	if rows := s.rows("dataset:deadletter source:*" + source); len(rows) != dead {
		t.Errorf("%d dead letters are found, not %d", len(rows), dead)
	}
}
