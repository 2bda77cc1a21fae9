package envelope

import (
	"fmt"

	"github.com/valyala/fastjson"

	"holdfast"
)

// hec opens an event as it is sent to Splunk: {"time", "host", "source",
// "sourcetype", "index", "fields", "event"}, where the event is a text or an
// object.
func (r *reader) hec() (open, error) {
	in := open{dataset: "hec", time: when(r.get("time")), host: r.text("host"), hint: datasetName(r.text("sourcetype"))}
	for _, x := range [...]struct{ from, to string }{
		{"host", "host.name"}, {"source", "log.file.path"}, {"sourcetype", "sourcetype"}, {"index", "index"},
	} {
		if v := r.get(x.from); v != "" {
			in.said = append(in.said, holdfast.Field{Name: x.to, Text: v})
		}
	}
	in.said = append(in.said, r.below("fields.")...)
	event := r.below("event.")
	inner := reader{fields: event}
	switch line := r.text("event"); {
	case line != "":
		in.line = []byte(line)
		event = append(event, holdfast.Field{Name: "message", Text: line})
	case inner.get("winlog.channel") != "":
		in.line = inner.winlog()
	case inner.text("event.original", "message") != "" && (inner.text("appname", "program", "programname") != "" || inner.text("event.original") != ""):
		in.line = inner.line("event.original", "message")
	case len(event) > 0:
		object, err := member(r.raw, "event")
		if err != nil {
			return in, err
		}
		in.line = object
	default: // a number, or one of Splunk's metrics
		for _, f := range r.fields {
			if f.Name == "event" {
				event = append(event, f)
			}
		}
	}
	in.fields = add(event, in.said)
	if in.time.IsZero() {
		in.time = when(inner.get("@timestamp", "timestamp", "time"))
	}
	return in, nil
}

// member is a member of an object, or of one in it, as JSON of its own.
func member(raw []byte, path ...string) ([]byte, error) {
	var p fastjson.Parser
	v, err := p.ParseBytes(raw)
	if err != nil {
		return nil, fmt.Errorf("damaged JSON: %.200s", err.Error())
	}
	return v.Get(path...).MarshalTo(nil), nil
}
