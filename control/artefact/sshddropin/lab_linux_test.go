package sshddropin

import (
	"encoding/json"
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

func settings(s string) holdfast.Raw { return holdfast.Raw(`{"settings":{` + s + `}}`) }

func TestPasswordLoginOfARealServer(t *testing.T) {
	l := netlab.New(t)
	l.StartRsyslog("")
	l.StartSSHD()
	l.AddUser("anna", "right-horse")
	l.AddUser("karl", "other-horse")
	l.Victim.Must("bash", "-c", "mkdir -p /home/karl/.ssh && echo 'ssh-ed25519 AAAA karl' > /home/karl/.ssh/authorized_keys")
	session := l.HoldSession(l.Bystander, "anna", "right-horse")
	if ok, said := l.SSHPassword(l.Attacker, "anna", "right-horse"); !ok {
		t.Fatalf("the weakness is not there to begin with: %s", said)
	}

	p := l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbPlan, Params: settings(`"PasswordAuthentication":"no"`)}).Plan
	if len(p.Refused) > 0 || p.Nothing || p.Confirm.Std() != 15*time.Second {
		t.Fatalf("plan: %+v", p)
	}
	for _, want := range []string{"--- /dev/null", "+++ /etc/ssh/sshd_config.d/00-holdfast.conf", "+PasswordAuthentication no", "+KbdInteractiveAuthentication no"} {
		if !strings.Contains(p.Diff, want) {
			t.Errorf("the diff lacks %q:\n%s", want, p.Diff)
		}
	}
	hits, err := json.Marshal(p.Hits)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(hits); !strings.Contains(s, `"anna"`) || strings.Contains(s, `"karl"`) || strings.Contains(s, "nobody has a key") || !strings.Contains(s, `"session"`) {
		t.Errorf("hits: %s", s)
	}
	if _, err := l.Victim.ReadFile("/etc/ssh/sshd_config.d/00-holdfast.conf"); err == nil {
		t.Fatal("plan changed the host")
	}

	l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbApply, Plan: p})
	if ok, _ := l.SSHPassword(l.Attacker, "anna", "right-horse"); ok {
		t.Error("a password still logs in")
	}
	if proof := l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbVerify, Plan: p}).Proof; !proof.Holds || len(proof.Tests) != 3 {
		t.Errorf("proof: %+v", proof)
	}
	if session.Err() != nil {
		t.Error("the open session ended")
	}
	l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbApply, Plan: p})
	if again := l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbPlan, Params: p.Params}).Plan; !again.Nothing {
		t.Errorf("the second plan would do something: %+v", again)
	}

	// A second change keeps the first, and its undo leaves the first in force.
	q := l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbPlan, Params: settings(`"PermitRootLogin":"no"`)}).Plan
	l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbApply, Plan: q})
	if now := l.Victim.Must("/usr/sbin/sshd", "-T"); !strings.Contains(now, "permitrootlogin no") || !strings.Contains(now, "passwordauthentication no") {
		t.Error("the second change lost the first")
	}
	l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbUndo, Plan: q})

	for range 2 {
		l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbUndo, Plan: p})
		if ok, said := l.SSHPassword(l.Attacker, "anna", "right-horse"); !ok {
			t.Errorf("after undo a password does not log in: %s", said)
		}
	}
	if _, err := l.Victim.ReadFile("/etc/ssh/sshd_config.d/00-holdfast.conf"); err == nil {
		t.Error("undo left the file")
	}
	if proof := l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbVerify, Plan: p}).Proof; proof.Holds {
		t.Error("verify holds after undo")
	}
}

// TestACrashBeforeTheReload stands where an agent died after it had written the
// file and before sshd was told: what sshd would make of its files looks right,
// and the running one still takes passwords.
func TestACrashBeforeTheReload(t *testing.T) {
	l := netlab.New(t)
	l.StartRsyslog("")
	l.StartSSHD()
	l.AddUser("anna", "right-horse")
	const own = "/etc/ssh/sshd_config.d/00-holdfast.conf"
	p := l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbPlan, Params: settings(`"PasswordAuthentication":"no"`)}).Plan
	l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbApply, Plan: p})
	text, err := l.Victim.ReadFile(own)
	if err != nil {
		t.Fatal(err)
	}
	l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbUndo, Plan: p})
	l.Victim.WriteFile(own+".pending", "")
	l.Victim.WriteFile(own, string(text))

	if now := l.Victim.Must("/usr/sbin/sshd", "-T"); !strings.Contains(now, "passwordauthentication no") {
		t.Fatal("the files are not as after a crash")
	}
	if ok, said := l.SSHPassword(l.Attacker, "anna", "right-horse"); !ok {
		t.Fatalf("the running sshd has read them: %s", said)
	}
	if proof := l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbVerify, Plan: p}).Proof; proof.Holds {
		t.Error("verify holds while the running sshd takes passwords")
	}
	l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbApply, Plan: p})
	if ok, _ := l.SSHPassword(l.Attacker, "anna", "right-horse"); ok {
		t.Error("taken up again, a password still logs in")
	}
	if proof := l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbVerify, Plan: p}).Proof; !proof.Holds {
		t.Errorf("taken up again: %+v", proof)
	}
	l.Victim.WriteFile(own+".pending", "")
	l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbUndo, Plan: p})
	if _, err := l.Victim.ReadFile(own + ".pending"); err == nil {
		t.Error("undo left the mark")
	}
}

func TestRefusalsAndConflicts(t *testing.T) {
	l := netlab.New(t)
	l.StartRsyslog("")
	l.StartSSHD()
	const main, other = "/etc/ssh/sshd_config", "/etc/ssh/sshd_config.d/50-other.conf"
	raw := settings(`"PasswordAuthentication":"no"`)

	p := l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbPlan, Params: raw}).Plan
	if !strings.Contains(p.Hits[0].Why, "nobody has a key") || len(p.Refused) > 0 {
		t.Errorf("a host without keys: %+v", p)
	}
	l.Victim.WriteFile(other, "MaxSessions 9\n")
	if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbApply, Plan: p}); !strings.Contains(out.Error, holdfast.ErrConflict.Error()) {
		t.Errorf("a moved host: %q", out.Error)
	}

	// A file that sorts before ours wins; that is found out and taken back.
	l.Victim.WriteFile("/etc/ssh/sshd_config.d/00-a.conf", "PasswordAuthentication yes\n")
	p = l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbPlan, Params: raw}).Plan
	if out := l.Victim.Do(netlab.Order{Verb: holdfast.VerbApply, Plan: p}); !strings.Contains(out.Error, "comes before") {
		t.Errorf("an earlier file: %q", out.Error)
	}
	if _, err := l.Victim.ReadFile("/etc/ssh/sshd_config.d/00-holdfast.conf"); err == nil {
		t.Error("the file was left behind")
	}
	l.Victim.Must("rm", "/etc/ssh/sshd_config.d/00-a.conf")

	p = l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbPlan, Params: settings(`"PermitRootLogin":"perhaps"`)}).Plan
	if len(p.Refused) != 1 || !strings.Contains(p.Refused[0], "does not know") {
		t.Errorf("an unknown value: %q", p.Refused)
	}
	text, err := l.Victim.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	l.Victim.WriteFile(main, "PasswordAuthentication yes\n"+string(text))
	p = l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbPlan, Params: raw}).Plan
	if len(p.Refused) != 1 || !strings.Contains(p.Refused[0], "sshd_config:1 sets PasswordAuthentication") {
		t.Errorf("a value before the include: %q", p.Refused)
	}
	l.Victim.WriteFile(main, strings.Replace(string(text), "Include", "# Include", 1))
	p = l.Victim.MustDo(netlab.Order{Verb: holdfast.VerbPlan, Params: settings(`"MaxAuthTries":"3"`)}).Plan
	if len(p.Refused) != 1 || !strings.Contains(p.Refused[0], "includes no folder") {
		t.Errorf("no include: %q", p.Refused)
	}
	if ok, said := l.Victim.Run("/usr/sbin/sshd", "-t"); said != nil {
		t.Errorf("the host's own configuration suffered: %v %v", ok, said)
	}
}
