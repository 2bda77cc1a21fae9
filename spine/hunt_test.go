package spine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

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
	lost := holdfast.Hunt{ID: "hnt-2", Status: holdfast.HuntRunning, Started: noon, Updated: noon}
	if err := errors.Join(l.State.Hunts().Put(ctx, lost), l.endHunts(ctx, false)); err != nil {
		t.Fatal(err)
	}
	if got, _ := l.Hunt(ctx, lost.ID); got.Status != holdfast.HuntRunning {
		t.Errorf("one that was heard of lately is taken for lost: %+v", got)
	}
	l.clock.Advance(huntSilent)
	if err := l.endHunts(ctx, false); err != nil {
		t.Fatal(err)
	}
	if got, _ := l.Hunt(ctx, lost.ID); got.Status != holdfast.HuntFailed || !strings.Contains(got.Error, "hunt again") {
		t.Errorf("%+v", got)
	}
	err = l.State.Tx(ctx, func(tx *state.Tx) error { return forgetHunts(ctx, tx) })
	if err != nil {
		t.Error(err)
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
