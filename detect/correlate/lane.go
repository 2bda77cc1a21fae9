package correlate

import (
	"slices"
	"sort"
	"time"
)

// lanes are the entries of a window by rule, each in the window's order, so that
// the next and the last of a rule are found without a look at the others.
type lanes [][]*entry

// before orders entries as a window does: by time, then by arrival.
func (en *entry) before(b *entry) bool {
	if !en.Time.Equal(b.Time) {
		return en.Time.Before(b.Time)
	}
	return en.arrival < b.arrival
}

func place(lane []*entry, en *entry) int {
	if n := len(lane); n == 0 || lane[n-1].before(en) {
		return n
	}
	return sort.Search(len(lane), func(i int) bool { return !lane[i].before(en) })
}

func (l lanes) add(en *entry) {
	if l == nil {
		return
	}
	lane := l[en.Rule]
	if at := place(lane, en); at == len(lane) {
		l[en.Rule] = append(lane, en)
	} else {
		l[en.Rule] = slices.Insert(lane, at, en)
	}
}

func (l lanes) cut(en *entry) {
	if l == nil {
		return
	}
	lane := l[en.Rule]
	if at := place(lane, en); at < len(lane) && lane[at] == en {
		l[en.Rule] = without(lane, at)
	}
}

// chain looks for hits of all rules, in the order of the rules, with en among
// them, within a timespan: from en backward the latest of each rule, forward the
// earliest, so the chain that ends first and is the shortest of those. One
// without en need not be looked for: it was found when its last hit came, and en
// adds to its alert.
func (l lanes) chain(en *entry, span time.Duration) (first, last *entry) {
	first, last = en, en
	for r := en.Rule - 1; r >= 0; r-- {
		at := place(l[r], first)
		if at == 0 {
			return nil, nil
		}
		first = l[r][at-1]
	}
	for r := en.Rule + 1; r < len(l); r++ {
		at := place(l[r], last)
		if at == len(l[r]) {
			return nil, nil
		}
		last = l[r][at]
	}
	if last.Time.After(first.Time.Add(span)) {
		return nil, nil
	}
	return first, last
}
