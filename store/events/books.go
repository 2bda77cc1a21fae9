package events

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"time"

	"holdfast"
)

// books hold what the segments say that was stored, against which the ledger
// is held.
type books struct {
	hours map[part]*sums
	all   map[string]*sums
}

// sums are events and dead letters.
type sums struct{ events, dead uint64 }

func newBooks() *books { return &books{map[part]*sums{}, map[string]*sums{}} }

func (b *books) add(parts []holdfast.SegmentPart) {
	for _, p := range parts {
		key := part{source: p.Source, hour: p.Hour.UnixMicro()}
		if b.hours[key] == nil {
			b.hours[key] = &sums{}
		}
		if b.all[p.Source] == nil {
			b.all[p.Source] = &sums{}
		}
		for _, s := range []*sums{b.hours[key], b.all[p.Source]} {
			if p.Dataset == holdfast.DeadLetter {
				s.dead += p.Events
			} else {
				s.events += p.Events
			}
		}
	}
}

// compare holds the ledger against the segments, source by source and hour by
// hour, and its sums against its hours.
func (b *books) compare(ledger, hours []holdfast.LedgerRow) []Problem {
	var out []Problem
	wrong := func(source, format string, args ...any) {
		out = append(out, Problem{Kind: "ledger", Source: source, What: fmt.Sprintf(format, args...)})
	}
	total := map[string]holdfast.LedgerRow{}
	before := map[string]bool{} // sources from before there were hours
	for _, r := range hours {
		total[r.Source] = plus(total[r.Source], r)
		before[r.Source] = before[r.Source] || r.Hour.IsZero()
	}
	for _, r := range ledger {
		if what := b.row(r, b.all[r.Source]); what != "" {
			wrong(r.Source, "%s: %s", r.Source, what)
		}
		if t := total[r.Source]; t.Received != r.Received || t.Stored != r.Stored || t.Rejected != r.Rejected || t.DeadLettered != r.DeadLettered {
			wrong(r.Source, "%s: its hours do not add up to its sum", r.Source)
		}
		delete(b.all, r.Source)
	}
	for _, source := range slices.Sorted(maps.Keys(b.all)) {
		wrong(source, "%s: it has events and no row in the ledger", source)
	}
	for _, r := range hours {
		key := part{source: r.Source, hour: r.Hour.UnixMicro()}
		if what := b.row(r, b.hours[key]); what != "" && !before[r.Source] {
			wrong(r.Source, "%s, the hour from %s: %s", r.Source, r.Hour.Format(time.RFC3339), what)
		}
		delete(b.hours, key)
	}
	left := slices.SortedFunc(maps.Keys(b.hours), func(a, b part) int { return cmp.Or(cmp.Compare(a.source, b.source), cmp.Compare(a.hour, b.hour)) })
	for _, key := range left {
		if !before[key.source] {
			wrong(key.source, "%s, the hour from %s: it has events and no row in the ledger", key.source, time.UnixMicro(key.hour).UTC().Format(time.RFC3339))
		}
	}
	return out
}

// row says what is wrong with one row of the ledger, or "".
func (b *books) row(r holdfast.LedgerRow, s *sums) string {
	if s == nil {
		s = &sums{}
	}
	switch {
	case !r.Balanced():
		return fmt.Sprintf("received %d are not stored %d + rejected %d + dead-lettered %d", r.Received, r.Stored, r.Rejected, r.DeadLettered)
	case s.events != r.Stored:
		return fmt.Sprintf("the ledger says %d stored, segments and drops hold %d", r.Stored, s.events)
	case s.dead != r.DeadLettered+r.Reparsed:
		return fmt.Sprintf("the ledger says %d dead letters, %d of them read later, segments and drops hold %d", r.DeadLettered+r.Reparsed, r.Reparsed, s.dead)
	}
	return ""
}

func plus(a, b holdfast.LedgerRow) holdfast.LedgerRow {
	a.Received, a.Stored, a.Rejected, a.DeadLettered = a.Received+b.Received, a.Stored+b.Stored, a.Rejected+b.Rejected, a.DeadLettered+b.DeadLettered
	return a
}
