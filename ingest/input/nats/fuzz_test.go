package nats

import (
	"bytes"
	"testing"

	"holdfast"
	"holdfast/ingest/input"
)

// FuzzLines splits one message, so often repeated: all but line ends and blank
// lines is there, in pieces that are not too long, each under a place of its own.
func FuzzLines(f *testing.F) {
	f.Add([]byte("{\"a\":1}\n\r\n \t\nb\r\n\x00'\"<script>"), uint16(1))
	f.Add(bytes.Repeat([]byte("x"), 100), uint16(21000))
	f.Fuzz(func(t *testing.T, data []byte, times uint16) {
		data = bytes.Repeat(data, min(int(times), 4<<20/max(1, len(data))))
		before := bytes.Clone(data)
		seen := map[string]bool{}
		var all []byte
		for _, r := range lines(nil, data, holdfast.Record{Source: "nats:s", Position: "7"}) {
			if len(r.Raw) == 0 || len(r.Raw) > input.MaxRecord || seen[r.Position] || bytes.IndexByte(r.Raw, '\n') >= 0 {
				t.Fatalf("%d bytes at %s", len(r.Raw), r.Position)
			}
			seen[r.Position] = true
			all = append(all, r.Raw...)
		}
		var want []byte
		for line := range bytes.SplitSeq(data, []byte("\n")) {
			if len(bytes.TrimSpace(line)) > 0 {
				want = append(want, bytes.TrimSuffix(line, []byte("\r"))...)
			}
		}
		if !bytes.Equal(all, want) || !bytes.Equal(before, data) {
			t.Fatal("other bytes came out than went in")
		}
	})
}
