package sshddropin

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"holdfast"
)

func TestParamsKeepToTheirSettings(t *testing.T) {
	for raw, want := range map[string]error{
		`{"settings":{"passwordauthentication":"no"}}`:                        nil,
		`{"settings":{"PermitRootLogin":"prohibit-password"}}`:                nil,
		`{"settings":{"MaxStartups":"10:30:60"}}`:                             nil,
		`{"settings":{"ForceCommand":"/bin/sh"}}`:                             holdfast.ErrRefused,
		`{"settings":{"Port":"2222"}}`:                                        holdfast.ErrRefused,
		`{"settings":{"LogLevel":"INFO\nForceCommand /bin/sh"}}`:              holdfast.ErrInvalid,
		`{"settings":{"LogLevel":""}}`:                                        holdfast.ErrInvalid,
		`{"settings":{}}`:                                                     holdfast.ErrInvalid,
		`{"settings":{"LogLevel":"INFO"},"config":"etc/x"}`:                   holdfast.ErrInvalid,
		`{"settings":{"LogLevel":"INFO"},"config":"/etc/ssh/../ssh/a"}`:       holdfast.ErrInvalid,
		`{"settings":{"LogLevel":"INFO"},"configuration":"/etc/sshd_config"}`: holdfast.ErrInvalid,
		`[]`: holdfast.ErrInvalid,
	} {
		if _, _, err := readParams(json.RawMessage(raw)); !errors.Is(err, want) {
			t.Errorf("%s: %v, want %v", raw, err, want)
		}
	}
}

func TestUndoTouchesOnlyItsOwnFile(t *testing.T) {
	for _, undo := range []string{`{"config":"/etc/ssh/sshd_config","file":"/etc/passwd"}`, `{"config":"/c","file":"/a/../00-holdfast.conf"}`, `{"config":"/c","file":"00-holdfast.conf"}`, `1`} {
		if _, err := armed(holdfast.Plan{Undo: holdfast.Raw(undo)}); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s: %v", undo, err)
		}
	}
}

func TestUnifiedDiff(t *testing.T) {
	a := arming{Had: true, Before: render(nil, []setting{{"LogLevel", "INFO"}, {"MaxSessions", "9"}})}
	got := unified("/f", a, render(a.Before, []setting{{"LogLevel", "VERBOSE"}}))
	if !strings.HasPrefix(got, "--- /f\n+++ /f\n@@ -1,4 +1,4 @@\n # Kept") || !strings.HasSuffix(got, "\n-LogLevel INFO\n+LogLevel VERBOSE\n MaxSessions 9\n") {
		t.Errorf("got\n%s", got)
	}
}

func FuzzDirective(f *testing.F) {
	f.Add("PasswordAuthentication no\nMatch User a\n Include=\"x\"\n")
	f.Fuzz(func(t *testing.T, s string) {
		first := render([]byte(s), nil)
		if again := render(first, nil); string(again) != string(first) {
			t.Errorf("reading our own file back changes it:\n%s\n%s", first, again)
		}
	})
}
