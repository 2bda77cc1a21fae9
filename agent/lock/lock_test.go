package lock

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestOneHolder(t *testing.T) {
	p := filepath.Join(t.TempDir(), "lock")
	l, err := Try(p)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Try(p); !errors.Is(err, ErrHeld) {
		t.Fatalf("second holder: %v", err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	if _, err := Wait(ctx, p); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("wait: %v", err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	l, err = Wait(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
}

// TestAskersDoNotSeeEachOther has several ask all the time who holds a lock.
func TestAskersDoNotSeeEachOther(t *testing.T) {
	p := filepath.Join(t.TempDir(), "lock")
	if held, err := Held(p); held || err != nil {
		t.Fatalf("a lock that nobody ever took: %v, %v", held, err)
	}
	for _, want := range []bool{false, true} {
		l, err := Take(p)
		if err != nil {
			t.Fatal(err)
		}
		if !want {
			if err := l.Unlock(); err != nil {
				t.Fatal(err)
			}
		}
		wrong := make(chan int, 4)
		for range cap(wrong) {
			go func() {
				n := 0
				for range 5000 {
					if held, err := Held(p); held != want || err != nil {
						n++
					}
				}
				wrong <- n
			}()
		}
		for range cap(wrong) {
			if n := <-wrong; n > 0 {
				t.Errorf("held %v: seen otherwise %d times", want, n)
			}
		}
		if want {
			if _, err := Take(p); !errors.Is(err, ErrHeld) {
				t.Errorf("a second holder: %v", err)
			}
			if err := l.Unlock(); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// TestAskingIsNotHolding takes a lock while somebody asks for it.
func TestAskingIsNotHolding(t *testing.T) {
	p := filepath.Join(t.TempDir(), "lock")
	f, err := os.Create(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := tryLock(f, false); err != nil { // as Held does
		t.Fatal(err)
	}
	if _, err := Try(p); !errors.Is(err, ErrHeld) {
		t.Fatalf("nobody is in the way: %v", err)
	}
	time.AfterFunc(100*time.Millisecond, func() { f.Close() })
	l, err := Take(p)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
}
