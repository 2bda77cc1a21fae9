package drill

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/testkit/netlab"
)

// book keeps drills in memory, as JSON.
type book struct {
	mu   sync.Mutex
	kept map[string][]byte
}

func (b *book) SaveDrill(_ context.Context, d holdfast.Drill) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.kept == nil {
		b.kept = map[string][]byte{}
	}
	var err error
	b.kept[d.ID], err = json.Marshal(d)
	return err
}

func (b *book) RunningDrills(context.Context) ([]holdfast.Drill, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var out []holdfast.Drill
	for _, raw := range b.kept {
		var d holdfast.Drill
		if err := json.Unmarshal(raw, &d); err != nil {
			return nil, err
		}
		if d.Status == holdfast.DrillRunning {
			out = append(out, d)
		}
	}
	return out, nil
}

// accounts are the names that a runner has used.
type accounts struct {
	mu  sync.Mutex
	all []string
}

func (a *accounts) make(context.Context) (string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.all = append(a.all, "hfdrill-"+strings.TrimPrefix(holdfast.NewID("x"), "x-"))
	return a.all[len(a.all)-1], nil
}

// in is the drill whose account a line names.
func (a *accounts) in(line string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, name := range a.all {
		if strings.Contains(line, name) {
			return IDOf(name)
		}
	}
	return ""
}

func runner(wait time.Duration) (*Runner, *accounts) {
	a := &accounts{}
	return &Runner{Book: &book{}, Account: a.make, Clock: clock.System{}, Log: slog.New(slog.DiscardHandler), Patience: wait}, a
}

const selfEnv = "HOLDFAST_DRILL_ON_MANAGEMENT"

// TestMain lets this program be started again on the management host, as a
// server that hears the victim's syslog and counts failures as the rule does.
func TestMain(m *testing.M) {
	if os.Getenv(selfEnv) == "" {
		os.Exit(m.Run())
	}
	in, err := net.Listen("tcp", ":5514")
	if err != nil {
		panic(err)
	}
	os.Stdout.WriteString("listening\n")
	if _, err := bufio.NewReader(os.Stdin).ReadString('\n'); err != nil {
		panic(err)
	}
	r, names := runner(5 * time.Second)
	go hear(in, r, names)
	var out []holdfast.Drill
	for _, kind := range os.Args[2:] {
		d, err := r.Run(context.Background(), Request{Kind: kind, By: "ann", Asset: holdfast.Asset{ID: "ast-1", Enrolled: time.Now(), Addresses: []string{os.Args[1]}}})
		if err != nil {
			panic(err)
		}
		out = append(out, d)
	}
	if err := json.NewEncoder(os.Stdout).Encode(out); err != nil {
		panic(err)
	}
}

func hear(in net.Listener, r *Runner, names *accounts) {
	for {
		c, err := in.Accept()
		if err != nil {
			return
		}
		go func() {
			failures := 0
			for lines := bufio.NewScanner(c); lines.Scan(); {
				id := names.in(lines.Text())
				if id == "" {
					continue
				}
				r.Saw(SawEvent(&holdfast.Event{Dataset: "linux.sshd", Drill: id}))
				if strings.Contains(lines.Text(), "Failed password") || strings.Contains(lines.Text(), "Connection closed by invalid user") {
					failures++
				}
				if failures == 5 {
					r.Saw(SawAlert(&holdfast.Alert{ID: "alr-1", Rule: "ssh_bruteforce", Title: "guessing", Drill: id}))
					r.Saw(SawIncident(&holdfast.Incident{ID: "inc-7", Title: "guessing", Drill: id}))
				}
			}
		}()
	}
}

// onManagement runs drills against the lab's victim.
func onManagement(t *testing.T, l *netlab.Lab, before func(), kinds ...string) []holdfast.Drill {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := l.Management.Command(ctx, self, append([]string{l.Victim.Addr.String()}, kinds...)...)
	cmd.Env = append(os.Environ(), selfEnv+"=1")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(stdout)
	if line, err := r.ReadString('\n'); err != nil || line != "listening\n" {
		t.Fatalf("%q %v", line, err)
	}
	before()
	if _, err := stdin.Write([]byte("go\n")); err != nil {
		t.Fatal(err)
	}
	var out []holdfast.Drill
	if err := json.NewDecoder(r).Decode(&out); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestDrillsOnARealServer(t *testing.T) {
	l := netlab.New(t)
	got := onManagement(t, l, func() {
		l.StartRsyslog("tcp://" + l.Management.Addr.String() + ":5514")
		l.StartSSHD()
	}, "ssh-bruteforce", "ssh-password-login")
	guess, login := got[0], got[1]
	if guess.Status != holdfast.DrillPassed || !*guess.Blocked || len(guess.Hops) != 4 || guess.Fired[0] != "ssh_bruteforce" {
		t.Errorf("ssh-bruteforce: %+v", guess)
	}
	for i, want := range []string{"attempt", "event", "alert", "incident"} {
		if h := guess.Hops[i]; h.Name != want || !h.OK || h.At.IsZero() || h.Took < 0 {
			t.Errorf("hop %d is %+v, want %s", i, h, want)
		}
		t.Logf("%s after %s", guess.Hops[i].Name, guess.Hops[i].Took)
	}
	// The server still takes passwords: that a random one is wrong is no proof.
	if login.Status != holdfast.DrillFailed || *login.Blocked || !strings.Contains(login.Why, "asked for one") {
		t.Errorf("ssh-password-login on a soft server: %+v", login)
	}

	hard := netlab.New(t)
	got = onManagement(t, hard, func() {
		hard.StartRsyslog("tcp://" + hard.Management.Addr.String() + ":5514")
		hard.StartSSHD()
		hard.Victim.WriteFile("/etc/ssh/sshd_config.d/10-hard.conf", "PasswordAuthentication no\n")
		hard.Victim.Must("bash", "-c", "kill -HUP $(cat /run/sshd.pid)")
		hard.Wait(time.Minute, "sshd takes no passwords", func() bool {
			out, _ := hard.Management.Run("ssh", "-F", "none", "-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "x@"+hard.Victim.Addr.String())
			return strings.Contains(out, "Permission denied (publickey)")
		})
	}, "ssh-password-login", "ssh-bruteforce")
	for _, d := range got {
		if d.Status != holdfast.DrillPassed || !*d.Blocked {
			t.Errorf("%s on a hard server: %+v", d.Kind, d)
		}
	}
}

func TestNothingIsMissedInSilence(t *testing.T) {
	in, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	in.Close() // nobody listens there now
	r, _ := runner(time.Millisecond)
	d, err := r.Run(t.Context(), Request{Kind: "ssh-bruteforce", Target: in.Addr().String(), By: "ann", Asset: holdfast.Asset{ID: "ast-1", Enrolled: time.Now(), Local: true}})
	if err != nil {
		t.Fatal(err)
	}
	if d.Status != holdfast.DrillFailed || d.Blocked != nil || !strings.Contains(d.Why, "only 1 of 6") {
		t.Errorf("a host that is away: %+v", d)
	}
}

// TestSights holds what counts for a drill, here and as another node keeps it.
func TestSights(t *testing.T) {
	c := clock.NewFixed(time.Unix(1e9, 0))
	r, _ := runner(0)
	r.Clock = c
	one := &run{kind: Kinds()[0], changed: make(chan struct{}, 1), drill: holdfast.Drill{ID: "drl-1", Asset: "ast-1", Status: holdfast.DrillRunning, Rules: []string{"ssh_bruteforce"}, Started: c.Now()}}
	event := SawEvent(&holdfast.Event{Drill: "drl-1"})
	if r.Saw(event) {
		t.Error("a drill that does not run here is said to")
	}
	if err := r.enter(one); err != nil {
		t.Fatal(err)
	}
	if err := r.enter(&run{drill: holdfast.Drill{ID: "drl-2", Asset: "ast-1"}}); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("a second one on the host: %v", err)
	}
	if !r.Saw(SawAlert(&holdfast.Alert{ID: "alr-1", Rule: "another", Drill: "drl-1"})) || one.has(hopAlert) || r.missing(one) == "" {
		t.Error("another rule's alert counts")
	}
	// Another node, whose clock is behind, sees the rest and keeps it.
	kept := one.drill
	alert := SawAlert(&holdfast.Alert{ID: "alr-2", Rule: "ssh_bruteforce", Drill: "drl-1"})
	incident := SawIncident(&holdfast.Incident{ID: "inc-1", Drill: "drl-1"})
	for _, x := range []Sight{event, alert, incident} {
		if !x.Add(&kept, c.Now().Add(-time.Minute)) || x.Add(&kept, c.Now()) {
			t.Errorf("%+v was not new, or was twice", x)
		}
	}
	r.Saw(Sight{Drill: "drl-1", hop: hopAttempt})
	r.Heard(kept)
	if why := r.missing(one); why != "" || len(one.drill.Hops) != 4 {
		t.Errorf("%s; %+v", why, one.drill.Hops)
	}
	for _, h := range kept.Hops {
		if h.Took < 0 {
			t.Errorf("%+v", h)
		}
	}
	kept.Status = holdfast.DrillPassed
	kept.Hops = nil
	if event.Add(&kept, c.Now()) {
		t.Error("a drill that is over takes in an event")
	}
}

func TestAim(t *testing.T) {
	asset := holdfast.Asset{ID: "ast-1", Enrolled: time.Now(), Addresses: []string{"127.0.0.1", "192.0.2.7", "2001:db8::7"}}
	local := asset
	local.Local = true
	stranger := asset
	stranger.Enrolled = time.Time{}
	for _, c := range []struct {
		asset        holdfast.Asset
		target, want string
		err          error
	}{
		{asset, "", "192.0.2.7:22", nil},
		{asset, "192.0.2.7:2222", "192.0.2.7:2222", nil},
		{asset, "[2001:db8::7]:22", "[2001:db8::7]:22", nil},
		{asset, "192.0.2.8:22", "", holdfast.ErrRefused},
		{asset, "example.org:22", "", holdfast.ErrInvalid},
		{asset, "192.0.2.7", "", holdfast.ErrInvalid},
		{asset, "192.0.2.7:0", "", holdfast.ErrInvalid},
		{asset, "127.0.0.2:22", "", holdfast.ErrRefused},
		{local, "127.0.0.2:22", "127.0.0.2:22", nil},
		{stranger, "", "", holdfast.ErrRefused},
	} {
		got, err := aim(Request{Asset: c.asset, Target: c.target})
		if got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: %q %v, want %q %v", c.target, got, err, c.want, c.err)
		}
	}
}

func TestLost(t *testing.T) {
	r, _ := runner(0)
	now := time.Now()
	r.Clock = clock.NewFixed(now)
	for id, ago := range map[string]time.Duration{"drl-old": time.Hour, "drl-new": time.Second} {
		if err := r.Book.SaveDrill(t.Context(), holdfast.Drill{ID: id, Status: holdfast.DrillRunning, Started: now.Add(-ago)}); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		all  bool
		want string
	}{{false, "drl-old"}, {true, "drl-new"}} {
		ended, err := r.Lost(t.Context(), c.all)
		if err != nil || len(ended) != 1 || ended[0].ID != c.want || ended[0].Status != holdfast.DrillFailed || ended[0].Why == "" {
			t.Errorf("all %t: %+v %v", c.all, ended, err)
		}
	}
	if left, err := r.Book.RunningDrills(t.Context()); err != nil || len(left) > 0 {
		t.Errorf("left running: %+v %v", left, err)
	}
}
