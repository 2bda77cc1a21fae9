package device

import (
	"strings"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/internal/logline"
)

// breaksOff says of an event that more was to follow.
const breaksOff = "the list of values breaks off"

// checkpoint reads what Log Exporter writes where RFC 5424 has structured data:
// [action:"Accept"; src:"192.0.2.7"; …], with a backslash before a quote.
func checkpoint(line string, hint parser.Hint) (parser.Parsed, error) {
	l, err := logline.Read(line, hint.Received)
	if err != nil || l.Program != "CheckPoint" || !strings.HasPrefix(l.Message, "[") {
		return parser.Parsed{}, parser.ErrOther
	}
	p := parser.Parsed{Time: l.Time, Host: l.Host, Dataset: "checkpoint", Trouble: l.Note, Fields: parser.Add(nil, "hostname", l.Host)}
	for s := strings.TrimLeft(l.Message[1:], " "); !strings.HasPrefix(s, "]"); s = strings.TrimLeft(s, "; ") {
		name, rest, ok := strings.Cut(s, `:"`)
		var value string
		if ok = ok && name != "" && len(name) <= 128 && !strings.ContainsAny(name, ` ;[]`); ok {
			value, rest, ok = logline.CutValue(rest)
		}
		if !ok || len(p.Fields) >= parser.MaxFields { // a datagram cut off, for one
			p.Trouble = breaksOff
			break
		}
		p.Fields = append(p.Fields, holdfast.Field{Name: name, Text: value})
		s = rest
	}
	return p, nil
}
