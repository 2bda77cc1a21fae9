package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"
)

// hostileRecord is one that somebody made to be more than data. Each has the word
// hostileN somewhere, by which it is found.
type hostileRecord struct {
	what string
	raw  string
	// field is a native field of it, by its very name, and text what it holds; ""
	// if no parser takes the record.
	field, text string
}

func hostileRecords() []hostileRecord {
	var many strings.Builder
	for i := range 10_000 {
		fmt.Fprintf(&many, `"n%d":%d,`, i, i)
	}
	object := func(name, value string) string {
		var b bytes.Buffer
		enc := json.NewEncoder(&b)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(map[string]string{name: value}); err != nil {
			panic(err)
		}
		return strings.TrimSpace(b.String())
	}
	const (
		quoted = `x'); DROP TABLE events; --"` + "`"
		markup = `<img src=x onerror="window.struck=1">`
		script = `</script><script>window.struck=1</script>hostile4 {{7*7}} ${7*7} javascript:window.struck=1`
	)
	return []hostileRecord{
		{"SQL in a name", object(quoted, "hostile0"), quoted, "hostile0"},
		{"SQL in a value", object("v", `hostile1' OR 1=1; DELETE FROM segments; --`), "v", `hostile1' OR 1=1; DELETE FROM segments; --`},
		{"a NUL in a name and in a value", `{"a\u0000b":"hostile2\u0000after"}`, "a\x00b", "hostile2\x00after"},
		{"HTML in a name", object(markup, "hostile3"), markup, "hostile3"},
		{"HTML in a value", object("message", script), "message", script},
		{"names of columns and of JavaScript's own", `{"id":"i","raw":"r","received":"t","__proto__":"hostile5","constructor":"c","fields":"f"}`, "__proto__", "hostile5"},
		{"a name twice", `{"n":"hostile6","n":"second"}`, "n", ""},
		{"marks that turn text around", object("\u202egnp\u202c", "hostile7\u200b"), "\u202egnp\u202c", "hostile7\u200b"},
		{"a name of 64 KiB", object(strings.Repeat("k", 64<<10), "hostile8"), "", ""},
		{"10,000 names", `{` + many.String() + `"last":"hostile9"}`, "", ""},
		{"an empty name", `{"":"hostile10"}`, "", ""},
		{"nested 10,000 deep", strings.Repeat(`{"a":`, 10_000) + `"hostile11"` + strings.Repeat("}", 10_000), "", ""},
	}
}

// TestHostileRecords sends records with hostile names and values in by two
// protocols, and expects each to be stored as data, byte for byte, to be found
// once, and to be shown by the command line, the API, exports and the console in
// a real browser as text, of which nothing runs.
func TestHostileRecords(t *testing.T) {
	s := newSolo(t, t.TempDir())
	s.follow(t.TempDir() + "/none.log")
	s.start()
	token := s.inputToken("shipper")
	all := hostileRecords()
	for _, way := range []struct{ name, path, auth string }{
		{"http", "/ingest/v1/events", "Bearer "}, {"elastic", "/_bulk", "ApiKey "},
	} {
		var body bytes.Buffer
		for _, h := range all {
			if way.name == "elastic" {
				body.WriteString("{\"create\":{\"_index\":\"hostile\"}}\n")
			}
			body.WriteString(strings.ReplaceAll(h.raw, "hostile", "hostile"+way.name) + "\n")
		}
		status, answer := s.send(way.path, way.auth+token, body.Bytes())
		if status != http.StatusOK {
			t.Fatalf("%s: %d %s", way.name, status, answer)
		}
	}
	s.wait(time.Minute, "all records are stored", func() bool {
		return len(s.rows(`source:*shipper | project id`)) == 2*len(all)
	})
	for _, way := range []string{"http", "elastic"} {
		for i, h := range all {
			s.hostileFound(t, way, fmt.Sprintf("hostile%s%d", way, i), h)
		}
	}
	for _, name := range []string{"out.csv", "out.parquet", "out.ndjson"} {
		if _, said, code := s.run("query", "source:*shipper", "--output", t.TempDir()+"/"+name); code != 0 {
			t.Errorf("%s: %s", name, said)
		}
	}
	if rows := s.rows(`sql SELECT count(*) AS n FROM events WHERE source LIKE '%shipper'`); len(rows) != 1 || fmt.Sprint(rows[0]["n"]) != fmt.Sprint(2*len(all)) {
		t.Errorf("the table has %v", rows)
	}
	if out, said, code := s.run("store", "verify", "--deep"); code != 0 {
		t.Errorf("%s %s", out, said)
	}
	t.Run("console", func(t *testing.T) {
		web := console(t)
		link := regexp.MustCompile(`http://\S+/login#token=\S+`).FindString(s.logged())
		if link == "" {
			t.Fatal("the server printed no link to log in")
		}
		browse(t.Context(), t, web, exec.CommandContext, "hostile", map[string]string{"HOLDFAST_URL": s.url, "HOLDFAST_LOGIN": link})
	})
}

// hostileFound looks for one record: once, with its very bytes, and its field.
func (s *solo) hostileFound(t *testing.T, way, word string, h hostileRecord) {
	t.Helper()
	rows := s.rows(`raw:*` + word + `*`)
	n := 0
	for _, r := range rows { // hostilehttp1 is the beginning of hostilehttp10, too
		if regexp.MustCompile(word + `\b|` + word + `[^0-9]`).MatchString(fmt.Sprint(r["raw"])) {
			rows[n] = r
			n++
		}
	}
	if rows = rows[:n]; len(rows) != 1 {
		t.Errorf("%s by %s is found %d times", h.what, way, len(rows))
		return
	}
	mark := func(text string) string { return strings.ReplaceAll(text, "hostile", "hostile"+way) }
	if raw := s.rawOf(fmt.Sprint(rows[0]["id"])); string(raw) != mark(h.raw) && !bytes.Contains(raw, []byte(mark(h.raw))) {
		t.Errorf("%s by %s is kept as %.200q", h.what, way, raw)
	}
	if h.field == "" {
		if rows[0]["dataset"] != "deadletter" || fmt.Sprint(rows[0]["trouble"]) == "" {
			t.Errorf("%s by %s is no dead letter that says why: %v %v", h.what, way, rows[0]["dataset"], rows[0]["trouble"])
		}
		return
	}
	fields, _ := rows[0]["fields"].(map[string]any)
	if text, ok := rows[0]["fields"].(string); ok {
		if err := json.Unmarshal([]byte(text), &fields); err != nil {
			t.Errorf("%s by %s: %v in %s", h.what, way, err, text)
		}
	}
	if got, ok := fields[h.field]; !ok || h.text != "" && got != mark(h.text) {
		t.Errorf("%s by %s: the field %q holds %v of %.300v", h.what, way, h.field, got, fields)
	}
}

// send posts a body and reads the answer.
func (s *solo) send(path, auth string, body []byte) (status int, answer string) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+path, bytes.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", auth)
	req.Header.Set("Content-Type", "application/x-ndjson")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil && !errors.Is(err, io.EOF) {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(b)
}
