// Package lock locks a file against other processes. The lock ends with the
// process, however that ends. What the lock protects is left to its holder.
package lock

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// ErrHeld says that somebody else holds the lock.
var ErrHeld = errors.New("another process holds the lock")

// Lock is a held lock.
type Lock struct{ f *os.File }

// Try takes the lock on path, a file that it makes if need be, or returns
// ErrHeld. The file stays there when the lock is given back.
func Try(path string) (*Lock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := tryLock(f, true); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Lock{f}, nil
}

// patience is how long Take tries.
const patience = time.Second

// Take is Try where others may ask Held meanwhile: those who only ask are in
// the way for a moment, and a holder stays. It tells the two apart by trying
// for a second.
func Take(path string) (*Lock, error) {
	for end := time.Now().Add(patience); ; time.Sleep(2 * time.Millisecond) {
		l, err := Try(path)
		if !errors.Is(err, ErrHeld) || time.Now().After(end) {
			return l, err
		}
	}
}

// Held reports whether somebody holds the lock. Many may ask at once.
func Held(path string) (bool, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	defer f.Close()
	err = tryLock(f, false)
	if errors.Is(err, ErrHeld) {
		return true, nil
	}
	return false, err
}

// Wait takes the lock, waiting for it until ctx is done.
func Wait(ctx context.Context, path string) (*Lock, error) {
	t := time.NewTicker(20 * time.Millisecond)
	defer t.Stop()
	for {
		l, err := Try(path)
		if !errors.Is(err, ErrHeld) {
			return l, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("%w: %w", err, ctx.Err())
		case <-t.C:
		}
	}
}

// Unlock gives the lock back.
func (l *Lock) Unlock() error { return l.f.Close() }
