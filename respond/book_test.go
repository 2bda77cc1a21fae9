package respond

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"

	"holdfast"
)

// memory is a Book that keeps JSON, so that nothing is shared with what was
// put in, and that can fail at any commit.
type memory struct {
	mu    sync.Mutex
	crash func() bool // whether this commit is lost, or its success is not told
	page
}

type page struct {
	actions   map[string][]byte
	incidents map[string][]byte
	tasks     []holdfast.Task
	evidence  map[string]holdfast.Evidence
}

var errCrash = errors.New("killed")

func newMemory() *memory {
	return &memory{page: page{actions: map[string][]byte{}, incidents: map[string][]byte{}, evidence: map[string]holdfast.Evidence{}}}
}

func (m *memory) Update(_ context.Context, do func(Tx) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := page{maps.Clone(m.actions), maps.Clone(m.incidents), slices.Clone(m.tasks), maps.Clone(m.evidence)}
	if err := do(&next); err != nil {
		return err
	}
	if m.crash != nil && m.crash() {
		return errCrash
	}
	m.page = next
	if m.crash != nil && m.crash() {
		return errCrash
	}
	return nil
}

func get[T any](from map[string][]byte, id string) (T, error) {
	var v T
	b, ok := from[id]
	if !ok {
		return v, fmt.Errorf("%s: %w", id, holdfast.ErrNotFound)
	}
	return v, json.Unmarshal(b, &v)
}

func put(to map[string][]byte, id string, v any) error {
	b, err := json.Marshal(v)
	to[id] = b
	return err
}

func (p *page) Action(id string) (holdfast.Action, error) { return get[holdfast.Action](p.actions, id) }
func (p *page) PutAction(a holdfast.Action) error         { return put(p.actions, a.ID, a) }
func (p *page) Incident(id string) (holdfast.Incident, error) {
	return get[holdfast.Incident](p.incidents, id)
}
func (p *page) PutIncident(in holdfast.Incident) error { return put(p.incidents, in.ID, in) }

func (p *page) ActionsOf(incident string) ([]holdfast.Action, error) {
	var out []holdfast.Action
	for _, id := range slices.Sorted(maps.Keys(p.actions)) {
		a, err := p.Action(id)
		if err != nil {
			return nil, err
		}
		ended := a.Status == holdfast.Undone || a.Status == holdfast.Failed || a.Status == holdfast.Rejected
		if incident == "" && !ended || incident != "" && a.Incident == incident {
			out = append(out, a)
		}
	}
	return out, nil
}

func (p *page) PutTask(t holdfast.Task) error {
	for _, have := range p.tasks {
		if have.ID == t.ID {
			return nil
		}
	}
	p.tasks = append(p.tasks, t)
	return nil
}

func (p *page) TasksOf(subject string) ([]holdfast.Task, error) {
	return filter(p.tasks, func(t holdfast.Task) bool { return t.Subject == subject }), nil
}

func (p *page) Record(e holdfast.Evidence) error {
	if e.Key == "" || e.Did == "" || e.On == "" {
		return fmt.Errorf("evidence %+v lacks something", e)
	}
	if _, ok := p.evidence[e.Key]; !ok {
		p.evidence[e.Key] = e
	}
	return nil
}
