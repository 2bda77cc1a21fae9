package winevent

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unsafe"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/internal/jsonscan"
)

// reader reads one event at a time, and keeps what it needs for the next one.
type reader struct {
	json  jsonscan.Scanner
	names map[string]*name
	last  *name // the name of the field before
	key   []byte
	own   parser.Memory

	fields []holdfast.Field
	text   []byte
	system struct{ channel, id, time string } // as the fields of System say

	channels map[string]*service // as they were written before

	shapes parser.Shapes[layout]
	began  int // where the value of the last field begins
}

// layout says which fields hold what is asked of an event's System; none if it
// is negative.
type layout struct{ channel, id, time, computer int }

// name is a field's name: as the source has it, and as it is given.
type name struct {
	key   string
	given string
	after *name // the one that stood behind it last time
}

func newReader() *reader {
	return &reader{names: map[string]*name{}, channels: map[string]*service{}}
}

// maxNames bounds how many names of fields are kept.
const maxNames = 10_000

// name returns the name of a field for what the source calls it: without
// blanks. Fields mostly come in the order in which they came last time.
func (r *reader) name(key []byte) *name {
	if r.last != nil && r.last.after != nil && r.last.after.key == string(key) {
		r.last = r.last.after
		return r.last
	}
	n := r.names[string(key)]
	if n == nil {
		n = r.learn(string(key))
	}
	if r.last != nil {
		r.last.after = n
	}
	r.last = n
	return n
}

func (r *reader) learn(key string) *name {
	n := &name{key: key, given: strings.ReplaceAll(key, " ", "")}
	if n.given == "" {
		n.given = "Data"
	}
	if len(key) > parser.MaxName { // too long for a field: not worth keeping
		return n
	}
	if len(r.names) >= maxNames {
		r.names, r.last = map[string]*name{}, nil
	}
	r.names[key] = n
	return n
}

// joined is the key of a part of a value.
func (r *reader) joined(key, part []byte) []byte {
	start := len(r.key)
	r.key = append(append(append(r.key, key...), '_'), part...)
	return r.key[start:]
}

// parse reads an event. Its fields share the reader's memory if into is set.
func (r *reader) parse(raw []byte, into *parser.Memory) (parser.Parsed, error) {
	s := &r.json
	s.Reset(raw)
	if s.Next() != '{' {
		return parser.Parsed{}, parser.ErrOther
	}
	m := into
	if m == nil {
		m = &r.own
	}
	r.fields, r.text = m.Fields[:0], slices.Grow(m.Text[:0], len(raw)+16)
	var of layout
	var ok bool
	if r.fields, r.text, of, ok = r.shapes.Read(s, r.fields, r.text); !ok {
		var err error
		if of, err = r.whole(raw, m); err != nil {
			return parser.Parsed{}, err
		}
	}
	r.system.channel, r.system.id, r.system.time = r.textOf(of.channel), r.textOf(of.id), r.textOf(of.time)
	c := r.serviceOf()
	if c.coded {
		r.spell()
	}
	m.Fields, m.Text = r.fields, r.text
	out := parser.Parsed{Fields: r.fields, Dataset: r.route(c)}
	if t, err := time.Parse(time.RFC3339Nano, r.system.time); err == nil {
		out.Time = t
	}
	if into == nil {
		out.Fields = own(r.fields, r.text)
	}
	if of.computer >= 0 {
		out.Host = out.Fields[of.computer].Text
	}
	return out, nil
}

func (r *reader) textOf(field int) string {
	if field < 0 {
		return ""
	}
	return r.fields[field].Text
}

// whole reads an event by its structure, and remembers how it is laid out.
func (r *reader) whole(raw []byte, m *parser.Memory) (layout, error) {
	s := &r.json
	s.Reset(raw)
	r.fields, r.text = m.Fields[:0], m.Text[:0]
	r.shapes.Begin()
	of := layout{-1, -1, -1, -1}
	if !s.Open('{') || string(s.Key()) != "Event" {
		return of, parser.ErrOther
	}
	r.key, r.last = r.key[:0], nil
	found := false
	switch {
	case s.Kind() != jsonscan.Object:
		s.Skip(parser.MaxDepth)
	default:
		for ok := s.Open('{'); ok; ok = s.More('}') {
			found = r.section(s.Key(), &of) || found
		}
	}
	for s.More('}') {
		s.Key()
		s.Skip(parser.MaxDepth)
	}
	if !s.End() && s.Err() == nil {
		s.Fail(fmt.Errorf("%w: something follows the object", jsonscan.ErrDamaged))
	}
	m.Fields, m.Text = r.fields, r.text
	if err := s.Err(); err != nil {
		return of, err
	}
	if !found {
		return of, parser.ErrOther
	}
	of.computer = slices.IndexFunc(r.fields, func(f holdfast.Field) bool { return f.Name == "Computer" })
	r.shapes.Learn(raw, r.fields, of)
	return of, nil
}

// own copies fields into memory of their own: one string for all texts.
func own(fields []holdfast.Field, text []byte) []holdfast.Field {
	all, start := string(text), 0
	out := slices.Clone(fields)
	for i := range out {
		end := start + len(out[i].Text)
		out[i].Text = all[start:end]
		start = end
	}
	return out
}

// serviceOf finds the service of the event by its channel.
func (r *reader) serviceOf() *service {
	c, ok := r.channels[r.system.channel]
	if !ok {
		c = byService[services[strings.ToLower(r.system.channel)]]
		if len(r.channels) >= maxNames {
			clear(r.channels)
		}
		if len(r.system.channel) <= parser.MaxName {
			r.channels[strings.Clone(r.system.channel)] = c
		}
	}
	return c
}

// route finds the dataset of the event.
func (r *reader) route(c *service) string {
	for _, k := range c.kinds[r.system.id] {
		if k.typed == "" || k.typed == r.get("EventType") {
			return k.name
		}
	}
	return c.dataset
}

func (r *reader) get(name string) string {
	for i := range r.fields {
		if r.fields[i].Name == name {
			return r.fields[i].Text
		}
	}
	return ""
}

// section takes a part of the event, and reports whether it was System.
func (r *reader) section(key []byte, of *layout) bool {
	s := &r.json
	switch string(key) {
	case "System":
		if s.Kind() == jsonscan.Object {
			first := len(r.fields)
			r.object(nil, 0, true)
			r.systemOf(first, of)
			return true
		}
	case "EventData", "UserData":
		r.data()
		return false
	case "RenderingInfo":
		if s.Kind() == jsonscan.Object {
			for ok := s.Open('{'); ok; ok = s.More('}') {
				if k := s.Key(); string(k) == "Message" {
					r.value(k, 0)
				} else {
					s.Skip(parser.MaxDepth)
				}
			}
			return false
		}
	}
	s.Skip(parser.MaxDepth)
	return false
}

func (r *reader) systemOf(first int, of *layout) {
	for i := first; i < len(r.fields); i++ {
		switch r.fields[i].Name {
		case "Channel":
			of.channel = i
		case "EventID":
			of.id = i
		case "TimeCreated_SystemTime":
			of.time = i
		}
	}
}

// data takes EventData, whose members are the fields, or UserData, whose only
// member holds them and is known by its namespace.
func (r *reader) data() {
	s := &r.json
	if s.Kind() != jsonscan.Object {
		r.value([]byte("Data"), 0)
		return
	}
	for ok := s.Open('{'); ok; ok = s.More('}') {
		key := s.Key()
		switch {
		case string(key) == "#attributes":
			s.Skip(parser.MaxDepth)
		case s.Kind() == jsonscan.Object && r.hasNamespace():
			r.object(nil, 1, false)
		default:
			r.value(key, 1)
		}
	}
}

// hasNamespace looks whether the object that follows has an attribute xmlns.
func (r *reader) hasNamespace() bool {
	look := r.json
	for ok := look.Open('{'); ok; ok = look.More('}') {
		if string(look.Key()) != "#attributes" || look.Kind() != jsonscan.Object {
			look.Skip(parser.MaxDepth)
			continue
		}
		for ok := look.Open('{'); ok; ok = look.More('}') {
			if string(look.Key()) == "xmlns" {
				return true
			}
			look.Skip(parser.MaxDepth)
		}
	}
	return false
}

// object takes an object's members; joined puts its key before theirs.
func (r *reader) object(key []byte, depth int, joined bool) {
	s := &r.json
	if depth > parser.MaxDepth {
		s.Fail(errors.New("nested too deep"))
		return
	}
	for ok := s.Open('{'); ok; ok = s.More('}') {
		k := s.Key()
		switch {
		case string(k) == "#attributes" && len(key) == 0:
			s.Skip(parser.MaxDepth)
		case string(k) == "#attributes" && s.Kind() == jsonscan.Object:
			r.object(key, depth+1, joined)
		case string(k) == "#text":
			r.value(key, depth+1)
		case len(key) > 0 && joined:
			if len(key)+len(k) > parser.MaxName {
				s.Fail(fmt.Errorf("a field's name has %d bytes, %d are allowed", len(key)+len(k)+1, parser.MaxName))
				return
			}
			at := len(r.key)
			r.value(r.joined(key, k), depth+1)
			r.key = r.key[:at]
		default:
			r.value(k, depth+1)
		}
	}
}

func (r *reader) value(key []byte, depth int) {
	s := &r.json
	switch k := s.Kind(); k {
	case jsonscan.Object:
		at := len(r.key)
		r.key = append(r.key, key...) // the scanner uses its own memory again
		r.object(r.key[at:], depth+1, true)
		r.key = r.key[:at]
	case jsonscan.Array:
		if depth > parser.MaxDepth {
			s.Fail(errors.New("nested too deep"))
			return
		}
		at := len(r.key)
		r.key = append(r.key, key...)
		for ok := s.Open('['); ok; ok = s.More(']') {
			r.value(r.key[at:at+len(key)], depth+1)
		}
		r.key = r.key[:at]
	case jsonscan.String:
		start := r.begin(key, holdfast.String)
		r.text = s.AppendString(r.text)
		r.end(start)
	case jsonscan.Number:
		start := r.begin(key, holdfast.Number)
		r.text = s.AppendNumber(r.text)
		r.end(start)
	case jsonscan.True, jsonscan.False:
		start := r.begin(key, holdfast.Bool)
		if s.Word(k); k == jsonscan.True {
			r.text = append(r.text, "true"...)
		} else {
			r.text = append(r.text, "false"...)
		}
		r.end(start)
	case jsonscan.Null:
		start := r.begin(key, holdfast.Null)
		s.Word(k)
		r.end(start)
	case jsonscan.None:
	}
}

// begin adds a field, and returns where its text starts.
func (r *reader) begin(key []byte, kind holdfast.Kind) int {
	switch {
	case len(r.fields) >= parser.MaxFields:
		r.json.Fail(fmt.Errorf("more than %d fields", parser.MaxFields))
	case len(key) > parser.MaxName:
		r.json.Fail(fmt.Errorf("a field's name has %d bytes, %d are allowed", len(key), parser.MaxName))
	default:
		r.fields = append(r.fields, holdfast.Field{Name: r.name(key).given, Kind: kind})
	}
	r.began = r.json.At()
	return len(r.text)
}

// end gives the last field its text.
func (r *reader) end(start int) {
	if n := len(r.fields); n > 0 && r.json.Err() == nil {
		b := r.text[start:]
		r.fields[n-1].Text = unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // what was appended is not written again
		r.shapes.Mark(r.began, r.json.At())
	}
}
