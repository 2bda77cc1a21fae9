// Package lock locks a file against other processes. The lock ends with the
// process, however that ends. What the lock protects is left to its holder.
package lock

import (
	"context"
	"errors"
	"fmt"
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
	if err := tryLock(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &Lock{f}, nil
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
