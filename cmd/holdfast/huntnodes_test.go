package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/testkit/natslab"
	"holdfast/internal/testkit/postgres"
	"holdfast/store/state"
)

// TestHuntOverNodes holds that a hunt finds the same on a node alone and on either of
// two that share the work, that one whose node is killed is said to have failed, and
// that the other node then finds the same again.
func TestHuntOverNodes(t *testing.T) {
	if testing.Short() {
		t.Skip("seven programs take a while")
	}
	db, bus, shared := postgres.Start(t), natslab.Start(t, "TestNATSNode"), t.TempDir()
	node := func(name, role string) *solo {
		s := newSolo(t, filepath.Join(t.TempDir(), name), "--no-agent", "--state", db.URL, "--bus", bus.URL, "--events", shared, "--role", role)
		s.start()
		return s
	}
	one, two, in := node("one", "serve"), node("two", "serve"), node("in", "ingest")
	alone := newSolo(t, filepath.Join(t.TempDir(), "alone"), "--no-agent")
	alone.start()
	day := time.Now().UTC().Truncate(time.Hour).Add(-24 * time.Hour)
	const batches, each = 20, 50
	for n := range batches {
		var body bytes.Buffer
		for i := range each {
			fmt.Fprintf(&body, "%s web-%d sshd[%d]: Failed password for u%d from 198.51.100.%d port %d ssh2\n", day.Add(time.Duration(n)*time.Minute).Format("2006-01-02T15:04:05.000000-07:00"), n%3, n, i%7, 1+i%9, 1024+i)
		}
		for s, token := range map[*solo]string{in: one.inputToken(fmt.Sprint("c", n)), alone: alone.inputToken(fmt.Sprint("a", n))} {
			if status, _, answer := s.post(token, fmt.Sprint("batch-", n), body.Bytes()); status != 200 {
				t.Fatalf("%d %s", status, answer)
			}
		}
	}
	for _, s := range []*solo{one, alone} {
		s.wait(time.Minute, "all is stored", func() bool { return len(s.rows("--last", "72h", "dataset:linux.sshd")) == batches*each })
	}
	found := func(s *solo) holdfast.Hunt {
		t.Helper()
		var h holdfast.Hunt
		s.ask(&h, "hunt", "ssh_login_failed", "--from", day.Add(-time.Hour).Format(time.RFC3339), "--to", day.Add(time.Hour).Format(time.RFC3339))
		return h
	}
	// What a hunt found, without what tells one run from another.
	same := func(h holdfast.Hunt) holdfast.Hunt {
		return holdfast.Hunt{Kind: h.Kind, Name: h.Name, From: h.From, To: h.To, Status: h.Status, Events: h.Events, Looked: h.Looked, Found: h.Found, SHA256: h.SHA256, Narrow: h.Narrow}
	}
	want := found(alone)
	if want.Status != holdfast.HuntDone || want.Found != batches*each {
		t.Fatalf("alone: %+v", want)
	}
	for _, s := range []*solo{one, two} {
		if diff := cmp.Diff(same(want), same(found(s))); diff != "" {
			t.Errorf("alone, and on %s:\n%s", s.data, diff)
		}
	}
	lost := found(two)
	two.kill()
	st, err := state.OpenPostgres(t.Context(), db.URL, clock.System{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	// As it stands where the node was killed in the middle, some minutes ago.
	lost.Status, lost.Ended, lost.Updated = holdfast.HuntRunning, time.Time{}, time.Now().Add(-3*time.Minute)
	ask := state.HuntAsk{ID: lost.ID, Rule: "ssh_login_failed"}
	if err := errors.Join(st.HuntAsks().Put(t.Context(), ask), st.Hunts().Put(t.Context(), lost)); err != nil {
		t.Fatal(err)
	}
	var again holdfast.Hunt
	one.wait(2*time.Minute, "the hunt of the node that is gone is begun again, and done", func() bool {
		again, err = st.Hunts().Get(context.Background(), lost.ID)
		return err == nil && again.Status != holdfast.HuntRunning
	})
	if diff := cmp.Diff(same(want), same(again)); diff != "" || again.Again != 1 {
		t.Errorf("alone, and begun again %d times:\n%s", again.Again, diff)
	}
	if diff := cmp.Diff(same(want), same(found(one))); diff != "" {
		t.Errorf("alone, and after the other node was killed:\n%s", diff)
	}
}
