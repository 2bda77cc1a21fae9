package cloud

import (
	"bytes"
	"sync"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

// trails read CloudTrail's records as they mostly come, without a tree: in a
// quarter of the time, with the same result. What they do not read, they leave to
// parse.
type trails struct{ pool sync.Pool }

func newTrails() *trails {
	return &trails{sync.Pool{New: func() any { return &parser.Flat{Top: true, Learns: true} }}}
}

// maxOpen bounds the brackets of a record that is read here, and so how deep it
// is nested.
const maxOpen = 30

// trees are the members that are fields as a whole, too.
var trees = [...]string{"requestParameters", "responseElements", "additionalEventData", "serviceEventDetails"}

// read reads a record, or returns false.
func (t *trails) read(raw []byte, into *parser.Memory) (parser.Parsed, bool) {
	var none parser.Parsed
	if !bytes.HasPrefix(raw, []byte(`{"eventVersion":"`)) || bytes.IndexByte(raw, '\\') >= 0 ||
		bytes.Count(raw, []byte("{"))+bytes.Count(raw, []byte("[")) > maxOpen {
		return none, false
	}
	f := t.pool.Get().(*parser.Flat)
	defer t.pool.Put(f)
	fields, err := f.Object(raw, into)
	if err != nil {
		return none, false
	}
	var of [len(trees)][]byte
	source, name, status, known := false, false, "success", false
	at := ""
	code, message := false, false
	for i := range f.Members {
		m := &f.Members[i]
		value := raw[m.From:m.To]
		nested := value[0] == '{' || value[0] == '['
		switch string(m.Key) {
		case "AuditData", "CloudTrailEvent", "detail-type", "message", "category": // maybe an envelope
			return none, false
		case "eventSource":
			source = true
		case "eventName":
			name = true
		case "eventTime":
			if at != "" || len(value) < 2 || value[0] != '"' {
				return none, false
			}
			at = string(value[1 : len(value)-1])
		case "status":
			known = true
		case "errorCode", "errorMessage":
			seen := &code
			if string(m.Key) == "errorMessage" {
				seen = &message
			}
			if value[0] != '"' || *seen {
				return none, false
			}
			if *seen = true; len(value) > 2 {
				status = "failure"
			}
		default:
			if i := tree(m.Key); i >= 0 && nested && (of[i] != nil || !compact(value)) || bytes.IndexByte(m.Key, '.') >= 0 {
				return none, false
			} else if i >= 0 && nested {
				of[i] = value
			} else if i >= 0 && of[i] == nil {
				of[i] = value[:0]
			}
		}
	}
	when, err := time.Parse(time.RFC3339Nano, at)
	if err != nil || !source || !name || bytes.Contains(of[0], []byte(`"userData"`)) || bytes.Contains(of[1], []byte(`"ConsoleLogin"`)) {
		return none, false
	}
	for i, text := range of {
		if len(text) > 0 && len(fields) < parser.MaxFields {
			fields = append(fields, holdfast.Field{Name: trees[i], Text: string(text)})
		}
	}
	if !known && len(fields) < parser.MaxFields {
		fields = append(fields, holdfast.Field{Name: "status", Text: status})
	}
	return parser.Parsed{Dataset: "aws.cloudtrail", Fields: fields, Time: when.UTC()}, true
}

// tree is the number of a tree's name, or -1.
func tree(key []byte) int {
	for i := range trees {
		if string(key) == trees[i] {
			return i
		}
	}
	return -1
}

// compact reports whether JSON without escapes is written without blanks between
// its parts, as it would be if it were written anew.
func compact(value []byte) bool {
	quoted := false
	for _, c := range value {
		switch {
		case c == '"':
			quoted = !quoted
		case c < ' ', c == ' ' && !quoted:
			return false
		}
	}
	return true
}
