package otlp_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"

	"holdfast/ingest/input"
	"holdfast/ingest/input/otlp"
	"holdfast/internal/testkit/sink"
)

// FuzzRPC gives bytes to the gRPC service as the body of a call, with the five
// bytes before a message in it, and headers of the sender's choice.
func FuzzRPC(f *testing.F) {
	framed := func(flag byte, size uint32, b []byte) []byte {
		return append(binary.BigEndian.AppendUint32([]byte{flag}, size), b...)
	}
	one := wire(f, request(text("hello")))
	f.Add(framed(0, uint32(len(one)), one), "", "1S")
	f.Add(framed(0, 1<<31, one), "gzip", "")
	f.Add(framed(1, uint32(len(one)), one), "gzip", "99999999H")
	f.Add(append(framed(0, uint32(len(one)), one), framed(0, 3, []byte("abc"))...), "zstd", "-1S")
	f.Fuzz(func(t *testing.T, body []byte, encoding, timeout string) {
		s := &sink.Sink{}
		r := httptest.NewRequest(http.MethodPost, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", bytes.NewReader(body))
		r.Proto, r.ProtoMajor, r.ProtoMinor = "HTTP/2.0", 2, 0
		r.Header.Set("Content-Type", "application/grpc")
		r.Header.Set("Te", "trailers")
		r.Header.Set("Authorization", "Bearer "+sink.Token)
		r.Header.Set("Grpc-Encoding", encoding)
		r.Header.Set("Grpc-Timeout", timeout)
		otlp.Handler(s.Gate()).ServeHTTP(httptest.NewRecorder(), r)
		for _, raw := range s.Raws() {
			if len(raw) < input.MaxRecord && !json.Valid([]byte(raw)) {
				t.Errorf("no JSON: %q", raw)
			}
		}
	})
}
