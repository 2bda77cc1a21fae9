package nfttable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/testkit/netlab"
)

func TestMain(m *testing.M) {
	a := Artefact()
	netlab.Main(m, netlab.Part{Plan: a.Plan, Apply: a.Apply, Verify: a.Verify, Undo: a.Undo})
}

// TestReach has the attacker shut out of a port, the bystander let in, and
// everything brought back, with what is not ours untouched.
func TestReach(t *testing.T) {
	netlab.Require(t, "nft")
	lab := netlab.New(t)
	lab.Victim.Must("nft", "add table inet theirs")
	lab.Victim.Must("nft", "add table inet holdfast { set blocked4 { type ipv4_addr; flags timeout; }; }")
	theirs := lab.Victim.Must("nft", "list", "ruleset")
	ln, err := lab.Victim.Listen("tcp", net.JoinHostPort(lab.Victim.Addr.String(), "8080"))
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Close()
		}
	}()
	served := func(h *netlab.Host) bool {
		ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
		defer cancel()
		c, err := h.Dial(ctx, "tcp", net.JoinHostPort(lab.Victim.Addr.String(), "8080"))
		if err == nil {
			c.Close()
		}
		return err == nil
	}
	params := json.RawMessage(fmt.Sprintf(`{"requirement":"web-only","ports":["8080/tcp"],"from":[%q],"management":[],"only":true}`, lab.Bystander.Addr))
	management := []string{lab.Management.Addr.String()}
	p := lab.Victim.Do(netlab.Order{Verb: holdfast.VerbPlan, Params: params, Management: management})
	if p.Error != "" || p.Plan.Nothing || !strings.Contains(p.Plan.Diff, "+counter drop") || p.Plan.Confirm == 0 {
		t.Fatalf("%+v", p)
	}
	if !served(lab.Attacker) {
		t.Fatal("the attacker is not served before")
	}
	for range 2 { // twice is harmless
		if out := lab.Victim.Do(netlab.Order{Verb: holdfast.VerbApply, Plan: p.Plan, Management: management}); out.Error != "" {
			t.Fatal(out.Error)
		}
	}
	if out := lab.Victim.Do(netlab.Order{Verb: holdfast.VerbVerify, Plan: p.Plan, Management: management}); !out.Proof.Holds {
		t.Errorf("%+v", out)
	}
	for h, want := range map[*netlab.Host]bool{lab.Attacker: false, lab.Bystander: true, lab.Management: true} {
		if served(h) != want {
			t.Errorf("%s is served: %v", h.Name, !want)
		}
	}
	again := lab.Victim.Do(netlab.Order{Verb: holdfast.VerbPlan, Params: params, Management: management})
	if again.Error != "" || !again.Plan.Nothing {
		t.Errorf("the second plan would do something: %+v", again)
	}
	saved := lab.Victim.Must("nft", "list", "chain", "inet", "holdfast", "reach_web_only")
	lab.Victim.Must("nft", "insert rule inet holdfast reach_web_only ip saddr "+lab.Attacker.Addr.String()+" return")
	if out := lab.Victim.Do(netlab.Order{Verb: holdfast.VerbVerify, Plan: p.Plan, Management: management}); out.Proof.Holds {
		t.Errorf("a rule that somebody slipped in is not seen:\n%s%+v", saved, out)
	}
	for range 2 {
		if out := lab.Victim.Do(netlab.Order{Verb: holdfast.VerbUndo, Plan: p.Plan, Management: management}); out.Error != "" {
			t.Fatal(out.Error)
		}
	}
	if !served(lab.Attacker) {
		t.Error("the attacker is not served after undo")
	}
	if after := lab.Victim.Must("nft", "list", "ruleset"); after != theirs {
		t.Errorf("the ruleset was\n%s\nand is\n%s", theirs, after)
	}
}

func TestNobodyLeftIsRefused(t *testing.T) {
	netlab.Require(t, "nft")
	lab := netlab.New(t)
	out := lab.Victim.Do(netlab.Order{Verb: holdfast.VerbPlan, Params: json.RawMessage(`{"requirement":"x","ports":["22/tcp"],"from":[],"management":[],"only":true}`)})
	if len(out.Plan.Refused) != 1 {
		t.Errorf("%+v", out)
	}
	for _, bad := range []string{`{"requirement":"x","ports":["22/tcp } ; flush ruleset"]}`, `{"requirement":"X y","ports":["22/tcp"]}`, `{"requirement":"x","ports":["0/tcp"]}`, `{"requirement":"input","ports":["22/tcp"]}`, `{"requirement":"x","ports":["22/tcp"],"from":["1.2.3.4; drop"]}`} {
		if _, err := read(json.RawMessage(bad)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
}

func TestUndoCarriesNothingElse(t *testing.T) {
	for _, undo := range []string{
		`{"chain":"reach_x; flush ruleset"}`, `{"chain":"reach_input"}`, `{"chain":"block"}`, `{"chain":"reach_x","lines":["return\nflush ruleset"]}`,
		`{"chain":"reach_x","lines":["return; flush ruleset"]}`, `{"chain":"reach_x","lines":[""]}`, `x`,
	} {
		if err := Artefact().Undo(t.Context(), nil, holdfast.Plan{Undo: holdfast.Raw(undo)}); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s: %v", undo, err)
		}
	}
}

func TestPrefixesDoNotOverlap(t *testing.T) {
	got := allow([]string{"10.1.0.0/16", "10.0.0.0/8", "192.0.2.7", "192.0.2.7", "10.2.3.4", "2001:db8::1", "::ffff:192.0.2.9"}, "x")
	want := []string{`ip saddr { 10.0.0.0/8, 192.0.2.7, 192.0.2.9 } return comment "x"`, `ip6 saddr { 2001:db8::1 } return comment "x"`}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
}
