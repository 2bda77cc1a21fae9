package lsp

import (
	"context"
	"encoding/json"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/sourcegraph/jsonrpc2"

	"holdfast/query"
)

// editor is the other end of a server.
type editor struct {
	t    *testing.T
	conn *jsonrpc2.Conn
	said chan published
	done chan error
}

func (e *editor) Handle(_ context.Context, _ *jsonrpc2.Conn, req *jsonrpc2.Request) {
	var p published
	if err := json.Unmarshal(*req.Params, &p); err != nil || req.Method != "textDocument/publishDiagnostics" {
		e.t.Error(req.Method, err)
	}
	e.said <- p
}

func newEditor(t *testing.T, encodings ...string) *editor {
	t.Helper()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	s := &Server{
		Version: "v1",
		Complete: func(_ context.Context, text string, cursor int) query.Completion {
			return query.Complete(text, cursor, []string{"src_ip"}, now)
		},
		Check: func(_ context.Context, text string) (*query.Error, []query.Error) {
			return query.Check(text, query.Options{Known: []string{"src_ip"}}, now)
		},
	}
	ours, theirs := net.Pipe()
	e := &editor{t: t, said: make(chan published, 10), done: make(chan error, 1)}
	go func() { e.done <- s.Serve(t.Context(), theirs) }()
	e.conn = jsonrpc2.NewConn(t.Context(), jsonrpc2.NewBufferedStream(ours, jsonrpc2.VSCodeObjectCodec{}), e)
	t.Cleanup(func() { e.conn.Close() })
	var said struct {
		Capabilities struct {
			Encoding string `json:"positionEncoding"`
		} `json:"capabilities"`
	}
	e.ask("initialize", map[string]any{"capabilities": map[string]any{"general": map[string]any{"positionEncodings": encodings}}}, &said)
	if want := "utf-16"; len(encodings) == 0 && said.Capabilities.Encoding != want {
		t.Errorf("counts in %q", said.Capabilities.Encoding)
	}
	return e
}

func (e *editor) ask(method string, params, answer any) {
	e.t.Helper()
	ctx, cancel := context.WithTimeout(e.t.Context(), 10*time.Second)
	defer cancel()
	if err := e.conn.Call(ctx, method, params, answer); err != nil {
		e.t.Fatalf("%s: %v", method, err)
	}
}

func (e *editor) tell(method string, params any) {
	e.t.Helper()
	if err := e.conn.Notify(e.t.Context(), method, params); err != nil {
		e.t.Fatal(err)
	}
}

func (e *editor) open(text string) published {
	e.t.Helper()
	e.tell("textDocument/didOpen", map[string]any{"textDocument": map[string]any{"uri": "file:///a.kql", "version": 1, "text": text}})
	return <-e.said
}

func here(line, character int) map[string]any {
	return map[string]any{"textDocument": map[string]any{"uri": "file:///a.kql"}, "position": Position{line, character}}
}

// TestDiagnostics points at what is wrong, by lines and units of UTF-16, and
// takes it back.
func TestDiagnostics(t *testing.T) {
	e := newEditor(t)
	p := e.open("events // 😀\n| where user == '😀' and dst == 'x' | wher x")
	if len(p.Diagnostics) != 1 || p.Diagnostics[0].Severity != 1 || p.Version != 1 || !strings.Contains(p.Diagnostics[0].Message, "where") {
		t.Fatalf("%+v", p)
	}
	if got, want := p.Diagnostics[0].Range, (Range{Position{1, 38}, Position{1, 42}}); got != want {
		t.Errorf("points at %+v, not %+v", got, want)
	}
	e.tell("textDocument/didChange", map[string]any{"textDocument": map[string]any{"uri": "file:///a.kql", "version": 2}, "contentChanges": []any{map[string]any{"text": "events\n| where sr_ip == 'x'"}}})
	p = <-e.said
	if len(p.Diagnostics) != 1 || p.Diagnostics[0].Severity != 3 || p.Version != 2 || p.Diagnostics[0].Range.Start != (Position{1, 8}) {
		t.Errorf("%+v", p)
	}
	e.tell("textDocument/didClose", here(0, 0))
	if p = <-e.said; len(p.Diagnostics) != 0 {
		t.Errorf("after it is closed: %+v", p)
	}
}

// TestCompletion offers what may stand at the cursor, in place of what is typed.
func TestCompletion(t *testing.T) {
	for _, encoding := range []string{"utf-16", "utf-8"} {
		e := newEditor(t, encoding)
		e.open("events\n| where user == '😀' and src_")
		at := 29
		if encoding == "utf-8" {
			at += 2
		}
		var said struct{ Items []item }
		e.ask("textDocument/completion", here(1, at), &said)
		if len(said.Items) == 0 || said.Items[0].Label != "src_ip" || said.Items[0].Kind != 5 {
			t.Fatalf("%s: %+v", encoding, said)
		}
		if got, want := said.Items[0].Edit, (edit{Range{Position{1, at - 4}, Position{1, at}}, "src_ip"}); got != want {
			t.Errorf("%s: %+v, not %+v", encoding, got, want)
		}
	}
}

// TestHover says what words mean, and nothing of others.
func TestHover(t *testing.T) {
	e := newEditor(t)
	e.open("events | project-away raw | where time > ago(1h)")
	for at, want := range map[int]string{10: "leave columns out", 18: "leave columns out", 23: "the record as it came", 30: "keep rows", 42: "before now", 7: ""} {
		var said *struct{ Contents struct{ Value string } }
		e.ask("textDocument/hover", here(0, at), &said)
		switch {
		case want == "" && said != nil:
			t.Errorf("at %d: %v", at, said)
		case want != "" && (said == nil || !strings.Contains(said.Contents.Value, want)):
			t.Errorf("at %d: %v, not %q", at, said, want)
		}
	}
}

// TestWrong answers what it cannot do with an error and goes on.
func TestWrong(t *testing.T) {
	e := newEditor(t)
	for _, c := range []struct {
		method string
		params any
	}{
		{"textDocument/rename", here(0, 0)},
		{"textDocument/hover", here(0, 0)},
		{"textDocument/completion", here(0, 0)},
		{"textDocument/hover", []int{1}},
		{"textDocument/completion", "x"},
	} {
		var answer any
		var fault *jsonrpc2.Error
		if err := e.conn.Call(t.Context(), c.method, c.params, &answer); !asFault(err, &fault) || fault.Message == "" {
			t.Errorf("%s: %v", c.method, err)
		}
	}
	e.tell("textDocument/didOpen", "x")
	e.tell("textDocument/didChange", map[string]any{"contentChanges": 7})
	if p := e.open("events"); len(p.Diagnostics) != 0 {
		t.Errorf("%+v", p)
	}
	var said *struct{ Items []item }
	e.ask("textDocument/completion", here(900, 900), &said)
	e.ask("textDocument/completion", here(-1, -1), &said)
}

func asFault(err error, f **jsonrpc2.Error) (ok bool) {
	*f, ok = err.(*jsonrpc2.Error) //nolint:errorlint // as the library returns it
	return ok
}

// TestLeave ends without an error only where the editor said that it leaves.
func TestLeave(t *testing.T) {
	e := newEditor(t)
	e.ask("shutdown", nil, nil)
	e.tell("exit", nil)
	if err := <-e.done; err != nil {
		t.Error(err)
	}
	e = newEditor(t)
	e.conn.Close()
	if err := <-e.done; err == nil {
		t.Error("an editor that is gone is no error")
	}
}

// FuzzText holds that a place made of a byte leads back to it.
func FuzzText(f *testing.F) {
	f.Add("a😀\r\nb\xffc", 3, 1, 2)
	f.Fuzz(func(t *testing.T, s string, at, line, character int) {
		for _, bytes := range []bool{false, true} {
			x := text{s: s, bytes: bytes}
			if line < 1<<16 {
				if got := x.offset(Position{line, character}); got < 0 || got > len(s) {
					t.Fatalf("%d of %d", got, len(s))
				}
			}
			if at < 0 || at > len(s) || at < len(s) && !starts(s, at) {
				continue
			}
			if got := x.offset(x.position(at)); got != at {
				t.Errorf("%q: %d came back as %d", s, at, got)
			}
		}
	})
}

// starts tells whether a character that can be pointed at begins at a byte: none
// within another, nor the halves of a line's end.
func starts(s string, at int) bool {
	for i := range s {
		if i == at {
			return s[at] != '\n' || at == 0 || s[at-1] != '\r'
		}
	}
	return false
}
