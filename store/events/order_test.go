package events

import (
	"math/rand/v2"
	"slices"
	"testing"

	"holdfast/store/events/flat"
)

// TestInOrder holds the order by numbers against that by texts, which merging
// goes by.
func TestInOrder(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	few := []string{"", "a", "ab", "b"}
	rows := make([]row, 5000)
	for i := range rows {
		rows[i] = row{
			Dataset: few[r.IntN(4)], Executable: few[r.IntN(4)], UserName: few[r.IntN(4)],
			Time: int64(r.IntN(4)-2)*minute + int64(r.IntN(3)), Received: int64(r.IntN(2)), Position: int64(i),
		}
	}
	table := flat.NewTable[row]()
	for i := range rows {
		table.Add(&rows[i])
	}
	got := inOrder(table)
	want := sortRows(slices.Clone(rows))
	for i := range want {
		if g := table.Row(int(got[i])); g.Position != want[i].Position || order(&g, &want[i]) != 0 {
			t.Fatalf("place %d: %+v, not %+v", i, g, want[i])
		}
	}
}
