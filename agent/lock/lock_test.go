package lock

import (
	"context"
	"errors"
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
