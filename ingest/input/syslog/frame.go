package syslog

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"

	"holdfast/ingest/input"
)

// maxCount is the longest counted frame that is read past; a larger count is
// no syslog.
const maxCount = 64 << 20

// errFrame says that a stream is no syslog by RFC 6587.
var errFrame = errors.New("no syslog frame")

// readFrame reads one frame: counted octets ("123 <34>…", RFC 6587, 3.4.1) or
// up to a newline or NUL (3.4.2). What is longer than input.MaxRecord is cut.
// At the end of the stream, what is left is a frame, and err is io.EOF.
func readFrame(r *bufio.Reader) (raw []byte, cut bool, err error) {
	n, ok, err := count(r)
	if err != nil {
		return nil, false, err
	}
	if !ok {
		return readLine(r)
	}
	if n > maxCount {
		return nil, false, fmt.Errorf("%w: it counts %d bytes", errFrame, n)
	}
	raw = make([]byte, 0, min(n, 64<<10))
	for len(raw) < min(n, input.MaxRecord) {
		step := min(n, input.MaxRecord) - len(raw)
		part := make([]byte, min(step, 64<<10))
		got, err := io.ReadFull(r, part)
		raw = append(raw, part[:got]...)
		if err != nil {
			return raw, true, io.EOF
		}
	}
	if n > len(raw) {
		_, err = io.CopyN(io.Discard, r, int64(n-len(raw)))
	}
	return bytes.TrimRight(raw, "\r\n\x00"), n > input.MaxRecord, err
}

// count reads "MSG-LEN SP" if the frame begins with one.
func count(r *bufio.Reader) (n int, ok bool, err error) {
	for size := 1; size <= 10; size++ {
		b, err := r.Peek(size)
		if err != nil {
			if size == 1 {
				return 0, false, err
			}
			return 0, false, nil // a short last line
		}
		c := b[size-1]
		switch {
		case c >= '0' && c <= '9' && (size > 1 || c != '0'):
			n = n*10 + int(c-'0')
		case c == ' ' && size > 1:
			_, err := r.Discard(size)
			return n, true, err
		default:
			return 0, false, nil
		}
	}
	return 0, false, nil
}

// readLine reads up to a newline or NUL and drops what is beyond the limit.
func readLine(r *bufio.Reader) (raw []byte, cut bool, err error) {
	for {
		if _, err = r.Peek(1); err != nil {
			break
		}
		part, _ := r.Peek(r.Buffered())
		i := bytes.IndexAny(part, "\n\x00")
		end := i >= 0
		if !end {
			i = len(part)
		}
		room := input.MaxRecord - len(raw)
		raw = append(raw, part[:min(i, room)]...)
		cut = cut || i > room
		if end {
			i++
		}
		if _, err = r.Discard(i); err != nil || end {
			break
		}
	}
	return bytes.TrimRight(raw, "\r"), cut, err
}

// whole reports whether a whole frame is in the buffer, so that reading it
// waits for nobody.
func whole(r *bufio.Reader) bool {
	part, _ := r.Peek(r.Buffered())
	n := 0
	for i, c := range part {
		switch {
		case c >= '0' && c <= '9' && i < 9 && (i > 0 || c != '0'):
			n = n*10 + int(c-'0')
			continue
		case c == ' ' && i > 0:
			return len(part) >= i+1+n
		}
		break
	}
	return bytes.ContainsAny(part, "\n\x00")
}
