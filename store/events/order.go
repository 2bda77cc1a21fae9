package events

import (
	"cmp"
	"slices"
	"time"

	"holdfast/store/events/flat"
)

const minute = int64(time.Minute / time.Microsecond)

// order is that of the rows in a segment: what is alike stands together, which
// packs better, but no further apart in time than a minute.
func order(a, b *row) int {
	if a.Dataset != b.Dataset {
		return cmp.Compare(a.Dataset, b.Dataset)
	}
	if x, y := a.Time/minute, b.Time/minute; x != y {
		return cmp.Compare(x, y)
	}
	if a.Executable != b.Executable {
		return cmp.Compare(a.Executable, b.Executable)
	}
	if a.UserName != b.UserName {
		return cmp.Compare(a.UserName, b.UserName)
	}
	return cmp.Or(cmp.Compare(a.Time, b.Time), cmp.Compare(a.Received, b.Received))
}

// standing is where a row belongs, in numbers, which are compared faster than texts.
type standing struct {
	dataset, executable, user int32 // the places of these texts among those that there are
	row                       int32
	minute, time, received    int64
}

// inOrder is the numbers of rows, in order; those that are equal stay as they came.
func inOrder(rows *flat.Table[row]) []int32 {
	dataset, executable, user := ranks(rows, "dataset"), ranks(rows, "process_executable"), ranks(rows, "user_name")
	times, received := rows.Numbers("time"), rows.Numbers("received")
	at := make([]standing, rows.Len())
	for i := range at {
		at[i] = standing{dataset(i), executable(i), user(i), int32(i), times[i] / minute, times[i], received[i]}
	}
	slices.SortFunc(at, func(a, b standing) int {
		switch {
		case a.dataset != b.dataset:
			return cmp.Compare(a.dataset, b.dataset)
		case a.minute != b.minute:
			return cmp.Compare(a.minute, b.minute)
		case a.executable != b.executable:
			return cmp.Compare(a.executable, b.executable)
		case a.user != b.user:
			return cmp.Compare(a.user, b.user)
		case a.time != b.time:
			return cmp.Compare(a.time, b.time)
		case a.received != b.received:
			return cmp.Compare(a.received, b.received)
		}
		return cmp.Compare(a.row, b.row)
	})
	out := make([]int32, len(at))
	for i := range at {
		out[i] = at[i].row
	}
	return out
}

// ranks gives each row the place that its text in a column has among all of them.
func ranks(rows *flat.Table[row], column string) func(row int) int32 {
	words, index := rows.Words(column)
	order := make([]int32, len(words))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(words[a], words[b]) })
	rank := make([]int32, len(words))
	for i, n := range order {
		rank[n] = int32(i)
	}
	return func(row int) int32 { return rank[index[row]] }
}

// sortRows puts rows in order; those that are equal stay as they came.
func sortRows(rows []row) []row {
	slices.SortStableFunc(rows, func(a, b row) int { return order(&a, &b) })
	return rows
}
