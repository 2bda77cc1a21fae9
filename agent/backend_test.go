package agent

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"holdfast"
	"holdfast/agent/wire"
)

// memory is a Backend in memory that holds what the contract says.
type memory struct {
	mu      sync.Mutex
	tokens  map[string]string // hash to key that used it
	assets  map[string]bool
	batches map[string]int
	records []holdfast.Record
	facts   []holdfast.Facts
	beats   []wire.Heartbeat
	tasks   []holdfast.Task
	results map[string]holdfast.Result
	full    bool
	deaf    bool // takes no results
	change  chan struct{}
}

func (m *memory) Enrol(_ context.Context, secret string, h wire.Host) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	used, ok := m.tokens[wire.HashSecret(secret)]
	if !ok || used != "" && used != h.Key {
		return "", holdfast.ErrForbidden
	}
	m.tokens[wire.HashSecret(secret)] = h.Key
	id := holdfast.StableID("ast", h.Key)
	m.assets[id] = true
	return id, nil
}

func (m *memory) Allowed(_ context.Context, asset, _ string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.assets[asset] {
		return holdfast.ErrForbidden
	}
	return nil
}

func (m *memory) Events(_ context.Context, asset, id string, rs []holdfast.Record) (wire.Accepted, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.full {
		return wire.Accepted{}, holdfast.ErrFull
	}
	if n, ok := m.batches[id]; ok {
		if n != len(rs) {
			return wire.Accepted{}, fmt.Errorf("batch %s changed", id)
		}
		return wire.Accepted{Doubled: true}, nil
	}
	for _, r := range rs {
		if r.Asset != asset || !strings.HasPrefix(r.Source, asset+"/") {
			return wire.Accepted{}, errors.New("not the agent's")
		}
	}
	m.batches[id] = len(rs)
	m.records = append(m.records, rs...)
	return wire.Accepted{Stored: len(rs)}, nil
}

func (m *memory) Facts(_ context.Context, _ string, f holdfast.Facts) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.facts = append(m.facts, f)
	return nil
}

func (m *memory) Heartbeat(_ context.Context, _ string, h wire.Heartbeat) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.beats = append(m.beats, h)
	return nil
}

func (m *memory) Tasks(ctx context.Context, asset string) ([]holdfast.Task, error) {
	for {
		m.mu.Lock()
		var open []holdfast.Task
		for _, t := range m.tasks {
			if _, done := m.results[t.ID]; !done {
				open = append(open, t)
			}
		}
		ch := m.change
		m.mu.Unlock()
		if len(open) > 0 {
			return open, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-ch:
		}
	}
}

func (m *memory) Result(_ context.Context, _ string, r holdfast.Result) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.deaf {
		return holdfast.ErrFull
	}
	m.results[r.Task] = r
	return nil
}

func (m *memory) refuse(results bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.deaf = results
}

func (m *memory) allow(asset string, yes bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.assets[asset] = yes
}

// lose forgets a result, so that its task is open again.
func (m *memory) lose(task string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.results, task)
}

func (m *memory) give(t holdfast.Task) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.tasks = append(m.tasks, t)
	close(m.change)
	m.change = make(chan struct{})
}
