package otlp_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	resource "go.opentelemetry.io/proto/otlp/resource/v1"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	grpcgzip "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/ingest/input/otlp"
	"holdfast/internal/testkit/sender"
	"holdfast/internal/testkit/sink"
)

func text(s string) *common.AnyValue {
	return &common.AnyValue{Value: &common.AnyValue_StringValue{StringValue: s}}
}

func request(body *common.AnyValue) *logs.LogsData {
	return &logs.LogsData{ResourceLogs: []*logs.ResourceLogs{{
		Resource: &resource.Resource{Attributes: []*common.KeyValue{{Key: "host.name", Value: text("web-01")}}},
		ScopeLogs: []*logs.ScopeLogs{{Scope: &common.InstrumentationScope{Name: "lib", Version: "1"}, LogRecords: []*logs.LogRecord{{
			TimeUnixNano: 1795399746123456789, SeverityNumber: 9, SeverityText: "INFO", TraceId: []byte("0123456789abcdef"), SpanId: []byte("01234567"), Body: body,
		}}}},
	}}}
}

const record = `{"otlp":{"resource":{"host.name":"web-01"},"scope":{"name":"lib","version":"1","attributes":{}},"time":"2026-11-23T02:09:06.123456789Z",` +
	`"severity_number":9,"severity_text":"INFO","trace_id":"30313233343536373839616263646566","span_id":"3031323334353637"},"body":"hello"}`

// asJSON is the same request as JSON, with ids in hex.
const asJSON = `{"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"web-01"}}]},"scopeLogs":[{"scope":{"name":"lib","version":"1"},` +
	`"logRecords":[{"timeUnixNano":"1795399746123456789","severityNumber":9,"severityText":"INFO","traceId":"30313233343536373839616263646566","spanId":"3031323334353637","body":{"stringValue":"hello"},"unknown":1}]}]}]}`

func ask(t testing.TB, s *sink.Sink, kind string, body []byte, headers ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequest(http.MethodPost, "/v1/logs", bytes.NewReader(body))
	r.Header.Set("Content-Type", kind)
	r.Header.Set("Authorization", "Bearer "+sink.Token)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	otlp.Handler(s.Gate()).ServeHTTP(w, r)
	return w
}

func wire(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestForms(t *testing.T) {
	for kind, body := range map[string][]byte{"application/x-protobuf": wire(t, request(text("hello"))), "application/json": []byte(asJSON)} {
		s := &sink.Sink{}
		w := ask(t, s, kind, body)
		if w.Code != 200 || w.Header().Get("Content-Type") != kind || strings.Trim(w.Body.String(), "{}") != "" {
			t.Errorf("%s: %d %q", kind, w.Code, w.Body)
		}
		if got := s.Raws(); len(got) != 1 || got[0] != record {
			t.Errorf("%s: %s", kind, got)
		}
	}
}

// broken is a request with a text that is no UTF-8, as a collector hands on a line
// of Latin-1, beside a record that is whole.
func broken(t testing.TB) []byte {
	t.Helper()
	in := request(text("caf#"))
	list := &in.ResourceLogs[0].ScopeLogs[0].LogRecords
	*list = append(*list, &logs.LogRecord{Body: text("whole"), TraceId: []byte("\xff\xfe0123456789abcd")})
	return bytes.Replace(wire(t, in), []byte("caf#"), []byte("caf\xe9"), 1)
}

// TestNoUnicode: one text that is no Unicode costs neither its record nor those that
// came with it.
func TestNoUnicode(t *testing.T) {
	for name, c := range map[string]struct {
		kind string
		body []byte
		want []string
	}{
		"protobuf":   {"application/x-protobuf", broken(t), []string{"\"body\":\"caf\ufffd\"", `"trace_id":"fffe3031323334353637383961626364"},"body":"whole"`}},
		"JSON":       {"application/json", []byte(strings.Replace(asJSON, "hello", "caf\xe9", 1)), []string{"\"body\":\"caf\ufffd\""}},
		"surrogates": {"application/json", []byte(strings.Replace(asJSON, "hello", `\ud83d \\ud83d \uD83D\uDE00 \ude00\ud83d`, 1)), []string{"\"body\":\"\ufffd \\\\ud83d \U0001F600 \ufffd\ufffd\""}},
	} {
		s := &sink.Sink{}
		w := ask(t, s, c.kind, c.body)
		got := s.Raws()
		if w.Code != 200 || len(got) != len(c.want) {
			t.Errorf("%s: %d %q %q", name, w.Code, w.Body, got)
			continue
		}
		for i := range got {
			if !strings.Contains(got[i], c.want[i]) {
				t.Errorf("%s: %s", name, got[i])
			}
		}
	}
	deep := text("#")
	for range 200 {
		deep = &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{deep}}}}
	}
	if w := ask(t, &sink.Sink{}, "application/x-protobuf", bytes.ReplaceAll(wire(t, request(deep)), []byte("#"), []byte("\xff"))); w.Code != 400 {
		t.Errorf("nested without end: %d %s", w.Code, w.Body)
	}
}

// TestPartial: a record that is too long is kept in pieces, and said.
func TestPartial(t *testing.T) {
	deep := text("x")
	for range 40 {
		deep = &common.AnyValue{Value: &common.AnyValue_ArrayValue{ArrayValue: &common.ArrayValue{Values: []*common.AnyValue{deep}}}}
	}
	in := request(text(strings.Repeat("x", input.MaxRecord)))
	in.ResourceLogs = append(in.ResourceLogs, request(deep).ResourceLogs...)
	s := &sink.Sink{}
	w := ask(t, s, "application/x-protobuf", wire(t, in))
	if w.Code != 200 || !strings.Contains(w.Body.String(), "1 records are longer") || !strings.Contains(w.Body.String(), "1 values are nested") || len(s.Records()) != 3 {
		t.Errorf("%d, %d records, %q", w.Code, len(s.Records()), w.Body)
	}
	if last := s.Raws()[2]; !json.Valid([]byte(last)) {
		t.Error(last)
	}
}

func TestRefusals(t *testing.T) {
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	if _, err := z.Write(make([]byte, 17<<20)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	full := &sink.Sink{}
	full.Refuse(fmt.Errorf("disk: %w", holdfast.ErrFull), 0)
	for name, c := range map[string]struct {
		s       *sink.Sink
		kind    string
		body    []byte
		headers []string
		status  int
	}{
		"no token":    {&sink.Sink{}, "application/json", []byte(asJSON), []string{"Authorization", ""}, 401},
		"reader":      {&sink.Sink{}, "application/json", []byte(asJSON), []string{"Authorization", "Bearer " + sink.Reader}, 403},
		"kind":        {&sink.Sink{}, "text/plain", []byte(asJSON), nil, 415},
		"damaged":     {&sink.Sink{}, "application/json", []byte(asJSON[:50]), nil, 400},
		"wrong types": {&sink.Sink{}, "application/json", []byte(`{"resourceLogs":{"a":1}}`), nil, 400},
		"nested":      {&sink.Sink{}, "application/json", []byte(strings.Repeat(`{"resourceLogs":[`, 5000)), nil, 400},
		"no protobuf": {&sink.Sink{}, "application/x-protobuf", []byte("\xff\xff"), nil, 400},
		"bomb":        {&sink.Sink{}, "application/x-protobuf", bomb.Bytes(), []string{"Content-Encoding", "gzip"}, 413},
		"full":        {full, "application/json", []byte(asJSON), nil, 429},
	} {
		if w := ask(t, c.s, c.kind, c.body, c.headers...); w.Code != c.status || len(c.s.Records()) > 0 {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

// TestResourceInEachRecord: a large resource must not be copied without end.
func TestResourceInEachRecord(t *testing.T) {
	in := request(text("x"))
	in.ResourceLogs[0].Resource.Attributes[0].Value = text(strings.Repeat("r", 1<<19))
	sl := in.ResourceLogs[0].ScopeLogs[0]
	for range 1000 {
		sl.LogRecords = append(sl.LogRecords, &logs.LogRecord{})
	}
	if w := ask(t, &sink.Sink{}, "application/x-protobuf", wire(t, in)); w.Code != 413 {
		t.Errorf("%d", w.Code)
	}
}

// asIs sends bytes as a message, and reads none.
type asIs struct{}

func (asIs) Name() string { return "proto" }

func (asIs) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}

func (asIs) Unmarshal(mem.BufferSlice, any) error { return nil }

func TestGRPC(t *testing.T) {
	s := &sink.Sink{}
	server := httptest.NewUnstartedServer(otlp.Handler(s.Gate()))
	server.Config.Protocols = new(http.Protocols)
	server.Config.Protocols.SetHTTP1(true)
	server.Config.Protocols.SetUnencryptedHTTP2(true)
	server.Start()
	defer server.Close()
	conn, err := grpc.NewClient(strings.TrimPrefix(server.URL, "http://"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	export := func(token string) (*emptypb.Empty, error) {
		out := new(emptypb.Empty)
		ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+token)
		return out, conn.Invoke(ctx, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", request(text("hello")), out, grpc.UseCompressor(grpcgzip.Name))
	}
	if _, err := export(sink.Token); err != nil {
		t.Fatal(err)
	}
	if got := s.Raws(); len(got) != 1 || got[0] != record || s.Records()[0].Source != "otlp:shipper" {
		t.Errorf("%s", got)
	}
	ctx := metadata.AppendToOutgoingContext(context.Background(), "authorization", "Bearer "+sink.Token)
	for _, packed := range []string{"snappy", "zstd"} {
		before := len(s.Raws())
		if err := conn.Invoke(ctx, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", request(text("hello")), new(emptypb.Empty), grpc.UseCompressor(packed)); err != nil {
			t.Errorf("%s: %v", packed, err)
		}
		if got := s.Raws()[before:]; len(got) != 1 || got[0] != record {
			t.Errorf("%s: %s", packed, got)
		}
	}
	if err := conn.Invoke(ctx, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", broken(t), nil, grpc.ForceCodecV2(asIs{})); err != nil {
		t.Error(err)
	}
	if got := s.Raws(); len(got) != 5 || !strings.Contains(got[3], "\"body\":\"caf\ufffd\"") {
		t.Errorf("with a text that is no UTF-8: %s", got)
	}
	for token, want := range map[string]codes.Code{"": codes.Unauthenticated, sink.Reader: codes.PermissionDenied} {
		if _, err := export(token); status.Code(err) != want {
			t.Errorf("%q: %v", token, err)
		}
	}
	s.Refuse(fmt.Errorf("disk: %w", holdfast.ErrFull), 0)
	_, err = export(sink.Token)
	retry := false
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			retry = info.RetryDelay.AsDuration() > 0
		}
	}
	if status.Code(err) != codes.ResourceExhausted || !retry {
		t.Errorf("full: %v", err)
	}
}

// TestSDK sends with the OpenTelemetry SDK for JavaScript.
func TestSDK(t *testing.T) {
	s := &sink.Sink{}
	server := httptest.NewServer(otlp.Handler(s.Gate()))
	defer server.Close()
	out := sender.Node(t, "otlp.mjs", server.URL, sink.Token, "100")
	if !strings.Contains(out, "done") || len(s.Records()) != 100 {
		t.Fatalf("%d records: %s", len(s.Records()), out)
	}
	if raw := s.Raws()[7]; !strings.Contains(raw, `"nested":{"list":[1,"two",true]}`) || !strings.Contains(raw, `"body":"line 7"`) {
		t.Error(raw)
	}
}

func FuzzRequest(f *testing.F) {
	f.Add(wire(f, request(text("hello"))), "application/x-protobuf")
	f.Add([]byte(asJSON), "application/json")
	f.Fuzz(func(t *testing.T, body []byte, kind string) {
		s := &sink.Sink{}
		ask(t, s, kind, body)
		for _, raw := range s.Raws() {
			if len(raw) < input.MaxRecord && !json.Valid([]byte(raw)) {
				t.Errorf("no JSON: %q", raw)
			}
		}
	})
}
