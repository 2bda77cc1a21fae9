package file_test

import (
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"holdfast/ingest/input"
	"holdfast/ingest/input/file"
)

// TestUnreadable follows a file without the right to, on a thread that touches
// files as nobody, and goes on when the right is given.
func TestUnreadable(t *testing.T) {
	dir, err := os.MkdirTemp("", "holdfast-file-") // t.TempDir's parent is closed to others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(dir, "auth.log")
	add(t, log, "one\n")
	if err := os.Chmod(log, 0o640); err != nil {
		t.Fatal(err)
	}
	if os.Getuid() != 0 {
		if err := os.Chmod(log, 0o040); err != nil {
			t.Fatal(err)
		}
	}
	h := newHost()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlock: the thread ends with its identity
		if os.Getuid() == 0 {
			if err := unix.Setfsgid(65534); err != nil {
				done <- err
				return
			}
			if err := unix.Setfsuid(65534); err != nil {
				done <- err
				return
			}
		}
		done <- file.Input().Run(ctx, input.Config{Kind: "file", Where: log}, h.env())
	}()
	defer func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}()
	waitFor(t, "the note", func() bool {
		s := h.trouble("file:" + log)
		return strings.Contains(s, "permission denied; run as root or join group ")
	})
	if err := os.Chmod(log, 0o644); err != nil {
		t.Fatal(err)
	}
	h.expect(t, "one")
	waitFor(t, "health", func() bool { return h.trouble("file:"+log) == "" })
}
