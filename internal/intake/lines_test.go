package intake_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"holdfast/internal/intake"
)

// partsOf says what the lines of a text are, the plain way.
func partsOf(text string, max int) (out []string) {
	for more := true; more; {
		var line string
		line, text, more = strings.Cut(text, "\n")
		for len(line) > max {
			out, line = append(out, line[:max]+"…"), line[max:]
		}
		out = append(out, strings.TrimSuffix(line, "\r"))
	}
	return out
}

// FuzzLines: the lines are the same however the text arrives, and stay what they
// were while others are read.
func FuzzLines(f *testing.F) {
	f.Add("one\r\ntwo\n\nthree", uint16(8))
	f.Add(strings.Repeat("a", 8)+"\r\n"+strings.Repeat("b", 9)+"\n"+strings.Repeat("c", 40), uint16(8))
	f.Add(strings.Repeat("a line of some length\n", 9000), uint16(100))
	f.Add(strings.Repeat("x", 70_000)+"\n"+strings.Repeat("y", 300_000), uint16(65_000))
	f.Fuzz(func(t *testing.T, text string, max uint16) {
		if max == 0 {
			return
		}
		want := partsOf(text, int(max))
		for i, r := range []io.Reader{strings.NewReader(text), iotest.HalfReader(strings.NewReader(text)), iotest.DataErrReader(strings.NewReader(text)), iotest.OneByteReader(strings.NewReader(text))} {
			if i == 3 && len(text) > 10_000 {
				continue // slow
			}
			lines := intake.NewLines(r, int(max))
			var raws [][]byte
			var mores []bool
			for {
				raw, more, err := lines.Next()
				raws, mores = append(raws, raw), append(mores, more)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for i, raw := range raws {
				if got = append(got, string(raw)); mores[i] {
					got[i] += "…"
				}
				_ = append(raw, "over"...) // what a caller appends goes elsewhere
			}
			if d := cmp.Diff(want, got); d != "" {
				t.Fatal(d)
			}
		}
		cut := intake.NewLines(io.MultiReader(strings.NewReader(text), iotest.ErrReader(io.ErrUnexpectedEOF)), int(max))
		for {
			if _, _, err := cut.Next(); err != nil {
				if !errors.Is(err, io.ErrUnexpectedEOF) {
					t.Fatal(err)
				}
				break
			}
		}
	})
}
