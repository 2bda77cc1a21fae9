package respond

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
)

// plainly is which of all incidents, the first opened first, an alert belongs to,
// found by looking at each.
func plainly(open []holdfast.Incident, alert *holdfast.Alert, now time.Time) string {
	i := slices.IndexFunc(open, func(one holdfast.Incident) bool { return slices.Contains(one.Alerts, alert.ID) })
	if i < 0 {
		i = slices.IndexFunc(open, func(one holdfast.Incident) bool { return sameStory(&one, alert, now) })
	}
	if i < 0 {
		return ""
	}
	return open[i].ID
}

func sameStory(in *holdfast.Incident, alert *holdfast.Alert, now time.Time) bool {
	if in.Drill != alert.Drill || now.Sub(in.Updated) > storyTime {
		return false
	}
	sources := filter(groupOf(alert), func(e holdfast.Entity) bool { return e.Kind == holdfast.EntitySource })
	if slices.ContainsFunc(sources, func(e holdfast.Entity) bool { return slices.Contains(in.Entities, e) }) {
		return true
	}
	if alert.Asset == "" || !slices.Contains(in.Assets, alert.Asset) {
		return false
	}
	inside := len(sources) == 0 || len(LoggedIn(alert)) > 0
	if !inside && !slices.ContainsFunc(in.Tasks, func(t holdfast.IncidentTask) bool { return t.ID == credentialTask }) {
		return false
	}
	return slices.ContainsFunc(alert.Entities, func(e holdfast.Entity) bool {
		return e.Kind == holdfast.EntityUser && slices.Contains(in.Entities, e)
	})
}

// someAlert makes alerts of few hosts, accounts and addresses, so that many meet.
func someAlert(r *rand.Rand) holdfast.Alert {
	a := bruteforce(fmt.Sprint("alr-", r.IntN(300)), fmt.Sprint("192.0.2.", r.IntN(25)), fmt.Sprint("u", r.IntN(8)))
	a.Asset = []string{"ast-1", "ast-2", ""}[r.IntN(3)]
	a.Drill = []string{"", "", "", "drl-1"}[r.IntN(4)]
	a.Level = []holdfast.Level{holdfast.Low, holdfast.Medium, holdfast.High}[r.IntN(3)]
	switch r.IntN(4) {
	case 0: // what was done on the host
		a.Group, a.Entities = nil, a.Entities[1:]
	case 1:
		a = raised(a, fmt.Sprint("u", r.IntN(8)))
	}
	return a
}

// TestStoriesAgainstLooking holds that an alert goes to the incident to which it
// goes when all are looked at, while incidents open, change, get old and close.
func TestStoriesAgainstLooking(t *testing.T) {
	for seed := range uint64(30) {
		r := rand.New(rand.NewPCG(seed, 7))
		var stories Stories
		var all []holdfast.Incident
		now, n, opened, joined := start, 0, 0, 0
		for range 300 {
			now = now.Add(time.Duration(r.IntN(300)) * time.Minute / 4)
			if r.IntN(8) == 0 && len(all) > 0 { // somebody works on one
				i := r.IntN(len(all))
				if r.IntN(2) == 0 {
					all[i].Status = holdfast.IncidentClosed
				} else {
					all[i].Entities = append(all[i].Entities, holdfast.Entity{Kind: holdfast.EntityUser, Value: fmt.Sprint("u", r.IntN(8))})
				}
				stories.Put(clone(all[i]))
				all = slices.DeleteFunc(all, func(in holdfast.Incident) bool { return in.Status == holdfast.IncidentClosed })
			}
			alert := someAlert(r)
			want := plainly(all, &alert, now)
			in := input(&n)
			in.Now = now
			got, _ := stories.Triage(alert, in)
			i := slices.IndexFunc(all, func(o holdfast.Incident) bool { return o.ID == got.ID })
			switch {
			case want == "" && got.ID != "" && i < 0:
				opened++
				all = append(all, clone(got))
			case want != got.ID:
				t.Fatalf("seed %d: %+v went to %q, want %q", seed, alert, got.ID, want)
			case want != "":
				joined++
				all[i] = clone(got)
			}
		}
		if opened < 20 || joined < 20 {
			t.Errorf("seed %d: %d opened, %d joined: this shows little", seed, opened, joined)
		}
		for _, in := range all {
			if kept, ok := stories.Get(in.ID); !ok || !cmp.Equal(kept, in) {
				t.Errorf("seed %d: %s is kept otherwise:\n%s", seed, in.ID, cmp.Diff(in, kept))
			}
		}
	}
}

// TestLongStory holds that an incident with very many alerts takes each in once.
func TestLongStory(t *testing.T) {
	var stories Stories
	n := 0
	for round := range 2 {
		for i := range 3000 {
			a := bruteforce(fmt.Sprint("alr-", i), "192.0.2.7", fmt.Sprint("u", i))
			in, changed := stories.Triage(a, input(&n))
			if changed != (round == 0) || in.ID != "inc-1" {
				t.Fatalf("alert %d in round %d: changed %t, %s", i, round, changed, in.ID)
			}
		}
	}
	in, _ := stories.Get("inc-1")
	if len(in.Alerts) != 3000 || len(in.Entities) != maxEntities || len(in.Timeline) != maxTimeline {
		t.Errorf("%d alerts, %d entities, %d moments", len(in.Alerts), len(in.Entities), len(in.Timeline))
	}
}

// BenchmarkTriage puts alerts into 5,000 live incidents.
func BenchmarkTriage(b *testing.B) {
	var stories Stories
	n := 0
	put := func(i int) {
		stories.Triage(bruteforce(fmt.Sprint("alr-", i), fmt.Sprint("2001:db8::", i%5000), "root"), input(&n))
	}
	for i := range 5000 {
		put(i)
	}
	for i := 5000; b.Loop(); i++ {
		put(i)
	}
}
