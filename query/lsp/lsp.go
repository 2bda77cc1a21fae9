// Package lsp is a language server for searches: for any editor that speaks the
// Language Server Protocol it says what may stand at the cursor, what a word
// means, and what is wrong with a search. What is known of events it asks those
// who give it Complete and Check; it reads no files.
//
// Reference: Language Server Protocol 3.17.
package lsp

import (
	"context"
	"encoding/json"
	"io"
	"sync"

	"github.com/sourcegraph/jsonrpc2"

	"holdfast/query"
)

// Server serves one editor.
type Server struct {
	// Version is told to the editor.
	Version string
	// Complete says what may stand at a byte of a search.
	Complete func(ctx context.Context, text string, cursor int) query.Completion
	// Check says what is wrong with a search, if anything, and what should be
	// looked at.
	Check func(ctx context.Context, text string) (fault *query.Error, hints []query.Error)

	mu      sync.Mutex      // also orders what is published about a text
	texts   map[string]text // by URI
	bytes   bool            // the editor counts in bytes
	closing bool
	stop    context.CancelFunc // ends the completion that is being made
}

// maxTexts bounds how many documents are kept; an editor that opens more gets no
// answers about the others.
const maxTexts = 1000

// Serve answers until the editor says exit, goes away, or ctx ends. The error is
// nil where the editor took its leave as it should, by shutdown and exit.
func (s *Server) Serve(ctx context.Context, editor io.ReadWriteCloser) error {
	s.texts = map[string]text{}
	conn := jsonrpc2.NewConn(ctx, jsonrpc2.NewBufferedStream(editor, jsonrpc2.VSCodeObjectCodec{}), s)
	select {
	case <-conn.DisconnectNotify():
	case <-ctx.Done():
		_ = conn.Close()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closing && ctx.Err() == nil {
		return io.ErrUnexpectedEOF
	}
	return nil
}

// Handle answers one message. Completions are made beside, since they ask for
// what is known of events and the person types on meanwhile; a new one ends the
// one before.
func (s *Server) Handle(ctx context.Context, conn *jsonrpc2.Conn, req *jsonrpc2.Request) {
	var params json.RawMessage
	if req.Params != nil {
		params = *req.Params
	}
	if req.Method == "textDocument/completion" {
		ctx, cancel := context.WithCancel(ctx)
		s.mu.Lock()
		if s.stop != nil {
			s.stop()
		}
		s.stop = cancel
		s.mu.Unlock()
		go func() {
			defer cancel()
			answer, err := s.complete(ctx, params)
			reply(ctx, conn, req, answer, err)
		}()
		return
	}
	answer, err := s.answer(ctx, conn, req.Method, params)
	if !req.Notif {
		reply(ctx, conn, req, answer, err)
	}
}

func reply(ctx context.Context, conn *jsonrpc2.Conn, req *jsonrpc2.Request, answer any, err error) {
	if err == nil {
		_ = conn.Reply(ctx, req.ID, answer) // an editor that is gone needs none
		return
	}
	fault, ok := err.(*jsonrpc2.Error) //nolint:errorlint // made here, never wrapped
	if !ok {
		fault = &jsonrpc2.Error{Code: jsonrpc2.CodeInvalidParams, Message: err.Error()}
	}
	_ = conn.ReplyWithError(ctx, req.ID, fault)
}

func (s *Server) answer(ctx context.Context, conn *jsonrpc2.Conn, method string, params json.RawMessage) (any, error) {
	switch method {
	case "initialize":
		return s.initialize(params)
	case "textDocument/didOpen":
		var p struct {
			TextDocument struct {
				URI     string `json:"uri"`
				Version int    `json:"version"`
				Text    string `json:"text"`
			} `json:"textDocument"`
		}
		if err := json.Unmarshal(params, &p); err != nil {
			return nil, err
		}
		s.keep(ctx, conn, p.TextDocument.URI, p.TextDocument.Version, p.TextDocument.Text)
	case "textDocument/didChange":
		var p struct {
			document
			Changes []struct {
				Text string `json:"text"`
			} `json:"contentChanges"`
		}
		if err := json.Unmarshal(params, &p); err != nil {
			return nil, err
		}
		if n := len(p.Changes); n > 0 { // each holds all of the text
			s.keep(ctx, conn, p.URI, p.Version, p.Changes[n-1].Text)
		}
	case "textDocument/didClose":
		var p document
		if err := json.Unmarshal(params, &p); err != nil {
			return nil, err
		}
		s.mu.Lock()
		if t, ok := s.texts[p.URI]; ok {
			t.stop()
			delete(s.texts, p.URI)
		}
		s.mu.Unlock()
		_ = conn.Notify(ctx, "textDocument/publishDiagnostics", published{URI: p.URI, Diagnostics: []diagnostic{}})
	case "textDocument/hover":
		return s.hover(params)
	case "shutdown":
		s.mu.Lock()
		s.closing = true
		s.mu.Unlock()
	case "exit":
		return nil, conn.Close()
	case "initialized", "textDocument/didSave", "workspace/didChangeConfiguration", "$/cancelRequest", "$/setTrace":
	default:
		return nil, &jsonrpc2.Error{Code: jsonrpc2.CodeMethodNotFound, Message: "there is no " + method + " here"}
	}
	return nil, nil
}

// initialize says what is offered.
func (s *Server) initialize(params json.RawMessage) (any, error) {
	var p struct {
		Capabilities struct {
			General struct {
				Encodings []string `json:"positionEncodings"`
			} `json:"general"`
		} `json:"capabilities"`
	}
	if err := json.Unmarshal(params, &p); err != nil {
		return nil, err
	}
	encoding := "utf-16"
	for _, e := range p.Capabilities.General.Encodings {
		if e == "utf-8" {
			encoding = e
		}
	}
	s.mu.Lock()
	s.bytes = encoding == "utf-8"
	s.mu.Unlock()
	const whole = 1 // a change brings all of the text
	return map[string]any{
		"serverInfo": map[string]string{"name": "holdfast", "version": s.Version},
		"capabilities": map[string]any{
			"positionEncoding": encoding, "textDocumentSync": whole, "hoverProvider": true,
			"completionProvider": map[string]any{"triggerCharacters": []string{"|", " ", ":", ".", `"`, "'", "-"}},
		},
	}, nil
}

// document names a text and, where it matters, which state of it.
type document struct {
	identifier `json:"textDocument"`
}

type identifier struct {
	URI     string `json:"uri"`
	Version int    `json:"version"`
}

type place struct {
	document
	Position Position `json:"position"`
}

// at finds the text that a message is about, and the byte.
func (s *Server) at(params json.RawMessage) (text, int, error) {
	var p place
	if err := json.Unmarshal(params, &p); err != nil {
		return text{}, 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t, ok := s.texts[p.URI]
	if !ok {
		return text{}, 0, &jsonrpc2.Error{Code: jsonrpc2.CodeInvalidParams, Message: p.URI + " is not open"}
	}
	return t, t.offset(p.Position), nil
}

type diagnostic struct {
	Range    Range  `json:"range"`
	Severity int    `json:"severity"` // 1 an error, 3 information
	Source   string `json:"source"`
	Message  string `json:"message"`
}

type published struct {
	URI         string       `json:"uri"`
	Version     int          `json:"version,omitempty"`
	Diagnostics []diagnostic `json:"diagnostics"`
}

// keep takes a text and has it checked, unless it is changed again before.
func (s *Server) keep(ctx context.Context, conn *jsonrpc2.Conn, uri string, version int, content string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	old, ok := s.texts[uri]
	switch {
	case ok:
		old.stop()
	case len(s.texts) >= maxTexts:
		return
	}
	ctx, cancel := context.WithCancel(ctx)
	t := text{content, s.bytes, cancel}
	s.texts[uri] = t
	go s.check(ctx, conn, uri, version, t)
}

// check tells the editor what is wrong with a text.
func (s *Server) check(ctx context.Context, conn *jsonrpc2.Conn, uri string, version int, t text) {
	fault, hints := s.Check(ctx, t.s)
	found := []diagnostic{}
	add := func(e query.Error, severity int) {
		message := e.What
		if e.Suggest != "" {
			message += "; " + e.Suggest
		}
		found = append(found, diagnostic{t.span(e.Pos, e.Pos+max(e.Len, 1)), severity, "holdfast", message})
	}
	if fault != nil {
		add(*fault, 1)
	}
	for _, h := range hints {
		add(h, 3)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if ctx.Err() == nil {
		_ = conn.Notify(ctx, "textDocument/publishDiagnostics", published{uri, version, found})
	}
}

type edit struct {
	Range Range  `json:"range"`
	Text  string `json:"newText"`
}

type item struct {
	Label  string `json:"label"`
	Kind   int    `json:"kind"`
	Detail string `json:"detail,omitempty"`
	Edit   edit   `json:"textEdit"`
}

// kinds are the numbers of CompletionItemKind.
var kinds = map[string]int{"function": 3, "field": 5, "value": 12, "keyword": 14, "operator": 24}

func (s *Server) complete(ctx context.Context, params json.RawMessage) (any, error) {
	t, at, err := s.at(params)
	if err != nil {
		return nil, err
	}
	c := s.Complete(ctx, t.s, at)
	items, here := make([]item, 0, len(c.Items)), t.span(c.From, c.To)
	for _, one := range c.Items {
		items = append(items, item{one.Text, kinds[one.Kind], one.Detail, edit{here, one.Text}})
	}
	return map[string]any{"isIncomplete": true, "items": items}, nil
}

func (s *Server) hover(params json.RawMessage) (any, error) {
	t, at, err := s.at(params)
	if err != nil {
		return nil, err
	}
	from, to, what := query.Describe(t.s, at)
	if what == "" {
		return nil, nil
	}
	return map[string]any{"contents": map[string]string{"kind": "plaintext", "value": what}, "range": t.span(from, to)}, nil
}
