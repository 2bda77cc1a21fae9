package disableaccount

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/internal/testkit/netlab"
)

func TestMain(m *testing.M) {
	a := Action()
	netlab.Main(m, netlab.Part{Plan: a.Plan, Apply: a.Apply, Verify: a.Verify, Undo: a.Undo, VerifyUndone: a.VerifyUndone})
}

func planFor(t *testing.T, l *netlab.Lab, params string) holdfast.Plan {
	t.Helper()
	out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbPlan, Params: holdfast.Raw(params)})
	if out.Error != "" {
		t.Fatalf("plan %s: %s", params, out.Error)
	}
	return out.Plan
}

func TestARealAccount(t *testing.T) {
	netlab.Require(t, "usermod", "chage", "passwd", "getent")
	l := netlab.New(t)
	l.StartRsyslog("")
	l.StartSSHD()
	l.AddUser("anna", "right-horse")
	l.AddUser("ben", "right-donkey")
	l.Victim.Must("chage", "-E", "40000", "anna")
	shadow := func() string {
		b, err := l.Victim.ReadFile("/etc/shadow")
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	was := shadow()
	session := l.HoldSession(l.Attacker, "anna", "right-horse")
	other := l.HoldSession(l.Bystander, "ben", "right-donkey")

	p := planFor(t, l, `{"user":"anna","lease":"1h"}`)
	if len(p.Refused) > 0 || p.Nothing || len(p.Steps) != 3 || len(p.Hits) == 0 {
		t.Fatalf("plan %+v", p)
	}
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "$y$") || strings.Contains(string(text), "$6$") {
		t.Error("the plan carries a password hash")
	}
	if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbVerify, Plan: p}); out.Proof.Holds {
		t.Errorf("verify holds before apply: %+v", out.Proof.Tests)
	}
	for range 2 { // twice is harmless
		if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbApply, Plan: p}); out.Error != "" {
			t.Fatalf("apply: %s", out.Error)
		}
	}
	select {
	case <-session.Ended():
	case <-time.After(time.Minute):
		t.Error("the session lives on")
	}
	if other.Err() != nil {
		t.Errorf("another account's session was ended: %v", other.Err())
	}
	if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbVerify, Plan: p}); !out.Proof.Holds {
		t.Errorf("verify: %q %+v", out.Error, out.Proof.Tests)
	}
	if ok, _ := l.SSHPassword(l.Attacker, "anna", "right-horse"); ok {
		t.Error("the disabled account logs in")
	}
	if again := planFor(t, l, `{"user":"anna"}`); !again.Nothing {
		t.Errorf("a second plan: %+v", again)
	}
	for range 2 {
		if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbUndo, Plan: p}); out.Error != "" {
			t.Fatalf("undo: %s", out.Error)
		}
	}
	if diff := cmp.Diff(was, shadow()); diff != "" {
		t.Errorf("undo did not bring back the shadow file (-was +is):\n%s", diff)
	}
	if out := l.Victim.Do(netlab.Order{Verb: netlab.VerbVerifyUndone, Plan: p}); !out.Proof.Holds {
		t.Errorf("verify undone: %q %+v", out.Error, out.Proof.Tests)
	}
	if ok, said := l.SSHPassword(l.Attacker, "anna", "right-horse"); !ok {
		t.Errorf("the account does not log in after undo: %s", said)
	}

	p = planFor(t, l, `{"user":"anna"}`)
	l.Victim.Must("chage", "-E", "41000", "anna") // reality moves
	if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbApply, Plan: p}); !strings.Contains(out.Error, "conflict") {
		t.Errorf("apply on another state: %q", out.Error)
	}
}

func TestWithoutAPasswordAndKeepingSessions(t *testing.T) {
	netlab.Require(t, "usermod", "chage", "passwd", "getent")
	l := netlab.New(t)
	l.AddUser("ben", "right-donkey")
	for user, field := range map[string]string{"star": "*", "bang": "!", "none": ""} {
		l.Victim.Must("useradd", "-m", user)
		l.Victim.Must("usermod", "-p", field, user)
		was := l.Victim.Must("getent", "shadow", user)
		p := planFor(t, l, `{"user":"`+user+`","keep_sessions":true}`)
		for _, verb := range []string{"apply", "verify", "undo", "verify-undone"} {
			out := l.Victim.Do(netlab.Order{Verb: verb, Plan: p})
			if out.Error != "" || strings.HasPrefix(verb, "verify") && !out.Proof.Holds {
				t.Errorf("%s: %s: %q %+v", user, verb, out.Error, out.Proof.Tests)
			}
		}
		if now := l.Victim.Must("getent", "shadow", user); now != was {
			t.Errorf("%s: %q, was %q", user, now, was)
		}
	}
}

func TestNeverTouched(t *testing.T) {
	l := netlab.New(t)
	l.Victim.Must("usermod", "-p", "*", "root") // root cannot log in here
	l.AddUser("anna", "right-horse")
	refused := func(user string) string {
		return strings.Join(planFor(t, l, `{"user":"`+user+`"}`).Refused, "; ")
	}
	for user, want := range map[string]string{
		"root": "is root", "nobody": "system account", "daemon": "system account", "sshd": "system account",
		"nosuch": "no account", "anna": "last account that can log in",
	} {
		if got := refused(user); !strings.Contains(got, want) {
			t.Errorf("%s: %q, want %q", user, got, want)
		}
	}
	l.Victim.Must("groupadd", "-f", "sudo")
	l.Victim.Must("usermod", "-aG", "sudo", "anna")
	l.AddUser("ben", "right-donkey")
	if got := refused("anna"); !strings.Contains(got, "become root") {
		t.Errorf("the last administrator: %q", got)
	}
	l.AddUser("carl", "right-mule")
	l.Victim.Must("bash", "-c", "mkdir -p /etc/sudoers.d && echo 'carl ALL=(ALL) ALL' >/etc/sudoers.d/carl")
	if got := refused("anna"); got != "" {
		t.Errorf("with another administrator: %q", got)
	}
	p := planFor(t, l, `{"user":"anna"}`)
	l.Victim.Must("usermod", "-L", "carl") // now she is the last after all
	if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbApply, Plan: p}); !strings.Contains(out.Error, "refused") {
		t.Errorf("apply: %q", out.Error)
	}
}

func TestParams(t *testing.T) {
	for _, c := range []struct {
		params string
		want   error
	}{
		{`{"user":"-rf"}`, holdfast.ErrInvalid},
		{`{"user":"a b"}`, holdfast.ErrInvalid},
		{`{"user":"a\nb"}`, holdfast.ErrInvalid},
		{`{"user":""}`, holdfast.ErrInvalid},
		{`{`, holdfast.ErrInvalid},
		{`{"user":"anna","lease":"1000h"}`, holdfast.ErrRefused},
		{`{"user":"anna"}`, nil},
	} {
		if _, err := readParams(json.RawMessage(c.params)); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.params, err, c.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte("root:x:0:0:root:/root:/bin/bash\nanna:x:1001:1001::/home/anna:/bin/sh\n"), []byte("root:*:1:0:9:7:::\nanna:!$y$x:1:0:9:7::12:\n"))
	f.Fuzz(func(t *testing.T, passwd, shadow []byte) {
		all, err := parse(passwd, shadow)
		for n, a := range all {
			if err == nil && (n != a.name || a.expire < -1) {
				t.Errorf("%q: %+v", n, a)
			}
		}
	})
}
