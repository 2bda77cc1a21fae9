package respond

import (
	"slices"
	"strings"
	"time"

	"holdfast"
)

// Stories are the live incidents, so kept that the one an alert belongs to is found
// without looking at them all. They are for one goroutine at a time; the zero value
// has none.
type Stories struct {
	byID    map[string]*story
	byAlert map[string]*story
	// In the order in which they were opened: by the sources and users that they
	// name, by the assets that they are about, and those in which somebody logged in.
	byEntity map[holdfast.Entity][]*story
	byAsset  map[string][]*story
	loggedIn []*story
}

// story is an incident, with what it has in sets once that is much.
type story struct {
	holdfast.Incident
	alerts   seen[string]
	entities seen[holdfast.Entity]
	moments  seen[holdfast.Moment]
	in       bool // loggedIn
}

// Put keeps what an incident is now. One that is closed is a story no longer. What
// the incident holds belongs to the stories from now on.
func (s *Stories) Put(in holdfast.Incident) {
	s.drop(in.ID)
	if in.Status != holdfast.IncidentClosed {
		s.enter(&story{Incident: in})
	}
}

// Get returns an incident as it is now, if it is live. The caller changes nothing
// of it.
func (s *Stories) Get(id string) (holdfast.Incident, bool) {
	one := s.byID[id]
	if one == nil {
		return holdfast.Incident{}, false
	}
	return one.Incident, true
}

func (s *Stories) enter(one *story) {
	if s.byID == nil {
		s.byID, s.byAlert, s.byEntity, s.byAsset = map[string]*story{}, map[string]*story{}, map[holdfast.Entity][]*story{}, map[string][]*story{}
	}
	s.byID[one.ID] = one
	for _, id := range one.Alerts {
		s.tell(id, one)
	}
	for _, e := range one.Entities {
		s.name(e, one)
	}
	for _, asset := range one.Assets {
		s.byAsset[asset] = among(s.byAsset[asset], one)
	}
	s.watch(one)
}

// know adds what an alert has added to a story.
func (s *Stories) know(one *story, a *holdfast.Alert) {
	s.tell(a.ID, one)
	for _, e := range a.Group {
		s.name(e, one)
	}
	for _, e := range a.Entities {
		s.name(e, one)
	}
	if a.Asset != "" {
		s.byAsset[a.Asset] = among(s.byAsset[a.Asset], one)
	}
	s.watch(one)
}

// tell keeps in which story an alert is: the first, if it is in several.
func (s *Stories) tell(alert string, one *story) {
	if was := s.byAlert[alert]; was == nil || before(one, was) < 0 {
		s.byAlert[alert] = one
	}
}

func (s *Stories) name(e holdfast.Entity, one *story) {
	if (e.Kind == holdfast.EntitySource || e.Kind == holdfast.EntityUser) && one.hasEntity(e) {
		s.byEntity[e] = among(s.byEntity[e], one)
	}
}

func (s *Stories) watch(one *story) {
	if one.in = slices.ContainsFunc(one.Tasks, func(t holdfast.IncidentTask) bool { return t.ID == credentialTask }); one.in {
		s.loggedIn = among(s.loggedIn, one)
	}
}

func (s *Stories) drop(id string) {
	one := s.byID[id]
	if one == nil {
		return
	}
	delete(s.byID, id)
	for _, a := range one.Alerts {
		if s.byAlert[a] == one {
			delete(s.byAlert, a)
		}
	}
	for _, e := range one.Entities {
		without(s.byEntity, e, one)
	}
	for _, asset := range one.Assets {
		without(s.byAsset, asset, one)
	}
	if i, there := slices.BinarySearchFunc(s.loggedIn, one, before); there {
		s.loggedIn = slices.Delete(s.loggedIn, i, i+1)
	}
}

// before orders stories by when they were opened.
func before(a, b *story) int {
	if n := a.Opened.Compare(b.Opened); n != 0 {
		return n
	}
	if n := len(a.ID) - len(b.ID); n != 0 { // inc-9 before inc-10
		return n
	}
	return strings.Compare(a.ID, b.ID)
}

func among(list []*story, one *story) []*story {
	i, there := slices.BinarySearchFunc(list, one, before)
	if there {
		return list
	}
	return slices.Insert(list, i, one)
}

func without[K comparable](of map[K][]*story, key K, one *story) {
	list := of[key]
	i, there := slices.BinarySearchFunc(list, one, before)
	switch {
	case !there:
	case len(list) == 1:
		delete(of, key)
	default:
		of[key] = slices.Delete(list, i, i+1)
	}
}

// find returns the story that an alert belongs to: the one that it is in already,
// or the first that was opened of those from the same address, or about the same
// account on the same host where at least one of the two is about what an account
// did, not what was tried on it. Everybody on the Internet tries root; that alone
// makes no story.
func (s *Stories) find(alert *holdfast.Alert, now time.Time) *story {
	if one := s.byAlert[alert.ID]; one != nil {
		return one
	}
	fits := func(one *story) bool {
		return one.Drill == alert.Drill && now.Sub(one.Updated) <= storyTime
	}
	var first *story
	look := func(list []*story, also func(*story) bool) {
		for _, one := range list {
			if first != nil && before(first, one) <= 0 {
				return
			}
			if fits(one) && (also == nil || also(one)) {
				first = one
				return
			}
		}
	}
	inside := true
	for _, e := range groupOf(alert) {
		if e.Kind == holdfast.EntitySource {
			inside = false
			look(s.byEntity[e], nil)
		}
	}
	if alert.Asset == "" {
		return first
	}
	if !inside {
		inside = len(LoggedIn(alert)) > 0
	}
	for _, e := range alert.Entities {
		if e.Kind != holdfast.EntityUser {
			continue
		}
		of := s.byEntity[e]
		if here := s.byAsset[alert.Asset]; len(here) < len(of) {
			of = here
		}
		if !inside && len(s.loggedIn) < len(of) {
			of = s.loggedIn
		}
		look(of, func(one *story) bool {
			return (inside || one.in) && slices.Contains(one.Assets, alert.Asset) && one.hasEntity(e)
		})
	}
	return first
}

func (in *story) addAlert(id string) bool {
	if !in.alerts.fresh(len(in.Alerts), func(i int) string { return in.Alerts[i] }, id) {
		return false
	}
	in.Alerts = append(in.Alerts, id)
	in.alerts.add(id)
	return true
}

func (in *story) hasEntity(e holdfast.Entity) bool {
	return !in.entities.fresh(len(in.Entities), func(i int) holdfast.Entity { return in.Entities[i] }, e)
}

func (in *story) addEntity(e holdfast.Entity) bool {
	if len(in.Entities) >= maxEntities || in.hasEntity(e) {
		return false
	}
	in.Entities = append(in.Entities, e)
	in.entities.add(e)
	return true
}

func (in *story) addMoment(m holdfast.Moment) bool {
	key := func(m holdfast.Moment) holdfast.Moment { m.At = time.Time{}; return m }
	if len(in.Timeline) >= maxTimeline || !in.moments.fresh(len(in.Timeline), func(i int) holdfast.Moment { return key(in.Timeline[i]) }, key(m)) {
		return false
	}
	in.Timeline = append(in.Timeline, m)
	in.moments.add(key(m))
	return true
}

// seen is what a list has, once it is long: before that it is looked through.
type seen[K comparable] map[K]struct{}

const shortList = 32

// fresh reports whether a list of n does not have one.
func (s *seen[K]) fresh(n int, at func(int) K, one K) bool {
	if *s == nil && n >= shortList {
		*s = make(seen[K], 2*n)
		for i := range n {
			(*s)[at(i)] = struct{}{}
		}
	}
	if *s != nil {
		_, there := (*s)[one]
		return !there
	}
	for i := range n {
		if at(i) == one {
			return false
		}
	}
	return true
}

func (s seen[K]) add(one K) {
	if s != nil {
		s[one] = struct{}{}
	}
}
