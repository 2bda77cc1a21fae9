package blockaddress

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/testkit/netlab"
)

func TestMain(m *testing.M) {
	a := Action()
	netlab.Main(m, netlab.Part{Plan: a.Plan, Apply: a.Apply, Verify: a.Verify, Undo: a.Undo, VerifyUndone: a.VerifyUndone})
}

func planFor(t *testing.T, l *netlab.Lab, addr netip.Addr, lease time.Duration, management ...string) holdfast.Plan {
	t.Helper()
	raw, err := Action().Params(holdfast.Entity{Kind: holdfast.EntitySource, Value: addr.String()}, lease)
	if err != nil {
		t.Fatal(err)
	}
	out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbPlan, Params: raw, Management: management})
	if out.Error != "" {
		t.Fatalf("plan: %s", out.Error)
	}
	return out.Plan
}

func reaches(t *testing.T, from *netlab.Host, to netip.Addr, port string) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	c, err := from.Dial(ctx, "tcp", net.JoinHostPort(to.String(), port))
	if err != nil {
		return false
	}
	c.Close()
	return true
}

func TestBlockOfARealAttacker(t *testing.T) {
	netlab.Require(t, "nft")
	l := netlab.New(t)
	l.StartRsyslog("")
	l.StartSSHD()
	l.AddUser("anna", "right-horse")
	l.Victim.Must("nft", "add table inet somebody; add chain inet somebody input { type filter hook input priority 0; policy accept; }; add rule inet somebody input tcp dport 4444 counter drop")
	foreign := l.Victim.Must("nft", "list", "table", "inet", "somebody")
	session := l.HoldSession(l.Attacker, "anna", "right-horse")
	other := l.HoldSession(l.Bystander, "anna", "right-horse")

	p := planFor(t, l, l.Attacker.Addr, time.Minute, l.Management.Addr.String())
	if len(p.Refused) > 0 || p.Nothing {
		t.Fatalf("plan refuses: %+v", p)
	}
	if len(p.Hits) != 1 || !strings.Contains(p.Hits[0].Value, "sshd") || !strings.Contains(p.Hits[0].Value, l.Attacker.Addr.String()) {
		t.Errorf("the attacker's session is not shown: %+v", p.Hits)
	}
	if !strings.Contains(p.Diff, "add element inet holdfast blocked4 { "+l.Attacker.Addr.String()+" timeout 60s") {
		t.Errorf("the exact change is not shown:\n%s", p.Diff)
	}
	before := l.Victim.Do(netlab.Order{Verb: holdfast.VerbVerify, Plan: p, Management: []string{l.Management.Addr.String()}})
	if before.Proof.Holds {
		t.Errorf("verify holds before apply: %+v", before.Proof.Tests)
	}
	for range 2 { // twice is harmless
		if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbApply, Plan: p}); out.Error != "" {
			t.Fatalf("apply: %s", out.Error)
		}
	}
	select {
	case <-session.Ended():
	case <-time.After(time.Minute):
		t.Error("the attacker's established session lives on")
	}
	if other.Err() != nil {
		t.Errorf("the bystander's session was cut: %v", other.Err())
	}
	out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbVerify, Plan: p, Management: []string{l.Management.Addr.String()}})
	for _, test := range out.Proof.Tests {
		t.Logf("%s: want %s, got %s, ok %v, %s", test.Say, test.Want, test.Got, test.OK, test.Took)
	}
	t.Logf("verify took %s", out.Took)
	if !out.Proof.Holds || out.Error != "" || len(out.Proof.Tests) < 5 {
		t.Errorf("verify: %q %+v", out.Error, out.Proof)
	}
	if reaches(t, l.Attacker, l.Victim.Addr, "22") {
		t.Error("the attacker still gets a connection")
	}
	for _, h := range []*netlab.Host{l.Bystander, l.Management} {
		if !reaches(t, h, l.Victim.Addr, "22") {
			t.Errorf("%s is not served", h.Name)
		}
	}
	// Another plan for the same address: shorter is nothing, longer replaces.
	if again := planFor(t, l, l.Attacker.Addr, 10*time.Second); !again.Nothing {
		t.Errorf("a shorter block on top: %+v", again)
	}
	longer := planFor(t, l, l.Attacker.Addr, 10*time.Minute)
	if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbApply, Plan: longer}); out.Error != "" {
		t.Errorf("apply the longer one: %s", out.Error)
	}
	if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbUndo, Plan: p}); out.Error != "" {
		t.Errorf("undo of the first: %s", out.Error)
	}
	if reaches(t, l.Attacker, l.Victim.Addr, "22") {
		t.Error("undoing the first block lifted the second")
	}
	for range 2 {
		if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbUndo, Plan: longer}); out.Error != "" {
			t.Fatalf("undo: %s", out.Error)
		}
	}
	out = l.Victim.Do(netlab.Order{Verb: netlab.VerbVerifyUndone, Plan: longer})
	if !out.Proof.Holds || out.Error != "" {
		t.Errorf("verify undone: %q %+v", out.Error, out.Proof)
	}
	if !reaches(t, l.Attacker, l.Victim.Addr, "22") {
		t.Error("the attacker is not served after undo")
	}
	if left := l.Victim.Must("nft", "list", "tables"); strings.Contains(left, "holdfast") {
		t.Errorf("the table is left: %s", left)
	}
	if now := l.Victim.Must("nft", "list", "table", "inet", "somebody"); now != foreign {
		t.Errorf("somebody's table was changed:\n%s", now)
	}
	if rules := l.Victim.Must("ip", "rule"); strings.Contains(rules, "dport") {
		t.Errorf("the probe left routing rules:\n%s", rules)
	}
	if links := l.Victim.Must("ip", "-brief", "link"); strings.Contains(links, "hfp") {
		t.Errorf("the probe left links:\n%s", links)
	}
	log, err := l.Victim.ReadFile("/var/log/auth.log")
	if err != nil {
		t.Fatal(err)
	}
	if control := l.Attacker.Addr.Next().String(); strings.Contains(string(log), control) {
		t.Errorf("the probe shows up in sshd's log as %s:\n%s", control, log)
	}
}

func TestTheKernelEndsTheBlock(t *testing.T) {
	netlab.Require(t, "nft")
	l := netlab.New(t)
	l.StartRsyslog("")
	l.StartSSHD()
	for _, c := range []struct{ from, to netip.Addr }{{l.Attacker.Addr, l.Victim.Addr}, {l.Attacker.Addr6, l.Victim.Addr6}} {
		// Something else of ours stands in the table: it must stay.
		l.Victim.Must("nft", "add table inet holdfast; add chain inet holdfast reach_input")
		const lease = 4 * time.Second
		p := planFor(t, l, c.from, lease)
		begun := time.Now()
		if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbApply, Plan: p}); out.Error != "" {
			t.Fatalf("apply: %s", out.Error)
		}
		// On a busy machine the lease may be over before this is looked at.
		if reaches(t, l.Attacker, c.to, "22") && time.Since(begun) < lease {
			t.Errorf("%s still gets a connection", c.from)
		}
		if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbVerify, Plan: p}); !out.Proof.Holds && time.Since(begun) < lease {
			t.Errorf("verify %s: %+v", c.from, out.Proof.Tests)
		}
		// Nobody does anything now.
		l.Wait(lease+time.Minute, "the block goes by itself", func() bool { return reaches(t, l.Attacker, c.to, "22") })
		if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbUndo, Plan: p}); out.Error != "" {
			t.Errorf("undo after the lease: %s", out.Error)
		}
		if out := l.Victim.Do(netlab.Order{Verb: netlab.VerbVerifyUndone, Plan: p}); !out.Proof.Holds {
			t.Errorf("verify undone %s: %+v", c.from, out.Proof.Tests)
		}
		if left := l.Victim.Must("nft", "list", "table", "inet", "holdfast"); strings.Contains(left, "block") || !strings.Contains(left, "reach_input") {
			t.Errorf("the table after undo:\n%s", left)
		}
	}
}

// TestBehindAStrictFilter has a host that lets only management in.
func TestBehindAStrictFilter(t *testing.T) {
	netlab.Require(t, "nft")
	l := netlab.New(t)
	l.StartRsyslog("")
	l.StartSSHD()
	management := []string{l.Management.Addr.String()}
	l.Victim.Must("nft", "add table inet strict; add chain inet strict input { type filter hook input priority 0; policy drop; }; add rule inet strict input ip saddr "+management[0]+" accept")
	p := planFor(t, l, l.Attacker.Addr, time.Minute)
	for _, verb := range []string{"apply", "verify", "undo", "verify-undone"} {
		out := l.Victim.Do(netlab.Order{Verb: verb, Plan: p, Management: management})
		if out.Error != "" || strings.HasPrefix(verb, "verify") && !out.Proof.Holds {
			t.Errorf("%s: %q %+v", verb, out.Error, out.Proof.Tests)
		}
	}
	// With nobody served, a refusal proves nothing.
	l.Victim.Must("nft", "flush chain inet strict input")
	p = planFor(t, l, l.Attacker.Addr, time.Minute)
	if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbApply, Plan: p}); out.Error != "" {
		t.Fatal(out.Error)
	}
	if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbVerify, Plan: p, Management: management}); out.Proof.Holds {
		t.Errorf("verify holds on a host that serves nobody: %+v", out.Proof.Tests)
	}
}

// TestFromPlanToProof measures what the host's side of a block takes.
func TestFromPlanToProof(t *testing.T) {
	netlab.Require(t, "nft")
	l := netlab.New(t)
	l.StartRsyslog("")
	l.StartSSHD()
	l.AddUser("anna", "right-horse")
	l.HoldSession(l.Attacker, "anna", "right-horse")
	raw, err := Action().Params(holdfast.Entity{Kind: holdfast.EntitySource, Value: l.Attacker.Addr.String()}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	plan := l.Victim.Do(netlab.Order{Verb: holdfast.VerbPlan, Params: raw})
	apply := l.Victim.Do(netlab.Order{Verb: holdfast.VerbApply, Plan: plan.Plan})
	verify := l.Victim.Do(netlab.Order{Verb: holdfast.VerbVerify, Plan: plan.Plan})
	sum := plan.Took + apply.Took + verify.Took
	t.Logf("plan %s, apply %s, verify %s: %s in all", plan.Took, apply.Took, verify.Took, sum)
	if !verify.Proof.Holds || sum > 1500*time.Millisecond {
		t.Errorf("holds %v after %s", verify.Proof.Holds, sum)
	}
}

func TestNeverTouched(t *testing.T) {
	netlab.Require(t, "nft")
	l := netlab.New(t)
	l.Victim.WriteFile("/etc/resolv.conf", "nameserver 10.77.0.53\n")
	management := []string{l.Management.Addr.String(), "10.99.0.0/16"}
	for addr, want := range map[string]string{
		"127.0.0.1":                "loopback",
		"::1":                      "loopback",
		"0.0.0.0":                  "no address",
		"224.0.0.1":                "multicast",
		"255.255.255.255":          "broadcast",
		"10.77.0.255":              "broadcast",
		l.Victim.Addr.String():     "own address",
		l.Victim.Addr6.String():    "own address",
		l.Gateway().String():       "default gateway",
		"10.77.0.53":               "DNS server",
		l.Management.Addr.String(): "management",
		"10.99.3.4":                "management",
		"::ffff:10.99.3.4":         "management",
	} {
		raw, err := json.Marshal(Params{Address: addr})
		if err != nil {
			t.Fatal(err)
		}
		out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbPlan, Params: raw, Management: management})
		if out.Error != "" || !strings.Contains(strings.Join(out.Plan.Refused, "\n"), want) {
			t.Errorf("%s: refused %q, error %q, want %q", addr, out.Plan.Refused, out.Error, want)
			continue
		}
		plan := out.Plan
		plan.Refused = nil // somebody forged it
		if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbApply, Plan: plan, Management: management}); !strings.Contains(out.Error, "refused") {
			t.Errorf("apply of %s: %q", addr, out.Error)
		}
	}
	if tables := l.Victim.Must("nft", "list", "tables"); tables != "" {
		t.Errorf("something was made: %s", tables)
	}
}

func TestAForgedPlanIsRefused(t *testing.T) {
	netlab.Require(t, "nft")
	l := netlab.New(t)
	good := planFor(t, l, l.Attacker.Addr, time.Minute)
	for what, forge := range map[string]func(*holdfast.Plan){
		"another text":   func(p *holdfast.Plan) { p.Diff += "flush ruleset\n" },
		"another target": func(p *holdfast.Plan) { p.Params = holdfast.Raw(`{"address":"10.77.0.30","lease":"1m"}`) },
		"a wild token": func(p *holdfast.Plan) {
			p.Undo = holdfast.Raw(`{"address":"10.77.0.20","token":"x\" }; flush ruleset"}`)
		},
	} {
		p := good
		forge(&p)
		if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbApply, Plan: p}); out.Error == "" {
			t.Errorf("%s: applied", what)
		}
	}
}

func TestSweepRemovesWhatACrashLeft(t *testing.T) {
	l := netlab.New(t)
	l.StartRsyslog("")
	l.StartSSHD()
	l.Victim.Must("ip", "rule", "add", "to", "10.77.0.20", "ipproto", "tcp", "sport", "22", "dport", "40000", "lookup", "1751515201", "protocol", "104", "priority", "50")
	p := planFor(t, l, l.Attacker.Addr, time.Minute)
	l.Victim.Do(netlab.Order{Verb: holdfast.VerbVerify, Plan: p})
	if rules := l.Victim.Must("ip", "rule"); strings.Contains(rules, "dport") {
		t.Errorf("leftover rule stays:\n%s", rules)
	}
}

func TestParams(t *testing.T) {
	for _, c := range []struct {
		params string
		want   error
	}{
		{`{"address":"192.0.2.0/24"}`, holdfast.ErrRefused},
		{`{"address":"example.org"}`, holdfast.ErrInvalid},
		{`{"address":"fe80::1%eth0"}`, holdfast.ErrInvalid},
		{`{"address":"192.0.2.1","lease":"25h"}`, holdfast.ErrRefused},
		{`{"address":"192.0.2.1","lease":"1ms"}`, holdfast.ErrRefused},
		{`{"address":"192.0.2.1","lease":"-1h"}`, holdfast.ErrRefused},
		{`{`, holdfast.ErrInvalid},
		{`{"address":"::ffff:192.0.2.1","lease":"90s"}`, nil},
	} {
		if _, _, err := readParams(json.RawMessage(c.params)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.params, err, c.want)
		}
	}
}

func FuzzReadElements(f *testing.F) {
	f.Add([]byte(`{"nftables":[{"metainfo":{}},{"set":{"elem":[{"elem":{"val":"10.0.0.1","timeout":60,"expires":59,"comment":"blk-x"}},"10.0.0.2"]}}]}`))
	f.Add([]byte(`{"nftables":[{"set":{"elem":[null,1,[]]}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		all, err := readElements(b)
		for a, e := range all {
			if err == nil && (!a.IsValid() || e.Left < 0 || e.Left > maxLease) {
				t.Errorf("%v %+v", a, e)
			}
		}
	})
}

func FuzzReadAnswer(f *testing.F) {
	f.Add(syn(netip.MustParseAddrPort("10.0.0.1:1"), netip.MustParseAddrPort("10.0.0.2:22"), 7), false)
	f.Fuzz(func(_ *testing.T, b []byte, v4 bool) {
		readAnswer(b, v4, 22, 1, 7)
		readSocket(b)
	})
}
