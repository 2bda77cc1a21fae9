package evidence

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// TestExportWhileWriting unpacks copies made while the log grows: each is
// unbroken and has at least what was there when it was asked for.
func TestExportWhileWriting(t *testing.T) {
	dir, private, public := made(t, 3)
	l, err := Open(dir, private)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	wrote := make(chan error, 1)
	go func() {
		for i := 3; i < 200; i++ {
			if err := l.Append(context.Background(), entry(i)); err != nil {
				wrote <- err
				return
			}
		}
		wrote <- nil
	}()
	for range 20 {
		_, least, _ := l.Checkpoint()
		var b bytes.Buffer
		if err := l.Export(&b); err != nil {
			t.Fatal(err)
		}
		to := t.TempDir()
		for r := tar.NewReader(&b); ; {
			h, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(to, h.Name), body, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := verify(to, public, nil)
		if err != nil || got.Entries < least {
			t.Fatalf("%+v, at least %d: %v", got, least, err)
		}
		// The folder itself, in the middle of writing.
		if got, err := Verify(dir, public, nil); err != nil || got.Entries < least {
			t.Fatalf("the folder: %+v, at least %d: %v", got, least, err)
		}
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
}
