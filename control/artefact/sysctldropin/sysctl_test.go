package sysctldropin

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/host"
)

// tree is a host whose /proc/sys are plain files.
func tree(t *testing.T, files map[string]string) *host.Host {
	t.Helper()
	h := host.New(slog.New(slog.DiscardHandler), clock.System{})
	h.Root = t.TempDir()
	files["etc/sysctl.d/10-other.conf"] = "x = 1\n"
	for p, s := range files {
		full := filepath.Join(h.Root, p)
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o755), os.WriteFile(full, []byte(s), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return h
}

func text(t *testing.T, h *host.Host, p string) string {
	t.Helper()
	b, err := h.ReadFile(p)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

func TestRoundTrip(t *testing.T) {
	ctx := context.Background()
	h := tree(t, map[string]string{"proc/sys/kernel/dmesg_restrict": "0\n", "proc/sys/kernel/kptr_restrict": "2\n"})
	params := json.RawMessage(`{"settings":{"kernel.dmesg_restrict":"1","kernel.kptr_restrict":"2"}}`)
	p, err := plan(ctx, h, params)
	if err != nil || p.Nothing || len(p.Steps) != 2 || !strings.Contains(p.Diff, "+kernel.dmesg_restrict = 1") {
		t.Fatalf("%+v %v", p, err)
	}
	if proof, err := verify(ctx, h, p); err != nil || proof.Holds {
		t.Fatalf("before: %+v %v", proof, err)
	}
	for range 2 { // twice is harmless
		if err := apply(ctx, h, p); err != nil {
			t.Fatal(err)
		}
	}
	if proof, err := verify(ctx, h, p); err != nil || !proof.Holds {
		t.Fatalf("after: %+v %v", proof, err)
	}
	if again, err := plan(ctx, h, params); err != nil || !again.Nothing {
		t.Errorf("%+v %v", again, err)
	}
	for range 2 {
		if err := undo(ctx, h, p); err != nil {
			t.Fatal(err)
		}
	}
	if text(t, h, "/proc/sys/kernel/dmesg_restrict") != "0\n" || h.Exists(file) || text(t, h, "/etc/sysctl.d/10-other.conf") != "x = 1\n" {
		t.Error("undo did not bring everything back")
	}
	if err := os.WriteFile(h.Path("/proc/sys/kernel/kptr_restrict"), []byte("1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := apply(ctx, h, p); !errors.Is(err, holdfast.ErrConflict) {
		t.Errorf("after drift: %v", err)
	}
}

func TestRefused(t *testing.T) {
	ctx := context.Background()
	h := tree(t, map[string]string{})
	p, err := plan(ctx, h, json.RawMessage(`{"settings":{"kernel.no_such":"1"}}`))
	if err != nil || len(p.Refused) != 1 {
		t.Errorf("%+v %v", p, err)
	}
	for _, bad := range []string{`{}`, `{"settings":{"../../etc/passwd":"1"}}`, `{"settings":{"kernel.x":"1\n2"}}`, `{"settings":{"kernel.core_pattern":"|/tmp/x"}}`, `{"x":1}`, `x`} {
		if _, err := plan(ctx, h, json.RawMessage(bad)); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

func TestWhatCannotBeSetBackIsNotTouched(t *testing.T) {
	h := tree(t, map[string]string{"proc/sys/kernel/modules_disabled": "0\n", "proc/sys/kernel/modprobe": "/sbin/modprobe\n"})
	for _, s := range []string{`"kernel.modules_disabled":"1"`, `"kernel.modprobe":"1"`} {
		p, err := plan(t.Context(), h, json.RawMessage(`{"settings":{`+s+`}}`))
		if err != nil || len(p.Refused) != 1 {
			t.Errorf("%s: %+v %v", s, p, err)
		}
		if err := apply(t.Context(), h, p); !errors.Is(err, holdfast.ErrRefused) {
			t.Errorf("%s: applied: %v", s, err)
		}
	}
	for _, values := range []string{`{"../../etc/x":"1"}`, `{"kernel.core_pattern":"|/tmp/x"}`} {
		if err := undo(t.Context(), h, holdfast.Plan{Undo: holdfast.Raw(`{"existed":false,"values":` + values + `}`)}); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s: %v", values, err)
		}
	}
}

func FuzzMerged(f *testing.F) {
	f.Add([]byte("# x\nkernel.dmesg_restrict = 1\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		once := merged(b, params{})
		if again := merged([]byte(once), params{}); again != once {
			t.Errorf("reading our own file back changes it:\n%q\n%q", once, again)
		}
	})
}
