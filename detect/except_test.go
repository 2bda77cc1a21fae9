package detect

import (
	"errors"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast"
	"holdfast/internal/clock"
)

const hidingRules = `title: Root logs in
name: root_login
level: high
logsource: {product: linux, service: sshd}
detection: {s: {user: root}, condition: s}
---
title: Many
name: many
level: high
correlation: {type: event_count, rules: [root_login], group-by: [src_ip], timespan: 1m, condition: {gte: 3}, generate: true}
---
title: The monitor
name: monitor
logsource: {product: linux, service: sshd}
filter: {rules: [root_login], s: {src_ip: 192.0.2.9}, condition: s}
`

// TestExceptions hides events from a rule and from what counts it, from when
// the exception was made until it ends, and says what was hidden; a snapshot
// keeps that.
func TestExceptions(t *testing.T) {
	begin := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	now := clock.NewFixed(begin)
	fresh := func() *Detector {
		d := New(Options{Datasets: datasets(), Clock: now})
		if faults := d.Load(Source{"x", fstest.MapFS{"a.yml": {Data: []byte(hidingRules)}}}); len(faults) > 0 {
			t.Fatal(faults)
		}
		return d
	}
	d := fresh()
	seq := uint64(0)
	login := func(ip string) (rules []string) {
		seq++
		now.Advance(time.Second)
		e := holdfast.Event{
			ID: holdfast.NewEventID("t", ip, nil, int(seq)), Time: now.Now(), Received: now.Now(), Dataset: "linux.sshd", Raw: []byte("root from " + ip),
			Fields: []holdfast.Field{{Name: "user", Text: "root"}, {Name: "src_ip", Text: ip}},
		}
		for _, a := range d.Process(seq, &holdfast.Block{Events: []holdfast.Event{e}}) {
			rules = append(rules, a.Rule)
		}
		return rules
	}
	x := holdfast.Exception{ID: "exc-1", Rule: "root_login", Where: `{src_ip|cidr: 198.51.100.0/24, user: [root, backup]}`, Owner: "ops", Reason: "backup", Created: begin.Add(30 * time.Second), Expires: begin.Add(10 * time.Minute)}
	if err := d.CheckException(x); err != nil {
		t.Fatal(err)
	}
	if faults := d.SetExceptions([]holdfast.Exception{x}); len(faults) > 0 {
		t.Fatal(faults)
	}
	if got := login("198.51.100.1"); len(got) != 1 {
		t.Errorf("before it was made: %v", got)
	}
	now.Advance(time.Minute)
	for range 7 {
		if got := login("198.51.100.7"); len(got) > 0 {
			t.Errorf("hidden, and yet %v", got)
		}
	}
	if got := login("192.0.2.9"); len(got) > 0 {
		t.Errorf("filtered, and yet %v", got)
	}
	if got := login("203.0.113.1"); len(got) != 1 {
		t.Errorf("another address: %v", got)
	}
	check := func(d *Detector) {
		t.Helper()
		got := d.Hiding()
		if len(got) != 2 || got[0].ID != "exc-1" || got[0].Hidden.Count != 7 || len(got[0].Hidden.Samples) != holdfast.MaxHiddenSamples || got[0].Hidden.Samples[0].Message != "root from 198.51.100.7" {
			t.Errorf("%+v", got)
		}
		if f := got[1]; f.ID != "filter:monitor" || f.Filter != "x/a.yml" || f.Hidden.Count != 1 {
			t.Errorf("%+v", f)
		}
	}
	check(d)
	snapshot, err := d.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	d = fresh()
	if err := d.Restore(snapshot); err != nil {
		t.Fatal(err)
	}
	d.SetExceptions([]holdfast.Exception{x})
	check(d)
	d.Reload()
	check(d)
	now.Advance(20 * time.Minute)
	if got := login("198.51.100.7"); len(got) != 1 || !d.Hiding()[0].Expired {
		t.Errorf("after its end: %v %+v", got, d.Hiding()[0])
	}
	d.SetExceptions(nil)
	if got := d.Hiding(); len(got) != 1 {
		t.Errorf("%+v", got)
	}
}

// TestExceptionFaults refuses what hides nothing or cannot be read.
func TestExceptionFaults(t *testing.T) {
	d := New(Options{Datasets: datasets()})
	d.Load(Source{"x", fstest.MapFS{"a.yml": {Data: []byte(hidingRules)}}})
	for _, c := range []struct{ rule, where, say string }{
		{"root_login", "", "no selection"},
		{"root_login", "{}", "no selection"},
		{"root_login", "[a, b]", "no selection"},
		{"root_login", "word", "no selection"},
		{"root_login", "{a: &x [*x]}", ""},
		{"root_login", "{a|wrong: 1}", "modifier"},
		{"root_login", "{a: 1}\n---\n{b: 2}", ""},
		{"root_login", strings.Repeat("a", MaxWhere+1), "bytes"},
		{"many", "{a: 1}", "what it counts: root_login"},
		{"nobody", "{a: 1}", "no rule"},
	} {
		err := d.CheckException(holdfast.Exception{Rule: c.rule, Where: c.where})
		if c.say == "" {
			continue // only no panic
		}
		if err == nil || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%q: %v", c.where, err)
		}
		if errors.Is(err, holdfast.ErrInvalid) == (c.rule == "nobody" || strings.Contains(c.say, "bytes")) {
			t.Errorf("%q: of another kind: %v", c.where, err)
		}
	}
}

func FuzzParseWhere(f *testing.F) {
	f.Add("{src_ip|cidr: 198.51.100.0/24, user: [root, backup]}")
	f.Add("{a: &x [*x, *x]}")
	f.Add("!!binary {a: 1}")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseWhere(text)
		if err == nil && len(s.Clauses) == 0 {
			t.Errorf("%q hides everything", text)
		}
	})
}
