package otlp

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	common "go.opentelemetry.io/proto/otlp/common/v1"
	logs "go.opentelemetry.io/proto/otlp/logs/v1"
	"google.golang.org/protobuf/encoding/protowire"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/intake"
)

// maxMade bounds the records that one request makes: each has its resource in
// it, which the request has only once.
const maxMade = intake.MaxPlain

// maxDepth bounds how deep a value may be nested and still be kept.
const maxDepth = 24

// take makes the records of a request durable.
func (h *handler) take(ctx context.Context, visit *intake.Visit, in *logs.LogsData) (partial, error) {
	t := taking{h: h, source: "otlp:" + visit.Name, key: h.gate.Key(), batch: intake.Batch{Visit: visit}}
	for _, rl := range in.GetResourceLogs() {
		resource := []byte(`{"otlp":{"resource":`)
		resource = t.attributes(resource, rl.GetResource().GetAttributes(), 0)
		for _, sl := range rl.GetScopeLogs() {
			head := resource[:len(resource):len(resource)]
			if s := sl.GetScope(); s.GetName() != "" || len(s.GetAttributes()) > 0 {
				head = text(append(head, `,"scope":{"name":`...), s.GetName())
				head = text(append(head, `,"version":`...), s.GetVersion())
				head = t.attributes(append(head, `,"attributes":`...), s.GetAttributes(), 0)
				head = append(head, '}')
			}
			for _, r := range sl.GetLogRecords() {
				if err := t.record(ctx, head, r); err != nil {
					return partial{}, err
				}
			}
		}
	}
	if err := t.batch.Put(ctx); err != nil {
		return partial{}, err
	}
	var out partial
	if t.long > 0 || t.deep > 0 {
		say := ""
		if t.long > 0 {
			say = fmt.Sprintf("%d records are longer than %d bytes and kept in pieces, in the dataset deadletter; ", t.long, input.MaxRecord)
		}
		if t.deep > 0 {
			say += fmt.Sprintf("%d values are nested deeper than %d and left out", t.deep, maxDepth)
		}
		out = partial{t.long, strings.TrimSuffix(say, "; ")}
	}
	return out, nil
}

// partial is ExportLogsPartialSuccess: records that were not taken as they came.
type partial struct {
	rejected int
	say      string
}

// wire is an ExportLogsServiceResponse as protobuf.
func (p partial) wire() []byte {
	var in, out []byte
	if p.rejected > 0 {
		in = protowire.AppendVarint(protowire.AppendTag(in, 1, protowire.VarintType), uint64(p.rejected))
	}
	if p.say != "" {
		in = protowire.AppendString(protowire.AppendTag(in, 2, protowire.BytesType), p.say)
	}
	if len(in) > 0 {
		out = protowire.AppendBytes(protowire.AppendTag(out, 1, protowire.BytesType), in)
	}
	return out
}

// json is the same as JSON.
func (p partial) json() []byte {
	if p == (partial{}) {
		return []byte("{}")
	}
	b := []byte(`{"partialSuccess":{`)
	if p.rejected > 0 {
		b = append(strconv.AppendInt(append(b, `"rejectedLogRecords":"`...), int64(p.rejected), 10), `",`...)
	}
	b = holdfast.AppendJSONString(append(b, `"errorMessage":`...), p.say)
	return append(b, "}}"...)
}

// taking is one request.
type taking struct {
	h      *handler
	batch  intake.Batch
	source string
	key    string
	n      int
	made   int
	long   int // records that are too long
	deep   int // values that are nested too deep
}

// record writes a log record as JSON: {"otlp": …, "body": …}.
func (t *taking) record(ctx context.Context, head []byte, r *logs.LogRecord) error {
	b := make([]byte, 0, len(head)+512)
	b = append(b, head...)
	b = stamp(b, "time", r.GetTimeUnixNano())
	b = stamp(b, "observed", r.GetObservedTimeUnixNano())
	if n := r.GetSeverityNumber(); n != 0 {
		b = strconv.AppendInt(append(b, `,"severity_number":`...), int64(n), 10)
	}
	for _, x := range [...]struct{ name, value string }{
		{"severity_text", r.GetSeverityText()},
		{"event_name", r.GetEventName()},
		{"trace_id", id(r.GetTraceId(), 16)},
		{"span_id", id(r.GetSpanId(), 8)},
	} {
		if x.value != "" {
			b = append(append(append(b, `,"`...), x.name...), `":`...)
			b = text(b, x.value)
		}
	}
	if len(r.GetAttributes()) > 0 {
		b = t.attributes(append(b, `,"attributes":`...), r.GetAttributes(), 0)
	}
	b = t.value(append(b, `},"body":`...), r.GetBody(), 0)
	b = append(b, '}')
	if t.made += len(b); t.made > maxMade {
		return fmt.Errorf("with its resource in each record the request has more than %d MiB: %w", maxMade>>20, holdfast.ErrTooLarge)
	}
	if t.n++; len(b) > input.MaxRecord {
		t.long++
	}
	for part := 0; ; part++ {
		raw, more := b[:min(len(b), input.MaxRecord):min(len(b), input.MaxRecord)], len(b) > input.MaxRecord
		b = b[len(raw):]
		position := t.key + ":" + strconv.Itoa(t.n)
		if part > 0 {
			position += ":" + strconv.Itoa(part)
		}
		err := t.batch.Add(ctx, holdfast.Record{
			Source: t.source, Position: position, Once: true, Received: t.h.gate.Clock.Now(), Raw: raw, Truncated: more, Part: part,
		})
		if err != nil || !more {
			return err
		}
	}
}

func stamp(b []byte, name string, ns uint64) []byte {
	if ns == 0 || ns > math.MaxInt64 {
		return b
	}
	b = append(append(append(b, `,"`...), name...), `":"`...)
	return append(time.Unix(0, int64(ns)).UTC().AppendFormat(b, time.RFC3339Nano), '"')
}

// id writes an identifier in hex. In JSON it came as hex, and was read as if it
// were base64, as protobuf has it: the way back gives the hex again.
func id(raw []byte, size int) string {
	switch len(raw) {
	case size:
		return hex.EncodeToString(raw)
	case size * 2 * 3 / 4:
		return strings.ToLower(base64.StdEncoding.EncodeToString(raw))
	}
	return ""
}

func text(b []byte, s string) []byte {
	return holdfast.AppendJSONString(b, strings.ToValidUTF8(s, "\ufffd"))
}

func (t *taking) attributes(b []byte, list []*common.KeyValue, depth int) []byte {
	b = append(b, '{')
	for i, kv := range list {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(text(b, kv.GetKey()), ':')
		b = t.value(b, kv.GetValue(), depth+1)
	}
	return append(b, '}')
}

func (t *taking) value(b []byte, v *common.AnyValue, depth int) []byte {
	if depth > maxDepth {
		t.deep++
		return append(b, "null"...)
	}
	switch x := v.GetValue().(type) {
	case *common.AnyValue_StringValue:
		return text(b, x.StringValue)
	case *common.AnyValue_BoolValue:
		return strconv.AppendBool(b, x.BoolValue)
	case *common.AnyValue_IntValue:
		return strconv.AppendInt(b, x.IntValue, 10)
	case *common.AnyValue_DoubleValue:
		if math.IsNaN(x.DoubleValue) || math.IsInf(x.DoubleValue, 0) {
			return text(b, strconv.FormatFloat(x.DoubleValue, 'g', -1, 64))
		}
		return strconv.AppendFloat(b, x.DoubleValue, 'g', -1, 64)
	case *common.AnyValue_BytesValue:
		return text(b, base64.StdEncoding.EncodeToString(x.BytesValue))
	case *common.AnyValue_ArrayValue:
		b = append(b, '[')
		for i, e := range x.ArrayValue.GetValues() {
			if i > 0 {
				b = append(b, ',')
			}
			b = t.value(b, e, depth+1)
		}
		return append(b, ']')
	case *common.AnyValue_KvlistValue:
		return t.attributes(b, x.KvlistValue.GetValues(), depth)
	}
	return append(b, "null"...)
}
