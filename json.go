package holdfast

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf8"
)

const hexDigits = "0123456789abcdef"

func validUTF8(b []byte) bool { return utf8.Valid(b) }

// AppendJSONString appends s to b as a JSON string (RFC 8259, section 7).
// Bytes that are no UTF-8 become U+FFFD; <, > and & are escaped so that the
// text is inert inside HTML.
func AppendJSONString(b []byte, s string) []byte {
	b, done := appendPlain(b, s)
	if done == len(s) {
		return append(b, '"')
	}
	for s = s[done:]; ; {
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

// appendPlain appends a quote and what of s stands for itself or behind a backslash,
// up to what is written in another way, and says how much that is. Eight bytes at a
// time are looked at and copied, for which b needs more room than it fills; without,
// it appends the quote.
func appendPlain(b []byte, s string) (_ []byte, done int) {
	from, n := len(b), len(s)
	to := b[from:cap(b)]
	if len(to) < 2*n+9 {
		return append(b, '"'), 0
	}
	to[0] = '"'
	i, j := 0, 1
	for i+8 <= n {
		w := word(s, i)
		binary.LittleEndian.PutUint64(to[j:], w)
		odd := special(w)
		if odd == 0 {
			i, j = i+8, j+8
			continue
		}
		plain := bits.TrailingZeros64(odd) >> 3
		i, j = i+plain, j+plain
		c := s[i]
		if c != '\\' && c != '"' {
			return b[:from+j], i
		}
		to[j], to[j+1] = '\\', c
		i, j = i+1, j+2
	}
	for i < n {
		some := n - i
		var w uint64 // the last bytes, and zeros
		if n >= 8 {
			w = word(s, n-8) >> (64 - 8*some)
		} else {
			for k := n - 1; k >= i; k-- {
				w = w<<8 | uint64(s[k])
			}
		}
		binary.LittleEndian.PutUint64(to[j:], w)
		odd := special(w) & (1<<(8*some) - 1)
		if odd == 0 {
			return b[:from+j+some], n
		}
		plain := bits.TrailingZeros64(odd) >> 3
		i, j = i+plain, j+plain
		c := s[i]
		if c != '\\' && c != '"' {
			break
		}
		to[j], to[j+1] = '\\', c
		i, j = i+1, j+2
	}
	return b[:from+j], i
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
// string: ASCII but for controls, DEL, and the characters " \ < > &.
func plainRun(s string) int {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if odd := special(word(s, i)); odd != 0 {
			return i + bits.TrailingZeros64(odd)>>3
		}
	}
	for ; i < len(s); i++ {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			break
		}
	}
	return i
}

// word is eight bytes of s, the first of them lowest.
func word(s string, i int) uint64 {
	return uint64(s[i]) | uint64(s[i+1])<<8 | uint64(s[i+2])<<16 | uint64(s[i+3])<<24 |
		uint64(s[i+4])<<32 | uint64(s[i+5])<<40 | uint64(s[i+6])<<48 | uint64(s[i+7])<<56
}

// special has the highest bit of the first of eight bytes that does not stand for
// itself in a JSON string, and of no byte before. A byte of a word is zero where the
// byte looked for stands, and taking one from it sets its highest bit, as taking a
// blank from a control does, and adding one to DEL. What is carried changes bytes
// behind the first of these only; bytes beyond ASCII have that bit by themselves.
func special(w uint64) uint64 {
	const ones, tops = 0x0101010101010101, 0x8080808080808080
	slash := w ^ ones*'\\'
	angle := (w | ones*2) ^ ones*'>' // < and > differ in one bit
	quote := (w | ones*4) ^ ones*'&' // " and & do
	return (w | (w + ones) | (w - ones*0x20) | (slash - ones) | (angle - ones) | (quote - ones)) & tops
}

// wholeNumber reports whether s is one of few digits, as most numbers are.
func wholeNumber(s string) bool {
	return s != "" && len(s) < 20 && (s[0] != '0' || len(s) == 1) && digits(s, 0) == len(s)
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
