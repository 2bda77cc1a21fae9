package ingest

import (
	"unsafe"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/internal/intake"
)

// slab is memory for the fields of a batch's events and their texts. They lie side
// by side in few pieces, which live as long as one of the events, mostly all of
// them in one block.
type slab struct {
	fields []holdfast.Field
	text   []byte
	into   parser.Memory
}

const (
	slabFields = 800      // 32 KiB
	slabText   = 32 << 10 // bytes
	slabLeast  = 16       // records; for fewer it is not worth it
	fieldSize  = unsafe.Sizeof(holdfast.Field{})
)

// memory is what a record of so many bytes may be parsed into.
func (s *slab) memory(size int) *parser.Memory {
	const few, more = 64, 64 // fields, and bytes beside the record's
	if cap(s.fields)-len(s.fields) < few {
		s.fields = make([]holdfast.Field, 0, slabFields)
	}
	if cap(s.text)-len(s.text) < size+more {
		s.text = intake.Memory(max(slabText, size+more))
	}
	s.into = parser.Memory{Fields: s.fields[len(s.fields):], Text: s.text[len(s.text):]}
	return &s.into
}

// keep keeps what was parsed into the memory, and returns the fields so that
// appending to them changes nothing else.
func (s *slab) keep(got []holdfast.Field) []holdfast.Field {
	if n := len(s.into.Text); n > 0 {
		if unsafe.SliceData(s.into.Text) == unsafe.SliceData(s.text[len(s.text):cap(s.text)]) { //nolint:gosec // only compared
			s.text = s.text[:len(s.text)+n]
		} else { // it had to grow, and some texts may stand here still
			s.text = nil
		}
	}
	at := uintptr(unsafe.Pointer(unsafe.SliceData(got))) - uintptr(unsafe.Pointer(unsafe.SliceData(s.fields))) //nolint:gosec // a distance
	if i := int(at / fieldSize); i >= len(s.fields) && i < cap(s.fields) {
		s.fields = s.fields[:i+len(got)]
	}
	return got[:len(got):len(got)]
}
