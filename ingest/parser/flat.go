package parser

import (
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

	json   jsonscan.Scanner
	names  map[string]*flatName
	last   *flatName // the name of the field before
	key    []byte
	own    Memory
	fields []holdfast.Field
	text   []byte
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
	f.Members = f.Members[:0]
	f.object(0)
	if !s.End() && s.Err() == nil {
		s.Fail(fmt.Errorf("%w: something follows the object", jsonscan.ErrDamaged))
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
	return len(f.text)
}

func (f *Flat) end(start int) {
	if n := len(f.fields); n > 0 && f.json.Err() == nil {
		b := f.text[start:]
		f.fields[n-1].Text = unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // what was appended is not written again
	}
}
