package correlate

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"time"

	"holdfast/detect/sigma"
)

// tally is what a correlation counts, over entries[from:to] of a window. It is
// moved an entry at a time, so that an event costs the same however many are in
// the window.
type tally struct {
	k        *sigma.Correlation
	from, to int
	values   map[string]int // value_count: how often each is there
	rules    []int          // temporal: how many hits of each rule
	numbers  []float64      // the other value types: sorted
}

func newTally(k *correlation) *tally {
	t := &tally{k: k.Correlation}
	switch k.Type {
	case sigma.ValueCount:
		t.values = map[string]int{}
	case sigma.Temporal:
		t.rules = make([]int, len(k.Rules))
	}
	return t
}

// slide moves the window so that it ends with entry end and holds what lies
// within a timespan before it: forward for a hit that comes in its turn, back
// and forward again for one that comes late, by as much as it is late.
func (t *tally) slide(entries []*entry, end int, span time.Duration) {
	begin := entries[end].Time.Add(-span)
	for t.to > max(t.from, end+1) {
		t.to--
		t.count(entries[t.to], -1)
	}
	if t.from == t.to { // nothing is counted
		t.from = sort.Search(end+1, func(i int) bool { return !entries[i].Time.Before(begin) })
		t.to = t.from
	}
	for t.from > 0 && !entries[t.from-1].Time.Before(begin) {
		t.from--
		t.count(entries[t.from], 1)
	}
	for ; t.to <= end; t.to++ {
		t.count(entries[t.to], 1)
	}
	for ; entries[t.from].Time.Before(begin); t.from++ {
		t.count(entries[t.from], -1)
	}
}

// insert tells that an entry was put in at a place.
func (t *tally) insert(at int, en *entry) {
	switch {
	case at < t.from:
		t.from++
		t.to++
	case at < t.to:
		t.count(en, 1)
		t.to++
	}
}

// drop tells that the entry at a place was taken out.
func (t *tally) drop(at int, en *entry) {
	switch {
	case at < t.from:
		t.from--
		t.to--
	case at < t.to:
		t.count(en, -1)
		t.to--
	}
}

func (t *tally) count(en *entry, by int) {
	switch t.k.Type {
	case sigma.EventCount, sigma.TemporalOrdered:
	case sigma.Temporal:
		t.rules[en.Rule] += by
	case sigma.ValueCount:
		if t.values[en.Value] += by; t.values[en.Value] == 0 {
			delete(t.values, en.Value)
		}
	default:
		n, ok := numberOf(en.Value)
		if !ok {
			return
		}
		at, there := slices.BinarySearch(t.numbers, n)
		if by > 0 {
			t.numbers = slices.Insert(t.numbers, at, n)
		} else if there {
			t.numbers = slices.Delete(t.numbers, at, at+1)
		}
	}
}

func numberOf(s string) (float64, bool) {
	n, err := strconv.ParseFloat(s, 64)
	return n, err == nil && !math.IsNaN(n) && !math.IsInf(n, 0)
}

// measure is the number that the condition speaks of.
func (t *tally) measure() (float64, bool) {
	switch t.k.Type {
	case sigma.EventCount:
		return float64(t.to - t.from), true
	case sigma.ValueCount:
		return float64(len(t.values)), true
	case sigma.Temporal:
		n := 0
		for _, c := range t.rules {
			if c > 0 {
				n++
			}
		}
		return float64(n), true
	}
	if len(t.numbers) == 0 {
		return 0, false
	}
	switch t.k.Type {
	case sigma.ValueMedian:
		return percentile(t.numbers, 50), true
	case sigma.ValuePercentile:
		return percentile(t.numbers, t.k.Percent), true
	}
	sum := 0.0 // anew each time: taking away what was added leaves a rest
	for _, n := range t.numbers {
		sum += n
	}
	if t.k.Type == sigma.ValueAvg {
		sum /= float64(len(t.numbers))
	}
	return sum, true
}
