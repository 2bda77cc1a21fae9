package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"holdfast"
	"holdfast/agent/lock"
	"holdfast/agent/undo"
	"holdfast/internal/clock"
)

// Enrol gets an identity and keeps it in o.Dir, without running anything. An
// agent that is enrolled already keeps its identity. It returns the asset's id.
func Enrol(ctx context.Context, o Options) (string, error) {
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return "", fmt.Errorf("agent: %w", err)
	}
	l, err := lock.Take(filepath.Join(o.Dir, "lock"))
	if err != nil {
		return "", fmt.Errorf("agent: is another agent running on %s? %w", o.Dir, err)
	}
	defer func() { _ = l.Unlock() }()
	k, err := connect(ctx, o, hostFacts(o))
	if err != nil {
		return "", fmt.Errorf("agent: %w", err)
	}
	return k.id.Asset, nil
}

// Status is what an agent's folder tells, whether the agent runs or not.
type Status struct {
	Asset   string       `json:"asset"`
	Running bool         `json:"running"`
	Renew   time.Time    `json:"renew"` // when the certificate is renewed
	Armed   []undo.Entry `json:"armed"` // undos that are armed on this host
}

// ReadStatus reads an agent's folder; holdfast.ErrNotFound if it is not
// enrolled.
func ReadStatus(dir string, c clock.Clock) (Status, error) {
	var s Status
	b, err := os.ReadFile(filepath.Join(dir, "identity.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return s, fmt.Errorf("%s holds no enrolled agent: %w", dir, holdfast.ErrNotFound)
	}
	if err != nil {
		return s, err
	}
	var id identity
	if err := json.Unmarshal(b, &id); err != nil {
		return s, fmt.Errorf("identity: %w", err)
	}
	if id.Asset == "" { // an enrolment was begun, and has not been granted
		return s, fmt.Errorf("%s holds no enrolled agent: %w", dir, holdfast.ErrNotFound)
	}
	s.Asset, s.Renew = id.Asset, id.Renew
	if s.Running, err = lock.Held(filepath.Join(dir, "lock")); err != nil {
		return s, err
	}
	s.Armed, err = undo.Store{Dir: filepath.Join(dir, "undo"), Clock: c}.List()
	return s, err
}
