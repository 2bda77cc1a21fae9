package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"holdfast"
)

const nobody = 65534

// TestBadRights runs everything as a user without rights: what can work does,
// and what cannot says which right it lacks.
func TestBadRights(t *testing.T) {
	needRoot(t, "run a program as somebody else")
	base := t.TempDir()
	home := filepath.Join(base, "home")
	for dir, owner := range map[string]int{filepath.Dir(base): 0, base: 0, filepath.Join(base, "bin"): 0, home: nobody} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(dir, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	s := newSolo(t, filepath.Join(home, ".local", "share", "holdfast"))
	b, err := os.ReadFile(s.bin)
	if err != nil {
		t.Fatal(err)
	}
	s.bin = filepath.Join(base, "bin", "holdfast")
	open, shut := filepath.Join(base, "open.log"), filepath.Join(base, "shut.log")
	for path, f := range map[string]struct {
		text []byte
		mode os.FileMode
	}{
		s.bin: {b, 0o755}, open: {append(good("somebody"), '\n'), 0o644}, shut: {append(good("hidden"), '\n'), 0o600},
		filepath.Join(home, "settings.yaml"): {[]byte("inputs:\n  - {kind: file, where: " + open + ", options: {from: start}}\n  - {kind: file, where: " + shut + "}\n"), 0o644},
	} {
		if err := os.WriteFile(path, f.text, f.mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, f.mode); err != nil {
			t.Fatal(err)
		}
	}
	s.args = append(s.args, "--config", filepath.Join(home, "settings.yaml"))
	s.cred = &syscall.Credential{Uid: nobody, Gid: nobody}
	s.env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	s.start()

	s.wait(time.Minute, "the readable log flows", func() bool { return len(s.rows("action:login_failed user:somebody")) == 1 })
	var tables []struct {
		Name, Error, Partial string
		Rows                 int
	}
	s.wait(time.Minute, "facts are known", func() bool {
		s.ask(&tables, "facts")
		return len(tables) > 5
	})
	known, trouble := 0, 0
	for _, x := range tables {
		if x.Rows > 0 {
			known++
		}
		if x.Error+x.Partial != "" {
			trouble++
			if said := x.Error + x.Partial; !strings.Contains(said, "root") {
				t.Errorf("%s does not say which right it lacks: %s", x.Name, said)
			}
		}
	}
	if known < 5 || trouble == 0 {
		t.Errorf("%d tables have rows, %d say what is missing", known, trouble)
	}
	var verdicts []holdfast.Verdict
	s.ask(&verdicts, "checks")
	for _, want := range []holdfast.Status{holdfast.Pass, holdfast.Unknown} {
		if !slices.ContainsFunc(verdicts, func(v holdfast.Verdict) bool { return v.Status == want }) {
			t.Errorf("no check is %s", want)
		}
	}
	for _, verb := range []string{"status", "assets"} {
		out, errOut, code := s.run(verb)
		if code != 0 || !strings.Contains(out, "not root: actions and requirements cannot be applied") {
			t.Errorf("%s ended with %d and does not say that it lacks root: %s%s", verb, code, out, errOut)
		}
		if verb == "status" && !strings.Contains(out, shut+": permission denied") {
			t.Errorf("status does not say that %s cannot be read:\n%s", shut, out)
		}
	}
	if said := s.logged(); !strings.Contains(said, "not root: some facts and logs cannot be read") {
		t.Errorf("the welcome does not say what is missing: %s", said)
	}
	refused := false
	// A change is refused with the right that it wants, and nothing happens.
	for _, requirement := range []string{"kernel-hard", "net-hard", "memory-hard"} {
		var acts []holdfast.Action
		s.ask(&acts, "plan", requirement)
		for _, a := range acts {
			if a.Plan == nil || a.Plan.Nothing {
				continue
			}
			if a.Status != holdfast.Rejected || !strings.Contains(a.Error, "not root") {
				t.Errorf("the plan for %s is %s: %s", requirement, a.Status, a.Error)
			}
			refused = true
		}
		out, errOut, code := s.run("apply", requirement, "--yes")
		if refused && (code != exitConflict || !strings.Contains(errOut, "not root: ")) {
			t.Errorf("apply %s ended with %d: %s%s", requirement, code, out, errOut)
		}
		if refused {
			break
		}
	}
	if !refused {
		t.Error("nothing was planned that could be refused")
	}
	// Whoever has another HOME sees nothing of it.
	s.cred = &syscall.Credential{Uid: nobody - 1, Gid: nobody - 1}
	if _, errOut, code := s.run("status"); code != exitUnreachable && code != exitForbidden {
		t.Errorf("another user's command line ended with %d: %s", code, errOut)
	}
	s.cred.Uid, s.cred.Gid = nobody, nobody
}
