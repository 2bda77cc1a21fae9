package control

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast"
	"holdfast/content"
	"holdfast/internal/clock"
)

// both has two verbs for different hosts, and an exception.
const both = `requirements:
- id: two
  say: Two things
  owner: platform
  state: {on: "env=prod", settings: {ssh.password_auth: false, ssh.root_login: false}}
  reach: {from: "*", to: "host=lab", ports: [22/tcp], tls: ">=1.2", only: true}
- {id: loose, say: Passwords are wanted here, owner: lab, state: {on: "host=lab", settings: {ssh.password_auth: true}}}
- {id: sla, say: In time, owner: o, within: {on: "env=prod", from: vuln.published, until: vuln.fixed, limits: [{when: "vuln.kev", max: 48h}]}}
exceptions:
- {requirement: two, for: "host=fax", because: vendor cannot use keys,
   owner: ops, approved-by: ciso, expires: 2027-02-01}
`

func TestProposeRefuses(t *testing.T) {
	b, faults := book(t, map[string]string{"a.yaml": both})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	fax := prod
	fax.Name = "fax"
	for _, c := range []struct {
		id    string
		asset holdfast.Asset
		want  error
	}{{"two", fax, holdfast.ErrRefused}, {"sla", prod, holdfast.ErrRefused}, {"none", prod, holdfast.ErrNotFound}, {"loose", prod, holdfast.ErrInvalid}} {
		if ps, err := b.Propose(c.id, c.asset, nil); !errors.Is(err, c.want) {
			t.Errorf("%s on %s: %+v %v", c.id, c.asset.Name, ps, err)
		}
	}
}

func TestAClauseStandsOnlyWhereItIsFor(t *testing.T) {
	b, _ := book(t, map[string]string{"a.yaml": both})
	pass := []holdfast.Verdict{verdict("linux.sshd_password_auth", holdfast.Pass, noon), verdict("linux.sshd_root_login", holdfast.Pass, noon)}
	for _, s := range b.Standings([]holdfast.Asset{prod}, Evidence{Verdicts: pass}, noon) {
		if s.Requirement == "two" && s.Verified.State != holdfast.Holds {
			t.Errorf("the clause for another host decides: %+v", s.Verified)
		}
		if s.Requirement == "sla" && (s.Implemented.State != holdfast.NotYet || s.Implemented.Why == "") {
			t.Errorf("a deadline: %+v", s.Implemented)
		}
		if s.Requirement == "loose" {
			t.Errorf("it stands on a host that it is not for: %+v", s)
		}
	}
	failing := []holdfast.Verdict{{Asset: "ast-2", Check: "linux.sshd_password_auth", Status: holdfast.Fail}}
	if got := b.Broken([]string{"ssh_bruteforce"}, "ast-2", failing); len(got) != 1 {
		t.Errorf("before it is known what it is for: %+v", got)
	}
	b.Standings([]holdfast.Asset{test}, Evidence{}, noon)
	if got := b.Broken([]string{"ssh_bruteforce"}, "ast-2", failing); len(got) != 0 {
		t.Errorf("a host that the clause is not for: %+v", got)
	}
}

func TestOnlyTheRightActionImplements(t *testing.T) {
	b, _ := book(t, map[string]string{"a.yaml": both})
	act := func(id, params string, status holdfast.ActionStatus) holdfast.Action {
		return holdfast.Action{ID: id, Part: "artefact/sshd-drop-in", Asset: "ast-1", Status: status, Params: holdfast.Raw(params), Applied: noon.Add(-time.Hour), Verified: noon.Add(-time.Hour)}
	}
	const wanted = `{"settings":{"PasswordAuthentication":"no","PermitRootLogin":"no"}}`
	fail := []holdfast.Verdict{verdict("linux.sshd_password_auth", holdfast.Fail, noon), verdict("linux.sshd_root_login", holdfast.Pass, noon)}
	stale := []holdfast.Verdict{verdict("linux.sshd_password_auth", holdfast.Fail, noon.Add(-2*time.Hour)), verdict("linux.sshd_root_login", holdfast.Pass, noon)}
	for name, c := range map[string]struct {
		action   holdfast.Action
		verdicts []holdfast.Verdict
		want     holdfast.State
	}{
		"verified":                    {act("a", wanted, holdfast.Verified), nil, holdfast.Holds},
		"made permanent":              {act("a", wanted, holdfast.Accepted), nil, holdfast.Holds},
		"another setting":             {act("a", `{"settings":{"X11Forwarding":"no"}}`, holdfast.Verified), nil, holdfast.StateUnknown},
		"another value":               {act("a", `{"settings":{"PasswordAuthentication":"yes"}}`, holdfast.Verified), nil, holdfast.StateUnknown},
		"applied only":                {act("a", wanted, holdfast.Applied), nil, holdfast.StateUnknown},
		"undone":                      {act("a", wanted, holdfast.Undone), fail, holdfast.Broken},
		"changed since":               {act("a", wanted, holdfast.Verified), fail, holdfast.Broken},
		"the verdict is from earlier": {act("a", wanted, holdfast.Verified), stale, holdfast.Holds},
	} {
		for _, s := range b.Standings([]holdfast.Asset{prod}, Evidence{Actions: []holdfast.Action{c.action}, Verdicts: c.verdicts}, noon) {
			if s.Requirement == "two" && (s.Implemented.State != c.want || s.Implemented.Why == "") {
				t.Errorf("%s: %+v", name, s.Implemented)
			}
		}
	}
}

func TestAWeakValueIsNotVerifiedByTheCheckForTheSafeOne(t *testing.T) {
	b, _ := book(t, map[string]string{"a.yaml": both})
	c := b.Requirements()[0].Clauses[0]
	if c.Text != "ssh.password_auth = true" || len(c.Checks) > 0 || len(c.Rules) > 0 || !strings.Contains(c.Why, "another value") {
		t.Errorf("%+v", c)
	}
	for _, s := range b.Standings([]holdfast.Asset{test}, Evidence{}, noon) {
		if s.Requirement == "loose" && s.Verified.State != holdfast.NotYet {
			t.Errorf("%+v", s)
		}
	}
}

func TestWatchReloads(t *testing.T) {
	dir := t.TempDir()
	b := New(Options{Clock: clock.NewFixed(noon), Log: slog.New(slog.DiscardHandler)})
	if f := b.Load(Source{dir, os.DirFS(dir)}); len(f) > 0 || len(b.Requirements()) > 0 {
		t.Fatal(f)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	told := make(chan holdfast.Faults)
	go b.Watch(ctx, 5*time.Millisecond, func(f holdfast.Faults) {
		select {
		case told <- f:
		case <-ctx.Done():
		}
	})
	if err := os.WriteFile(filepath.Join(dir, "a.yaml"), []byte(both), 0o600); err != nil {
		t.Fatal(err)
	}
	for len(b.Requirements()) != 3 {
		select {
		case <-told:
		case <-ctx.Done():
			t.Fatal("the new file was not read")
		}
	}
}

func FuzzLoad(f *testing.F) {
	f.Add([]byte(both))
	f.Fuzz(func(t *testing.T, data []byte) {
		b := New(Options{Clock: clock.NewFixed(noon), Log: slog.New(slog.DiscardHandler)})
		b.Load(Source{"f", fstest.MapFS{"a.yaml": {Data: data}}})
		b.Standings([]holdfast.Asset{prod, test}, Evidence{}, noon)
		for _, r := range b.Requirements() {
			_, _ = b.Propose(r.ID, prod, []holdfast.Asset{prod, test})
		}
	})
}

// TestDerivedPartsAreShipped holds that no clause of a shipped requirement, and
// no setting, names a check or rule that is not there.
func TestDerivedPartsAreShipped(t *testing.T) {
	sub, err := fs.Sub(content.FS, "requirements")
	if err != nil {
		t.Fatal(err)
	}
	b := New(Options{Clock: clock.NewFixed(noon), Log: slog.New(slog.DiscardHandler)})
	if faults := b.Load(Source{"content/requirements", sub}); len(faults) > 0 {
		t.Fatal(faults)
	}
	there := func(what, file string) {
		if _, err := fs.Stat(content.FS, file); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	for _, r := range b.Requirements() {
		for _, c := range r.Clauses {
			for _, id := range c.Checks {
				there(r.ID+", "+c.Text, "checks/"+strings.ReplaceAll(id, ".", "/")+".yaml")
			}
			for _, name := range c.Rules {
				there(r.ID+", "+c.Text, "rules/linux/"+name+".yml")
			}
		}
	}
	for _, r := range b.Requirements() {
		for _, c := range r.Clauses {
			if c.Verb == "state" && len(c.Checks) == 0 {
				t.Errorf("%s: %s is not verified: %s", r.ID, c.Text, c.Why)
			}
		}
	}
	checks, err := fs.Glob(content.FS, "checks/linux/sysctl_*.yaml")
	if err != nil || len(checks) == 0 {
		t.Fatal(checks, err)
	}
	for _, file := range checks {
		data, err := fs.ReadFile(content.FS, file)
		if err != nil {
			t.Fatal(err)
		}
		expect, found := "", false
		for line := range strings.Lines(string(data)) {
			if rest, ok := strings.CutPrefix(line, "expect:"); ok {
				expect, found = rest, true
			}
		}
		// The table of what checks ask for names the very values of the checks.
		for _, key := range []string{
			"fs.protected_hardlinks", "fs.protected_symlinks", "fs.suid_dumpable", "kernel.dmesg_restrict", "kernel.kptr_restrict", "kernel.randomize_va_space",
			"kernel.unprivileged_bpf_disabled", "kernel.yama.ptrace_scope", "net.ipv4.conf.all.accept_redirects", "net.ipv4.conf.all.accept_source_route",
			"net.ipv4.conf.all.rp_filter", "net.ipv4.conf.all.send_redirects", "net.ipv4.icmp_echo_ignore_broadcasts", "net.ipv4.tcp_syncookies", "net.ipv6.conf.all.accept_redirects",
		} {
			if file != "checks/linux/sysctl_"+strings.ReplaceAll(key, ".", "_")+".yaml" {
				continue
			}
			for _, v := range askedOfKernel(key) {
				found = found && strings.Contains(expect, "'"+v+"'")
			}
			if asked := askedOfKernel(key); !found || strings.Count(expect, "'") != 2*len(asked) {
				t.Errorf("%s: the check expects %s, control knows of %q", key, expect, asked)
			}
		}
	}
	for _, s := range settings {
		there(s.name, "checks/"+strings.ReplaceAll(s.check, ".", "/")+".yaml")
		for _, name := range s.rules {
			there(s.name, "rules/linux/"+name+".yml")
		}
	}
}

func TestABrokenFileKeepsItsRequirements(t *testing.T) {
	files := fstest.MapFS{"a.yaml": {Data: []byte(both)}}
	b := New(Options{Clock: clock.NewFixed(noon), Log: slog.New(slog.DiscardHandler)})
	if f := b.Load(Source{"own", files}); len(f) > 0 || len(b.Requirements()) != 3 {
		t.Fatal(f)
	}
	files["a.yaml"] = &fstest.MapFile{Data: []byte("- id: [")}
	for range 2 {
		if f := b.Load(Source{"own", files}); len(f) != 1 || f[0].File != "own/a.yaml" || len(b.Requirements()) != 3 {
			t.Fatalf("%v, %d requirements", f, len(b.Requirements()))
		}
	}
	delete(files, "a.yaml")
	if f := b.Load(Source{"own", files}); len(f) > 0 || len(b.Requirements()) != 0 {
		t.Fatalf("%v, %d requirements", f, len(b.Requirements()))
	}
}
