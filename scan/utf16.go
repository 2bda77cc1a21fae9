package scan

import (
	"bufio"
	"errors"
	"io"
	"unicode/utf8"
)

// utf16Reader turns UTF-16 into UTF-8; half a pair becomes U+FFFD.
type utf16Reader struct {
	r    *bufio.Reader
	big  bool
	out  []byte
	high rune
	err  error
}

func (u *utf16Reader) Read(p []byte) (int, error) {
	for len(u.out) == 0 {
		if u.err != nil {
			return 0, u.err
		}
		u.fill()
	}
	n := copy(p, u.out)
	u.out = u.out[n:]
	return n, nil
}

func (u *utf16Reader) fill() {
	u.out = u.out[:0]
	var in [4096]byte
	n, err := io.ReadFull(u.r, in[:])
	if err != nil {
		if u.err = io.EOF; !errors.Is(err, io.ErrUnexpectedEOF) {
			u.err = err
		}
	}
	buf := make([]byte, 0, 3*len(in)/2+8)
	for i := 0; i+1 < n; i += 2 {
		c := rune(in[i]) | rune(in[i+1])<<8
		if u.big {
			c = rune(in[i])<<8 | rune(in[i+1])
		}
		switch {
		case c >= 0xd800 && c < 0xdc00:
			if u.high != 0 {
				buf = utf8.AppendRune(buf, utf8.RuneError)
			}
			u.high = c
			continue
		case c >= 0xdc00 && c < 0xe000:
			if u.high != 0 {
				c = 0x10000 + (u.high-0xd800)<<10 + c - 0xdc00
			} else {
				c = utf8.RuneError
			}
		case u.high != 0:
			buf = utf8.AppendRune(buf, utf8.RuneError)
		}
		u.high = 0
		buf = utf8.AppendRune(buf, c)
	}
	u.out = buf
}
