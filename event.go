package holdfast

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Record is what an input hands to ingest: bytes as the source gave them, and
// where they stood.
type Record struct {
	// Source names where the bytes came from, stable over restarts:
	// "file:/var/log/auth.log", "journald", "syslog:tcp:192.0.2.7", "http:shipper".
	Source string
	// Position is where in the source the record stood (a file's device, inode
	// and offset; a journal cursor; a batch id and index). Source, Position and
	// content make the event's id.
	Position string
	// Once says that the way in made the position up for this record, and no other
	// ever has it: then it says all that the content could.
	Once bool
	// Asset is the id of the host that the record is about, where the input
	// knows it; the parser may find a better one in the content.
	Asset string
	// Dataset, if the input knows it; else ingest asks the parsers.
	Dataset  string
	Received time.Time
	// Raw is owned by the record; nobody changes it.
	Raw []byte
	// Truncated says that the input cut the record at its size limit.
	Truncated bool
	// Part is 0 for a record that is whole, or the beginning of one that was cut;
	// else it is the number of a further piece, which is kept and never parsed.
	Part int
}

// EventID identifies an event: the first 16 bytes of a SHA-256 over source,
// position and content, so the same line read twice is the same event. A record
// whose position comes once (Record.Once) is told from all others without its
// content.
type EventID [16]byte

// NewEventID derives the id of a record. Index tells apart the events that one
// record holds.
func NewEventID(source, position string, raw []byte, index int) EventID {
	var room [256]byte
	head := room[:0]
	for _, s := range [...]string{source, position} {
		head = binary.BigEndian.AppendUint64(head, uint64(len(s)))
		head = append(head, s...)
	}
	head = binary.BigEndian.AppendUint64(head, uint64(index))
	var sum [sha256.Size]byte
	if len(raw) == 0 {
		sum = sha256.Sum256(head)
	} else {
		h := sha256.New()
		h.Write(head)
		h.Write(raw)
		h.Sum(sum[:0])
	}
	return EventID(sum[:16])
}

func (id EventID) String() string { return hex.EncodeToString(id[:]) }

// MarshalText writes the id as 32 hex digits.
func (id EventID) MarshalText() ([]byte, error) { return []byte(id.String()), nil }

// UnmarshalText reads 32 hex digits.
func (id *EventID) UnmarshalText(b []byte) error {
	if len(b) != 32 {
		return fmt.Errorf("an event id has 32 hex digits, this has %d characters: %w", len(b), ErrInvalid)
	}
	if _, err := hex.Decode(id[:], b); err != nil {
		return fmt.Errorf("event id %q: %w: %w", b, err, ErrInvalid)
	}
	return nil
}

// Kind is the type of a field's value as the source had it.
type Kind uint8

// The kinds of value. Text is canonical for each: decimal for numbers, "true"
// or "false" for booleans, empty for null.
const (
	String Kind = iota
	Number
	Bool
	Null
)

// Field is one named value of an event. A field that holds a list stands once
// for each element, under the same name; nested names are joined with dots.
type Field struct {
	Name string
	Text string
	Kind Kind
}

// Event is something that happened, as its source told it. Immutable once
// ingest has made it.
type Event struct {
	ID       EventID
	Time     time.Time // when it happened, by the source's clock; Received if it has none
	Received time.Time // when Holdfast took it in
	Source   string
	Asset    string  // id of the host it is about; may be empty
	Dataset  string  // the kind of event: "linux.sshd", "syslog", "json", "deadletter"
	Fields   []Field // native names, in the source's order
	Raw      []byte
	// Trouble says what was wrong with the record: the reason a dead letter
	// did not parse, "clock 1970 repaired", "cut at 1 MiB". Empty when all was well.
	Trouble string
	// Drill is the id of the drill that caused the event, found by ingest from
	// the drills under way; empty for everything else.
	Drill string
}

// Get returns the first value of a field and whether it is there.
func (e *Event) Get(name string) (Field, bool) {
	for i := range e.Fields {
		if e.Fields[i].Name == name {
			return e.Fields[i], true
		}
	}
	return Field{}, false
}

// Text returns the text of the first value of a field, or "".
func (e *Event) Text(name string) string {
	f, _ := e.Get(name)
	return f.Text
}

// MarshalJSON writes the event for people and APIs: fields as an object (lists
// for repeated names), raw as text, or as "raw_base64" if it is no UTF-8.
func (e Event) MarshalJSON() ([]byte, error) { return appendEventJSON(nil, &e), nil }

// AppendFieldsJSON appends the event's fields to b as one flat JSON object.
func (e *Event) AppendFieldsJSON(b []byte) []byte { return appendFieldsJSON(b, e.Fields) }

func appendEventJSON(b []byte, e *Event) []byte {
	b = append(b, `{"id":"`...)
	b = append(b, e.ID.String()...)
	b = append(b, `","time":"`...)
	b = e.Time.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","received":"`...)
	b = e.Received.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, `","source":`...)
	b = AppendJSONString(b, e.Source)
	b = append(b, `,"asset":`...)
	b = AppendJSONString(b, e.Asset)
	b = append(b, `,"dataset":`...)
	b = AppendJSONString(b, e.Dataset)
	if e.Trouble != "" {
		b = append(b, `,"trouble":`...)
		b = AppendJSONString(b, e.Trouble)
	}
	if e.Drill != "" {
		b = append(b, `,"drill":`...)
		b = AppendJSONString(b, e.Drill)
	}
	b = append(b, `,"fields":`...)
	b = appendFieldsJSON(b, e.Fields)
	if validUTF8(e.Raw) {
		b = append(b, `,"raw":`...)
		b = AppendJSONString(b, string(e.Raw))
	} else {
		b = append(b, `,"raw_base64":"`...)
		b = base64.StdEncoding.AppendEncode(b, e.Raw)
		b = append(b, '"')
	}
	return append(b, '}')
}

func appendFieldsJSON(b []byte, fields []Field) []byte {
	if repeats(fields) {
		return appendListsJSON(b, fields)
	}
	b = append(b, '{')
	for i := range fields {
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendJSONString(b, fields[i].Name)
		b = append(b, ':')
		b = appendValueJSON(b, fields[i])
	}
	return append(b, '}')
}

// repeats reports whether a name stands more than once.
func repeats(fields []Field) bool {
	const few = 256
	if len(fields) > few {
		seen := make(map[string]bool, len(fields))
		for i := range fields {
			seen[fields[i].Name] = true
		}
		return len(seen) < len(fields)
	}
	var seen [16]uint64 // bits by a hash; a name whose bit is new is new
	for i := range fields {
		name := fields[i].Name
		h := uint32(len(name))
		if n := len(name); n > 4 {
			h = h*31 + uint32(name[n-1])
			h = h*31 + uint32(name[n-2])
			h = h*31 + uint32(name[n-4])
			h = h*31 + uint32(name[n/2])
			h = h*31 + uint32(name[0])
		} else {
			for j := range n {
				h = h*31 + uint32(name[j])
			}
		}
		h = h * 0x9e3779b1 >> 22
		if seen[h>>6]&(1<<(h&63)) == 0 {
			seen[h>>6] |= 1 << (h & 63)
			continue
		}
		for j := range i {
			if fields[j].Name == name {
				return true
			}
		}
	}
	return false
}

// appendListsJSON writes names that repeat as lists, where they first stood.
func appendListsJSON(b []byte, fields []Field) []byte {
	next := make([]int, len(fields)) // the next field of the same name, or 0
	last := make(map[string]int, len(fields))
	first := make([]bool, len(fields))
	for i := range fields {
		before, ok := last[fields[i].Name]
		first[i] = !ok
		if ok {
			next[before] = i
		}
		last[fields[i].Name] = i
	}
	b = append(b, '{')
	for i := range fields {
		if !first[i] {
			continue
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = AppendJSONString(b, fields[i].Name)
		b = append(b, ':')
		if next[i] == 0 {
			b = appendValueJSON(b, fields[i])
			continue
		}
		b = append(b, '[')
		b = appendValueJSON(b, fields[i])
		for j := next[i]; j != 0; j = next[j] {
			b = append(b, ',')
			b = appendValueJSON(b, fields[j])
		}
		b = append(b, ']')
	}
	return append(b, '}')
}

func appendValueJSON(b []byte, f Field) []byte {
	switch f.Kind {
	case Number:
		if wholeNumber(f.Text) || jsonNumber(f.Text) && !endless(f.Text) {
			return append(b, f.Text...)
		}
	case Bool:
		if f.Text == "true" || f.Text == "false" {
			return append(b, f.Text...)
		}
	case Null:
		return append(b, "null"...)
	}
	return AppendJSONString(b, f.Text)
}

// endless reports whether a number is beyond what readers of JSON can hold.
func endless(number string) bool {
	const never = 300 // so few digits without an exponent never are
	if len(number) <= never && !strings.ContainsAny(number, "eE") {
		return false
	}
	_, err := strconv.ParseFloat(number, 64)
	return err != nil
}
