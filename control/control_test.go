package control

import (
	"encoding/json"
	"io/fs"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
	"holdfast/content"
	"holdfast/control/requirement"
	"holdfast/internal/clock"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func book(t *testing.T, files map[string]string) (*Book, holdfast.Faults) {
	t.Helper()
	fsys := fstest.MapFS{}
	for n, s := range files {
		fsys[n] = &fstest.MapFile{Data: []byte(s)}
	}
	b := New(Options{Clock: clock.NewFixed(noon), Log: slog.New(slog.DiscardHandler), Management: []string{"10.0.0.1"}})
	return b, b.Load(Source{"here", fsys})
}

const hard = `- id: ssh-hard
  say: Nobody logs in with a password
  owner: platform
  state: {on: "kind=host env=prod", settings: {ssh.password_auth: false, sysctl.kernel.dmesg_restrict: 1}}
`

var (
	prod = holdfast.Asset{ID: "ast-1", Kind: "host", Name: "web", Tags: map[string]string{"env": "prod"}, Addresses: []string{"192.0.2.1", "127.0.0.1"}}
	test = holdfast.Asset{ID: "ast-2", Kind: "host", Name: "lab"}
)

// TestShipped loads the starter requirements, and holds that each has a faulty
// case whose fault is placed.
func TestShipped(t *testing.T) {
	sub, err := fs.Sub(content.FS, "requirements")
	if err != nil {
		t.Fatal(err)
	}
	b := New(Options{Clock: clock.NewFixed(noon), Log: slog.New(slog.DiscardHandler)})
	if faults := b.Load(Source{"content/requirements", sub}); len(faults) > 0 {
		t.Fatal(faults)
	}
	reqs := b.Requirements()
	if len(reqs) < 8 {
		t.Errorf("%d requirements are shipped", len(reqs))
	}
	for _, r := range reqs {
		if len(r.Clauses) == 0 || len(r.Maps) == 0 {
			t.Errorf("%s has %d clauses and maps %v", r.ID, len(r.Clauses), r.Maps)
		}
		for _, c := range r.Clauses {
			if c.How != holdfast.Enforced && c.Why == "" {
				t.Errorf("%s: %s is %s and does not say why", r.ID, c.Text, c.How)
			}
		}
		name := "cases/" + r.ID + ".faulty.yaml"
		data, err := fs.ReadFile(sub, name)
		if err != nil {
			t.Error(err)
			continue
		}
		_, faults := requirement.Parse(name, data)
		if len(faults) == 0 || faults[0].Line == 0 || faults[0].Do == "" {
			t.Errorf("%s: %v", name, faults)
		}
	}
}

func TestProposeGroupsByArtefact(t *testing.T) {
	b, faults := book(t, map[string]string{"a.yaml": hard})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got, err := b.Propose("ssh-hard", prod, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []Proposal{
		{"artefact/sshd-drop-in", json.RawMessage(`{"settings":{"PasswordAuthentication":"no"}}`), "ssh-hard: Nobody logs in with a password"},
		{"artefact/sysctl-drop-in", json.RawMessage(`{"settings":{"kernel.dmesg_restrict":"1"}}`), "ssh-hard: Nobody logs in with a password"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if _, err := b.Propose("ssh-hard", test, nil); err == nil || !strings.Contains(err.Error(), "does not concern") {
		t.Errorf("a host outside the selector: %v", err)
	}
}

func TestReachNamesAddresses(t *testing.T) {
	b, faults := book(t, map[string]string{"a.yaml": `- {id: db, say: s, owner: o, reach: {from: "env=prod", to: "host=lab", ports: [5432/tcp], only: true}}`})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	got, err := b.Propose("db", test, []holdfast.Asset{prod, test})
	if err != nil || len(got) != 1 {
		t.Fatal(got, err)
	}
	want := `{"requirement":"db","ports":["5432/tcp"],"from":["192.0.2.1"],"management":["10.0.0.1"],"only":true}`
	if string(got[0].Params) != want {
		t.Errorf("%s", got[0].Params)
	}
}

func TestFaultsLeaveTheRest(t *testing.T) {
	b, faults := book(t, map[string]string{
		"a.yaml": hard, "b.yaml": strings.ReplaceAll(strings.Replace(hard, "ssh-hard", "typo", 1), "ssh.password_auth", "ssh.pasword_auth"),
		"c.yaml": hard, "d.yaml": "exceptions:\n- {requirement: nothing, for: \"*\", because: b, owner: o, approved-by: a, expires: 2027-01-01}\n",
	})
	if len(b.Requirements()) != 1 {
		t.Errorf("%d requirements", len(b.Requirements()))
	}
	all := faults.Error()
	for _, want := range []string{`here/b.yaml:4:66: typo: there is no setting "ssh.pasword_auth"; did you mean "ssh.password_auth"?`, `here/c.yaml:1:1: the id "ssh-hard" is taken by here/a.yaml`, `here/d.yaml:2: an exception names the requirement "nothing", which is not there`} {
		if !strings.Contains(all, want) {
			t.Errorf("no %q in\n%s", want, all)
		}
	}
}

func verdict(check string, s holdfast.Status, at time.Time) holdfast.Verdict {
	return holdfast.Verdict{Asset: "ast-1", Check: check, Status: s, Why: "because", FactsAt: at}
}

func TestStandings(t *testing.T) {
	b, _ := book(t, map[string]string{"a.yaml": `- {id: pw, say: s, owner: o, state: {on: "kind=host", settings: {ssh.password_auth: false}}}`, "x.yaml": "exceptions:\n- {requirement: pw, for: \"host=lab\", because: old, owner: o, approved-by: ciso, expires: 2026-02-01}\n"})
	e := Evidence{
		Verdicts: []holdfast.Verdict{verdict("linux.sshd_password_auth", holdfast.Fail, noon)},
		Rules:    map[string]bool{"ssh_bruteforce": true, "ssh_bruteforce_success": true}, Sources: map[string]time.Time{"ast-1": noon},
	}
	state := func(now time.Time) string {
		for _, s := range b.Standings([]holdfast.Asset{prod}, e, now) {
			return strings.Join([]string{string(s.Implemented.State), string(s.Verified.State), string(s.Monitored.State), string(s.Drilled.State)}, " ")
		}
		return ""
	}
	if got := state(noon); got != "broken broken holds unknown" {
		t.Error(got)
	}
	if x := b.Broken([]string{"ssh_bruteforce"}, "ast-1", e.Verdicts); len(x) != 1 || x[0].Why != "password login was allowed" {
		t.Errorf("%+v", x)
	}
	e.Verdicts[0].Status = holdfast.Pass
	e.Drills = []holdfast.Drill{
		{ID: "d1", Kind: "ssh-bruteforce", Asset: "ast-1", Status: holdfast.DrillPassed, Started: noon, Ended: noon},
		{ID: "d2", Kind: "ssh-password-login", Asset: "ast-1", Status: holdfast.DrillPassed, Started: noon, Ended: noon},
	}
	if got := state(noon); got != "holds holds holds holds" {
		t.Error(got)
	}
	if x := b.Broken([]string{"ssh_bruteforce"}, "ast-1", e.Verdicts); len(x) != 0 {
		t.Errorf("%+v", x)
	}
	if got := state(noon.Add(25 * time.Hour)); got != "unknown unknown unknown holds" {
		t.Errorf("a day later: %s", got)
	}
	delete(e.Rules, "ssh_bruteforce")
	e.Drills[1].Status = holdfast.DrillFailed
	if got := state(noon); got != "holds holds broken broken" {
		t.Error(got)
	}
	lab := b.Standings([]holdfast.Asset{test}, e, noon)
	if lab[0].Verified.State != holdfast.Excepted || !strings.Contains(lab[0].Verified.Why, "ciso") {
		t.Errorf("%+v", lab[0].Verified)
	}
	if lab := b.Standings([]holdfast.Asset{test}, e, noon.AddDate(0, 2, 0)); lab[0].Verified.State == holdfast.Excepted {
		t.Error("an exception that has ended still counts")
	}
}
