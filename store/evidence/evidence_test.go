package evidence

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"holdfast"
)

func entry(i int) holdfast.Evidence {
	return holdfast.Evidence{Key: fmt.Sprintf("k%d", i), At: time.Unix(int64(i), 0).UTC(), Who: "user:alice", Did: "action.approve", On: "act-1", Outcome: "done"}
}

func made(t testing.TB, n int) (dir, private, public string) {
	t.Helper()
	private, public, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	l, err := Open(dir, private)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range n {
		if err := l.Append(context.Background(), entry(i)); err != nil {
			t.Fatal(err)
		}
	}
	return dir, private, public
}

func TestSameKeyOnceAlsoAfterRestart(t *testing.T) {
	dir, private, public := made(t, 3)
	l, err := Open(dir, private)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Append(context.Background(), entry(1), entry(3), entry(3)); err != nil {
		t.Fatal(err)
	}
	list, err := l.List(0, 2)
	if err != nil || len(list) != 2 || list[0].Index != 3 || list[0].Evidence.Key != "k3" || list[1].Index != 2 {
		t.Fatal(list, err)
	}
	l.Close()
	r, err := Verify(dir, public, nil)
	if err != nil || r.Entries != 4 {
		t.Fatal(r, err)
	}
}

// TestEveryByte changes every single byte of the folder, one at a time, and
// each change must be found.
func TestEveryByte(t *testing.T) {
	dir, _, public := made(t, 6)
	for _, name := range []string{recordsFile, checkpointsFile} {
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for i := range whole {
			for _, flip := range []byte{1, 0x20, 0x80} {
				b := bytes.Clone(whole)
				b[i] ^= flip
				if err := os.WriteFile(path, b, 0o600); err != nil {
					t.Fatal(err)
				}
				_, err := verify(dir, public, nil)
				var d *Damage
				if !errors.As(err, &d) {
					t.Fatalf("%s byte %d ^ %#x: %v", name, i, flip, err)
				}
			}
		}
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Verify(dir, public, nil); err != nil {
		t.Fatal(err)
	}
}

func TestCutLogIsFoundWithAKnownCheckpoint(t *testing.T) {
	dir, private, public := made(t, 5)
	checkpoints, err := os.ReadFile(filepath.Join(dir, checkpointsFile))
	if err != nil {
		t.Fatal(err)
	}
	notes := splitNotes(checkpoints)
	known := notes[4].text
	records, err := os.ReadFile(filepath.Join(dir, recordsFile))
	if err != nil {
		t.Fatal(err)
	}
	// Somebody cuts the last two records and their checkpoints.
	third := len(records) * 3 / 5
	cut := bytes.Join([][]byte{notes[0].text, notes[1].text, notes[2].text}, nil)
	if err := os.WriteFile(filepath.Join(dir, recordsFile), records[:third], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(dir, private); err == nil || !strings.Contains(err.Error(), "cut") {
		t.Errorf("a log shorter than its checkpoint opens: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, checkpointsFile), cut, 0o600); err != nil {
		t.Fatal(err)
	}
	if r, err := Verify(dir, public, nil); err != nil || r.Entries != 3 {
		t.Fatal("the cut log stands by itself", r, err)
	}
	if _, err := Verify(dir, public, known); err == nil || !strings.Contains(err.Error(), "cut") {
		t.Fatalf("a cut log passes against the known checkpoint: %v", err)
	}
}

func TestTornWriteIsMended(t *testing.T) {
	dir, private, public := made(t, 4)
	path := filepath.Join(dir, recordsFile)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	next := appendRecord(nil, []byte(`{"key":"k9"}`))
	for i := 1; i <= len(next); i++ {
		if err := os.WriteFile(path, append(bytes.Clone(whole), next[:i]...), 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := Open(dir, private)
		if err != nil {
			t.Fatalf("%d bytes of a torn record: %v", i, err)
		}
		_, n, _ := l.Checkpoint()
		l.Close()
		want := uint64(4)
		if i == len(next) {
			want = 5
		}
		if n != want {
			t.Fatalf("%d bytes: %d entries", i, n)
		}
	}
	if _, err := Verify(dir, public, nil); err != nil {
		t.Fatal(err)
	}
}

func TestAnotherKeyDoesNotVerify(t *testing.T) {
	dir, _, _ := made(t, 1)
	_, other, err := NewKey()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify(dir, other, nil); err == nil {
		t.Fatal("another key verifies")
	}
}

func BenchmarkAppend(b *testing.B) {
	private, _, err := NewKey()
	if err != nil {
		b.Fatal(err)
	}
	l, err := Open(b.TempDir(), private)
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	for i := 0; b.Loop(); i++ {
		if err := l.Append(context.Background(), entry(i)); err != nil {
			b.Fatal(err)
		}
	}
}

// TestOwn holds that a log knows a checkpoint of its own, and not one of a log that it
// was cut from, that was rewritten, or that is another one.
func TestOwn(t *testing.T) {
	dir, private, _ := made(t, 5)
	l, err := Open(dir, private)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	known, _, err := l.Checkpoint()
	if err != nil {
		t.Fatal(err)
	}
	own := func(l *Log, checkpoint, want string) {
		t.Helper()
		if lost, err := l.Own(checkpoint); err != nil || lost == "" != (want == "") || !strings.Contains(lost, want) {
			t.Errorf("%q, %v, and not %q", lost, err, want)
		}
	}
	own(l, known, "")
	if err := l.Append(context.Background(), entry(5)); err != nil {
		t.Fatal(err)
	}
	own(l, known, "")
	after, _, _ := l.Checkpoint()
	again, err := Open(t.TempDir(), private)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	own(again, known, "5 entries were there, and 0 are")
	for i := range 5 {
		if err := again.Append(context.Background(), entry(i)); err != nil {
			t.Fatal(err)
		}
	}
	own(again, known, "")
	own(again, after, "6 entries were there, and 5 are")
	if err := again.Append(context.Background(), entry(17)); err != nil {
		t.Fatal(err)
	}
	own(again, after, "the first 6 entries are not those")
	if _, err := again.Own("nonsense"); !errors.Is(err, holdfast.ErrInvalid) {
		t.Error(err)
	}
}
