package jsonscan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
)

// walk makes of a text what encoding/json does.
func walk(s *Scanner, depth int) any {
	if depth > 100 {
		s.Fail(errors.New("too deep"))
		return nil
	}
	switch k := s.Kind(); k {
	case Object:
		out := map[string]any{}
		for ok := s.Open('{'); ok; ok = s.More('}') {
			key := string(s.Key())
			out[key] = walk(s, depth+1)
		}
		return out
	case Array:
		out := []any{}
		for ok := s.Open('['); ok; ok = s.More(']') {
			out = append(out, walk(s, depth+1))
		}
		return out
	case String:
		return string(s.AppendString(nil))
	case Number:
		return json.Number(s.AppendNumber(nil))
	case True, False:
		s.Word(k)
		return k == True
	case Null:
		s.Word(k)
	case None:
	}
	return nil
}

var texts = []string{
	`{"a":1,"b":[true,false,null],"c":{"d":"x\\y\"z\/\b\f\n\r\t"}}`, ` { } `, `[]`, `[[],{}]`, `"\u00e9\ud83d\ude00\ud83d\u0041"`,
	`{"C:\\Windows\\System32\\a long one.exe":"C:\\Windows\\System32\\drivers\\etc\\hosts"}`, `-0.5e+10`, `0`, `12345678901234567890`, "\t\"é\"\n",
	`{"a":"1234567","b":"12345678","c":"123456789012345\\6"}`,
}

func TestScannerReadsWhatTheStandardReads(t *testing.T) {
	for _, text := range texts {
		same(t, []byte(text))
	}
}

func same(t *testing.T, text []byte) {
	t.Helper()
	var s Scanner
	s.Reset(text)
	got := walk(&s, 0)
	end := s.End()
	if !json.Valid(text) {
		return // it may pass; that it ends is what is asked
	}
	if strings.Count(string(text), "{")+strings.Count(string(text), "[") > 90 {
		return
	}
	if !end {
		t.Fatalf("%q: %v, at %d", text, s.Err(), s.At())
	}
	if !utf8.Valid(text) {
		return
	}
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.UseNumber()
	var want any
	if err := dec.Decode(&want); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Fatalf("%q: %s", text, d)
	}
	s.Reset(text)
	if s.Skip(100); !s.End() {
		t.Fatalf("%q is not skipped: %v", text, s.Err())
	}
}

func TestDamageIsAFault(t *testing.T) {
	for _, text := range []string{
		``, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,}`, `{"a" 1}`, `{a:1}`, `[1 2]`, `[1,]`, `"a`, `"a\`, `tru`, `nul`, `01`, `1.`, `-`, `1e`, `+1`, `{"a":1]`, `[`, `]`, "\x00",
		`{"a\`, `"\u12`, `"12345678\`,
	} {
		var s Scanner
		s.Reset([]byte(text))
		walk(&s, 0)
		if s.End() {
			t.Errorf("%q passes", text)
		}
		if err := s.Err(); err != nil && !errors.Is(err, ErrDamaged) {
			t.Errorf("%q: %v", text, err)
		}
		s.Reset([]byte(text))
		if s.Skip(10); s.End() {
			t.Errorf("%q is skipped as if it were whole", text)
		}
	}
	var s Scanner
	s.Reset([]byte(strings.Repeat("[", 50) + strings.Repeat("]", 50)))
	if s.Skip(10); s.Err() == nil {
		t.Error("no bound on nesting")
	}
}

// Logs hold what the standard does not allow; nothing of it is lost.
func TestWhatStandsInStringsPasses(t *testing.T) {
	for text, want := range map[string]string{
		"\"a\x01b\"": "a\x01b", "\"\xff\xfe\"": "\xff\xfe", `"C:\Users\x"`: `C:\Users\x`, `"\u12x"`: `\u12x`, `"\ud800"`: "\ufffd",
	} {
		var s Scanner
		s.Reset([]byte(text))
		if got := string(s.AppendString(nil)); got != want || !s.End() {
			t.Errorf("%q: %q, want %q (%v)", text, got, want, s.Err())
		}
	}
}

func TestNothingIsAllocated(t *testing.T) {
	text := []byte(texts[0])
	var s Scanner
	buf := make([]byte, 0, 1024)
	if n := testing.AllocsPerRun(100, func() {
		s.Reset(text)
		buf = buf[:0]
		for ok := s.Open('{'); ok; ok = s.More('}') {
			buf = append(buf, s.Key()...)
			if s.Kind() == String {
				buf = s.AppendString(buf)
			} else {
				s.Skip(5)
			}
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzScanner(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		same(t, text)
		roomy(t, text)
	})
}

// TestRoomMakesNoDifference: where there is room a string is taken another way,
// which says the same and writes nothing beyond the room.
func TestRoomMakesNoDifference(t *testing.T) {
	for _, s := range []string{``, `a`, `C:\\Windows\\x`, `\\`, `a\nb\\`, `seven77`, `eight888`, `\u00e9\ud83d\ude00`, `"`, "é\x00" + `\q\`, strings.Repeat(`\\x`, 20)} {
		text := `"` + s + `", "next": "12345678"`
		for end := range len(text) + 1 {
			roomy(t, []byte(text[:end]))
		}
	}
}

func roomy(t *testing.T, text []byte) {
	t.Helper()
	var narrow, wide Scanner
	narrow.Reset(text)
	wide.Reset(text)
	want := narrow.AppendString(nil)
	room := make([]byte, 1+len(text)+8+4)
	end := room[1+len(text)+8:]
	copy(end, "stay")
	got := wide.AppendString(append(room[:0:len(room)-4], '>'))
	if string(got) != ">"+string(want) || narrow.At() != wide.At() || (narrow.Err() == nil) != (wide.Err() == nil) || string(end) != "stay" {
		t.Errorf("%q: %q at %d (%v), with room %q at %d (%v)", text, want, narrow.At(), narrow.Err(), got, wide.At(), wide.Err())
	}
}

func BenchmarkAppendString(b *testing.B) {
	for _, n := range []int{8, 64, 1024} {
		text := []byte(`"` + strings.Repeat(`C:\\Windows\\Sys`, n/16+1) + `"`)
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			var s Scanner
			buf := make([]byte, 0, 4096)
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				s.Reset(text)
				buf = s.AppendString(buf[:0])
			}
		})
	}
}
