package events

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"holdfast"
)

// TestNextGathersMeanwhile adds far more than a segment holds, in turns with a
// folder that takes no files: what was added stays, what is not taken is offered
// again, and in the end everything is there once, in segments that follow one
// another.
func TestNextGathersMeanwhile(t *testing.T) {
	ctx := context.Background()
	l := open(t, t.TempDir())
	w := l.writer(t)
	const each, blocks = 1000, 5 * flushRows / 1000 / 2
	day := filepath.Join(l.dir, "events", noon.Format("2006-01-02"))
	refused := 0
	offer := func(seq uint64, b *holdfast.Block) {
		for err := w.Add(ctx, seq, b); err != nil; err = w.Add(ctx, seq, b) {
			if refused++; refused > 3 {
				if err := os.Remove(day); err != nil && refused == 4 {
					t.Fatal(err)
				}
			}
			if refused > 100 {
				t.Fatal(err)
			}
		}
	}
	for seq := 1; seq <= blocks; seq++ {
		if seq == 5 { // no folder can be made where a file stands
			if err := os.WriteFile(day, nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		offer(uint64(seq), block(seq*each, each))
		waiting := w.Waiting()["file"]
		if kept := int(w.Position()); kept > seq || int(waiting.Stored) > (seq-kept)*each+flushRows {
			t.Fatalf("at block %d, %d are committed and %d events wait", seq, kept, waiting.Stored)
		}
	}
	if refused == 0 {
		t.Error("nothing was refused")
	}
	if err := w.Flush(ctx); err != nil {
		t.Fatal(err)
	}
	w.Settle()
	if w.Position() != blocks || len(w.Waiting()) != 0 {
		t.Errorf("position %d of %d, %v wait", w.Position(), blocks, w.Waiting())
	}
	if v := l.holds(t); v.Events != blocks*each || v.Blocks != blocks || v.Segments < 2 {
		t.Errorf("%+v", v)
	}
}
