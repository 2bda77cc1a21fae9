package file_test

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	"holdfast/ingest/input"
)

// wide writes text as UTF-16.
func wide(text string, order binary.AppendByteOrder) string {
	var out []byte
	for _, c := range utf16.Encode([]rune(text)) {
		out = order.AppendUint16(out, c)
	}
	return string(out)
}

// TestUTF16 follows files as programs of Windows write them, in pieces that end
// within a character and within a line end.
func TestUTF16(t *testing.T) {
	for name, order := range map[string]binary.AppendByteOrder{"little.log": binary.LittleEndian, "big.log": binary.BigEndian} {
		log := filepath.Join(t.TempDir(), name)
		// U+0A0A and U+0A00 have bytes of a line end in them; the last is two units.
		text := wide("\ufeffone\r\n\u0a0a\u0a00\u000d\u0a41 two\n\nthr\U0001F600ee\r\nfour", order)
		h := newHost()
		add(t, log, text[:9])
		stop := h.start(t, log, nil)
		for i := 9; i < len(text); i += 7 {
			add(t, log, text[i:min(i+7, len(text))])
		}
		want := []string{"one", "\u0a0a\u0a00\r\u0a41 two", "thr\U0001F600ee"}
		h.expect(t, want...)
		stop()
		add(t, log, wide(" more\r\nfive\n", order))
		h.start(t, log, nil)
		want = append(want, "four more", "five")
		h.expect(t, want...)
		long := strings.Repeat("\u4e2d", input.MaxRecord)
		add(t, log, wide(long+"\nend\n", order))
		for range 4 {
			want = append(want, long[:len(long)/4])
		}
		h.expect(t, append(want, "end")...)
		for i := range h.records {
			if len(h.records[i].Raw) > input.MaxRecord {
				t.Errorf("a record has %d bytes", len(h.records[i].Raw))
			}
		}
	}
}

// TestUTF16Backfill begins with a whole line in the middle of a file.
func TestUTF16Backfill(t *testing.T) {
	log := filepath.Join(t.TempDir(), "app.log")
	add(t, log, wide("\ufeff"+strings.Repeat("\u0a0a old\r\n", 50)+"new one\r\nnew two\r\n", binary.LittleEndian))
	h := newHost()
	h.start(t, log, map[string]string{"backfill": "37"})
	h.expect(t, "new one", "new two")
}

// TestMark: a mark at the beginning of a file is none of its first line.
func TestMark(t *testing.T) {
	log := filepath.Join(t.TempDir(), "app.json")
	add(t, log, "\ufeff{\"a\":1}\n{\"b\":\"\ufeff\"}\n")
	h := newHost()
	h.start(t, filepath.Join(filepath.Dir(log), "*.json"), nil)
	h.expect(t, `{"a":1}`, "{\"b\":\"\ufeff\"}")
}

// TestHole truncates a file under a writer that goes on where it was.
func TestHole(t *testing.T) {
	log := filepath.Join(t.TempDir(), "app.log")
	h := newHost()
	add(t, log, "before\n")
	h.start(t, log, nil)
	h.expect(t, "before")
	f, err := os.OpenFile(log, os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := os.Truncate(log, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("after\n\x00\x00 two of them stay\n"), 64<<20); err != nil {
		t.Fatal(err)
	}
	h.expect(t, "before", "after", "\x00\x00 two of them stay")
}
