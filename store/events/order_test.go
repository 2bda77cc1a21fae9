package events

import (
	"math/rand/v2"
	"slices"
	"testing"
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
	got := sortRows(rows)
	want := slices.Clone(rows)
	slices.SortStableFunc(want, func(a, b row) int { return order(&a, &b) })
	for i := range want {
		if got[i].Position != want[i].Position {
			t.Fatalf("place %d: %+v, not %+v", i, got[i], want[i])
		}
	}
}
