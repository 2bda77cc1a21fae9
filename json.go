package holdfast

import (
	"math/bits"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

func validUTF8(b []byte) bool { return utf8.Valid(b) }

// AppendJSONString appends s to b as a JSON string (RFC 8259, section 7).
// Bytes that are no UTF-8 become U+FFFD; <, > and & are escaped so that the
// text is inert inside HTML.
func AppendJSONString(b []byte, s string) []byte {
	b = append(b, '"')
	for {
		n := plainRun(s)
		b = append(b, s[:n]...)
		if n == len(s) {
			return append(b, '"')
		}
		s = s[n:]
		switch c := s[0]; {
		case c == '\\' || c == '"':
			b = append(b, '\\', c)
			s = s[1:]
		case c < utf8.RuneSelf:
			b = appendEscape(b, c)
			s = s[1:]
		default:
			r, size := utf8.DecodeRuneInString(s)
			switch {
			case r == utf8.RuneError && size == 1:
				b = append(b, "\ufffd"...)
			case r == '\u2028' || r == '\u2029':
				b = append(b, '\\', 'u', '2', '0', '2', hexDigits[r&15])
			default:
				b = append(b, s[:size]...)
			}
			s = s[size:]
		}
	}
}

func appendEscape(b []byte, c byte) []byte {
	switch c {
	case '\n':
		return append(b, '\\', 'n')
	case '\r':
		return append(b, '\\', 'r')
	case '\t':
		return append(b, '\\', 't')
	}
	return append(b, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}

// plainRun counts the bytes at the start of s that stand for themselves in a JSON
// string: ASCII but for controls, DEL, and the characters " \ < > &. It looks at
// eight at a time: a byte of a word is zero where the byte looked for stands, and
// taking one from it sets its highest bit, as taking a blank from a control does, and
// adding one to DEL. What is carried changes bytes behind the first of these only, and
// bytes beyond ASCII have that bit by themselves.
func plainRun(s string) int {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
			uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
		slash := w ^ ones*'\\'
		angle := (w | ones*2) ^ ones*'>' // < and > differ in one bit
		quote := (w | ones*4) ^ ones*'&' // " and & do
		other := w | (w + ones) | (w - ones*0x20) | (slash - ones) | (angle - ones) | (quote - ones)
		if other &= tops; other != 0 {
			return i + bits.TrailingZeros64(other)>>3
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			break
		}
	}
	return i
}

// jsonNumber reports whether s is a number by RFC 8259, section 6.
func jsonNumber(s string) bool {
	i := 0
	if i < len(s) && s[i] == '-' {
		i++
	}
	switch {
	case i >= len(s):
		return false
	case s[i] == '0':
		i++
	case s[i] >= '1' && s[i] <= '9':
		i = digits(s, i)
	default:
		return false
	}
	if i < len(s) && s[i] == '.' {
		j := digits(s, i+1)
		if j == i+1 {
			return false
		}
		i = j
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		j := digits(s, i)
		if j == i {
			return false
		}
		i = j
	}
	return i == len(s)
}

func digits(s string, i int) int {
	for i < len(s) && s[i] >= '0' && s[i] <= '9' {
		i++
	}
	return i
}
