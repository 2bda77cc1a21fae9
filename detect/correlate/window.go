package correlate

import (
	"math"
	"slices"
	"sort"
	"strconv"
	"time"

	"holdfast"
	"holdfast/detect/sigma"
)

// entry is one hit in a window.
type entry struct {
	Time     time.Time         `json:"time"`
	Event    holdfast.EventID  `json:"event"`
	Rule     int               `json:"rule"` // index in the correlation's rules
	Value    string            `json:"value,omitempty"`
	Alert    string            `json:"alert,omitempty"` // of the correlation that made this hit
	Match    *holdfast.Match   `json:"match"`
	Entities []holdfast.Entity `json:"entities,omitempty"`
	Asset    string            `json:"asset,omitempty"`
}

// group is one window.
type group struct {
	entries []*entry // by time, then by arrival
	touch   uint64
	seen    time.Time // newest receipt
}

// insert puts a hit into its window and fires if the condition holds.
func (c *Correlator) insert(k *correlation, key groupKey, names, values []string, en *entry, in *incoming) {
	c.touch++
	g := k.groups[key]
	if g == nil {
		c.room(k)
		g = &group{}
		k.groups[key] = g
	}
	g.touch, g.seen = c.touch, c.now
	if n := len(g.entries); n > 0 && en.Time.Before(g.entries[n-1].Time.Add(-k.Timespan)) {
		c.stats.Late++
		return
	}
	temporal := k.Type == sigma.Temporal || k.Type == sigma.TemporalOrdered
	for _, o := range g.entries {
		if o.Event == en.Event && (!temporal || o.Rule == en.Rule) {
			return // the same event again, or one that two of the rules hold for
		}
	}
	at := sort.Search(len(g.entries), func(i int) bool { return g.entries[i].Time.After(en.Time) })
	g.entries = slices.Insert(g.entries, at, en)
	c.entries++
	c.trim(k, g)
	if at = slices.Index(g.entries, en); at < 0 {
		return
	}
	f := fired{group: map[string]string{}}
	for i, name := range k.GroupBy {
		f.group[name] = values[i]
	}
	sk := slotKey{k.Key(), key}
	if o := c.live(sk, en.Time, k.Timespan); o != nil {
		c.grow(o, en)
		f.alert = o
		c.feed(k.Key(), in, &f)
		return
	}
	held, what := k.holds(g.entries, at)
	if held == nil {
		return
	}
	f.alert = c.fire(k, sk, names, values, held, what)
	c.feed(k.Key(), in, &f)
}

// trim drops what no window can need any more, then what is over the limits.
func (c *Correlator) trim(k *correlation, g *group) {
	newest := g.entries[len(g.entries)-1].Time
	old := 0
	for g.entries[old].Time.Before(newest.Add(-2 * k.Timespan)) {
		old++
	}
	g.entries = slices.Delete(g.entries, 0, old)
	c.entries -= old
	for limit := k.limit(); len(g.entries) > limit; c.entries-- {
		g.entries = slices.Delete(g.entries, k.victim(g.entries), 1+k.victim(g.entries))
		if limit >= MaxEntries {
			c.stats.Overflowed++
		}
	}
	if c.entries > MaxAllEntries {
		c.shrink(g)
	}
}

// limit is how many entries a window of the rule keeps: for a plain "at least
// n" no more than twice what shows it, so that late ones find their place.
func (k *correlation) limit() int {
	limit := MaxEntries
	for _, b := range k.Bounds {
		if n := int(min(b.Value, 1e5)) + 1; n > limit {
			limit = n
		}
	}
	if k.Type == sigma.EventCount && len(k.Bounds) == 1 && (k.Bounds[0].Op == "gte" || k.Bounds[0].Op == "gt") {
		limit = max(2*(int(min(k.Bounds[0].Value, 1e5))+1), 20)
	}
	return limit
}

// victim is the oldest entry of the rule that has the most of them.
func (k *correlation) victim(entries []*entry) int {
	counts := make([]int, len(k.Rules))
	most := 0
	for _, e := range entries {
		counts[e.Rule]++
		if counts[e.Rule] > counts[most] {
			most = e.Rule
		}
	}
	return slices.IndexFunc(entries, func(e *entry) bool { return e.Rule == most })
}

// holds looks for a window that contains entry at and fulfils the condition.
// It returns its entries, and in words what they are.
func (k *correlation) holds(entries []*entry, at int) ([]*entry, string) {
	t := entries[at].Time
	if k.Type == sigma.TemporalOrdered {
		return k.ordered(entries, t), "in order"
	}
	start := 0
	for end := at; end < len(entries) && !entries[end].Time.After(t.Add(k.Timespan)); end++ {
		for entries[start].Time.Before(entries[end].Time.Add(-k.Timespan)) {
			start++
		}
		w := entries[start : end+1]
		n, ok := k.measure(w)
		if ok && k.bounded(n) {
			return w, strconv.FormatFloat(n, 'f', -1, 64)
		}
	}
	return nil, ""
}

func (k *correlation) bounded(n float64) bool {
	if len(k.Bounds) == 0 {
		return int(n) == len(k.Rules)
	}
	for _, b := range k.Bounds {
		if !b.Holds(n) {
			return false
		}
	}
	return true
}

// measure is the number that the condition speaks of.
func (k *correlation) measure(w []*entry) (float64, bool) {
	switch k.Type {
	case sigma.EventCount:
		return float64(len(w)), true
	case sigma.ValueCount:
		seen := make(map[string]bool, len(w))
		for _, e := range w {
			seen[e.Value] = true
		}
		return float64(len(seen)), true
	case sigma.Temporal:
		seen := make(map[int]bool, len(k.Rules))
		for _, e := range w {
			seen[e.Rule] = true
		}
		return float64(len(seen)), true
	}
	var ns []float64
	sum := 0.0
	for _, e := range w {
		if n, err := strconv.ParseFloat(e.Value, 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
			ns = append(ns, n)
			sum += n
		}
	}
	if len(ns) == 0 {
		return 0, false
	}
	sort.Float64s(ns)
	switch k.Type {
	case sigma.ValueSum:
		return sum, true
	case sigma.ValueAvg:
		return sum / float64(len(ns)), true
	case sigma.ValueMedian:
		return percentile(ns, 50), true
	}
	return percentile(ns, k.Percent), true
}

// percentile interpolates between the two nearest ranks of sorted numbers.
func percentile(ns []float64, p float64) float64 {
	at := p / 100 * float64(len(ns)-1)
	lo := int(at)
	if lo+1 >= len(ns) {
		return ns[len(ns)-1]
	}
	return ns[lo] + (at-float64(lo))*(ns[lo+1]-ns[lo])
}

// ordered looks for hits of all rules, in the order of the rules, within a
// timespan around t, and returns the entries from the first to the last.
func (k *correlation) ordered(entries []*entry, t time.Time) []*entry {
	// best[i] is the latest possible first entry of a chain that ends with rule i.
	best := make([]int, len(k.Rules))
	for i := range best {
		best[i] = -1
	}
	for i, e := range entries {
		if e.Time.Before(t.Add(-k.Timespan)) || e.Time.After(t.Add(k.Timespan)) {
			continue
		}
		if e.Rule == 0 {
			best[0] = i
		} else if b := best[e.Rule-1]; b >= 0 {
			best[e.Rule] = max(best[e.Rule], b)
		} else {
			continue
		}
		if e.Rule == len(best)-1 {
			first := entries[best[e.Rule]].Time
			if !e.Time.After(first.Add(k.Timespan)) && !first.After(t) && !e.Time.Before(t) {
				return entries[best[e.Rule] : i+1]
			}
		}
	}
	return nil
}

// room makes place for one more group of a rule.
func (c *Correlator) room(k *correlation) {
	if len(k.groups) < MaxGroups {
		return
	}
	c.evict([]*correlation{k}, len(k.groups)-MaxGroups*9/10, nil)
}

// shrink brings the windows together back under the limit.
func (c *Correlator) shrink(keep *group) {
	groups := 0
	for _, k := range c.corrs {
		groups += len(k.groups)
	}
	c.evict(c.corrs, max(groups/10, 1), keep)
}

// evict drops the n least recently touched groups.
func (c *Correlator) evict(ks []*correlation, n int, keep *group) {
	type place struct {
		k     *correlation
		key   groupKey
		touch uint64
	}
	var all []place
	for _, k := range ks {
		for key, g := range k.groups {
			if g != keep {
				all = append(all, place{k, key, g.touch})
			}
		}
	}
	sort.Slice(all, func(i, j int) bool { return all[i].touch < all[j].touch })
	for _, p := range all[:min(n, len(all))] {
		c.entries -= len(p.k.groups[p.key].entries)
		delete(p.k.groups, p.key)
		c.stats.Evicted++
	}
}

// sweep drops windows and alerts that nothing new has come to, by receipt, for
// longer than they can matter.
func (c *Correlator) sweep() {
	if c.now.Sub(c.swept) < time.Minute {
		return
	}
	c.swept = c.now
	for _, k := range c.corrs {
		for key, g := range k.groups {
			if c.now.Sub(g.seen) > 2*k.Timespan+ahead {
				c.entries -= len(g.entries)
				delete(k.groups, key)
			}
		}
	}
	for key, s := range c.slots {
		if c.now.Sub(s.seen) > s.keep+ahead {
			delete(c.slots, key)
		}
	}
}
