package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestPipesAndLinks puts into a folder what would make a reader wait, or read
// elsewhere.
func TestPipesAndLinks(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	write(t, other, []byte("not yours\n"))
	pipe := filepath.Join(dir, "a.log")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, to := range map[string]string{"b.log": other, "loop": dir} {
		if err := os.Symlink(to, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "c.log"), []byte("c\n"))
	h := newHost()
	h.start(t, dir, nil)
	waitFor(t, "the note", func() bool { return strings.Contains(h.trouble("file:"+pipe), "no regular file") })
	h.expect(t, "c")
}
