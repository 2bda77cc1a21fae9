package detect

import (
	"maps"
	"slices"
	"strings"
	"time"

	"holdfast"
	"holdfast/detect/correlate"
	"holdfast/detect/sigma"
)

// Cover crosses rules with techniques of ATT&CK. Seen is the time of the newest
// event of each dataset, proven the newest drill that made a rule fire, by its
// key; both may be nil. A correlation has data as far as all rules have that it
// refers to.
func Cover(set sigma.Set, datasets map[string]holdfast.Dataset, seen map[string]time.Time, proven map[string]holdfast.Drill) holdfast.Coverage {
	out := holdfast.Coverage{Techniques: []holdfast.TechniqueCover{}, Untagged: []string{}}
	by := map[string]*holdfast.TechniqueCover{}
	for _, m := range metas(set) {
		one := holdfast.RuleCover{Rule: m.Key(), Title: m.Title, Level: m.Level, Data: dataOf(Needed(set, m.Key()).Rules, datasets, seen)}
		if d, ok := proven[m.Key()]; ok {
			one.Proven, one.Drill = d.Ended, d.ID
		}
		techniques := slices.DeleteFunc(correlate.Attack(m.Tags), func(id string) bool { return !strings.HasPrefix(id, "T") })
		if len(techniques) == 0 {
			out.Untagged = append(out.Untagged, m.Key())
		}
		for _, id := range techniques {
			t := by[id]
			if t == nil {
				t = &holdfast.TechniqueCover{Technique: id}
				by[id] = t
			}
			t.Rules = append(t.Rules, one)
			if one.Data.After(t.Data) {
				t.Data = one.Data
			}
			if one.Proven.After(t.Proven) {
				t.Proven = one.Proven
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(by)) {
		out.Techniques = append(out.Techniques, *by[id])
	}
	return out
}

// dataOf is the newest event that all of the rules have one as new as.
func dataOf(rules []*sigma.Rule, datasets map[string]holdfast.Dataset, seen map[string]time.Time) time.Time {
	var all time.Time
	for i, r := range rules {
		var newest time.Time
		for name, at := range seen {
			if d, ok := datasets[name]; ok && sigma.Serves(r.Logsource, d) && at.After(newest) {
				newest = at
			}
		}
		if i == 0 || newest.Before(all) {
			all = newest
		}
	}
	return all
}

// Coverage is Cover of the rules that are loaded.
func (d *Detector) Coverage(seen map[string]time.Time, proven map[string]holdfast.Drill) holdfast.Coverage {
	d.mu.Lock()
	set := d.rules.set
	d.mu.Unlock()
	return Cover(set, d.opts.Datasets, seen, proven)
}
