// Package jsonscan reads JSON (RFC 8259) from front to back, without a tree and
// without allocating: the caller walks along the value and says where each text
// goes. It is what parsers of the hot path stand on; everything else may use a
// library.
//
// It is strict about structure and lenient about what stands inside a string,
// as logs are: bytes that are no UTF-8 and control characters pass, an escape
// that does not exist stays as it is written.
package jsonscan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"unicode/utf16"
	"unicode/utf8"
	"unsafe"
)

// ErrDamaged is wrapped by every error about the text.
var ErrDamaged = errors.New("damaged JSON")

// Kind is what a value is.
type Kind uint8

// The kinds of value.
const (
	None Kind = iota // the text is damaged, or at its end
	Object
	Array
	String
	Number
	True
	False
	Null
)

// Scanner walks along one text. After the first fault it stands still: Open and
// More return false, Kind returns None, and Err says what it was.
//
//	for ok := s.Open('{'); ok; ok = s.More('}') {
//		key := s.Key()
//		switch s.Kind() { … } // each value must be taken or skipped
//	}
type Scanner struct {
	data []byte
	at   int
	err  error
	key  []byte // a key with escapes
}

// Reset begins a text. The scanner reads it, and never writes to it.
func (s *Scanner) Reset(data []byte) { s.data, s.at, s.err = data, 0, nil }

// Err returns the first fault, which wraps ErrDamaged.
func (s *Scanner) Err() error { return s.err }

// At returns how many bytes are behind the scanner.
func (s *Scanner) At() int { return s.at }

// Fail stops the scanner, if nothing has yet.
func (s *Scanner) Fail(err error) {
	if s.err == nil {
		s.err = err
		s.at = len(s.data)
	}
}

func (s *Scanner) fault(what string) {
	if s.at >= len(s.data) {
		what = "it ends, and there is " + what
	}
	s.Fail(fmt.Errorf("%w: %s, at byte %d of %d", ErrDamaged, what, s.at, len(s.data)))
}

// Next returns the byte that the next value begins with, or 0 at the end.
func (s *Scanner) Next() byte { return s.space() }

// space passes over white space and returns the byte that follows, or 0.
func (s *Scanner) space() byte {
	for s.at < len(s.data) {
		c := s.data[s.at]
		if c > ' ' || c != ' ' && c != '\t' && c != '\n' && c != '\r' {
			return c
		}
		s.at++
	}
	return 0
}

// Literal takes a text that must stand exactly here, if a value of a kind follows
// it: String, Number, or None for whatever it is.
func (s *Scanner) Literal(text string, k Kind) bool {
	end := s.at + len(text)
	if end >= len(s.data) || string(s.data[s.at:end]) != text {
		return false
	}
	switch c := s.data[end]; k {
	case String:
		if c != '"' {
			return false
		}
	case Number:
		if c != '-' && c-'0' >= 10 {
			return false
		}
	default:
	}
	s.at = end
	return true
}

// Rest takes a text if it is all that is left.
func (s *Scanner) Rest(text string) bool {
	if string(s.data[s.at:]) != text {
		return false
	}
	s.at = len(s.data)
	return true
}

// Open takes the bracket that begins an object or array, and reports whether a
// member follows; the end of an empty one is taken too.
func (s *Scanner) Open(bracket byte) bool {
	if s.space() != bracket {
		s.fault("no " + string(rune(bracket)))
		return false
	}
	s.at++
	end := bracket + 2 // '{' and '}', '[' and ']'
	if s.space() == end {
		s.at++
		return false
	}
	return s.err == nil
}

// More takes the comma before the next member, or the bracket at the end.
func (s *Scanner) More(end byte) bool {
	switch s.space() {
	case ',':
		s.at++
		return true
	case end:
		s.at++
		return false
	}
	s.fault("neither a comma nor " + string(rune(end)))
	return false
}

// Key takes a member's name and the colon. It is valid until the next call of
// Key.
func (s *Scanner) Key() []byte {
	if s.space() != '"' {
		s.fault("no name of a member")
		return nil
	}
	start := s.at + 1
	var key []byte
	for i := start; ; i++ {
		for i+8 <= len(s.data) {
			if m := special(binary.LittleEndian.Uint64(s.data[i:])); m != 0 {
				i += bits.TrailingZeros64(m) >> 3
				break
			}
			i += 8
		}
		if i >= len(s.data) {
			s.fault("a name without an end")
			return nil
		}
		if c := s.data[i]; c == '"' {
			key = s.data[start:i]
			s.at = i + 1
			break
		} else if c == '\\' {
			s.key = s.AppendString(s.key[:0])
			key = s.key
			break
		}
	}
	if s.space() != ':' {
		s.fault("no colon")
		return nil
	}
	s.at++
	return key
}

// Kind looks at the value that follows.
func (s *Scanner) Kind() Kind {
	switch c := s.space(); c {
	case '{':
		return Object
	case '[':
		return Array
	case '"':
		return String
	case 't':
		return s.word("true", True)
	case 'f':
		return s.word("false", False)
	case 'n':
		return s.word("null", Null)
	default:
		if c == '-' || c-'0' < 10 {
			return Number
		}
	}
	s.fault("no value")
	return None
}

func (s *Scanner) word(word string, k Kind) Kind {
	if len(s.data)-s.at >= len(word) && string(s.data[s.at:s.at+len(word)]) == word {
		return k
	}
	s.fault("no value")
	return None
}

// Word takes a value that Kind said to be True, False or Null.
func (s *Scanner) Word(k Kind) {
	s.at += 4
	if k == False {
		s.at++
	}
	s.at = min(s.at, len(s.data))
}

// AppendNumber takes a number and appends it as it is written.
func (s *Scanner) AppendNumber(dst []byte) []byte {
	start := s.at
	i := start
	b := s.data
	if i < len(b) && b[i] == '-' {
		i++
	}
	digits := func() bool {
		from := i
		for i < len(b) && b[i]-'0' < 10 {
			i++
		}
		return i > from
	}
	first := i
	ok := digits() && (b[first] != '0' || i == first+1)
	if ok && i < len(b) && b[i] == '.' {
		i++
		ok = digits()
	}
	if ok && i < len(b) && b[i]|0x20 == 'e' {
		i++
		if i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		ok = digits()
	}
	if !ok {
		s.fault("no number")
		return dst
	}
	s.at = i
	return append(dst, b[start:i]...)
}

const (
	ones = 0x0101010101010101
	high = 0x80 * ones
)

// special has the high bit of each byte that is a quote or a backslash set;
// above the lowest such byte there may be others that are neither.
func special(x uint64) uint64 {
	q, b := x^ones*'"', x^ones*'\\'
	return (q-ones)&^q&high | (b-ones)&^b&high
}

// AppendString takes a string and appends what it stands for.
func (s *Scanner) AppendString(dst []byte) []byte {
	b := s.data
	i := s.at + 1 // behind the quote
	if s.at >= len(b) || b[s.at] != '"' {
		s.fault("no string")
		return dst
	}
	if cap(dst)-len(dst) >= len(b)-i+8 { // there is room for whatever follows
		var ended bool
		if dst, i, ended = appendPlain(dst, b, i); ended {
			s.at = i
			return dst
		}
	}
	for {
		if cap(dst)-len(dst) < 8 {
			dst = slices.Grow(dst, 64)
		}
		if i+8 <= len(b) { // eight bytes at a time
			x := binary.LittleEndian.Uint64(b[i:])
			n := len(dst)
			binary.LittleEndian.PutUint64(dst[n:n+8], x)
			m := special(x)
			if m == 0 {
				dst = dst[:n+8]
				i += 8
				continue
			}
			k := bits.TrailingZeros64(m) >> 3
			dst = dst[:n+k]
			if i += k; b[i] == '\\' && i+1 < len(b) && b[i+1] == '\\' { // as in the paths of Windows
				dst = append(dst, '\\')
				i += 2
				continue
			}
		}
		if i >= len(b) {
			s.at = min(i, len(b))
			s.fault("a string without an end")
			return dst
		}
		switch c := b[i]; c {
		case '"':
			s.at = i + 1
			return dst
		case '\\':
			dst, i = s.escape(dst, i)
		default:
			dst = append(dst, c)
			i++
		}
	}
}

// appendPlain appends a string from i on, up to its end or to what is neither
// plain nor two backslashes, as in the paths of Windows. Dst has room for the rest
// of b and eight bytes more, so that what is written needs no check.
func appendPlain(dst, b []byte, i int) (_ []byte, next int, ended bool) {
	in, n := unsafe.Pointer(unsafe.SliceData(b)), len(dst) //nolint:gosec // read only, and within b
	out := unsafe.Pointer(unsafe.SliceData(dst))           //nolint:gosec // within dst's capacity
	for last := len(b) - 8; i <= last; {
		x := binary.LittleEndian.Uint64((*[8]byte)(unsafe.Add(in, i))[:])
		binary.LittleEndian.PutUint64((*[8]byte)(unsafe.Add(out, n))[:], x)
		m := special(x)
		if m == 0 {
			i, n = i+8, n+8
			continue
		}
		k := bits.TrailingZeros64(m) >> 3
		i, n = i+k, n+k
		if *(*byte)(unsafe.Add(in, i)) == '"' {
			return dst[:n], i + 1, true
		}
		if i+1 >= len(b) || *(*byte)(unsafe.Add(in, i+1)) != '\\' {
			break
		}
		i, n = i+2, n+1 // the first of them has been written
	}
	return dst[:n], i, false
}

// escape appends what the escape at i stands for, and returns where it ends.
func (s *Scanner) escape(dst []byte, i int) ([]byte, int) {
	b := s.data
	if i+1 >= len(b) {
		return append(dst, '\\'), i + 1
	}
	c := b[i+1]
	switch c {
	case '"', '\\', '/':
		return append(dst, c), i + 2
	case 'b':
		return append(dst, '\b'), i + 2
	case 'f':
		return append(dst, '\f'), i + 2
	case 'n':
		return append(dst, '\n'), i + 2
	case 'r':
		return append(dst, '\r'), i + 2
	case 't':
		return append(dst, '\t'), i + 2
	case 'u':
		r, ok := hex4(b, i+2)
		if !ok {
			break
		}
		i += 6
		if utf16.IsSurrogate(r) {
			low, ok := rune(0), false
			if i+1 < len(b) && b[i] == '\\' && b[i+1] == 'u' {
				low, ok = hex4(b, i+2)
			}
			if r = utf16.DecodeRune(r, low); ok && r != utf8.RuneError {
				i += 6
			}
		}
		return utf8.AppendRune(dst, r), i
	}
	return append(dst, '\\'), i + 1 // no escape: as it is written
}

func hex4(b []byte, i int) (rune, bool) {
	if i+4 > len(b) {
		return 0, false
	}
	var r rune
	for _, c := range b[i : i+4] {
		switch {
		case c-'0' < 10:
			c -= '0'
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			c = c | 0x20 - 'a' + 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}

// Skip takes a value of any kind and drops it. Nested deeper than depth is a
// fault.
func (s *Scanner) Skip(depth int) {
	switch k := s.Kind(); k {
	case Object, Array:
		if depth <= 0 {
			s.fault("nested too deep")
			return
		}
		if k == Array {
			for ok := s.Open('['); ok; ok = s.More(']') {
				s.Skip(depth - 1)
			}
			return
		}
		for ok := s.Open('{'); ok; ok = s.More('}') {
			s.Key()
			s.Skip(depth - 1)
		}
	case String:
		s.skipString()
	case Number:
		var n [64]byte
		s.AppendNumber(n[:0])
	case True, False, Null:
		s.Word(k)
	case None:
	}
}

func (s *Scanner) skipString() {
	b := s.data
	for i := s.at + 1; i < len(b); {
		if i+8 <= len(b) {
			m := special(binary.LittleEndian.Uint64(b[i:]))
			if m == 0 {
				i += 8
				continue
			}
			i += bits.TrailingZeros64(m) >> 3
		}
		switch b[i] {
		case '"':
			s.at = i + 1
			return
		case '\\':
			i += 2
		default:
			i++
		}
	}
	s.at = len(b)
	s.fault("a string without an end")
}

// End reports whether nothing but white space follows.
func (s *Scanner) End() bool { return s.err == nil && s.space() == 0 && s.at >= len(s.data) }
