package evtx

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"strconv"
	"time"
	"unicode/utf16"
	"unicode/utf8"
)

// The types of values, [MS-EVEN6] section 2.2.12; array is added to each.
const (
	typeNull       = 0x00
	typeString     = 0x01
	typeAnsi       = 0x02
	typeInt8       = 0x03
	typeUInt8      = 0x04
	typeInt16      = 0x05
	typeUInt16     = 0x06
	typeInt32      = 0x07
	typeUInt32     = 0x08
	typeInt64      = 0x09
	typeUInt64     = 0x0a
	typeReal32     = 0x0b
	typeReal64     = 0x0c
	typeBool       = 0x0d
	typeBinary     = 0x0e
	typeGUID       = 0x0f
	typeSize       = 0x10
	typeFiletime   = 0x11
	typeSystemtime = 0x12
	typeSID        = 0x13
	typeHex32      = 0x14
	typeHex64      = 0x15
	typeHandle     = 0x20
	typeXML        = 0x21
	typeEvtXML     = 0x23

	array = 0x80
)

// value is one of a record's values: bytes of the chunk.
type value struct {
	typ        uint8
	start, end int
}

// width is the size of one value of a type, 0 if it varies.
func width(typ uint8) int {
	switch typ {
	case typeInt8, typeUInt8:
		return 1
	case typeInt16, typeUInt16:
		return 2
	case typeInt32, typeUInt32, typeReal32, typeBool, typeHex32:
		return 4
	case typeInt64, typeUInt64, typeReal64, typeFiletime, typeHex64:
		return 8
	case typeGUID, typeSystemtime:
		return 16
	}
	return 0
}

// appendValue appends a value as JSON; bare leaves out the quotes of what is a
// string in JSON, for a text of several pieces.
func appendValue(out, b []byte, typ uint8, bare bool) []byte {
	if typ&array != 0 {
		return appendArray(out, b, typ&^array, bare)
	}
	le := binary.LittleEndian
	if w := width(typ); w > 0 && len(b) < w {
		typ = typeBinary // not what it says it is: shown as it stands
	}
	switch typ {
	case typeNull:
		if bare {
			return out
		}
		return append(out, "null"...)
	case typeInt8:
		return strconv.AppendInt(out, int64(int8(b[0])), 10)
	case typeUInt8:
		return strconv.AppendUint(out, uint64(b[0]), 10)
	case typeInt16:
		return strconv.AppendInt(out, int64(int16(le.Uint16(b))), 10)
	case typeUInt16:
		return strconv.AppendUint(out, uint64(le.Uint16(b)), 10)
	case typeInt32:
		return strconv.AppendInt(out, int64(int32(le.Uint32(b))), 10)
	case typeUInt32:
		return strconv.AppendUint(out, uint64(le.Uint32(b)), 10)
	case typeInt64:
		return strconv.AppendInt(out, int64(le.Uint64(b)), 10)
	case typeUInt64:
		return strconv.AppendUint(out, le.Uint64(b), 10)
	case typeReal32:
		return appendReal(out, float64(math.Float32frombits(le.Uint32(b))), 32, bare)
	case typeReal64:
		return appendReal(out, math.Float64frombits(le.Uint64(b)), 64, bare)
	case typeBool:
		return strconv.AppendBool(out, le.Uint32(b) != 0)
	}
	if !bare {
		out = append(out, '"')
	}
	out = appendString(out, b, typ)
	if !bare {
		out = append(out, '"')
	}
	return out
}

// appendString appends what is a string in JSON, without quotes.
func appendString(out, b []byte, typ uint8) []byte {
	le := binary.LittleEndian
	switch typ {
	case typeString, typeEvtXML:
		return appendUTF16(out, trimZeros(b))
	case typeAnsi:
		for len(b) > 0 && b[len(b)-1] == 0 {
			b = b[:len(b)-1]
		}
		return appendText(out, b)
	case typeGUID:
		return appendGUID(out, b)
	case typeFiletime:
		return appendTime(out, filetime(le.Uint64(b)))
	case typeSystemtime:
		return appendTime(out, systemtime(b))
	case typeSID:
		if s, ok := appendSID(out, b); ok {
			return s
		}
	case typeHex32:
		return strconv.AppendUint(append(out, "0x"...), uint64(le.Uint32(b)), 16)
	case typeHex64:
		return strconv.AppendUint(append(out, "0x"...), le.Uint64(b), 16)
	case typeSize, typeHandle:
		switch len(b) {
		case 4:
			return strconv.AppendUint(append(out, "0x"...), uint64(le.Uint32(b)), 16)
		case 8:
			return strconv.AppendUint(append(out, "0x"...), le.Uint64(b), 16)
		}
	}
	start := len(out)
	out = hex.AppendEncode(out, b)
	for i := start; i < len(out); i++ {
		if out[i] >= 'a' {
			out[i] -= 'a' - 'A'
		}
	}
	return out
}

// appendReal appends a number; what is none is a string in JSON.
func appendReal(out []byte, v float64, bits int, bare bool) []byte {
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		return strconv.AppendFloat(out, v, 'g', -1, bits)
	}
	if bare {
		return strconv.AppendFloat(out, v, 'g', -1, bits)
	}
	return append(strconv.AppendFloat(append(out, '"'), v, 'g', -1, bits), '"')
}

func appendArray(out, b []byte, typ uint8, bare bool) []byte {
	first := true
	if !bare {
		out = append(out, '[')
	}
	item := func(b []byte) {
		if !first {
			out = append(out, ',')
		}
		first = false
		out = appendValue(out, b, typ, bare)
	}
	switch w := width(typ); {
	case w > 0:
		for ; len(b) >= w; b = b[w:] {
			item(b[:w])
		}
	case typ == typeString: // each ends with a zero
		for len(b) >= 2 {
			end := 0
			for end+2 <= len(b) && (b[end] != 0 || b[end+1] != 0) {
				end += 2
			}
			end = min(end, len(b))
			item(b[:end])
			b = b[min(end+2, len(b)):]
		}
	case typ == typeAnsi:
		for len(b) > 0 {
			end := 0
			for end < len(b) && b[end] != 0 {
				end++
			}
			item(b[:end])
			b = b[min(end+1, len(b)):]
		}
	default:
		typ = typeBinary
		item(b)
	}
	if !bare {
		out = append(out, ']')
	}
	return out
}

// appendGUID appends a GUID ([MS-DTYP], 2.3.4.3) without braces.
func appendGUID(out, b []byte) []byte {
	const digits = "0123456789ABCDEF"
	for i, at := range [16]int{3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15} {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			out = append(out, '-')
		}
		out = append(out, digits[b[at]>>4], digits[b[at]&15])
	}
	return out
}

// appendTime appends a time of RFC 3339, in UTC, to the microsecond.
func appendTime(out []byte, t time.Time) []byte {
	return t.UTC().AppendFormat(out, "2006-01-02T15:04:05.000000Z")
}

// systemtime is a SYSTEMTIME ([MS-DTYP], 2.3.13).
func systemtime(b []byte) time.Time {
	w := func(i int) int { return int(binary.LittleEndian.Uint16(b[2*i:])) }
	return time.Date(w(0), time.Month(w(1)), w(3), w(4), w(5), w(6), w(7)*1e6, time.UTC)
}

// appendSID appends a security identifier ([MS-DTYP], 2.4.2).
func appendSID(out, b []byte) ([]byte, bool) {
	if len(b) < 8 || len(b) < 8+4*int(b[1]) {
		return out, false
	}
	out = strconv.AppendUint(append(out, "S-"...), uint64(b[0]), 10)
	authority := uint64(binary.BigEndian.Uint16(b[2:]))<<32 | uint64(binary.BigEndian.Uint32(b[4:]))
	out = strconv.AppendUint(append(out, '-'), authority, 10)
	for i := range int(b[1]) {
		out = strconv.AppendUint(append(out, '-'), uint64(binary.LittleEndian.Uint32(b[8+4*i:])), 10)
	}
	return out, true
}

// trimBlanks cuts white space off the end of UTF-16.
func trimBlanks(b []byte) []byte {
	b = trimZeros(b)
	for len(b) >= 2 && b[len(b)-1] == 0 {
		switch b[len(b)-2] {
		case ' ', '\t', '\r', '\n':
			b = b[:len(b)-2]
			continue
		}
		break
	}
	return b
}

func trimZeros(b []byte) []byte {
	b = b[:len(b)&^1]
	for len(b) >= 2 && b[len(b)-1] == 0 && b[len(b)-2] == 0 {
		b = b[:len(b)-2]
	}
	return b
}

// plain tells the ASCII characters that stand in a JSON string as they are.
var plain = func() (t [256]bool) {
	for c := 0x20; c < 0x7f; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

// appendUTF16 appends little-endian UTF-16, escaped for a JSON string. Half a
// surrogate pair becomes U+FFFD.
func appendUTF16(out, b []byte) []byte {
	const asciiOnly = 0xff80ff80ff80ff80
	i := 0
	for i+2 <= len(b) {
		for i+8 <= len(b) && binary.LittleEndian.Uint64(b[i:])&asciiOnly == 0 &&
			plain[b[i]] && plain[b[i+2]] && plain[b[i+4]] && plain[b[i+6]] {
			out = append(out, b[i], b[i+2], b[i+4], b[i+6])
			i += 8
		}
		if i+2 > len(b) {
			break
		}
		r := rune(binary.LittleEndian.Uint16(b[i:]))
		i += 2
		if utf16.IsSurrogate(r) {
			low := rune(0)
			if i+2 <= len(b) {
				low = rune(binary.LittleEndian.Uint16(b[i:]))
			}
			if r = utf16.DecodeRune(r, low); r != utf8.RuneError {
				i += 2
			}
		}
		out = appendRune(out, r)
	}
	return out
}

// appendText appends UTF-8, escaped for a JSON string.
func appendText(out, b []byte) []byte {
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		out, b = appendRune(out, r), b[n:]
	}
	return out
}

func appendRune(out []byte, r rune) []byte {
	const digits = "0123456789abcdef"
	switch {
	case r < 0x80 && plain[r], r >= 0x7f:
		return utf8.AppendRune(out, r)
	case r == '"' || r == '\\':
		return append(out, '\\', byte(r))
	case r == '\n':
		return append(out, `\n`...)
	case r == '\r':
		return append(out, `\r`...)
	case r == '\t':
		return append(out, `\t`...)
	}
	return append(out, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
}
