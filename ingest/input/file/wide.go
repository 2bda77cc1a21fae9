package file

import (
	"bytes"
	"errors"
	"io"
	"unicode/utf16"
	"unicode/utf8"

	"holdfast/ingest/input"
)

// wide is how the characters of a file stand in it.
type wide byte

const (
	narrow       wide = iota // UTF-8, or any other whose line end is one byte
	littleEndian             // UTF-16, as programs of Windows write it
	bigEndian
)

// wideOf reads the mark with which UTF-16 begins.
func wideOf(head []byte) wide {
	switch {
	case bytes.HasPrefix(head, []byte("\xff\xfe")):
		return littleEndian
	case bytes.HasPrefix(head, []byte("\xfe\xff")):
		return bigEndian
	}
	return narrow
}

// widen finds out how the file's characters stand in it.
func (t *tail) widen() error {
	var head [2]byte
	if _, err := t.src.ReadAt(head[:], 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	t.wide = wideOf(head[:])
	return nil
}

// lineEnd finds the end of the first line in text that was read at a place: how long
// the line is, and how long with what ends it. Both are -1 if it does not end.
func (t *tail) lineEnd(text []byte, at int64) (line, whole int) {
	if t.wide == narrow {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			return -1, -1
		}
		return i, i + 1
	}
	end := []byte("\n\x00")
	if t.wide == bigEndian {
		end = []byte("\x00\n")
	}
	for from := 0; ; {
		i := bytes.Index(text[from:], end)
		if i < 0 {
			return -1, -1
		}
		if i += from; (at+int64(i))%2 == 0 {
			return i, i + 2
		}
		from = i + 1
	}
}

// most is how much of a line is handed on at once: UTF-16 may grow by half.
func (t *tail) most() int {
	if t.wide == narrow {
		return input.MaxRecord
	}
	return input.MaxRecord / 2
}

// text is what was read at the position, as UTF-8 and without the mark at the
// beginning of the file.
func (t *tail) text(raw []byte) []byte {
	if t.wide != narrow {
		raw = narrowed(raw[min(len(raw), int(t.off%2)):], t.wide)
	}
	if t.off == 0 {
		raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	}
	return raw
}

func narrowed(raw []byte, w wide) []byte {
	out := make([]byte, 0, len(raw)/2+16)
	unit := func(i int) rune {
		if w == bigEndian {
			return rune(raw[i])<<8 | rune(raw[i+1])
		}
		return rune(raw[i+1])<<8 | rune(raw[i])
	}
	for i := 0; i+1 < len(raw); i += 2 {
		c := unit(i)
		if utf16.IsSurrogate(c) {
			low := utf8.RuneError
			if i+3 < len(raw) {
				low = unit(i + 2)
			}
			if c = utf16.DecodeRune(c, low); c != utf8.RuneError {
				i += 2
			}
		}
		out = utf8.AppendRune(out, c)
	}
	return out
}

// holeLeast is how many NULs in a row are taken for a hole.
const holeLeast = 16

// hole is how long the hole is at the beginning of a line: a writer that goes on
// where it was, when its file is truncated under it, leaves one of NULs before it.
func (t *tail) hole() int {
	if t.wide != narrow || t.part > 0 || len(t.buf) == 0 || t.buf[0] != 0 {
		t.inHole = false
		return 0
	}
	n := len(t.buf) - len(bytes.TrimLeft(t.buf, "\x00"))
	if n < holeLeast && !t.inHole {
		return 0
	}
	t.inHole = n == len(t.buf)
	return n
}
