package spine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/detect"
	"holdfast/hunt"
	"holdfast/query"
	"holdfast/store/bus"
	"holdfast/store/state"
)

const userRule = `title: Users
name: users
level: low
logsource: {product: linux, service: sshd}
detection:
  one:
    user|contains: [root, 'ad"min', Zoë]
  two:
    action: login_failed
    src_ip|cidr: 192.0.2.0/24
  three:
    - disconnected by
  condition: one and two or 1 of three*
`

// mixed has n events of several looks come in, over some hours.
func (l *lab) mixed(n int) {
	l.t.Helper()
	ctx := context.Background()
	users := []string{"root", "Zoë", "ZOË", `ad"min`, "bob", "toor", "RooT2", ""}
	block := &holdfast.Block{ID: "mixed"}
	for i := range n {
		raw := fmt.Appendf(nil, "line %d", i)
		if i%97 == 0 {
			raw = fmt.Appendf(nil, "Disconnected BY user %d", i)
		}
		block.Events = append(block.Events, holdfast.Event{
			ID: holdfast.NewEventID("s", fmt.Sprint(i), raw, 0), Time: l.clock.Now().Add(-time.Duration(i) * time.Second), Received: l.clock.Now(), Source: "s", Asset: fmt.Sprintf("ast-%d", i%5), Dataset: "linux.sshd", Raw: raw,
			Fields: []holdfast.Field{{Name: "user", Text: users[i%len(users)]}, {Name: "action", Text: []string{"login_failed", "login"}[i%3%2]}, {Name: "src_ip", Text: fmt.Sprintf("192.0.%d.%d", 2+i%2, i%250)}},
		})
	}
	seq, _, err := l.Bus.(*bus.Bus).Publish(ctx, block)
	if err = errors.Join(err, l.writer.Add(ctx, seq, block), l.writer.Flush(ctx)); err != nil {
		l.t.Fatal(err)
	}
}

func (l *lab) detector() {
	l.Detect = detect.New(detect.Options{Datasets: l.Ingest.Datasets(), Clock: l.clock, Log: slog.New(slog.DiscardHandler)})
}

// hunted runs a hunt to its end.
func (l *lab) hunted(r HuntRequest) holdfast.Hunt {
	l.t.Helper()
	ctx := context.Background()
	h, err := l.StartHunt(ctx, "ann", r)
	if err != nil {
		l.t.Fatal(err)
	}
	l.hunts.done.Wait()
	if h, err = l.Hunt(ctx, h.ID); err != nil {
		l.t.Fatal(err)
	}
	return h
}

// TestHuntFindsWhatReplayFinds holds that what is asked of the store hides
// nothing from a rule.
func TestHuntFindsWhatReplayFinds(t *testing.T) {
	ctx := context.Background()
	l := newLab(t)
	l.detector()
	l.mixed(4000)
	run, err := l.Replay(ReplayRequest{Text: userRule, From: noon.Add(-48 * time.Hour), To: noon.Add(time.Minute)})
	if err != nil {
		t.Fatal(err)
	}
	want, err := run(ctx, func(holdfast.ReplayLine) {})
	if err != nil {
		t.Fatal(err)
	}
	h := l.hunted(HuntRequest{Text: userRule})
	if h.Status != holdfast.HuntDone || h.Found == 0 || h.Found != want.Rules[0].Events || h.Rules[0].Alerts != want.Rules[0].Alerts || h.Events != 4000 || h.Looked >= 3000 || h.Looked < h.Found {
		t.Errorf("%s %s: found %d of %d, looked at %d; a replay finds %d", h.Status, h.Error, h.Found, h.Events, h.Looked, want.Rules[0].Events)
	}
	if h.Narrow == "" || h.SHA256 == "" || h.Text != userRule || len(h.Rules[0].Samples) < 100 || h.By != "ann" {
		t.Errorf("%+v", h)
	}
}

func TestHuntForAList(t *testing.T) {
	l := newLab(t)
	l.detector()
	l.mixed(4000)
	for _, raw := range []bool{false, true} {
		h := l.hunted(HuntRequest{List: "192.0.2.4 # one\n192.0.3.0/24\n198.51.100.1\n" + strings.Repeat("a", 32) + "\n", Name: "l.txt", Raw: raw})
		got := map[string]uint64{}
		for _, x := range h.Hits {
			got[x.Indicator] = x.Events
		}
		if h.Status != holdfast.HuntDone || len(got) != 2 || got["192.0.2.4"] != 16 || got["192.0.3.0/24"] != 2000 || h.Found != 2016 || h.Events != 4000 {
			t.Errorf("raw %v: %s %s %v %+v", raw, h.Status, h.Error, got, h)
		}
		if h.Indicators["address"] != 2 || len(h.Notes) != 1 {
			t.Errorf("%v %v", h.Indicators, h.Notes)
		}
	}
	if _, err := l.StartHunt(context.Background(), "ann", HuntRequest{List: "x\n", Name: "l.txt"}); !errors.Is(err, holdfast.ErrInvalid) || !strings.Contains(err.Error(), "l.txt:1:") {
		t.Errorf("%v", err)
	}
}

func TestHuntsEnd(t *testing.T) {
	ctx := context.Background()
	l := newLab(t)
	l.detector()
	for i := range maxHunts {
		if !l.hunts.add(fmt.Sprint(i), func() {}) {
			t.Fatal("no room")
		}
	}
	if _, err := l.StartHunt(ctx, "ann", HuntRequest{List: "192.0.2.1"}); !errors.Is(err, holdfast.ErrFull) {
		t.Errorf("one too many: %v", err)
	}
	l.hunts.end("0")
	h := holdfast.Hunt{ID: "hnt-1", Kind: holdfast.HuntIndicators, Status: holdfast.HuntRunning, From: noon, To: noon.Add(time.Hour), Started: noon, Updated: noon}
	if err := l.State.Hunts().Put(ctx, h); err != nil {
		t.Fatal(err)
	}
	if _, err := l.DeleteHunt(ctx, "ann", h.ID); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("one that runs is deleted: %v", err)
	}
	run, cancel := context.WithCancel(ctx)
	l.hunts.add(h.ID, cancel)
	if _, err := l.CancelHunt(ctx, "ann", h.ID); err != nil || run.Err() == nil {
		t.Fatal(err)
	}
	p, err := l.prey(&h, HuntRequest{List: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	l.runHunt(run, h, p, hunt.Parts(nil, query.Range{From: h.From, To: h.To}))
	if got, err := l.Hunt(ctx, h.ID); err != nil || got.Status != holdfast.HuntCancelled || got.Cancel != "ann" || got.Ended.IsZero() {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := l.CancelHunt(ctx, "ann", h.ID); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("one that has ended is cancelled: %v", err)
	}
	if _, err := l.DeleteHunt(ctx, "ann", h.ID); err != nil {
		t.Error(err)
	}
	err = l.State.Tx(ctx, func(tx *state.Tx) error { return forgetHunts(ctx, tx) })
	if err != nil {
		t.Error(err)
	}
}

// TestHuntsAreBegunAgain holds what becomes of hunts whose node is gone: each is
// begun again by one other, finds what it would have found, and not for ever.
func TestHuntsAreBegunAgain(t *testing.T) {
	ctx := context.Background()
	l := newLab(t)
	l.detector()
	l.mixed(2000)
	want := l.hunted(HuntRequest{Text: userRule, Name: "users.yml", From: noon.Add(-time.Hour)})
	if want.Found == 0 {
		t.Fatalf("%+v", want)
	}
	lose := func(change func(*holdfast.Hunt)) string {
		t.Helper()
		h := want
		h.ID, h.Status, h.Ended, h.Updated = holdfast.NewID("hnt"), holdfast.HuntRunning, time.Time{}, l.clock.Now()
		h.Done, h.Looked, h.Found, h.Rules = 0, 7, 7, nil // some of it
		change(&h)
		ask := state.HuntAsk{ID: h.ID, Text: userRule, Name: "users.yml"}
		if err := errors.Join(l.State.HuntAsks().Put(ctx, ask), l.State.Hunts().Put(ctx, h)); err != nil {
			t.Fatal(err)
		}
		return h.ID
	}
	taken := func(id string, all bool) holdfast.Hunt {
		t.Helper()
		if err := l.takeHunts(ctx, all); err != nil {
			t.Fatal(err)
		}
		l.hunts.done.Wait()
		h, err := l.Hunt(ctx, id)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := l.State.HuntAsks().Get(ctx, id); (h.Status == holdfast.HuntRunning) != (err == nil) {
			t.Errorf("%s: what it asked for: %v", h.Status, err)
		}
		return h
	}
	id := lose(func(*holdfast.Hunt) {})
	if h := taken(id, false); h.Status != holdfast.HuntRunning || h.Again != 0 {
		t.Errorf("one that was heard of lately is taken for lost: %+v", h)
	}
	l.clock.Advance(huntSilent)
	h := taken(id, false)
	if h.Again != 1 || h.Ended.IsZero() {
		t.Errorf("%+v", h)
	}
	h.ID, h.Again, h.Updated, h.Ended = want.ID, 0, want.Updated, want.Ended
	if diff := cmp.Diff(want, h); diff != "" {
		t.Errorf("uncut, and begun again:\n%s", diff)
	}
	if h := taken(lose(func(h *holdfast.Hunt) { h.Again = 1 }), true); h.Status != holdfast.HuntDone || h.Again != 2 {
		t.Errorf("where there is no other node: %+v", h)
	}
	if h := taken(lose(func(h *holdfast.Hunt) { h.Again = huntAgain }), true); h.Status != holdfast.HuntFailed || !strings.Contains(h.Error, "3 times; hunt again") {
		t.Errorf("one that was begun again too often: %+v", h)
	}
	if h := taken(lose(func(h *holdfast.Hunt) { h.Cancel = "bob" }), true); h.Status != holdfast.HuntCancelled || h.Ended.IsZero() {
		t.Errorf("one that was cancelled: %+v", h)
	}
	gone := lose(func(*holdfast.Hunt) {})
	if err := l.State.HuntAsks().Put(ctx, state.HuntAsk{ID: gone, Rule: "no_rule_of_this_name"}); err != nil {
		t.Fatal(err)
	}
	if h := taken(gone, true); h.Status != holdfast.HuntFailed || !strings.Contains(h.Error, "cannot be begun again") {
		t.Errorf("one whose rule is gone: %+v", h)
	}
	old := lose(func(*holdfast.Hunt) {})
	if err := l.State.HuntAsks().Delete(ctx, old); err != nil {
		t.Fatal(err)
	}
	if h := taken(old, true); h.Status != holdfast.HuntFailed || !strings.Contains(h.Error, "is gone; hunt again") {
		t.Errorf("one of an earlier version: %+v", h)
	}
}

// TestHuntThatWasTakenOver holds that a node which comes back to a hunt that another
// one has begun again neither goes on with it nor ends it.
func TestHuntThatWasTakenOver(t *testing.T) {
	ctx := context.Background()
	l := newLab(t)
	l.detector()
	h := holdfast.Hunt{ID: "hnt-1", Kind: holdfast.HuntIndicators, Status: holdfast.HuntRunning, From: noon, To: noon.Add(time.Hour), Started: noon, Updated: noon}
	p, err := l.prey(&h, HuntRequest{List: "192.0.2.1"})
	if err != nil {
		t.Fatal(err)
	}
	there := h
	there.Again = 1
	if err := l.State.Hunts().Put(ctx, there); err != nil {
		t.Fatal(err)
	}
	run, cancel := context.WithCancel(ctx)
	defer cancel()
	l.hunts.add(h.ID, cancel)
	l.tellHunt(run, h.ID, h.Again, func(now *holdfast.Hunt) { *now = h })
	if run.Err() == nil {
		t.Error("it goes on")
	}
	l.runHunt(ctx, h, p, hunt.Parts(nil, query.Range{From: h.From, To: h.To}))
	if got, err := l.Hunt(ctx, h.ID); err != nil || !cmp.Equal(got, there) {
		t.Errorf("%v %s", err, cmp.Diff(there, got))
	}
}

// TestHuntOutlivesItsServer holds that a hunt which ends because the server does is
// not said to have failed.
func TestHuntOutlivesItsServer(t *testing.T) {
	l := newLab(t)
	l.detector()
	l.mixed(100)
	running, stop := context.WithCancel(context.Background())
	stop()
	l.running = running
	h := l.hunted(HuntRequest{List: "192.0.2.1", From: noon.Add(-time.Hour)})
	if h.Status != holdfast.HuntRunning || h.Error != "" {
		t.Fatalf("%+v", h)
	}
	l.running = context.Background()
	if err := l.takeHunts(context.Background(), true); err != nil {
		t.Fatal(err)
	}
	l.hunts.done.Wait()
	if h, err := l.Hunt(context.Background(), h.ID); err != nil || h.Status != holdfast.HuntDone || h.Again != 1 || h.Events != 100 {
		t.Errorf("%+v %v", h, err)
	}
}

// BenchmarkHunt compares a hunt for a rule with a replay of it, and shows one
// for a list, over 100,000 events.
func BenchmarkHunt(b *testing.B) {
	l := newLab(b)
	l.detector()
	l.mixed(100_000)
	rule := strings.Replace(userRule, "root, 'ad\"min', Zoë", "'nobody-of-that-name'", 1)
	rule = strings.Replace(rule, " or 1 of three*", "", 1)
	per := func(b *testing.B) { b.ReportMetric(100_000*float64(b.N)/b.Elapsed().Seconds(), "events/s") }
	b.Run("replay", func(b *testing.B) {
		for b.Loop() {
			run, err := l.Replay(ReplayRequest{Text: rule, From: noon.Add(-1000 * time.Hour)})
			if err == nil {
				_, err = run(context.Background(), func(holdfast.ReplayLine) {})
			}
			if err != nil {
				b.Fatal(err)
			}
		}
		per(b)
	})
	b.Run("rule", func(b *testing.B) {
		for b.Loop() {
			l.hunted(HuntRequest{Text: rule, From: noon.Add(-1000 * time.Hour)})
		}
		per(b)
	})
	for _, raw := range []bool{false, true} {
		b.Run(fmt.Sprintf("list/raw=%v", raw), func(b *testing.B) {
			for b.Loop() {
				l.hunted(HuntRequest{List: "198.51.100.1\n198.51.100.0/24\nevil.example\n", From: noon.Add(-1000 * time.Hour), Raw: raw})
			}
			per(b)
		})
	}
}
