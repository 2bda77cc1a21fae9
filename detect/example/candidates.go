package example

import (
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"time"

	"holdfast/detect/sigma"
)

// Values that may fit what is no text: numbers, networks and times.

// candidates are values that may fit numbers, networks and times; complete if
// one of them does whenever any value does.
func candidates(special []need) (out []string, complete bool) {
	var numbers, networks, times bool
	for _, n := range special {
		switch {
		case n.it.Part != sigma.Whole:
			times = true
		case n.it.Op == sigma.CIDR:
			networks = true
		default:
			numbers = true
		}
	}
	if times {
		out = append(out, instants(special)...)
	}
	if networks {
		more, known := addresses(special)
		out, complete = append(out, more...), known && !times && !numbers
	}
	if numbers {
		out = append(out, points(special)...)
		complete = !times && !networks
	}
	return out, complete || times && !networks && !numbers
}

// points are the numbers that comparisons name, and one on each side.
func points(special []need) []string {
	at := []float64{0}
	for _, n := range special {
		if n.it.Part == sigma.Whole && n.it.Op >= sigma.Less {
			v := n.it.Values[max(n.value, 0)].Number
			at = append(at, v, v-1, v+1)
		}
	}
	slices.Sort(at)
	for i := range len(at) - 1 {
		at = append(at, at[i]+(at[i+1]-at[i])/2)
	}
	var out []string
	for _, v := range at {
		if !math.IsInf(v, 0) && !math.IsNaN(v) {
			out = append(out, strconv.FormatFloat(v, 'f', -1, 64))
		}
	}
	return out
}

// addresses are those of the smallest network asked for, beside those that it
// must not be in.
func addresses(special []need) (out []string, complete bool) {
	var least netip.Prefix
	var want []netip.Prefix
	for _, n := range special {
		if n.it.Op != sigma.CIDR || n.it.Part != sigma.Whole {
			continue
		}
		p := n.it.Values[max(n.value, 0)].Net
		if !n.want {
			want = append(want, p)
			continue
		}
		if !least.IsValid() || p.Bits() > least.Bits() {
			least = p
		}
		want = append(want, p)
	}
	if !least.IsValid() {
		return nil, false
	}
	// Of networks that overlap one lies within the other, so the borders of all
	// of them are all there is to try.
	try := []netip.Addr{least.Addr()}
	for _, p := range want {
		try = append(try, p.Addr(), last(p), last(p).Next(), p.Addr().Prev())
	}
	for _, a := range try {
		if a.IsValid() {
			out = append(out, a.String())
		}
	}
	return out, true
}

func last(p netip.Prefix) netip.Addr {
	b := p.Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	a, _ := netip.AddrFromSlice(b)
	return a
}

// instants are days of the years asked for, each at the hours and minutes asked
// for.
func instants(special []need) []string {
	years, hours, minutes := map[int]bool{}, map[int]bool{}, map[int]bool{}
	for y := 2024; y < 2024+28; y++ { // all pairs of a date and a weekday
		years[y] = true
	}
	fit := func(part sigma.TimePart, v int) bool {
		for _, n := range special {
			if n.it.Part == part && compares(n.it.Op, float64(v), n.it.Values[max(n.value, 0)].Number) != n.want {
				return false
			}
		}
		return true
	}
	for _, n := range special {
		if v := n.it.Values[max(n.value, 0)].Number; n.it.Part == sigma.Year && v >= 1 && v <= 9998 {
			for d := -1; d <= 1; d++ {
				years[int(v)+d] = true
			}
		}
	}
	pick := func(to map[int]bool, part sigma.TimePart, n int) {
		for v := range n {
			if fit(part, v) {
				to[v] = true
				return
			}
		}
	}
	pick(hours, sigma.Hour, 24)
	pick(minutes, sigma.Minute, 60)
	for h := range hours {
		for m := range minutes {
			for _, y := range slices.Sorted(maps.Keys(years)) {
				if !fit(sigma.Year, y) {
					continue
				}
				for day := time.Date(y, 1, 1, h, m, 0, 0, time.UTC); day.Year() == y; day = day.AddDate(0, 0, 1) {
					_, week := day.ISOWeek()
					if fit(sigma.Month, int(day.Month())) && fit(sigma.Day, day.Day()) && fit(sigma.Week, week) {
						return []string{day.Format(time.RFC3339)}
					}
				}
			}
		}
	}
	return nil
}
