package sysctldropin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
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
	h := host.New(slog.New(slog.NewTextHandler(io.Discard, nil)), clock.System{})
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
	for _, bad := range []string{`{}`, `{"settings":{"../../etc/passwd":"1"}}`, `{"settings":{"kernel.x":"1\n2"}}`, `{"x":1}`, `x`} {
		if _, err := plan(ctx, h, json.RawMessage(bad)); !errors.Is(err, holdfast.ErrInvalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
