package intake_test

import (
	"bytes"
	"testing"

	"holdfast"
	"holdfast/internal/intake"
)

// FuzzMessage takes records out of one message of a broker, so often repeated: in
// pieces that are not too long, each under a place of its own; of lines and of
// messages that are no list, every byte is there.
func FuzzMessage(f *testing.F) {
	f.Add([]byte("{\"a\":1}\n\r\n \t\nb\r\n\x00'\"<script>"), uint16(1), true)
	f.Add([]byte(`{"records":[{"a":1},"two",[3],null]}`), uint16(1), false)
	f.Add([]byte(`{"Records":[{"a":"\u0000"},{`), uint16(1), true)
	f.Add(bytes.Repeat([]byte("x"), 100), uint16(700), false)
	f.Fuzz(func(t *testing.T, data []byte, times uint16, lines bool) {
		const most = 16 << 10
		data = bytes.Repeat(data, min(int(times), 128<<10/max(1, len(data))))
		before := bytes.Clone(data)
		seen := map[string]bool{}
		var all []byte
		for _, r := range intake.Message(nil, data, holdfast.Record{Source: "s", Position: "7"}, lines, most) {
			if len(r.Raw) == 0 || len(r.Raw) > most || seen[r.Position] {
				t.Fatalf("%d bytes at %s", len(r.Raw), r.Position)
			}
			seen[r.Position] = true
			all = append(all, r.Raw...)
		}
		want := data
		if lines {
			want = nil
			for line := range bytes.SplitSeq(data, []byte("\n")) {
				if line = bytes.TrimSuffix(line, []byte("\r")); len(bytes.TrimSpace(line)) > 0 {
					want = append(want, line...)
				}
			}
		}
		if !bytes.Equal(before, data) || !intake.IsList(data) && !bytes.Equal(all, want) {
			t.Fatal("other bytes came out than went in")
		}
	})
}
