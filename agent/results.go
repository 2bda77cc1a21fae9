package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/host"
)

// keepResults is how long a result that the server has is kept.
const keepResults = 7 * 24 * time.Hour

// results keeps what came of tasks, by task id, until the server has it and
// for some days more, so that the same task again gives the same result. The
// watchdogs of undos write here too.
type results struct {
	dir   string
	clock clock.Clock
	// damaged, if set, is told of a file that could not be read and was to be
	// set aside.
	damaged func(path string, why error)
}

type kept struct {
	Result holdfast.Result `json:"result"`
	Posted time.Time       `json:"posted,omitzero"`
}

func (r results) path(task string) string {
	return filepath.Join(r.dir, holdfast.StableID("result", task)+".json")
}

func (r results) put(k kept) error {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return err
	}
	b, err := json.Marshal(k)
	if err != nil {
		return fmt.Errorf("result of %s: %w", k.Result.Task, err)
	}
	return host.WriteAtomic(r.path(k.Result.Task), b, 0o600)
}

// get returns the result of a task and whether there is one.
func (r results) get(task string) (kept, bool, error) {
	k, err := r.read(r.path(task))
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, errDamaged) {
		return k, false, nil
	}
	return k, err == nil, err
}

// errDamaged is a file that holds no result and has been set aside.
var errDamaged = errors.New("damaged")

// read reads a result and sets aside what is none.
func (r results) read(path string) (kept, error) {
	k, err := readKept(path)
	if !errors.Is(err, errDamaged) {
		return k, err
	}
	if r.damaged != nil {
		r.damaged(path, err)
	}
	return k, err
}

func readKept(path string) (kept, error) {
	var k kept
	b, err := os.ReadFile(path)
	if err != nil {
		return k, err
	}
	if err := json.Unmarshal(b, &k); err != nil {
		return k, fmt.Errorf("%s: %w: %w", path, errDamaged, err)
	}
	if k.Result.Task == "" {
		return k, fmt.Errorf("%s: %w: it holds no result", path, errDamaged)
	}
	return k, nil
}

// open calls do for every result that the server does not have, and prunes.
func (r results) open(seen map[string]time.Time, do func(kept) error) error {
	names, err := os.ReadDir(r.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	now := r.clock.Now()
	for _, n := range names {
		if !strings.HasPrefix(n.Name(), "result-") || !strings.HasSuffix(n.Name(), ".json") {
			continue
		}
		posted, known := seen[n.Name()]
		if known && now.Sub(posted) < keepResults {
			continue
		}
		path := filepath.Join(r.dir, n.Name())
		k, err := r.read(path)
		if errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if k.Posted.IsZero() {
			if err := do(k); err != nil {
				return err
			}
			k.Posted = now
			if err := r.put(k); err != nil {
				return err
			}
		}
		seen[n.Name()] = k.Posted
		if now.Sub(k.Posted) >= keepResults {
			delete(seen, n.Name())
			if err := os.Remove(path); err != nil {
				return err
			}
		}
	}
	return nil
}

// undone reports whether the host undid the subject's plan by itself.
func (r results) undone(subject, plan string) (bool, error) {
	names, err := filepath.Glob(filepath.Join(r.dir, "result-*.json"))
	if err != nil {
		return false, err
	}
	for _, n := range names {
		k, err := r.read(n)
		if errors.Is(err, errDamaged) || errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return false, err
		}
		if k.Result.Cause != "" && k.Result.Subject == subject && k.Result.Plan != nil && k.Result.Plan.ID == plan {
			return true, nil
		}
	}
	return false, nil
}
