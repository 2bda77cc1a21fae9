// Package correlate turns hits of rules into alerts: it counts them by group
// over sliding windows of event time (Sigma 2.1, correlations), lets further
// hits add to an alert that is still live, and raises an alert when a stronger
// rule of the same story fires. Its state is bounded, can be written out and
// read back, and depends on nothing but the events it saw, in their order. It
// leaves matching to detect/engine.
//
// Time. A window holds what lies within the timespan of any of its events, by
// the events' own clock; one that claims to be more than ten minutes ahead of
// its receipt counts as of its receipt. An event may come late: it is put where
// it belongs, as long as it is not more than a timespan behind the newest of
// its group; then it is passed over, and counted.
//
// Conditions are judged at each hit, over what is in the window then; so "lt",
// "lte" and "eq" speak of the number reached so far. An event without a
// group-by field, or without the field a value is taken from, is passed over.
//
// Which rules alert. A detection that a correlation refers to is silent unless
// one that refers to it says "generate: true". A correlation that another one
// refers to alerts for itself: the other one raises that same alert.
package correlate

import (
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"holdfast"
	"holdfast/detect/sigma"
	"holdfast/internal/clock"
)

// Limits on state. What goes beyond is dropped, the least recently touched
// first, and counted in Stats.
const (
	MaxEntries    = 1000   // in one window
	MaxGroups     = 10_000 // of one rule
	MaxAllEntries = 50_000 // in all windows
	MaxAlerts     = 5_000  // still live
	MaxEntities   = 500    // in one alert
)

const (
	takeUp    = 10 * time.Minute // how long the alert of a plain detection stays live
	ahead     = 10 * time.Minute // how far a clock may run ahead of receipt
	maxValue  = 1024             // bytes of one group or counted value
	maxRaw    = 1000             // bytes of a raw record in a match
	keptFirst = holdfast.MaxMatches / 2
)

// Hit is a detection that held for an event.
type Hit struct {
	Rule    *sigma.Rule
	Because []holdfast.Predicate
}

// Stats count what is held, and what bounds cost. The costs start from zero
// with the process.
type Stats struct {
	Groups     int    `json:"groups"`     // windows held, at most MaxGroups of one rule
	Entries    int    `json:"entries"`    // hits in all windows, at most MaxAllEntries
	Live       int    `json:"live"`       // alerts that may still grow, at most MaxAlerts
	Late       uint64 `json:"late"`       // events too far behind their group
	NoGroup    uint64 `json:"no_group"`   // events that lack a group-by or counted field
	Overflowed uint64 `json:"overflowed"` // events dropped from full windows
	Evicted    uint64 `json:"evicted"`    // groups dropped because there were too many
	Alerts     uint64 `json:"alerts"`     // alerts no longer added to because there were too many
}

// Correlator holds the windows and the live alerts. It is not safe for
// concurrent use.
type Correlator struct {
	clock  clock.Clock
	corrs  []*correlation            // in the order of their references
	byRule map[string][]subscription // rule key → who waits for it
	silent map[string]bool

	slots   map[slotKey]*slot
	entries int // in all windows
	touch   uint64
	now     time.Time // newest receipt seen
	swept   time.Time

	changed []*open
	stats   Stats
}

// correlation is one rule and its windows.
type correlation struct {
	*sigma.Correlation
	refs   []string // keys of Rules
	groups map[groupKey]*group
}

type subscription struct {
	corr  *correlation
	index int // in corr.Rules
}

// groupKey is the group-by values of one window; drills have windows of their
// own, so that a real attack never hides in one.
type groupKey struct{ values, drill string }

// New links correlations to the rules they refer to, by name or id. One that
// refers to a rule which is not there, or to itself by a detour, is a fault
// and left out.
func New(rules []*sigma.Rule, corrs []*sigma.Correlation, c clock.Clock) (*Correlator, holdfast.Faults) {
	out := &Correlator{
		clock: c, byRule: map[string][]subscription{}, silent: map[string]bool{},
		slots: map[slotKey]*slot{},
	}
	detections := map[string]string{}
	for _, r := range rules {
		detections[r.ID], detections[r.Name] = r.Key(), r.Key()
	}
	delete(detections, "")
	loud := map[string]bool{}
	for _, k := range corrs {
		for _, name := range k.Rules {
			if key, ok := detections[name]; ok {
				out.silent[key] = true
				loud[key] = loud[key] || k.Generate
			}
		}
	}
	for key, yes := range loud {
		if yes {
			delete(out.silent, key)
		}
	}
	return out, out.link(detections, corrs)
}

// link orders the correlations so that each stands behind those it refers to.
func (c *Correlator) link(detections map[string]string, corrs []*sigma.Correlation) holdfast.Faults {
	linked := map[string]string{}
	all := map[string]bool{}
	for _, k := range corrs {
		all[k.ID], all[k.Name] = true, true
	}
	waiting := slices.Clone(corrs)
	for len(waiting) > 0 {
		var later []*sigma.Correlation
		for _, k := range waiting {
			refs := make([]string, 0, len(k.Rules))
			for _, name := range k.Rules {
				if key, ok := detections[name]; ok {
					refs = append(refs, key)
				} else if key, ok := linked[name]; ok && name != "" {
					refs = append(refs, key)
				}
			}
			if len(refs) < len(k.Rules) {
				later = append(later, k)
				continue
			}
			one := &correlation{k, refs, map[groupKey]*group{}}
			c.corrs = append(c.corrs, one)
			for i, key := range refs {
				c.byRule[key] = append(c.byRule[key], subscription{one, i})
			}
			linked[k.ID], linked[k.Name] = k.Key(), k.Key()
		}
		if len(later) == len(waiting) {
			break
		}
		waiting = later
	}
	var faults holdfast.Faults
	for _, k := range waiting {
		if _, ok := linked[k.Key()]; ok {
			continue
		}
		for _, name := range k.Rules {
			if detections[name] != "" || linked[name] != "" {
				continue
			}
			f := holdfast.Fault{File: k.File, Line: k.Pos.Line, Column: k.Pos.Column}
			f.What, f.Do = "the correlation refers to "+name+", which is not loaded", "add a rule of that name or id, or correct the reference"
			if all[name] {
				f.What, f.Do = "the correlation refers to "+name+", which refers back to it or is itself refused", "break the circle, or correct that rule"
			}
			faults = append(faults, f)
		}
	}
	return faults
}

// Loaded returns the correlations that were linked.
func (c *Correlator) Loaded() []*sigma.Correlation {
	out := make([]*sigma.Correlation, len(c.corrs))
	for i, k := range c.corrs {
		out[i] = k.Correlation
	}
	return out
}

// Silent reports whether a detection only feeds correlations.
func (c *Correlator) Silent(key string) bool { return c.silent[key] }

// Stats returns the counts so far.
func (c *Correlator) Stats() Stats {
	s := c.stats
	s.Entries, s.Live = c.entries, len(c.slots)
	for _, k := range c.corrs {
		s.Groups += len(k.groups)
	}
	return s
}

// Add takes in an event and the detections that held for it. The event is not
// kept beyond what an alert shows of it.
func (c *Correlator) Add(e *holdfast.Event, ds *holdfast.Dataset, hits []Hit) {
	if e.Received.After(c.now) {
		c.now = e.Received
		c.sweep()
	}
	if len(hits) == 0 {
		return
	}
	in := incoming{event: e, dataset: ds, time: e.Time, entities: ds.Entities(e)}
	if !e.Received.IsZero() && e.Time.After(e.Received.Add(ahead)) {
		in.time = e.Received
	}
	for _, h := range hits {
		key := h.Rule.Key()
		in.match = &holdfast.Match{
			Event: e.ID, Time: e.Time, Dataset: e.Dataset, Rule: key, Message: cut(e.Raw), Because: h.Because,
		}
		if !c.silent[key] {
			c.plain(h.Rule, &in)
		}
		c.feed(key, &in, nil)
	}
}

// Take returns copies of the alerts that are new or changed since the last
// call, oldest first.
func (c *Correlator) Take() []holdfast.Alert {
	out := make([]holdfast.Alert, 0, len(c.changed))
	for _, o := range c.changed {
		o.dirty = false
		out = append(out, o.copy())
	}
	c.changed = nil
	return out
}

// incoming is one event on its way through the rules.
type incoming struct {
	event    *holdfast.Event
	dataset  *holdfast.Dataset
	time     time.Time
	entities []holdfast.Entity
	match    *holdfast.Match
}

// fired is a correlation that holds, as those that refer to it see it.
type fired struct {
	alert *open
	group map[string]string // group-by name → value
}

// feed gives a hit of a rule to the correlations that refer to it.
func (c *Correlator) feed(key string, in *incoming, by *fired) {
	for _, s := range c.byRule[key] {
		values, names, ok := s.corr.groupOf(s.index, in, by)
		var value string
		if ok && len(s.corr.Fields) > 0 {
			value, ok = s.corr.combined(s.index, in, by)
		} else if ok && s.corr.Field != "" {
			value, ok = s.corr.field(s.index, s.corr.Field, in, by)
		}
		if !ok {
			c.stats.NoGroup++
			continue
		}
		en := &entry{Time: in.time, Event: in.event.ID, Rule: s.index, Value: value, Match: in.match, Entities: in.entities, Asset: in.event.Asset}
		if by != nil {
			en.Alert = by.alert.alert.ID
		}
		c.insert(s.corr, groupKey{strings.Join(values, "\x00"), in.event.Drill}, names, values, en, in)
	}
}

// combined is the values of all counted fields in one text.
func (k *correlation) combined(index int, in *incoming, by *fired) (string, bool) {
	var all []string
	for _, name := range k.Fields {
		v, ok := k.field(index, name, in, by)
		if !ok {
			return "", false
		}
		all = append(all, v)
	}
	return strings.Join(all, "\x00"), true
}

// groupOf returns the group-by values of a hit, and the entity names for them.
func (k *correlation) groupOf(index int, in *incoming, by *fired) (values, names []string, ok bool) {
	for _, name := range k.GroupBy {
		v, ok := k.field(index, name, in, by)
		if !ok {
			return nil, nil, false
		}
		if ecs, found := in.dataset.ECS[k.alias(index, name)]; found {
			name = ecs
		}
		values, names = append(values, v), append(names, name)
	}
	return values, names, true
}

// alias returns the field that a name stands for in one of the rules.
func (k *correlation) alias(index int, name string) string {
	if f := k.Aliases[name][k.Rules[index]]; f != "" {
		return f
	}
	return name
}

func (k *correlation) field(index int, name string, in *incoming, by *fired) (string, bool) {
	name = k.alias(index, name)
	if by != nil {
		if v, ok := by.group[name]; ok {
			return v, true
		}
	}
	if f, ok := in.event.Get(name); ok {
		return clip(f.Text), f.Kind != holdfast.Null && f.Text != ""
	}
	var native []string
	for from, to := range in.dataset.ECS {
		if to == name {
			native = append(native, from)
		}
	}
	sort.Strings(native)
	for _, n := range native {
		if f, ok := in.event.Get(n); ok && f.Kind != holdfast.Null && f.Text != "" {
			return clip(f.Text), true
		}
	}
	return "", false
}

func clip(s string) string {
	if len(s) > maxValue {
		s = s[:maxValue]
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}

func cut(raw []byte) string {
	if len(raw) > maxRaw {
		raw = raw[:maxRaw]
	}
	return strings.ToValidUTF8(string(raw), "\uFFFD")
}

// span writes a timespan as people do: 5m, not 5m0s.
func span(d time.Duration) string {
	for _, u := range []struct {
		d time.Duration
		s string
	}{{24 * time.Hour, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d >= u.d && d%u.d == 0 {
			return fmt.Sprintf("%d%s", d/u.d, u.s)
		}
	}
	return d.String()
}
