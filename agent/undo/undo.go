// Package undo arms, on the host and before a change is made, what brings the
// host back: a file, and a watchdog process of its own session that outlives
// the agent. Which change it is, and how it is undone, is left to the parts;
// telling the server to package agent.
package undo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"holdfast"
	"holdfast/agent/lock"
	"holdfast/internal/clock"
	"holdfast/internal/host"
)

// Causes of an undo that no task asked for, as in holdfast.Result.
const (
	Lease       = "lease"
	Unconfirmed = "unconfirmed"
)

// Entry is one armed undo.
type Entry struct {
	Subject  string        `json:"subject"`
	Part     string        `json:"part"`
	Plan     holdfast.Plan `json:"plan"`
	Armed    time.Time     `json:"armed"`
	Deadline time.Time     `json:"deadline"`
	LeaseEnd time.Time     `json:"lease_end,omitzero"`
	Cause    string        `json:"cause"`             // of an undo at Deadline
	Trouble  string        `json:"trouble,omitempty"` // why the undo failed last
}

// Store is the folder of armed undos. Several processes use it at once.
type Store struct {
	Dir   string
	Clock clock.Clock
}

func (s Store) id(subject string) string { return holdfast.StableID("undo", subject) }

func (s Store) path(subject string) string { return filepath.Join(s.Dir, s.id(subject)+".json") }

// Lock keeps every other process, the watchdog above all, from touching the
// subject's undo.
func (s Store) Lock(ctx context.Context, subject string) (*lock.Lock, error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, err
	}
	return lock.Wait(ctx, filepath.Join(s.Dir, s.id(subject)+".lock"))
}

// Put writes an entry durably.
func (s Store) Put(e Entry) error {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return err
	}
	b, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("undo of %s: %w", e.Subject, err)
	}
	return host.WriteAtomic(s.path(e.Subject), b, 0o600)
}

// Get returns the entry of a subject; holdfast.ErrNotFound if none is armed.
func (s Store) Get(subject string) (Entry, error) { return read(s.path(subject)) }

func read(path string) (Entry, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Entry{}, fmt.Errorf("no undo is armed: %w", holdfast.ErrNotFound)
	}
	if err != nil {
		return Entry{}, err
	}
	var e Entry
	if err := json.Unmarshal(b, &e); err != nil {
		return Entry{}, fmt.Errorf("%s: %w", path, err)
	}
	return e, nil
}

// Drop disarms.
func (s Store) Drop(subject string) error {
	if err := os.Remove(s.path(subject)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return host.SyncDir(s.Dir)
}

// List returns all armed undos.
func (s Store) List() ([]Entry, error) {
	names, err := os.ReadDir(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var all []Entry
	var bad error
	for _, n := range names {
		if !strings.HasPrefix(n.Name(), "undo-") || !strings.HasSuffix(n.Name(), ".json") {
			continue
		}
		e, err := read(filepath.Join(s.Dir, n.Name()))
		if err != nil {
			if !errors.Is(err, holdfast.ErrNotFound) {
				bad = errors.Join(bad, err)
			}
			continue
		}
		all = append(all, e)
	}
	return all, bad
}

// Watched reports whether a watchdog lives for the subject.
func (s Store) Watched(subject string) bool {
	held, err := lock.Held(s.watchPath(subject))
	return held && err == nil
}

func (s Store) watchPath(subject string) string {
	return filepath.Join(s.Dir, s.id(subject)+".watch")
}

// Do undoes an entry's change; Done keeps the result for the server. Done is
// called before the entry goes, so a crash between the two repeats both.
type Do struct {
	Undo func(ctx context.Context, e Entry) (*holdfast.Proof, error)
	Done func(e Entry, started time.Time, p *holdfast.Proof) error
}

// look is how often a watchdog looks whether its entry has changed.
const look = 500 * time.Millisecond

// Watch waits for the subject's deadline and undoes it then, unless it is
// disarmed before. It tries again for as long as the undo fails. A second
// watcher of the same subject returns soon.
func (s Store) Watch(ctx context.Context, subject string, do Do) error {
	w, err := lock.Take(s.watchPath(subject))
	if errors.Is(err, lock.ErrHeld) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("undo watch: %w", err)
	}
	defer func() { _ = w.Unlock() }()
	pause := time.Second
	for {
		e, err := s.Get(subject)
		if errors.Is(err, holdfast.ErrNotFound) {
			return nil
		}
		wait := pause
		if err == nil {
			wait = min(e.Deadline.Sub(s.Clock.Now()), look)
			if wait <= 0 {
				if err = s.Fire(ctx, subject, do); err == nil {
					continue
				}
				wait, pause = pause, min(2*pause, time.Minute)
			}
		}
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
}

// Fire undoes the subject if it is still armed and overdue. Under the lock
// nobody else undoes, confirms or disarms it.
func (s Store) Fire(ctx context.Context, subject string, do Do) error {
	l, err := s.Lock(ctx, subject)
	if err != nil {
		return err
	}
	defer func() { _ = l.Unlock() }()
	e, err := s.Get(subject)
	if errors.Is(err, holdfast.ErrNotFound) {
		return nil
	}
	if err != nil {
		return err
	}
	started := s.Clock.Now()
	if started.Before(e.Deadline) {
		return nil
	}
	proof, err := do.Undo(ctx, e)
	if err != nil {
		e.Trouble = err.Error()
		return errors.Join(err, s.Put(e))
	}
	if err := do.Done(e, started, proof); err != nil {
		return err
	}
	return s.Drop(subject)
}
