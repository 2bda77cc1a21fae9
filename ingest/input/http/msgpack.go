package http

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"holdfast"
	"holdfast/ingest/input"
)

const (
	// maxPacked bounds one value of MessagePack, as JSON.
	maxPacked = 16 << 20
	// maxPackedDepth bounds how deep it may be nested.
	maxPackedDepth = 100
)

// packed takes MessagePack, as Fluent Bit sends by default: values that follow one
// another, each [time, record] or [[time, metadata], record], or a record alone. Each
// becomes what Fluent Bit writes as JSON: the record with its time as "date". A line
// of the answer is one of them.
func (t *taking) packed(ctx context.Context, r *bufio.Reader) error {
	for n := 1; ; {
		if _, err := r.Peek(1); errors.Is(err, io.EOF) {
			return nil
		}
		u := unpacker{r: r, left: maxPacked}
		raw, err := u.event()
		if err != nil {
			return fmt.Errorf("value %d of MessagePack: %w", n, noEnd(err))
		}
		if raw == nil {
			continue
		}
		for part := 0; len(raw) > 0; part++ {
			piece := raw[:min(len(raw), input.MaxRecord):min(len(raw), input.MaxRecord)]
			raw = raw[len(piece):]
			if err := t.line(ctx, t.clock.Now(), n, part, piece, len(raw) > 0); err != nil {
				return err
			}
		}
		n++
	}
}

// noEnd says that a text that ends within a value is not whole.
func noEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

var (
	errPacked   = errors.New("it is damaged")
	errNoRecord = errors.New("a record is a map, or an array of its time and a map")
)

// unpacker writes one value as JSON.
type unpacker struct {
	r    *bufio.Reader
	left int
	date bool // the outermost map has a key of that name
}

// event is one record, or nil for what Fluent Bit puts around a group of them.
func (u *unpacker) event() ([]byte, error) {
	head, _ := u.r.Peek(1)
	switch c := head[0]; {
	case c == 0x92:
	case c >= 0x80 && c <= 0x9f, c >= 0xdc && c <= 0xdf: // other maps and arrays
		return u.value(nil, 0)
	default: // in a text, for one, each letter would be a number
		return nil, errNoRecord
	}
	_, _ = u.r.Discard(1)
	if head, _ = u.r.Peek(1); len(head) == 1 && head[0] == 0x92 {
		_, _ = u.r.Discard(1)
		head = nil
	}
	at, err := u.value(nil, 1)
	if err == nil && head == nil { // the metadata
		_, err = u.value(nil, 1)
	}
	if err != nil {
		return nil, err
	}
	body, err := u.value(nil, 0)
	switch {
	case err != nil:
		return nil, err
	case len(at) > 0 && at[0] == '-': // the beginning or the end of a group
		return nil, nil
	case body[0] != '{':
		return append(append(append(append([]byte{'['}, at...), ','), body...), ']'), nil
	case u.date:
		return body, nil
	}
	out := append(append([]byte(`{"date":`), at...), ',')
	if len(body) == len("{}") {
		out = out[:len(out)-1]
	}
	return append(out, body[1:]...), nil
}

// spend counts what is written, before it is.
func (u *unpacker) spend(n int) error {
	if u.left -= n; u.left < 0 {
		return fmt.Errorf("longer than %d bytes: %w", maxPacked, holdfast.ErrTooLarge)
	}
	return nil
}

// number reads an unsigned number of so many bytes.
func (u *unpacker) number(size int) (uint64, error) {
	var b [8]byte
	_, err := io.ReadFull(u.r, b[8-size:])
	return binary.BigEndian.Uint64(b[:]), err
}

// value appends the next value.
func (u *unpacker) value(b []byte, depth int) ([]byte, error) {
	if depth > maxPackedDepth {
		return nil, fmt.Errorf("nested deeper than %d", maxPackedDepth)
	}
	c, err := u.r.ReadByte()
	if err == nil {
		err = u.spend(1)
	}
	if err != nil {
		return nil, err
	}
	switch {
	case c < 0x80:
		return strconv.AppendUint(b, uint64(c), 10), nil
	case c < 0x90:
		return u.object(b, int(c&0x0f), depth)
	case c < 0xa0:
		return u.list(b, int(c&0x0f), depth)
	case c < 0xc0:
		return u.text(b, int(c&0x1f))
	case c >= 0xe0:
		return strconv.AppendInt(b, int64(int8(c)), 10), nil
	}
	switch c {
	case 0xc0:
		return append(b, "null"...), nil
	case 0xc2, 0xc3:
		return strconv.AppendBool(b, c == 0xc3), nil
	case 0xc1:
		return nil, errPacked
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
		return u.extension(b, 1<<(c-0xd4))
	}
	size := 1 << (c & 3) // of the number that follows: most of these codes end with its exponent
	switch c {
	case 0xc4, 0xc5, 0xc6:
		size = 1 << (c - 0xc4)
	case 0xc7, 0xc8, 0xc9:
		size = 1 << (c - 0xc7)
	case 0xca, 0xcb:
		size = 4 << (c - 0xca)
	case 0xd9, 0xda, 0xdb:
		size = 1 << (c - 0xd9)
	case 0xdc, 0xdd, 0xde, 0xdf:
		size = 2 << (c & 1)
	}
	n, err := u.number(size)
	if err != nil {
		return nil, err
	}
	switch c {
	case 0xc4, 0xc5, 0xc6, 0xd9, 0xda, 0xdb:
		return u.text(b, int(n))
	case 0xc7, 0xc8, 0xc9:
		return u.extension(b, int(n))
	case 0xca:
		return float(b, float64(math.Float32frombits(uint32(n)))), nil
	case 0xcb:
		return float(b, math.Float64frombits(n)), nil
	case 0xcc, 0xcd, 0xce, 0xcf:
		return strconv.AppendUint(b, n, 10), nil
	case 0xd0, 0xd1, 0xd2, 0xd3:
		unused := 64 - 8*size
		return strconv.AppendInt(b, int64(n<<unused)>>unused, 10), nil
	case 0xdc, 0xdd:
		return u.list(b, int(n), depth)
	}
	return u.object(b, int(n), depth)
}

func float(b []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return strconv.AppendQuote(b, strconv.FormatFloat(f, 'g', -1, 64))
	}
	return strconv.AppendFloat(b, f, 'f', -1, 64)
}

// bytes reads so many, as they come.
func (u *unpacker) bytes(n int) ([]byte, error) {
	if err := u.spend(n); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	_, err := io.CopyN(&out, u.r, int64(n))
	return out.Bytes(), err
}

func (u *unpacker) text(b []byte, n int) ([]byte, error) {
	s, err := u.bytes(n)
	return holdfast.AppendJSONString(b, string(bytes.ToValidUTF8(s, []byte("\ufffd")))), err
}

// extension reads a time as Fluent Bit and Fluentd write it, seconds and nanoseconds;
// others are kept as base64.
func (u *unpacker) extension(b []byte, n int) ([]byte, error) {
	kind, err := u.r.ReadByte()
	if err != nil {
		return nil, err
	}
	data, err := u.bytes(n)
	if err != nil {
		return nil, err
	}
	if kind == 0 && n == 8 {
		seconds, nanos := int64(int32(binary.BigEndian.Uint32(data))), binary.BigEndian.Uint32(data[4:])
		b = strconv.AppendInt(b, seconds, 10)
		if nanos != 0 && nanos < uint32(time.Second) {
			b = append(b, fmt.Sprintf(".%09d", nanos)...)
		}
		return b, nil
	}
	return holdfast.AppendJSONString(b, base64.StdEncoding.EncodeToString(data)), nil
}

func (u *unpacker) list(b []byte, n, depth int) ([]byte, error) {
	b = append(b, '[')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		var err error
		if b, err = u.value(b, depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, ']'), nil
}

func (u *unpacker) object(b []byte, n, depth int) ([]byte, error) {
	b = append(b, '{')
	for i := range n {
		if i > 0 {
			b = append(b, ',')
		}
		was := len(b)
		var err error
		if b, err = u.value(b, depth+1); err != nil {
			return nil, err
		}
		key := b[was:]
		if key[0] != '"' { // JSON has no other keys than texts
			key = holdfast.AppendJSONString(nil, string(key))
			b = append(b[:was], key...)
		}
		u.date = u.date || depth == 0 && string(key) == `"date"`
		if b, err = u.value(append(b, ':'), depth+1); err != nil {
			return nil, err
		}
	}
	return append(b, '}'), nil
}
