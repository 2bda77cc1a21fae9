// Package envelope opens what shippers put around a record: the documents of
// Beats and of others that send to Elasticsearch, the events of Splunk's
// collector, the log records of OpenTelemetry, the records of Fluent Bit, and the
// messages of Google's Pub/Sub. The record within is left to the parsers that it is handed; what the shipper says of it, such as the host
// and the file, is added to their fields.
package envelope

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser. Inner are those that read what is within, in the
// order in which they are asked.
func Parser(inner ...parser.Parser) parser.Parser {
	o := &opener{inner: parser.NewByForm(inner), pool: sync.Pool{New: func() any { return new(parser.Flat) }}}
	return parser.Parser{
		Name:  "envelope",
		Title: "Records as shippers wrap them",
		Description: "Documents of Beats and other senders to Elasticsearch, events of Splunk's collector, OpenTelemetry's log records, records of Fluent Bit, messages of Pub/Sub. Windows events " +
			"get their native fields; a line is read as if it had come alone; anything else keeps its fields as they are named.",
		References: []string{
			"https://www.elastic.co/guide/en/ecs/current/ecs-field-reference.html",
			"https://www.elastic.co/guide/en/beats/winlogbeat/current/exported-fields-winlog.html",
			"https://docs.splunk.com/Documentation/Splunk/latest/Data/FormateventsforHTTPEventCollector",
			"https://opentelemetry.io/docs/specs/otel/logs/data-model/",
			"https://cloud.google.com/pubsub/docs/push#receive_push",
		},
		Datasets: []holdfast.Dataset{
			dataset("ecs", "Documents in the Elastic Common Schema"),
			dataset("hec", "Events as sent to Splunk"),
			dataset("otlp", "OpenTelemetry log records"),
			{Name: "pubsub", Title: "Messages of Google Pub/Sub that no parser knows", ECS: map[string]string{"pubsub.message_id": "event.id"}},
		},
		Parse: o.parse,
	}
}

func dataset(name, title string) holdfast.Dataset {
	return holdfast.Dataset{Name: name, Title: title, ECS: map[string]string{
		"host.name": holdfast.EntityHost, "host.hostname": holdfast.EntityHost, "host": holdfast.EntityHost,
		"user.name": holdfast.EntityUser, "user": holdfast.EntityUser,
		"source.ip": holdfast.EntitySource, "client.ip": holdfast.EntitySource, "client.address": holdfast.EntitySource, "src_ip": holdfast.EntitySource, "src": holdfast.EntitySource,
		"destination.ip": holdfast.EntityDestination, "server.ip": holdfast.EntityDestination, "dest_ip": holdfast.EntityDestination, "dest": holdfast.EntityDestination,
		"process.name": holdfast.EntityProcess, "process.executable": holdfast.EntityExecutable,
		"process.hash.sha256": holdfast.EntityHash, "file.hash.sha256": holdfast.EntityHash, "file.path": holdfast.EntityFile,
		"dns.question.name": holdfast.EntityDomain, "url.domain": holdfast.EntityDomain,
	}}
}

type opener struct {
	inner parser.ByForm
	pool  sync.Pool
}

// open is what stands in an envelope.
type open struct {
	dataset string           // of the envelope, if nobody knows what is within
	fields  []holdfast.Field // all of them, as they are named
	said    []holdfast.Field // what is worth adding to what is read from within
	line    []byte           // the record within, or nil
	hint    string           // the dataset it may have
	time    time.Time
	host    string
}

var errNoObject = errors.New("no JSON object")

func (o *opener) parse(raw []byte, hint parser.Hint) (parser.Parsed, error) {
	var read func(*reader) (open, error)
	from := func(source string) bool { return strings.HasPrefix(hint.Source, source) }
	switch {
	case bytes.HasPrefix(raw, []byte(`{"otlp":{`)):
		read = (*reader).otlp
	case from("elastic:") || looksElastic(raw):
		read = (*reader).elastic
	case len(raw) > 0 && raw[0] == '{' && (from("hec:") || looksHEC(raw)):
		read = (*reader).hec
	case len(raw) > 0 && raw[0] == '{' && looksPubSub(raw):
		read = (*reader).pubsub
	case looksFluent(raw):
		read = (*reader).fluent
	default:
		return parser.Parsed{}, parser.ErrOther
	}
	f := o.pool.Get().(*parser.Flat)
	defer o.pool.Put(f)
	fields, err := f.Object(raw, nil)
	if errors.Is(err, parser.ErrOther) {
		return parser.Parsed{}, errNoObject
	}
	if err != nil {
		return parser.Parsed{}, err
	}
	in, err := read(&reader{fields: fields, raw: raw})
	if err != nil {
		return parser.Parsed{}, err
	}
	if len(in.line) > 0 {
		if hint.Dataset != "" {
			in.hint = hint.Dataset
		}
		got, ok, why := o.ask(in.line, parser.Hint{Received: hint.Received, Dataset: in.hint, Source: hint.Source})
		if ok {
			for i := range got.Parts {
				if one := &got.Parts[i]; one.Err == nil {
					one.Fields = add(one.Fields, in.said)
					one.Parsed = in.fill(one.Parsed)
				}
			}
			if len(got.Parts) > 0 {
				return got, nil
			}
			got.Fields = add(got.Fields, in.said)
			return in.fill(got), nil
		}
		if why != nil {
			in.fields = append(in.fields, holdfast.Field{Name: "error.message", Text: why.Error()})
		}
	}
	if in.dataset == "" {
		return parser.Parsed{}, parser.ErrOther
	}
	return in.fill(parser.Parsed{Dataset: in.dataset, Fields: in.fields}), nil
}

// looksElastic knows a document of Beats that came another way, by its head.
func looksElastic(raw []byte) bool {
	return bytes.HasPrefix(raw, []byte(`{"@timestamp":"`)) &&
		(bytes.Contains(raw, []byte(`"winlog":{`)) || bytes.Contains(raw, []byte(`"ecs":{"version":`)) ||
			bytes.Contains(raw, []byte(`"observed_timestamp":"`)) || bytes.Contains(raw, []byte(`"SeverityNumber":`)))
}

func looksHEC(raw []byte) bool {
	for _, head := range [...]string{`{"time":`, `{"event":`, `{"host":`, `{"source":`, `{"sourcetype":`, `{"index":`} {
		if bytes.HasPrefix(raw, []byte(head)) {
			return bytes.Contains(raw, []byte(`"sourcetype":"`)) && bytes.Contains(raw, []byte(`"event":`))
		}
	}
	return false
}

// fill adds the time and host that the shipper knows, where the record has none
// itself.
func (in *open) fill(p parser.Parsed) parser.Parsed {
	if p.Time.IsZero() {
		p.Time = in.time
	}
	if p.Host == "" {
		p.Host = in.host
	}
	return p
}

// ask asks the inner parsers, those of the dataset first. Damage is no dead
// letter here, as the envelope is whole: why says what it was.
func (o *opener) ask(line []byte, hint parser.Hint) (got parser.Parsed, ok bool, why error) {
	for _, wanted := range [...]bool{true, false} {
		if wanted && hint.Dataset == "" {
			continue
		}
		for _, p := range o.inner.For(line) {
			if hint.Dataset != "" && makes(p, hint.Dataset) != wanted {
				continue
			}
			got, err := p.Parse(line, hint)
			if errors.Is(err, parser.ErrOther) {
				continue
			}
			if err == nil {
				err = got.Check()
			}
			if err != nil {
				return got, false, fmt.Errorf("parser %s: %w", p.Name, err)
			}
			return got, true, nil
		}
	}
	return got, false, nil
}

func makes(p *parser.Parser, dataset string) bool {
	for i := range p.Datasets {
		if p.Datasets[i].Name == dataset {
			return true
		}
	}
	return false
}

// add adds fields whose names are not there yet, up to the limit.
func add(fields, more []holdfast.Field) []holdfast.Field {
	had := map[string]bool{}
	for i := range fields {
		had[fields[i].Name] = true
	}
	for _, f := range more {
		if !had[f.Name] && len(fields) < parser.MaxFields {
			fields = append(fields, f)
		}
	}
	return fields
}

// reader reads one envelope.
type reader struct {
	fields []holdfast.Field
	raw    []byte
}

func (r *reader) get(names ...string) string {
	for _, name := range names {
		for i := range r.fields {
			if f := &r.fields[i]; f.Name == name && f.Text != "" {
				return f.Text
			}
		}
	}
	return ""
}

func (r *reader) text(names ...string) string {
	for _, name := range names {
		for i := range r.fields {
			if f := &r.fields[i]; f.Name == name && f.Kind == holdfast.String && f.Text != "" {
				return f.Text
			}
		}
	}
	return ""
}

// below are the fields whose names begin with a prefix, without it.
func (r *reader) below(prefix string) []holdfast.Field {
	var out []holdfast.Field
	for _, f := range r.fields {
		if name, ok := strings.CutPrefix(f.Name, prefix); ok && name != "" {
			f.Name = name
			out = append(out, f)
		}
	}
	return out
}

// when reads RFC 3339, or seconds since 1970, or a finer count of them.
func when(s string) time.Time {
	if t, err := time.Parse(time.RFC3339Nano, s); err == nil {
		return t
	}
	n, err := strconv.ParseFloat(s, 64)
	switch {
	case err != nil || n <= 0 || n > 1e19:
		return time.Time{}
	case n > 1e17:
		n /= 1e9
	case n > 1e14:
		n /= 1e6
	case n > 1e11:
		n /= 1e3
	}
	sec := int64(n)
	return time.Unix(sec, int64((n-float64(sec))*1e9)).Round(time.Microsecond).UTC()
}
