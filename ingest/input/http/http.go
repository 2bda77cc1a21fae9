// Package http takes NDJSON, or any lines, over HTTP. The listener, TLS and the
// tokens are the server's; reading the lines is left to the parsers.
package http

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/ingest/input"
)

const (
	// maxBody bounds a request as it comes, maxPlain what it may unpack to.
	maxBody  = 32 << 20
	maxPlain = 128 << 20
	// maxLines bounds the records of one request.
	maxLines = 100_000
	// maxRequests bounds those under way at once.
	maxRequests = 32
	// maxTroubles bounds the lines named in an answer.
	maxTroubles = 100
	maxPut      = 1000
	maxPutBytes = 8 << 20
	// readTime is how long a request may take to arrive.
	readTime = 2 * time.Minute
)

// Input describes the input. Its Run only waits: the server mounts Handler.
func Input() input.Input {
	return input.Input{
		Name:  "http",
		Title: "NDJSON over HTTP",
		Description: "Takes one record a line by POST, with a token; gzip and zstd bodies; with an Idempotency-Key " +
			"the same request may be sent again and is stored once. The server has it on, without configuration.",
		References: []string{"https://github.com/ndjson/ndjson-spec", "RFC 9110, sections 8.4, 10.2.3 and 15", "draft-ietf-httpapi-idempotency-key-header"},
		Options:    map[string]string{},
		Example:    input.Config{Kind: "http", Where: "/ingest/v1/events"},
		Check: func(cfg input.Config) error {
			if len(cfg.Options) > 0 {
				return fmt.Errorf("http: there are no options: %w", holdfast.ErrInvalid)
			}
			return nil
		},
		Run: func(ctx context.Context, _ input.Config, _ input.Env) error { <-ctx.Done(); return nil },
	}
}

// Answer is what the sender hears.
type Answer struct {
	Received int `json:"received"` // lines that were not empty; a long one counts for each of its pieces
	Accepted int `json:"accepted"` // of these, durable now
	Bytes    int `json:"bytes"`
	// Lines names those that were taken but not as they came, at most 100.
	Lines []Line `json:"lines,omitempty"`
	More  int    `json:"more,omitempty"` // lines in trouble beyond those
}

// Line is one line in trouble. Lines count from 1.
type Line struct {
	Line    int    `json:"line"`
	Trouble string `json:"trouble"`
}

// Handler returns the handler of POST requests. authorise names the sender, or
// gives an error that wraps holdfast.ErrForbidden for a token that may not
// send; any other error means no valid token. The source is "http:NAME"; the
// query parameter dataset says which kind of record it is.
func Handler(env input.Env, authorise func(*http.Request) (name string, err error)) http.Handler {
	h := &handler{env: env, authorise: authorise, slots: make(chan struct{}, maxRequests), run: holdfast.NewID("req")}
	return http.HandlerFunc(h.serve)
}

type handler struct {
	env       input.Env
	authorise func(*http.Request) (string, error)
	slots     chan struct{}
	run       string
	next      atomic.Uint64
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		problem(w, http.StatusMethodNotAllowed, "send records by POST", nil)
		return
	}
	name, err := h.authorise(r)
	switch {
	case errors.Is(err, holdfast.ErrForbidden):
		problem(w, http.StatusForbidden, "this token may not send events", nil)
		return
	case err != nil:
		w.Header().Set("WWW-Authenticate", "Bearer")
		problem(w, http.StatusUnauthorized, "send a token: Authorization: Bearer …", nil)
		return
	}
	select {
	case h.slots <- struct{}{}:
		defer func() { <-h.slots }()
	default:
		w.Header().Set("Retry-After", "1")
		problem(w, http.StatusTooManyRequests, fmt.Sprintf("%d requests are under way", maxRequests), nil)
		return
	}
	t := &taking{h: h, source: "http:" + name, dataset: r.URL.Query().Get("dataset"), json: isJSON(r)}
	if t.key, err = h.key(r); err != nil {
		problem(w, http.StatusBadRequest, err.Error(), nil)
		return
	}
	// Not every writer can; then the server's own limits hold.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(readTime))
	body, done, err := unpacked(w, r)
	if err != nil {
		problem(w, http.StatusUnsupportedMediaType, err.Error(), nil)
		return
	}
	defer done()
	err = t.take(r.Context(), body)
	h.answer(w, t, err)
}

// key returns what makes the positions of this request: the sender's
// Idempotency-Key, so that the same request gives the same events, or one of
// ours.
func (h *handler) key(r *http.Request) (string, error) {
	key := r.Header.Get("Idempotency-Key")
	if len(key) > 200 {
		return "", errors.New("an Idempotency-Key has at most 200 bytes")
	}
	if key != "" {
		return "key:" + key, nil
	}
	return h.run + ":" + strconv.FormatUint(h.next.Add(1), 10), nil
}

func isJSON(r *http.Request) bool {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.HasSuffix(strings.TrimSpace(kind), "json")
}

// taking is one request.
type taking struct {
	h       *handler
	source  string
	dataset string
	key     string
	json    bool
	batch   []holdfast.Record
	held    int
	answer  Answer
}

func (t *taking) trouble(line int, what string) {
	if len(t.answer.Lines) >= maxTroubles {
		t.answer.More++
		return
	}
	t.answer.Lines = append(t.answer.Lines, Line{line, what})
}

// line takes one line, or a piece of one, which is the record's from now on.
func (t *taking) line(ctx context.Context, n, part int, raw []byte, more bool) error {
	if t.answer.Received >= maxLines {
		return fmt.Errorf("more than %d lines: %w", maxLines, holdfast.ErrTooLarge)
	}
	t.answer.Received++
	t.answer.Bytes += len(raw)
	switch {
	case part > 0:
	case more:
		t.trouble(n, fmt.Sprintf("longer than %d bytes; kept in pieces of that size", input.MaxRecord))
	case t.json && fastjson.ValidateBytes(raw) != nil:
		t.trouble(n, "no JSON; kept as it is, in the dataset deadletter")
	}
	position := t.key + ":" + strconv.Itoa(n)
	if part > 0 {
		position += ":" + strconv.Itoa(part)
	}
	t.batch = append(t.batch, holdfast.Record{
		Source: t.source, Position: position, Dataset: t.dataset,
		Received: t.h.env.Clock.Now(), Raw: raw, Truncated: more, Part: part,
	})
	t.held += len(raw)
	if len(t.batch) >= maxPut || t.held >= maxPutBytes {
		return t.put(ctx)
	}
	return nil
}

func (t *taking) put(ctx context.Context) error {
	if len(t.batch) == 0 {
		return nil
	}
	if err := t.h.env.Sink.Put(ctx, t.batch); err != nil {
		return &putError{err}
	}
	t.answer.Accepted += len(t.batch)
	t.batch, t.held = nil, 0
	return nil
}

// putError is a failure on our side.
type putError struct{ err error }

func (e *putError) Error() string { return e.err.Error() }
func (e *putError) Unwrap() error { return e.err }

func (h *handler) answer(w http.ResponseWriter, t *taking, err error) {
	var put *putError
	var large *http.MaxBytesError
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(t.answer)
	case errors.Is(err, holdfast.ErrFull):
		w.Header().Set("Retry-After", "5")
		problem(w, http.StatusServiceUnavailable, "there is no room for more events; send the same again later", &t.answer)
	case errors.As(err, &put):
		h.env.Log.Warn("records were not taken", "source", t.source, "error", err)
		w.Header().Set("Retry-After", "1")
		problem(w, http.StatusServiceUnavailable, "the records could not be stored; send the same again later", &t.answer)
	case errors.As(err, &large), errors.Is(err, holdfast.ErrTooLarge):
		problem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("a request has at most %d MiB, %d MiB unpacked, and %d lines", maxBody>>20, maxPlain>>20, maxLines), &t.answer)
	default:
		problem(w, http.StatusBadRequest, "the body could not be read to its end: "+err.Error(), &t.answer)
	}
}

// problem writes RFC 9457, with how far it came.
func problem(w http.ResponseWriter, status int, detail string, a *Answer) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(struct {
		Title  string  `json:"title"`
		Status int     `json:"status"`
		Detail string  `json:"detail"`
		Answer *Answer `json:"result,omitempty"`
	}{http.StatusText(status), status, detail, a})
}
