package envelope

import (
	"holdfast"
)

// otlp opens a log record: {"otlp": {"resource", "scope", "attributes", …},
// "body"}, as the input of that name writes it.
func (r *reader) otlp() (open, error) {
	resource, attributes := r.below("otlp.resource."), r.below("otlp.attributes.")
	in := open{dataset: "otlp", time: when(r.get("otlp.time", "otlp.observed")), host: r.text("otlp.resource.host.name", "otlp.attributes.host.name")}
	for _, name := range [...]string{"severity_text", "severity_number", "event_name", "trace_id", "span_id", "scope.name"} {
		if v := r.get("otlp." + name); v != "" {
			in.said = append(in.said, holdfast.Field{Name: name, Text: v})
		}
	}
	in.said = add(in.said, resource)
	in.said = add(in.said, attributes)
	var body []holdfast.Field
	switch line := r.text("body"); {
	case line != "":
		all := reader{fields: append(append(attributes, holdfast.Field{Name: "message", Text: line}), resource...)}
		if t := r.get("otlp.time"); t != "" {
			all.fields = append(all.fields, holdfast.Field{Name: "timestamp", Text: t})
		}
		in.line = all.line("message")
		body = []holdfast.Field{{Name: "message", Text: line}}
	case r.get("body.channel") != "" && r.get("body.event_id.id") != "":
		in.line = r.windowsBody()
		body = r.below("body.")
	default:
		if body = r.below("body."); len(body) > 0 {
			object, err := member(r.raw, "body")
			if err != nil {
				return in, err
			}
			if len(object) > 0 && object[0] == '{' {
				in.line = object
			}
		}
	}
	in.fields = add(body, in.said)
	if len(in.fields) == 0 {
		in.fields = r.fields
	}
	return in, nil
}
