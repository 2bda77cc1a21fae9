package correlate

import (
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
	arrival  uint64            // in its window
}

// group is one window.
type group struct {
	entries []*entry // by time, then by arrival
	known   map[hitKey]bool
	byRule  []int  // entries of each rule
	lanes   lanes  // temporal and temporal_ordered
	arrived uint64 // entries that ever came
	tally   *tally // over the window that was judged last
	touch   uint64
	seen    time.Time // newest receipt
}

// hitKey is what must not stand twice in a window.
type hitKey struct {
	event holdfast.EventID
	rule  int // -1 where one event counts once, whatever holds for it
}

func (k *correlation) hitKey(en *entry) hitKey {
	if k.Type == sigma.Temporal || k.Type == sigma.TemporalOrdered {
		return hitKey{en.Event, en.Rule}
	}
	return hitKey{en.Event, -1}
}

// cut takes entry i out.
func (g *group) cut(k *correlation, i int) {
	en := g.entries[i]
	delete(g.known, k.hitKey(en))
	g.byRule[en.Rule]--
	g.lanes.cut(en)
	g.tally.drop(i, en)
	g.entries = without(g.entries, i)
}

// without takes entry i out and moves the fewer of those around it.
func without(entries []*entry, i int) []*entry {
	if i > len(entries)/2 {
		return slices.Delete(entries, i, i+1)
	}
	copy(entries[1:i+1], entries[:i])
	entries[0] = nil
	return entries[1:] // append makes room again when it runs out
}

// insert puts a hit into its window and fires if the condition holds.
func (c *Correlator) insert(k *correlation, key groupKey, names, values []string, en *entry, in *incoming) {
	c.touch++
	g := k.groups[key]
	if g == nil {
		c.room(k)
		g = newGroup(k)
		k.groups[key] = g
	}
	g.touch, g.seen = c.touch, c.now
	if n := len(g.entries); n > 0 && en.Time.Before(g.entries[n-1].Time.Add(-k.Timespan)) {
		c.stats.Late++
		return
	}
	if g.known[k.hitKey(en)] {
		return // the same event again, or one that two of the rules hold for
	}
	at := sort.Search(len(g.entries), func(i int) bool { return g.entries[i].Time.After(en.Time) })
	g.add(k, at, en)
	c.entries++
	c.trim(k, g)
	if at = g.find(en); at < 0 {
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
	held, what := k.holds(g, at)
	if held == nil {
		return
	}
	f.alert = c.fire(k, sk, names, values, held, what)
	c.feed(k.Key(), in, &f)
}

func newGroup(k *correlation) *group {
	g := &group{known: map[hitKey]bool{}, byRule: make([]int, len(k.Rules)), tally: newTally(k)}
	if k.Type == sigma.Temporal || k.Type == sigma.TemporalOrdered {
		g.lanes = make(lanes, len(k.Rules))
	}
	return g
}

// add puts an entry in its place.
func (g *group) add(k *correlation, at int, en *entry) {
	g.arrived++
	en.arrival = g.arrived
	g.known[k.hitKey(en)] = true
	g.byRule[en.Rule]++
	g.lanes.add(en)
	if at == len(g.entries) {
		g.entries = append(g.entries, en)
	} else {
		g.entries = slices.Insert(g.entries, at, en)
	}
	g.tally.insert(at, en)
}

// find returns where an entry stands, or -1.
func (g *group) find(en *entry) int {
	if i := sort.Search(len(g.entries), func(i int) bool { return !g.entries[i].before(en) }); i < len(g.entries) && g.entries[i] == en {
		return i
	}
	return -1
}

// trim drops what no window can need any more, then what is over the limits.
func (c *Correlator) trim(k *correlation, g *group) {
	newest := g.entries[len(g.entries)-1].Time
	for g.entries[0].Time.Before(newest.Add(-2 * k.Timespan)) {
		g.cut(k, 0)
		c.entries--
	}
	if limit := k.limit(); len(g.entries) > limit {
		n := k.overflow(g, limit)
		c.entries -= n
		if limit >= MaxEntries {
			c.stats.Overflowed += uint64(n)
		}
	}
	if c.entries > MaxAllEntries {
		c.shrink(g)
	}
}

// overflow brings a window back to its limit and returns how many entries it
// dropped. Of several rules the one with the most entries loses its oldest.
// Where different values count, those that come again go first, a tenth of the
// window at a time; so no value is forgotten while there are others twice.
func (k *correlation) overflow(g *group, limit int) int {
	n := 0
	if k.Type == sigma.ValueCount {
		last := map[string]int{}
		for i, en := range g.entries {
			last[en.Value] = i
		}
		kept := make([]*entry, 0, len(g.entries))
		for i, en := range g.entries {
			if n < max(len(g.entries)/10, len(g.entries)-limit) && last[en.Value] != i {
				delete(g.known, k.hitKey(en))
				g.byRule[en.Rule]--
				n++
				continue
			}
			kept = append(kept, en)
		}
		if n > 0 {
			g.entries, g.tally = kept, newTally(k)
		}
	}
	for ; len(g.entries) > limit; n++ {
		g.cut(k, g.victim())
	}
	return n
}

// limit is how many entries a window of the rule keeps: for a plain "at least
// n" no more than twice what shows it, so that late ones find their place.
func (k *correlation) limit() int {
	limit := MaxEntries
	if k.Type != sigma.EventCount && k.Type != sigma.ValueCount {
		return limit
	}
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
func (g *group) victim() int {
	most := 0
	for rule, n := range g.byRule {
		if n > g.byRule[most] {
			most = rule
		}
	}
	if g.lanes != nil {
		return g.find(g.lanes[most][0])
	}
	return slices.IndexFunc(g.entries, func(e *entry) bool { return e.Rule == most })
}

// holds looks for a window that contains entry at and fulfils the condition.
// It returns its entries, and in words what they are.
func (k *correlation) holds(g *group, at int) ([]*entry, string) {
	entries := g.entries
	t := entries[at].Time
	if k.Type == sigma.TemporalOrdered {
		if slices.Contains(g.byRule, 0) {
			return nil, ""
		}
		first, last := g.lanes.chain(entries[at], k.Timespan)
		if first == nil {
			return nil, ""
		}
		return entries[g.find(first) : g.find(last)+1], "in order"
	}
	for end := at; end < len(entries) && !entries[end].Time.After(t.Add(k.Timespan)); end++ {
		g.tally.slide(entries, end, k.Timespan)
		if held, what := k.judge(entries, g.tally); held != nil {
			return held, what
		}
	}
	return nil, ""
}

// judge holds the condition against a window.
func (k *correlation) judge(entries []*entry, w *tally) ([]*entry, string) {
	n, ok := w.measure()
	switch {
	case !ok:
		return nil, ""
	case k.Condition != nil:
		seen := make([]bool, len(k.Rules))
		for i := range seen {
			seen[i] = w.rules[i] > 0
		}
		if !sigma.Over(k.Condition, seen) {
			return nil, ""
		}
	case !k.bounded(n):
		return nil, ""
	}
	return entries[w.from:w.to], strconv.FormatFloat(n, 'f', -1, 64)
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

// percentile interpolates between the two nearest ranks of sorted numbers.
func percentile(ns []float64, p float64) float64 {
	at := p / 100 * float64(len(ns)-1)
	lo := int(at)
	if lo+1 >= len(ns) {
		return ns[len(ns)-1]
	}
	return ns[lo] + (at-float64(lo))*(ns[lo+1]-ns[lo])
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
