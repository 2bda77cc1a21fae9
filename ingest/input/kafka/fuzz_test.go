package kafka

import (
	"bytes"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/intake"
)

// FuzzRecords makes records of one message, so often repeated: all of its bytes
// are there, in pieces that are not too long, each under a place of its own.
func FuzzRecords(f *testing.F) {
	f.Add([]byte(`{"a":1}`), uint16(1))
	f.Add([]byte("\x00'\"<script>"), uint16(60000))
	f.Add(bytes.Repeat([]byte("x"), 100), uint16(21000))
	f.Fuzz(func(t *testing.T, value []byte, times uint16) {
		value = bytes.Repeat(value, min(int(times), 4<<20/max(1, len(value))))
		if intake.IsList(value) {
			return // intake.FuzzMessage
		}
		m := []*kgo.Record{{Topic: "t", Partition: 3, Offset: 7, Value: value}, {Topic: "t", Partition: 3, Offset: 8, Value: value}}
		seen := map[string]bool{}
		var all []byte
		for _, r := range records(m, input.Config{}, time.Now()) {
			if len(r.Raw) == 0 || len(r.Raw) > input.MaxRecord || seen[r.Position] {
				t.Fatalf("%d bytes at %s", len(r.Raw), r.Position)
			}
			seen[r.Position] = true
			if all = append(all, r.Raw...); r.Truncated != (len(all)%len(value) != 0) {
				t.Fatalf("the piece at %s says that more follows: %v", r.Position, r.Truncated)
			}
			_ = holdfast.NewEventID(r.Source, r.Position, r.Raw, 0)
		}
		if !bytes.Equal(all, append(bytes.Clone(value), value...)) {
			t.Fatal("other bytes came out than went in")
		}
	})
}
