// Package otlp takes logs by the OpenTelemetry protocol: over gRPC, and over
// HTTP as protobuf and as JSON. It makes a record of each log record, with its
// resource and scope; what stands in a body is left to the parsers.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	statuspb "google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/intake"
)

// Input describes the input. Its Run only waits: the server mounts Handler.
func Input() input.Input {
	return input.Input{
		Name:  "otlp",
		Title: "OpenTelemetry logs (OTLP)",
		Description: "Takes logs from OpenTelemetry collectors and SDKs, over gRPC and HTTP, as protobuf or JSON, packed by gzip, zstd or snappy, with a " +
			"token in the header authorization. The server has it on, without configuration.",
		References: []string{"https://opentelemetry.io/docs/specs/otlp/", "https://opentelemetry.io/docs/specs/otel/logs/data-model/"},
		Options:    map[string]string{},
		Send:       `curl -sS "$URL/v1/logs" -H "Authorization: Bearer $TOKEN" -H 'Content-Type: application/json' -d '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"hello"}}]}]}]}'`,
		Example:    input.Config{Kind: "otlp", Where: paths[0]},
		Check: func(cfg input.Config) error {
			if len(cfg.Options) > 0 {
				return fmt.Errorf("otlp: there are no options: %w", holdfast.ErrInvalid)
			}
			return nil
		},
		Run: func(ctx context.Context, _ input.Config, _ input.Env) error { <-ctx.Done(); return nil },
	}
}

const (
	// maxRequest bounds a request, unpacked: unlike lines it is read as a whole.
	maxRequest = 16 << 20
	// maxNested bounds how deep a message may be nested.
	maxNested = 100
)

var paths = [...]string{"/v1/logs", "/otlp/v1/logs"}

// Takes reports whether a request is for this way in.
func Takes(r *http.Request) bool {
	return r.URL.Path == paths[0] || r.URL.Path == paths[1] || isGRPC(r)
}

func isGRPC(r *http.Request) bool {
	return r.ProtoMajor == 2 && strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc")
}

// Handler returns the handler. The source of records is "otlp:NAME", by the name
// of the token.
func Handler(gate *intake.Gate) http.Handler {
	h := &handler{gate: gate}
	rpc := h.rpc()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if isGRPC(r) {
			rpc.ServeHTTP(w, r)
			return
		}
		h.serve(w, r)
	})
}

type handler struct{ gate *intake.Gate }

// form is how a body is written: the answer is written the same way.
type form struct {
	name      string
	unmarshal func([]byte, proto.Message) error
	marshal   func(proto.Message) ([]byte, error)
}

func formOf(r *http.Request) (form, bool) {
	kind, _, _ := strings.Cut(r.Header.Get("Content-Type"), ";")
	switch strings.ToLower(strings.TrimSpace(kind)) {
	case "application/x-protobuf", "application/protobuf":
		return form{"application/x-protobuf", unmarshal, proto.Marshal}, true
	case "application/json":
		return form{"application/json", unmarshalJSON, protojson.Marshal}, true
	}
	return form{"application/json", nil, protojson.Marshal}, false
}

func (f form) answer(w http.ResponseWriter, status int, m proto.Message) {
	b, err := f.marshal(m)
	if err != nil {
		status = http.StatusInternalServerError
	}
	w.Header().Set("Content-Type", f.name)
	w.WriteHeader(status)
	_, _ = w.Write(b)
}

// partial answers with an ExportLogsServiceResponse.
func (f form) partial(w http.ResponseWriter, p partial) {
	w.Header().Set("Content-Type", f.name)
	if f.name == "application/json" {
		_, _ = w.Write(p.json()) //nolint:gosec // JSON of our own words, and said to be JSON
		return
	}
	_, _ = w.Write(p.wire()) //nolint:gosec // protobuf of our own words
}

func (f form) refuse(w http.ResponseWriter, status int, code codes.Code, say string) {
	f.answer(w, status, &statuspb.Status{Code: int32(code), Message: say})
}

func (h *handler) serve(w http.ResponseWriter, r *http.Request) {
	f, known := formOf(r)
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", http.MethodPost)
		f.refuse(w, http.StatusMethodNotAllowed, codes.Unimplemented, "send logs by POST")
		return
	}
	visit, err := h.gate.Enter(w, r)
	switch {
	case errors.Is(err, holdfast.ErrForbidden):
		f.refuse(w, http.StatusForbidden, codes.PermissionDenied, "this token may not send events")
		return
	case errors.Is(err, intake.ErrBusy):
		w.Header().Set("Retry-After", "1")
		f.refuse(w, http.StatusTooManyRequests, codes.ResourceExhausted, err.Error())
		return
	case err != nil:
		w.Header().Set("WWW-Authenticate", "Bearer")
		f.refuse(w, http.StatusUnauthorized, codes.Unauthenticated, intake.Told(err, "send a token: Authorization: Bearer …"))
		return
	}
	defer visit.Leave()
	if !known {
		f.refuse(w, http.StatusUnsupportedMediaType, codes.InvalidArgument, "send application/x-protobuf or application/json")
		return
	}
	body, done, err := intake.Unpack(w, r, maxRequest)
	if err != nil {
		f.refuse(w, http.StatusUnsupportedMediaType, codes.InvalidArgument, err.Error())
		return
	}
	defer done()
	raw, err := io.ReadAll(body)
	if err != nil {
		if intake.TooLarge(err) {
			f.refuse(w, http.StatusRequestEntityTooLarge, codes.InvalidArgument, fmt.Sprintf("a request has at most %d MiB unpacked; send smaller batches", maxRequest>>20))
			return
		}
		f.refuse(w, http.StatusBadRequest, codes.InvalidArgument, "the body could not be read to its end")
		return
	}
	var in logs.LogsData // it has the fields of ExportLogsServiceRequest
	if err := f.unmarshal(raw, &in); err != nil {
		f.refuse(w, http.StatusBadRequest, codes.InvalidArgument, "the body is no ExportLogsServiceRequest in "+f.name)
		return
	}
	out, err := h.take(r.Context(), visit, &in)
	if err != nil {
		status, st := failure(err)
		w.Header().Set("Retry-After", strconv.Itoa(intake.RetryAfter(err)))
		f.answer(w, status, st)
		return
	}
	f.partial(w, out)
}
