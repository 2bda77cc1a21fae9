package parser

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"holdfast"
	"holdfast/internal/jsonscan"
)

// Flat reads JSON objects into flat fields: nested names are joined by dots,
// lists repeat their name. It keeps the names of fields for the next object and
// serves one goroutine.
type Flat struct {
	// Top says that Members are wanted.
	Top bool
	// Members are those of the object read last, not of objects in it, until the
	// next is read.
	Members []Member
	// Learns says that objects are laid out like ones before, mostly, so that it pays
	// to remember how.
	Learns bool
	// Layout is that of the object read last, if Learns is set and one like it was
	// read before; else nil.
	Layout *Layout

	json   jsonscan.Scanner
	names  map[string]*flatName
	last   *flatName // the name of the field before
	key    []byte
	own    Memory
	fields []holdfast.Field
	text   []byte

	shapes  Shapes[*Layout]
	escapes bool // keys may have escapes, and are wanted
	began   int  // where the value of the last field begins
	missed  int  // objects in a row whose layout was not known
}

// Layout is what objects have in common that differ in their values alone: the
// names and kinds of their fields, and the bytes between the values.
type Layout struct {
	// Of is for whoever reads them: what follows from the layout alone.
	Of any

	members []laidMember
}

// laidMember is a member, and where its value stands: so many bytes behind the
// end of a field's text, or behind the beginning of the object if that is -1.
type laidMember struct {
	key                 []byte
	fromField, fromMore int
	toField, toMore     int
}

// Member is a member of an object, and where its value stands.
type Member struct {
	Key      []byte
	From, To int
}

// flatName is a field's name, and the one that stood behind it last time.
type flatName struct {
	text  string
	after *flatName
}

// maxNames bounds how many names of fields a reader keeps.
const maxNames = 10_000

// Object reads one object. It returns ErrOther if raw does not begin with "{",
// and what is damaged otherwise. The fields share into, if it is set.
func (f *Flat) Object(raw []byte, into *Memory) ([]holdfast.Field, error) {
	s := &f.json
	if s.Reset(raw); s.Next() != '{' {
		return nil, ErrOther
	}
	m := into
	if m == nil {
		m = &f.own
	}
	// The texts must not move while fields point to them: an object's are never
	// longer than the object.
	f.fields, f.text, f.key, f.last = m.Fields[:0], slices.Grow(m.Text[:0], len(raw)+16), f.key[:0], nil
	f.Members, f.Layout = f.Members[:0], nil
	if !f.Learns || !f.known() {
		s.Reset(raw)
		f.fields, f.text = m.Fields[:0], f.text[:0]
		f.shapes.Begin()
		f.escapes = f.Top && bytes.IndexByte(raw, '\\') >= 0
		f.object(0)
		if !s.End() && s.Err() == nil {
			s.Fail(fmt.Errorf("%w: something follows the object", jsonscan.ErrDamaged))
		}
		if f.Learns && s.Err() == nil {
			f.learn(raw)
		}
	}
	m.Fields, m.Text = f.fields, f.text
	if err := s.Err(); err != nil {
		return nil, err
	}
	if into != nil {
		return f.fields, nil
	}
	all, at := string(f.text), 0
	out := slices.Clone(f.fields)
	for i := range out {
		end := at + len(out[i].Text)
		out[i].Text, at = all[at:end], end
	}
	return out, nil
}

// known reads an object that is laid out like one before.
func (f *Flat) known() (ok bool) {
	f.shapes.Track = f.Top
	begin := f.json.At() // behind blanks
	if f.fields, f.text, f.Layout, ok = f.shapes.Read(&f.json, f.fields, f.text); !ok {
		f.Layout = nil
		f.missed++
		return false
	}
	f.missed = 0
	end := func(field int) int {
		if field < 0 {
			return begin
		}
		return f.shapes.Ends[field]
	}
	for i := range f.Layout.members {
		m := &f.Layout.members[i]
		f.Members = append(f.Members, Member{m.key, end(m.fromField) + m.fromMore, end(m.toField) + m.toMore})
	}
	return true
}

// learn remembers how the object read last is laid out. Where they all differ, it
// is not worth it for each.
func (f *Flat) learn(raw []byte) {
	if f.missed > 100 && f.missed%16 > 0 {
		return
	}
	l := &Layout{}
	field := -1 // the last one that ends before a place
	until := func(at int) (from, more int) {
		for field+1 < len(f.shapes.trace) && f.shapes.trace[field+1].to <= at {
			field++
		}
		if field < 0 {
			return field, at
		}
		return field, at - f.shapes.trace[field].to
	}
	for _, m := range f.Members {
		at := laidMember{key: slices.Clone(m.Key)}
		at.fromField, at.fromMore = until(m.From)
		at.toField, at.toMore = until(m.To)
		l.members = append(l.members, at)
	}
	f.shapes.Learn(raw, f.fields, l)
}

// name returns a name as one string that is the same each time. Fields mostly
// come in the order in which they came last time.
func (f *Flat) name(key []byte) string {
	if f.last != nil && f.last.after != nil && f.last.after.text == string(key) {
		f.last = f.last.after
		return f.last.text
	}
	n := f.names[string(key)]
	if n == nil {
		if f.names == nil || len(f.names) >= maxNames {
			f.names, f.last = map[string]*flatName{}, nil
		}
		n = &flatName{text: string(key)}
		f.names[n.text] = n
	}
	if f.last != nil {
		f.last.after = n
	}
	f.last = n
	return n.text
}

func (f *Flat) object(depth int) {
	s := &f.json
	if depth > MaxDepth {
		s.Fail(errors.New("nested too deep"))
		return
	}
	at := len(f.key)
	for ok := s.Open('{'); ok; ok = s.More('}') {
		k := s.Key()
		if f.escapes && depth == 0 {
			k = slices.Clone(k) // the scanner uses its own memory again
		}
		if at+1+len(k) > MaxName {
			s.Fail(fmt.Errorf("a field's name has %d bytes or more, %d are allowed", at+len(k), MaxName))
			return
		}
		f.key = f.key[:at]
		if at > 0 {
			f.key = append(f.key, '.')
		}
		f.key = append(f.key, k...)
		s.Next()
		from := s.At()
		f.value(depth + 1)
		if f.Top && depth == 0 {
			f.Members = append(f.Members, Member{k, from, s.At()})
		}
		f.key = f.key[:at]
	}
}

func (f *Flat) value(depth int) {
	s := &f.json
	switch k := s.Kind(); k {
	case jsonscan.Object:
		f.object(depth)
	case jsonscan.Array:
		if depth > MaxDepth {
			s.Fail(errors.New("nested too deep"))
			return
		}
		for ok := s.Open('['); ok; ok = s.More(']') {
			f.value(depth + 1)
		}
	case jsonscan.String:
		start := f.begin(holdfast.String)
		f.text = s.AppendString(f.text)
		f.end(start)
	case jsonscan.Number:
		start := f.begin(holdfast.Number)
		f.text = s.AppendNumber(f.text)
		f.end(start)
	case jsonscan.True, jsonscan.False:
		start := f.begin(holdfast.Bool)
		if s.Word(k); k == jsonscan.True {
			f.text = append(f.text, "true"...)
		} else {
			f.text = append(f.text, "false"...)
		}
		f.end(start)
	case jsonscan.Null:
		s.Word(k)
		f.end(f.begin(holdfast.Null))
	case jsonscan.None:
	}
}

func (f *Flat) begin(kind holdfast.Kind) int {
	switch {
	case len(f.fields) >= MaxFields:
		f.json.Fail(fmt.Errorf("more than %d fields", MaxFields))
	case len(f.key) == 0:
		f.json.Fail(errors.New("a field without a name"))
	default:
		f.fields = append(f.fields, holdfast.Field{Name: f.name(f.key), Kind: kind})
	}
	f.began = f.json.At()
	return len(f.text)
}

func (f *Flat) end(start int) {
	if n := len(f.fields); n > 0 && f.json.Err() == nil {
		b := f.text[start:]
		f.fields[n-1].Text = unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // what was appended is not written again
		if f.Learns {
			f.shapes.Mark(f.began, f.json.At())
		}
	}
}
