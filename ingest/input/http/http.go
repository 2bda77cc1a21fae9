// Package http takes NDJSON, JSON arrays, CSV, or any lines, over HTTP. The
// listener, TLS and the tokens are the server's; reading the records is left to
// the parsers.
package http

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fastjson"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/clock"
	"holdfast/internal/intake"
)

// maxTroubles bounds the lines named in an answer.
const maxTroubles = 100

// Input describes the input. Its Run only waits: the server mounts Handler.
func Input() input.Input {
	return input.Input{
		Name:  "http",
		Title: "NDJSON, CSV or lines over HTTP",
		Description: "Takes one record a line by POST, with a token, or the elements of a JSON array, or the rows of CSV with a header; " +
			"packed by gzip, deflate, zstd or snappy. With an Idempotency-Key the same request may be sent again and is stored once. " +
			"The server has it on, without configuration.",
		References: []string{"https://github.com/ndjson/ndjson-spec", "RFC 4180", "RFC 9110, sections 8.4, 10.2.3 and 15", "draft-ietf-httpapi-idempotency-key-header"},
		Options:    map[string]string{},
		Send:       `curl -sS "$URL/ingest/v1/events" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/x-ndjson' --data-binary '{"hello":"world"}'`,
		Example:    input.Config{Kind: "http", Where: Path},
		Check: func(cfg input.Config) error {
			if len(cfg.Options) > 0 {
				return fmt.Errorf("http: there are no options: %w", holdfast.ErrInvalid)
			}
			return nil
		},
		Run: func(ctx context.Context, _ input.Config, _ input.Env) error { <-ctx.Done(); return nil },
	}
}

// Path is where records are sent to.
const Path = "/ingest/v1/events"

// Takes reports whether a request is for this way in.
func Takes(r *http.Request) bool { return r.URL.Path == Path }

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

// Handler returns the handler of POST requests. The source is "http:NAME", by
// the name of the token; the query parameter dataset says which kind of record
// it is.
func Handler(gate *intake.Gate) http.Handler {
	h := &handler{gate}
	return http.HandlerFunc(h.serve)
}

type handler struct{ gate *intake.Gate }

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		problem(w, http.StatusMethodNotAllowed, "send records by POST", nil)
		return
	}
	if token := r.URL.Query().Get("token"); token != "" { // for senders that cannot send a header of their choice
		r.Header.Set("Authorization", "Bearer "+token)
	}
	visit, err := h.gate.Enter(w, r)
	switch {
	case errors.Is(err, holdfast.ErrForbidden):
		problem(w, http.StatusForbidden, "this token may not send events", nil)
		return
	case errors.Is(err, intake.ErrBusy):
		w.Header().Set("Retry-After", "1")
		problem(w, http.StatusTooManyRequests, err.Error(), nil)
		return
	case err != nil:
		w.Header().Set("WWW-Authenticate", "Bearer")
		problem(w, http.StatusUnauthorized, intake.Told(err, "send a token: Authorization: Bearer …"), nil)
		return
	}
	defer visit.Leave()
	t := &taking{
		clock: h.gate.Clock, batch: intake.Batch{Visit: visit},
		source: "http:" + visit.Name, dataset: r.URL.Query().Get("dataset"), json: isJSON(r),
	}
	t.batch.Done = func(n int, err error) {
		if err == nil {
			t.answer.Accepted += n
		}
	}
	if t.key, t.once, err = h.key(r); err != nil {
		problem(w, http.StatusBadRequest, err.Error(), nil)
		return
	}
	body, done, err := intake.Unpack(w, r, intake.MaxPlain)
	if err != nil {
		problem(w, http.StatusUnsupportedMediaType, err.Error(), nil)
		return
	}
	defer done()
	err = t.take(r.Context(), kind(r), body)
	h.answer(w, t, err)
}

// key returns what makes the positions of this request: the sender's
// Idempotency-Key, so that the same request gives the same events, or one of
// ours, which comes once.
func (h *handler) key(r *http.Request) (key string, once bool, err error) {
	key = r.Header.Get("Idempotency-Key")
	if len(key) > 200 {
		return "", false, errors.New("an Idempotency-Key has at most 200 bytes")
	}
	if key != "" {
		return "key:" + key, false, nil
	}
	return h.gate.Key(), true, nil
}

func kind(r *http.Request) string {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	return strings.ToLower(strings.TrimSpace(kind))
}

func isJSON(r *http.Request) bool { return strings.HasSuffix(kind(r), "json") }

// taking is one request.
type taking struct {
	clock   clock.Clock
	batch   intake.Batch
	source  string
	dataset string
	key     string
	once    bool
	json    bool
	answer  Answer

	position []byte // of the record before
}

func (t *taking) trouble(line int, what string) {
	if len(t.answer.Lines) >= maxTroubles {
		t.answer.More++
		return
	}
	t.answer.Lines = append(t.answer.Lines, Line{line, what})
}

// line takes one line, or a piece of one, which is the record's from now on.
func (t *taking) line(ctx context.Context, received time.Time, n, part int, raw []byte, more bool) error {
	if t.answer.Received >= intake.MaxRecords {
		return fmt.Errorf("more than %d lines: %w", intake.MaxRecords, holdfast.ErrTooLarge)
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
	t.position = strconv.AppendInt(append(append(t.position[:0], t.key...), ':'), int64(n), 10)
	if part > 0 {
		t.position = strconv.AppendInt(append(t.position, ':'), int64(part), 10)
	}
	return t.batch.Add(ctx, holdfast.Record{
		Source: t.source, Position: string(t.position), Once: t.once, Dataset: t.dataset,
		Received: received, Raw: raw, Truncated: more, Part: part,
	})
}

func (h *handler) answer(w http.ResponseWriter, t *taking, err error) {
	var put *intake.PutError
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(t.answer)
	case errors.As(err, &put):
		status := http.StatusServiceUnavailable
		if errors.Is(err, holdfast.ErrFull) {
			status = http.StatusTooManyRequests
		}
		w.Header().Set("Retry-After", strconv.Itoa(intake.RetryAfter(err)))
		problem(w, status, intake.Said(err), &t.answer)
	case intake.TooLarge(err):
		problem(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("a request has at most %d MiB, %d MiB unpacked, and %d lines", intake.MaxBody>>20, intake.MaxPlain>>20, intake.MaxRecords), &t.answer)
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
