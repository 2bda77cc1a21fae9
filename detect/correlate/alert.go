package correlate

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"holdfast"
	"holdfast/detect/sigma"
)

// slotKey names the alert of a rule and a group.
type slotKey struct {
	rule  string
	group groupKey
}

// slot is where a rule's further hits go. Several slots may hold one alert:
// one for each rule it went through.
type slot struct {
	open  *open
	last  time.Time // event time of the newest hit
	seen  time.Time // newest receipt
	span  time.Duration
	keep  time.Duration
	touch uint64
}

// open is an alert that may still grow.
type open struct {
	alert holdfast.Alert
	group groupKey
	last  holdfast.EventID // the newest event counted
	dirty bool
}

// live returns the alert of a slot if t is within span of its events.
func (c *Correlator) live(key slotKey, t time.Time, span time.Duration) *open {
	s := c.slots[key]
	if s == nil || t.After(s.last.Add(span)) || t.Before(s.open.alert.First.Add(-span)) {
		return nil
	}
	if t.After(s.last) {
		s.last = t
	}
	c.touch++
	s.touch, s.seen = c.touch, c.now
	return s.open
}

func (c *Correlator) hold(key slotKey, o *open, t time.Time, span time.Duration) {
	if _, there := c.slots[key]; !there && len(c.slots) >= MaxAlerts {
		c.dropSlots(MaxAlerts / 10)
	}
	c.touch++
	c.slots[key] = &slot{o, t, c.now, span, c.keep(key.rule, span), c.touch}
}

// keep is how long a slot may matter: those that refer to the rule may raise
// its alert later than hits of its own add to it.
func (c *Correlator) keep(rule string, span time.Duration) time.Duration {
	for _, s := range c.byRule[rule] {
		span = max(span, s.corr.Timespan)
	}
	return span
}

// dropSlots forgets the n alerts least recently added to.
func (c *Correlator) dropSlots(n int) {
	keys := make([]slotKey, 0, len(c.slots))
	for k := range c.slots {
		keys = append(keys, k)
	}
	sort.Slice(keys, func(i, j int) bool { return c.slots[keys[i]].touch < c.slots[keys[j]].touch })
	for _, k := range keys[:min(n, len(keys))] {
		delete(c.slots, k)
		c.stats.Alerts++
	}
}

func (c *Correlator) mark(o *open) {
	o.alert.Updated = c.clock.Now().UTC()
	if !o.dirty {
		o.dirty = true
		c.changed = append(c.changed, o)
	}
}

// grow adds one event to an alert, once.
func (c *Correlator) grow(o *open, en *entry) {
	if o.last != en.Event {
		o.add(en)
		c.mark(o)
	}
}

// add counts an event, unless the alert shows it already.
func (o *open) add(en *entry) {
	a := &o.alert
	o.last = en.Event
	if slices.ContainsFunc(a.Matches, func(m holdfast.Match) bool { return m.Event == en.Event }) {
		return
	}
	a.Count++
	if a.First.IsZero() || en.Time.Before(a.First) {
		a.First = en.Time
	}
	if en.Time.After(a.Last) {
		a.Last = en.Time
	}
	if len(a.Matches) == holdfast.MaxMatches {
		a.Matches = slices.Delete(a.Matches, keptFirst, keptFirst+1)
	}
	a.Matches = append(a.Matches, *en.Match)
	for _, e := range en.Entities {
		if len(a.Entities) < MaxEntities && !slices.Contains(a.Entities, e) {
			a.Entities = append(a.Entities, e)
		}
	}
	if a.Asset == "" {
		a.Asset = en.Asset
	}
}

func (o *open) copy() holdfast.Alert {
	a := o.alert
	a.Stages = slices.Clone(a.Stages)
	a.Group = slices.Clone(a.Group)
	a.Entities = slices.Clone(a.Entities)
	a.Matches = slices.Clone(a.Matches)
	a.Attack = slices.Clone(a.Attack)
	return a
}

// plain makes or grows the alert of a detection: one for each rule, asset,
// user and source address, as long as hits follow within ten minutes.
func (c *Correlator) plain(r *sigma.Rule, in *incoming) {
	asset := in.event.Asset
	if asset == "" {
		asset = first(in.entities, holdfast.EntityHost)
	}
	user, source := first(in.entities, holdfast.EntityUser), first(in.entities, holdfast.EntitySource)
	var names, values []string
	for _, g := range [][2]string{{holdfast.EntityHost, first(in.entities, holdfast.EntityHost)}, {holdfast.EntityUser, user}, {holdfast.EntitySource, source}} {
		if g[1] != "" {
			names, values = append(names, g[0]), append(values, g[1])
		}
	}
	key := slotKey{r.Key(), groupKey{strings.Join([]string{asset, clip(user), clip(source)}, "\x00"), in.event.Drill}}
	en := &entry{Time: in.time, Event: in.event.ID, Match: in.match, Entities: in.entities, Asset: in.event.Asset}
	if o := c.live(key, in.time, takeUp); o != nil {
		c.grow(o, en)
		return
	}
	c.open(key, &r.Meta, names, values, []*entry{en}, "one event holds", takeUp)
}

func first(es []holdfast.Entity, kind string) string {
	for _, e := range es {
		if e.Kind == kind {
			return e.Value
		}
	}
	return ""
}

// open makes a new alert of the entries.
func (c *Correlator) open(key slotKey, m *sigma.Meta, names, values []string, held []*entry, why string, span time.Duration) *open {
	o := &open{group: key.group}
	now := c.clock.Now().UTC()
	parts := append([]string{m.Key()}, values...)
	o.alert = holdfast.Alert{
		ID:   holdfast.StableID("alt", append(parts, held[0].Event.String())...),
		Rule: m.Key(), Title: m.Title, Level: m.Level, Attack: Attack(m.Tags),
		Group: []holdfast.Entity{}, Entities: []holdfast.Entity{}, Matches: []holdfast.Match{},
		Raised: now, Drill: key.group.drill, Status: holdfast.AlertOpen,
	}
	for i, n := range names {
		o.alert.Group = append(o.alert.Group, holdfast.Entity{Kind: n, Value: values[i]})
	}
	for _, en := range held {
		o.add(en)
	}
	last := held[len(held)-1].Time
	o.alert.Stages = []holdfast.Stage{{Rule: m.Key(), Title: m.Title, Level: m.Level, Why: why, Time: last, At: now}}
	c.hold(key, o, last, span)
	c.mark(o)
	return o
}

// fire is a correlation whose condition has come to hold. If one that it
// refers to has an open alert for the same group, that alert is raised.
func (c *Correlator) fire(k *correlation, key slotKey, names, values []string, held []*entry, what string) *open {
	why := k.why(names, values, held, what)
	for _, en := range held {
		if en.Alert == "" {
			continue
		}
		s := c.slots[slotKey{k.refs[en.Rule], key.group}]
		if s == nil || s.open.alert.ID != en.Alert {
			continue
		}
		c.raise(s.open, k, held, why)
		c.hold(key, s.open, held[len(held)-1].Time, k.Timespan)
		return s.open
	}
	return c.open(key, &k.Meta, names, values, held, why, k.Timespan)
}

func (c *Correlator) raise(o *open, k *correlation, held []*entry, why string) {
	a := &o.alert
	if k.Level.Rank() >= a.Level.Rank() {
		a.Rule, a.Title, a.Level = k.Key(), k.Title, k.Level
	}
	for _, en := range held {
		if en.Alert != a.ID {
			o.add(en)
		}
	}
	for _, t := range Attack(k.Tags) {
		if !slices.Contains(a.Attack, t) {
			a.Attack = append(a.Attack, t)
		}
	}
	a.Stages = append(a.Stages, holdfast.Stage{
		Rule: k.Key(), Title: k.Title, Level: k.Level, Why: why,
		Time: held[len(held)-1].Time, At: c.clock.Now().UTC(),
	})
	c.mark(o)
}

// why says in words what made a correlation fire.
func (k *correlation) why(names, values []string, held []*entry, what string) string {
	var b strings.Builder
	switch k.Type {
	case sigma.EventCount:
		fmt.Fprintf(&b, "%s events", what)
	case sigma.ValueCount:
		fmt.Fprintf(&b, "%s different %s in %d events", what, k.Field, len(held))
	case sigma.Temporal:
		fmt.Fprintf(&b, "%s of %d rules (%s)", what, len(k.refs), strings.Join(k.refs, ", "))
	case sigma.TemporalOrdered:
		b.WriteString(strings.Join(k.refs, ", then "))
	default:
		fmt.Fprintf(&b, "%s of %s is %s over %d events", strings.TrimPrefix(string(k.Type), "value_"), k.Field, what, len(held))
	}
	for i, n := range names {
		sep := ", "
		if i == 0 {
			sep = " by "
		}
		fmt.Fprintf(&b, "%s%s=%s", sep, n, values[i])
	}
	fmt.Fprintf(&b, " within %s", span(k.Timespan))
	return b.String()
}

// Attack returns the ATT&CK ids among tags: "attack.t1110.001" is T1110.001.
func Attack(tags []string) []string {
	var out []string
	for _, t := range tags {
		rest, ok := strings.CutPrefix(strings.ToLower(t), "attack.")
		if !ok || len(rest) < 5 || rest[0] != 't' || rest[1] < '0' || rest[1] > '9' {
			continue
		}
		if id := strings.ToUpper(rest); !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}
