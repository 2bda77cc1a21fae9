package events

import (
	"cmp"
	"maps"
	"slices"
	"time"
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

// kin is what rows have in common that stand together.
type kin struct{ dataset, executable, user string }

func (k kin) compare(o kin) int {
	return cmp.Or(cmp.Compare(k.dataset, o.dataset), cmp.Compare(k.executable, o.executable), cmp.Compare(k.user, o.user))
}

// standing is where a row belongs, in numbers, which are compared faster than texts.
type standing struct {
	dataset, kin           uint32
	minute, time, received int64
	row                    uint32
}

// inOrder is the places of rows, in order; those that are equal stay as they came.
func inOrder(rows []row) []standing {
	seen := map[kin]uint32{}
	out := make([]standing, len(rows))
	for i := range rows {
		r := &rows[i]
		k := kin{r.Dataset, r.Executable, r.UserName}
		n, ok := seen[k]
		if !ok {
			n = uint32(len(seen))
			seen[k] = n
		}
		out[i] = standing{kin: n, minute: r.Time / minute, time: r.Time, received: r.Received, row: uint32(i)}
	}
	rank := make([]standing, len(seen)) // by the number in seen
	dataset, before := uint32(0), ""
	for i, k := range slices.SortedFunc(maps.Keys(seen), kin.compare) {
		if i > 0 && k.dataset != before {
			dataset++
		}
		before = k.dataset
		rank[seen[k]] = standing{dataset: dataset, kin: uint32(i)}
	}
	for i := range out {
		r := rank[out[i].kin]
		out[i].dataset, out[i].kin = r.dataset, r.kin
	}
	slices.SortFunc(out, func(a, b standing) int {
		switch {
		case a.dataset != b.dataset:
			return cmp.Compare(a.dataset, b.dataset)
		case a.minute != b.minute:
			return cmp.Compare(a.minute, b.minute)
		case a.kin != b.kin:
			return cmp.Compare(a.kin, b.kin)
		case a.time != b.time:
			return cmp.Compare(a.time, b.time)
		case a.received != b.received:
			return cmp.Compare(a.received, b.received)
		}
		return cmp.Compare(a.row, b.row)
	})
	return out
}

// sortRows puts rows in order; those that are equal stay as they came.
func sortRows(rows []row) []row {
	out := make([]row, len(rows))
	for to, from := range inOrder(rows) {
		out[to] = rows[from.row]
	}
	return out
}
