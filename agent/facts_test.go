package agent

import (
	"context"
	"errors"
	"testing"
	"time"

	"holdfast"
	"holdfast/assess/collect"
	"holdfast/internal/host"
)

// TestCollectorsRunSideBySide has two collectors that only end together, and
// one that panics beside them.
func TestCollectorsRunSideBySide(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	o := l.options(t.TempDir())
	meet := make(chan struct{})
	one := func(name string, do func(ctx context.Context) error) collect.Collector {
		return collect.Collector{
			Name: name, Tables: []collect.Schema{{Name: name}},
			Collect: func(ctx context.Context, _ *host.Host) ([]holdfast.Table, error) {
				if err := do(ctx); err != nil {
					return nil, err
				}
				return []holdfast.Table{{Name: name, Rows: []holdfast.Row{{"is": name}}}}, nil
			},
		}
	}
	wait := func(ctx context.Context, ready func() bool) error {
		ctx, cancel := context.WithTimeout(ctx, time.Minute)
		defer cancel()
		for !ready() {
			if ctx.Err() != nil {
				return errors.New("nobody came")
			}
		}
		return nil
	}
	o.Collectors = []collect.Collector{
		one("first", func(ctx context.Context) error {
			return wait(ctx, func() bool {
				select {
				case meet <- struct{}{}:
					return true
				case <-time.After(time.Millisecond):
					return false
				}
			})
		}),
		one("broken", func(context.Context) error { panic("of its own") }),
		one("second", func(ctx context.Context) error {
			return wait(ctx, func() bool {
				select {
				case <-meet:
					return true
				case <-time.After(time.Millisecond):
					return false
				}
			})
		}),
	}
	asset, _ := l.start(o)
	var f holdfast.Facts
	until(t, "facts", func() bool {
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		if len(l.m.facts) > 0 {
			f = l.m.facts[0]
		}
		return len(l.m.facts) > 0
	})
	for name, bad := range map[string]bool{"first": false, "second": false, "broken": true} {
		tb, ok := f.Tables[name]
		if !ok || (tb.Error != "") != bad || !bad && len(tb.Rows) != 1 {
			t.Errorf("%s: %+v", name, tb)
		}
	}
	if f.Asset != asset {
		t.Errorf("the facts are of %q", f.Asset)
	}
}
