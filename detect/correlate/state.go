package correlate

import (
	"encoding/json"
	"fmt"
	"sort"
	"time"

	"holdfast"
)

const stateVersion = 1

// state is a Correlator written out. Rules are known by their hash: windows
// and alerts of a rule that has changed since are left behind.
type state struct {
	Version int              `json:"version"`
	Touch   uint64           `json:"touch"`
	Now     time.Time        `json:"now"`
	Swept   time.Time        `json:"swept"`
	Groups  []groupState     `json:"groups"`
	Alerts  []alertState     `json:"alerts"`
	Slots   []slotState      `json:"slots"`
	Matches []holdfast.Match `json:"matches"`
}

type groupState struct {
	Rule    string       `json:"rule"`
	Hash    string       `json:"hash"`
	Values  string       `json:"values"`
	Drill   string       `json:"drill,omitempty"`
	Entries []entryState `json:"entries"`
	Touch   uint64       `json:"touch"`
	Seen    time.Time    `json:"seen"`
}

// entryState keeps the match by its place in state.Matches: one event often
// stands in the windows of several rules.
type entryState struct {
	entry
	Match int `json:"match"`
}

type alertState struct {
	Alert  holdfast.Alert   `json:"alert"`
	Values string           `json:"values"`
	Last   holdfast.EventID `json:"last"`
}

type slotState struct {
	Rule   string        `json:"rule"`
	Values string        `json:"values"`
	Drill  string        `json:"drill,omitempty"`
	Alert  int           `json:"alert"` // index in state.Alerts
	Last   time.Time     `json:"last"`
	Seen   time.Time     `json:"seen"`
	Span   time.Duration `json:"span"`
	Touch  uint64        `json:"touch"`
}

// Snapshot writes the windows and live alerts: the same state always gives the
// same bytes. Changes not yet taken by Take are not in it as changes.
func (c *Correlator) Snapshot() ([]byte, error) {
	s := state{Version: stateVersion, Touch: c.touch, Now: c.now, Swept: c.swept}
	matches := map[*holdfast.Match]int{}
	for _, k := range c.corrs {
		keys := make([]groupKey, 0, len(k.groups))
		for key := range k.groups {
			keys = append(keys, key)
		}
		sort.Slice(keys, func(i, j int) bool {
			if keys[i].values != keys[j].values {
				return keys[i].values < keys[j].values
			}
			return keys[i].drill < keys[j].drill
		})
		for _, key := range keys {
			g := k.groups[key]
			gs := groupState{Rule: k.Key(), Hash: k.Hash, Values: key.values, Drill: key.drill, Touch: g.touch, Seen: g.seen}
			for _, en := range g.entries {
				at, ok := matches[en.Match]
				if !ok {
					at = len(s.Matches)
					matches[en.Match] = at
					s.Matches = append(s.Matches, *en.Match)
				}
				gs.Entries = append(gs.Entries, entryState{*en, at})
			}
			s.Groups = append(s.Groups, gs)
		}
	}
	c.snapshotAlerts(&s)
	b, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("write correlation state: %w", err)
	}
	return b, nil
}

func (c *Correlator) snapshotAlerts(s *state) {
	keys := make([]slotKey, 0, len(c.slots))
	for key := range c.slots {
		keys = append(keys, key)
	}
	sort.Slice(keys, func(i, j int) bool { return c.slots[keys[i]].touch < c.slots[keys[j]].touch })
	places := map[*open]int{}
	for _, key := range keys {
		sl := c.slots[key]
		at, ok := places[sl.open]
		if !ok {
			at = len(s.Alerts)
			places[sl.open] = at
			s.Alerts = append(s.Alerts, alertState{sl.open.alert, sl.open.group.values, sl.open.last})
		}
		s.Slots = append(s.Slots, slotState{key.rule, key.group.values, key.group.drill, at, sl.last, sl.seen, sl.span, sl.touch})
	}
}

// Restore reads what Snapshot wrote, in place of what is there. Damage leaves
// everything as it was and gives an error that wraps holdfast.ErrInvalid.
func (c *Correlator) Restore(b []byte) error {
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return fmt.Errorf("read correlation state: %w: %w", holdfast.ErrInvalid, err)
	}
	if s.Version != stateVersion {
		return fmt.Errorf("correlation state has version %d, this program reads %d: %w", s.Version, stateVersion, holdfast.ErrInvalid)
	}
	if err := s.check(); err != nil {
		return err
	}
	c.slots, c.entries, c.changed = map[slotKey]*slot{}, 0, nil
	c.touch, c.now, c.swept = s.Touch, s.Now, s.Swept
	byKey := map[string]*correlation{}
	for _, k := range c.corrs {
		k.groups = map[groupKey]*group{}
		byKey[k.Key()] = k
	}
	for _, gs := range s.Groups {
		k := byKey[gs.Rule]
		if k == nil || k.Hash != gs.Hash {
			continue
		}
		g := newGroup(k)
		g.touch, g.seen = gs.Touch, gs.Seen
		for _, es := range gs.Entries {
			if es.Rule >= len(k.Rules) {
				continue
			}
			en := es.entry
			en.Match = &s.Matches[es.Match]
			g.add(k, len(g.entries), &en)
		}
		if len(g.entries) == 0 {
			continue
		}
		c.entries += len(g.entries)
		k.groups[groupKey{gs.Values, gs.Drill}] = g
	}
	opens := make([]*open, len(s.Alerts))
	for i, a := range s.Alerts {
		opens[i] = &open{alert: a.Alert, group: groupKey{a.Values, a.Alert.Drill}, last: a.Last}
	}
	for _, ss := range s.Slots {
		c.slots[slotKey{ss.Rule, groupKey{ss.Values, ss.Drill}}] = &slot{opens[ss.Alert], ss.Last, ss.Seen, ss.Span, c.keep(ss.Rule, ss.Span), ss.Touch}
	}
	return nil
}

func (s *state) check() error {
	for _, g := range s.Groups {
		for _, e := range g.Entries {
			if e.Match < 0 || e.Match >= len(s.Matches) || e.Rule < 0 {
				return fmt.Errorf("correlation state: an entry points nowhere: %w", holdfast.ErrInvalid)
			}
		}
	}
	for _, sl := range s.Slots {
		if sl.Alert < 0 || sl.Alert >= len(s.Alerts) {
			return fmt.Errorf("correlation state: a slot points nowhere: %w", holdfast.ErrInvalid)
		}
	}
	return nil
}

// Adopt takes over the windows, live alerts and untaken changes of another
// Correlator, as far as its rules are still here and unchanged. The other one
// must not be used again.
func (c *Correlator) Adopt(old *Correlator) {
	c.slots, c.touch, c.now, c.swept = old.slots, old.touch, old.now, old.swept
	c.changed, c.stats, c.entries = old.changed, old.stats, 0
	before := map[string]*correlation{}
	for _, k := range old.corrs {
		before[k.Key()] = k
	}
	for _, k := range c.corrs {
		if o := before[k.Key()]; o != nil && o.Hash == k.Hash {
			k.groups = o.groups
		}
		for _, g := range k.groups {
			g.tally.k = k.Correlation
			c.entries += len(g.entries)
		}
	}
	for key, s := range c.slots {
		s.keep = c.keep(key.rule, s.span)
	}
}
