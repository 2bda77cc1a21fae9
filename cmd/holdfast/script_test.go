package main

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"holdfast"
	"holdfast/internal/testkit/eventlog"
	"holdfast/spine"
)

// TestScripts walks through the verbs as people type them, against one server
// with this host as its asset and one incident of failed logins.
func TestScripts(t *testing.T) {
	s := newSolo(t, t.TempDir())
	log := filepath.Join(t.TempDir(), "app.log")
	s.follow(log)
	seedDead(t, s.data)
	s.start()
	var text []byte
	for range 6 {
		text = append(append(text, good("root")...), '\n')
	}
	if status, _, answer := s.post(s.inputToken("seed"), "", text); status != http.StatusOK {
		t.Fatal(status, answer)
	}
	incident := ""
	s.wait(time.Minute, "there is an incident, what led to it is searchable, and there are verdicts on this host", func() bool {
		var incidents []holdfast.Incident
		s.ask(&incidents, "incidents")
		for _, in := range incidents {
			incident = in.ID
		}
		var verdicts []holdfast.Verdict
		s.ask(&verdicts, "checks")
		var st spine.Status
		s.ask(&st, "status")
		return incident != "" && len(verdicts) > 0 && st.Events.Events >= 6
	})
	testscript.Run(t, testscript.Params{
		Dir: filepath.Join("testdata", "script"),
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOLDFAST_DATA", s.data)
			e.Setenv("BIN", s.bin)
			e.Setenv("INCIDENT", incident)
			e.Setenv("URL", s.url)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"cli": cli, "json": isJSON, "let": let, "soon": soon, "pack": pack, "evtx": eventLog, "keep": keep, "damage": damage, "lose": lose, "post": post},
	})
}

// cli CODE ARGUMENT… runs the command line and expects its exit code.
func cli(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(ts.Getenv("BIN"), args[1:]...)
	got := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		got = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if got != want {
		ts.Fatalf("holdfast %s ended with %d, not %d:\n%s%s", strings.Join(args[1:], " "), got, want, ts.ReadFile("stdout"), ts.ReadFile("stderr"))
	}
}

// post STATUS TOKEN FILE [KIND] sends a file to the way in over HTTP and expects
// the status of the answer, which is what stdout is compared with. The token
// stands in the address.
func post(ts *testscript.TestScript, _ bool, args []string) {
	kind := "application/x-ndjson"
	if len(args) > 3 {
		kind = args[3]
	}
	r, err := http.Post(ts.Getenv("URL")+"/ingest/v1/events?token="+args[1], kind, strings.NewReader(ts.ReadFile(args[2]))) //nolint:noctx // a test
	ts.Check(err)
	defer r.Body.Close()
	body, err := io.ReadAll(r.Body)
	ts.Check(err)
	if strconv.Itoa(r.StatusCode) != args[0] {
		ts.Fatalf("%s, not %s: %s", r.Status, args[0], body)
	}
}

// soon PATTERN ARGUMENT… runs the command line until it prints what is looked
// for, five seconds at most.
func soon(ts *testscript.TestScript, _ bool, args []string) {
	want := regexp.MustCompile(args[0])
	for end := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		cli(ts, false, append([]string{"0"}, args[1:]...))
		if want.MatchString(ts.ReadFile("stdout")) {
			return
		}
		if time.Now().After(end) {
			ts.Fatalf("holdfast %s does not print %s:\n%s", strings.Join(args[1:], " "), want, ts.ReadFile("stdout"))
		}
	}
}

// pack FORM FILE TO packs a file: by gzip, as the one file of a zip, as such a
// zip that is cut in the middle, or ninefold by gzip. FILE may be :lines or
// :line, 100 MB of short lines or of one line.
func pack(ts *testscript.TestScript, _ bool, args []string) {
	var b []byte
	switch args[1] {
	case ":lines":
		b = bytes.Repeat([]byte("{\"a\":1}\n"), 100<<20/8)
	case ":line":
		b = bytes.Repeat([]byte("x"), 100<<20)
	default:
		b = []byte(ts.ReadFile(args[1]))
	}
	zipped := func(b []byte) []byte {
		var out bytes.Buffer
		w := zip.NewWriter(&out)
		f, err := w.Create("inner.json")
		ts.Check(err)
		_, err = f.Write(b)
		ts.Check(errors.Join(err, w.Close()))
		return out.Bytes()
	}
	gzipped := func(b []byte) []byte {
		var out bytes.Buffer
		w := gzip.NewWriter(&out)
		_, err := w.Write(b)
		ts.Check(errors.Join(err, w.Close()))
		return out.Bytes()
	}
	switch args[0] {
	case "gzip":
		b = gzipped(b)
	case "zip":
		b = zipped(b)
	case "cut":
		b = zipped(b)
		b = b[:len(b)/2]
	case "deep":
		for range 9 {
			b = gzipped(b)
		}
	default:
		ts.Fatalf("gzip, zip, cut or deep, not %s", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), b, 0o600))
}

// evtx FAULT FILE writes a Windows event log of three programs that were started,
// with one fault; "whole" has none.
func eventLog(ts *testscript.TestScript, _ bool, args []string) {
	c := eventlog.New()
	c.Processes("vssadmin delete shadows /all", "vssadmin list shadows", "vssadmin delete shadows /quiet")
	switch args[0] {
	case "deep":
		c.Deep()
	case "cycle":
		c.Cycle()
	}
	b := c.File()
	if args[0] != "whole" && args[0] != "deep" && args[0] != "cycle" {
		if b = eventlog.Broken(args[0], b); b == nil {
			ts.Fatalf("no fault %q", args[0])
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), b, 0o600))
}

// json array|object|lines expects that the last command printed such.
func isJSON(ts *testscript.TestScript, _ bool, args []string) {
	text := ts.ReadFile("stdout")
	var into any
	switch args[0] {
	case "array":
		into = &[]any{}
	case "object":
		into = &map[string]any{}
	case "lines":
		for _, l := range strings.Split(strings.TrimSpace(text), "\n") {
			ts.Check(json.Unmarshal([]byte(l), &map[string]any{}))
		}
		return
	default:
		ts.Fatalf("json array, object or lines, not %s", args[0])
	}
	if err := json.Unmarshal([]byte(text), into); err != nil || strings.TrimSpace(text) == "null" {
		ts.Fatalf("no JSON %s: %v\n%s", args[0], err, text)
	}
}

// let NAME KEY keeps a value of the last JSON answer, of its first element if
// it is a list.
func let(ts *testscript.TestScript, _ bool, args []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	if list, ok := v.([]any); ok && len(list) > 0 {
		v = list[0]
	}
	m, _ := v.(map[string]any)
	if m[args[1]] == nil {
		ts.Fatalf("the answer has no %s", args[1])
	}
	ts.Setenv(args[0], fmt.Sprint(m[args[1]]))
}
