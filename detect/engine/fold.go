package engine

import (
	"encoding/binary"
	"slices"
	"unsafe"

	"holdfast"
)

// Folding into the subject's own memory, eight bytes of ASCII at a time.

const (
	ones = 0x0101010101010101
	high = 0x80 * ones
)

// lower8 makes the capital letters of eight bytes of ASCII small.
func lower8(x uint64) uint64 {
	upper := (x + (0x80-'A')*ones) &^ (x + (0x80-'Z'-1)*ones) & high
	return x | upper>>2
}

// atOnce is up to how many bytes of texts are folded at once; of more, only those
// that are asked for.
const atOnce = 4096

// foldAll folds all texts of the event, if they lie side by side, as parsers of
// the hot path lay them. What is not ASCII alone is left to be folded when it is
// asked for.
func (s *subject) foldAll() {
	fields := s.event.Fields
	in := sideBySide(fields)
	if len(in) == 0 {
		for i := range s.folded {
			s.folded[i].done = false
		}
		return
	}
	s.buf = slices.Grow(s.buf, len(in)+8)
	out := s.buf[:len(in)]
	s.buf, s.odd = out, s.odd[:0]
	s.foldInto(out, in)
	low, at := unsafe.String(unsafe.SliceData(out), len(out)), 0 //nolint:gosec // nobody writes there until the event ends
	for i := range fields {
		end := at + len(fields[i].Text)
		s.folded[i] = folded{low: low[at:end], done: true, plain: true}
		at = end
	}
	if len(s.odd) > 0 {
		s.leaveOdd(fields)
	}
}

// foldInto folds eight bytes after the other and takes down where one of them is
// not ASCII. Out is as long as in.
func (s *subject) foldInto(out, in []byte) {
	from, to := unsafe.Pointer(unsafe.SliceData(in)), unsafe.Pointer(unsafe.SliceData(out)) //nolint:gosec // within both
	i := 0
	for last := len(in) - 8; i <= last; i += 8 {
		x := binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(from, i))[:])
		if x&high != 0 {
			s.odd = append(s.odd, int32(i))
			foldBytes(out[i:i+8], in[i:i+8])
			continue
		}
		binary.LittleEndian.PutUint64((*[8]byte)(unsafe.Add(to, i))[:], lower8(x))
	}
	if foldBytes(out[i:], in[i:])&0x80 != 0 {
		s.odd = append(s.odd, int32(i))
	}
}

// leaveOdd leaves the texts that are not ASCII alone to be folded by themselves.
func (s *subject) leaveOdd(fields []holdfast.Field) {
	at, odd := 0, s.odd
	for i := range fields {
		end := at + len(fields[i].Text)
		for len(odd) > 0 && int(odd[0])+8 <= at {
			odd = odd[1:]
		}
		if len(odd) == 0 {
			return
		}
		if int(odd[0]) < end && end > at {
			s.folded[i].done = ascii(fields[i].Text)
		}
		at = end
	}
}

// sideBySide returns the texts of fields as one, if each begins where the one
// before ends; nothing if not, or if they are too long.
//
//go:nocheckptr
func sideBySide(fields []holdfast.Field) []byte {
	var start unsafe.Pointer
	n := 0
	for i := range fields {
		text := fields[i].Text
		if len(text) == 0 {
			continue
		}
		at := unsafe.Pointer(unsafe.StringData(text)) //nolint:gosec // read only
		if n == 0 {
			start = at
		} else if uintptr(at) != uintptr(start)+uintptr(n) {
			return nil
		}
		n += len(text)
	}
	if n == 0 || n > atOnce {
		return nil
	}
	// Every byte is of one of the texts, which the event keeps.
	return unsafe.Slice((*byte)(start), n) //nolint:gosec // read only
}

// foldBytes folds a few bytes and returns all of them together.
func foldBytes(out, in []byte) (seen byte) {
	for i, c := range in {
		seen |= c
		if c-'A' < 26 {
			c += 'a' - 'A'
		}
		out[i] = c
	}
	return seen
}

// fold is the function fold. It reports whether all of the text is ASCII.
func (s *subject) fold(text string) (low string, plain bool) {
	start := len(s.buf)
	s.buf = slices.Grow(s.buf, len(text)+8)
	out := s.buf[start : start+len(text)]
	in := unsafe.Slice(unsafe.StringData(text), len(text)) //nolint:gosec // read only
	seen := uint64(0)
	eight := func(i int) {
		x := binary.LittleEndian.Uint64(in[i:])
		seen |= x
		binary.LittleEndian.PutUint64(out[i:], lower8(x))
	}
	if len(in) < 8 {
		seen = uint64(foldBytes(out, in))
	} else {
		for i := 0; i+8 <= len(in); i += 8 {
			eight(i)
		}
		eight(len(in) - 8)
	}
	if seen&high != 0 {
		return s.foldWide(text), false
	}
	s.buf = s.buf[:start+len(text)]
	return unsafe.String(unsafe.SliceData(out), len(out)), true //nolint:gosec // nobody writes there until the event ends
}

// foldWide is fold for a text that is not ASCII alone.
func (s *subject) foldWide(text string) string {
	start := len(s.buf)
	for i := 0; i < len(text); {
		if c := text[i]; c < 0x80 {
			if c-'A' < 26 {
				c += 'a' - 'A'
			}
			s.buf = append(s.buf, c)
			i++
			continue
		}
		var n int
		s.buf, n = appendFolded(s.buf, text[i:])
		i += n
	}
	b := s.buf[start:]
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // nobody writes there until the event ends
}
