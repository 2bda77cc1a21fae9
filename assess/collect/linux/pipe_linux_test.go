package linux

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestAPipeHoldsNobody puts a pipe where a user's keys are looked for.
func TestAPipeHoldsNobody(t *testing.T) {
	h := tree(t, map[string]string{"etc/passwd": "bob:x:1000:1000::/home/bob:/bin/sh\n"})
	dir := filepath.Join(h.Root, "home/bob/.ssh")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(dir, "authorized_keys"), 0o600); err != nil {
		t.Fatal(err)
	}
	rows := accountTable(h).Rows
	if _, ok := rows[0]["keys"]; len(rows) != 1 || ok {
		t.Errorf("%v", rows)
	}
}
