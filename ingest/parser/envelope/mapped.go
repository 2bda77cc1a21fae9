package envelope

import (
	"strings"

	"holdfast"
)

// mapped are the names that the collector's exporter to Elasticsearch gives to the
// parts of a log record, in its mapping modes "otel" and "none", and those that the
// input of OpenTelemetry gives them. A name that ends with a dot is that of all below.
var mapped = []struct{ from, to string }{
	{"resource.attributes.", "otlp.resource."},
	{"attributes.", "otlp.attributes."},
	{"severity_text", "otlp.severity_text"},
	{"severity_number", "otlp.severity_number"},
	{"event_name", "otlp.event_name"},
	{"trace_id", "otlp.trace_id"},
	{"span_id", "otlp.span_id"},
	{"scope.name", "otlp.scope.name"},
	{"body.text", "body"},
	{"body.structured.", "body."},
	{"body.flattened.", "body."},
	{"Resource.", "otlp.resource."},
	{"Attributes.", "otlp.attributes."},
	{"SeverityText", "otlp.severity_text"},
	{"SeverityNumber", "otlp.severity_number"},
	{"TraceId", "otlp.trace_id"},
	{"SpanId", "otlp.span_id"},
	{"Scope.name", "otlp.scope.name"},
	{"Body", "body"},
	{"Body.", "body."},
}

// isMapped reports whether a document is a log record as that exporter maps it.
func (r *reader) isMapped() bool {
	for i := range r.fields {
		name := r.fields[i].Name
		switch {
		case name == "body.text", strings.HasPrefix(name, "body.structured."), strings.HasPrefix(name, "body.flattened."):
			return r.get("observed_timestamp") != ""
		case name == "Body", strings.HasPrefix(name, "Body."):
			return r.get("SeverityNumber") != ""
		}
	}
	return false
}

// mapped opens such a document as the record that it was.
func (r *reader) mapped() (open, error) {
	record := reader{fields: make([]holdfast.Field, 0, len(r.fields)+1)}
	for _, f := range r.fields {
		for _, m := range mapped {
			if f.Name == m.from {
				f.Name = m.to
				record.fields = append(record.fields, f)
				break
			}
			if rest, ok := strings.CutPrefix(f.Name, m.from); ok && rest != "" && strings.HasSuffix(m.from, ".") {
				f.Name = m.to + rest
				record.fields = append(record.fields, f)
				break
			}
		}
	}
	for _, path := range [...][]string{{"body", "structured"}, {"body", "flattened"}, {"Body"}} {
		if len(r.below(strings.Join(path, ".")+".")) > 0 {
			object, err := member(r.raw, path...)
			if err != nil {
				return open{}, err
			}
			record.raw = append(append([]byte(`{"body":`), object...), '}')
			break
		}
	}
	in, err := record.otlp()
	if in.time = when(r.get("@timestamp", "observed_timestamp")); in.hint == "" {
		in.hint = datasetName(strings.TrimSuffix(r.text("data_stream.dataset"), ".otel"))
	}
	return in, err
}
