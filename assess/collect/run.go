package collect

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"time"

	"holdfast"
	"holdfast/internal/host"
)

// MaxTime is how long one collector may take.
const MaxTime = 20 * time.Second

// atOnce is how many collectors run side by side.
const atOnce = 4

// Run reads the tables of all collectors that fit this operating system, a few
// at a time. A collector that fails, panics, takes longer than limit (MaxTime
// when 0) or does not keep its promise gives its tables with Error set: none is
// missing, and none stops the others.
func Run(ctx context.Context, h *host.Host, asset string, collectors []Collector, limit time.Duration) holdfast.Facts {
	if limit <= 0 {
		limit = MaxTime
	}
	f := holdfast.Facts{Asset: asset, Tables: map[string]holdfast.Table{}}
	var mu sync.Mutex
	var wg sync.WaitGroup
	room := make(chan struct{}, atOnce)
	for _, c := range collectors {
		if !slices.Contains(c.OS, runtime.GOOS) && len(c.OS) > 0 {
			continue
		}
		wg.Go(func() {
			room <- struct{}{}
			defer func() { <-room }()
			tables := c.tables(ctx, h, limit)
			mu.Lock()
			defer mu.Unlock()
			for _, t := range tables {
				f.Tables[t.Name] = t
			}
		})
	}
	wg.Wait()
	return f
}

type answer struct {
	tables []holdfast.Table
	err    error
}

// tables runs one collector and returns every table that it promises.
func (c *Collector) tables(ctx context.Context, h *host.Host, limit time.Duration) []holdfast.Table {
	started := h.Clock.Now().UTC()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	done := make(chan answer, 1)
	go func() {
		var a answer
		defer func() {
			if p := recover(); p != nil {
				a = answer{nil, fmt.Errorf("%s panicked: %v", c.Name, p)}
			}
			done <- a
		}()
		a.tables, a.err = c.Collect(ctx, h)
	}()
	var a answer
	select {
	case a = <-done:
	case <-ctx.Done():
		// one that does not listen is left behind: a read of a dead network
		// mount cannot be ended
		a.err = fmt.Errorf("%s did not end: %w", c.Name, ctx.Err())
	}
	took := h.Clock.Now().Sub(started)
	var out []holdfast.Table
	for _, s := range c.Tables {
		i := slices.IndexFunc(a.tables, func(t holdfast.Table) bool { return t.Name == s.Name })
		t := holdfast.Table{Name: s.Name, Collected: started, Rows: []holdfast.Row{}}
		switch {
		case i >= 0:
			t = a.tables[i]
			if len(t.Rows) > MaxRows {
				t.Rows, t.Partial = t.Rows[:MaxRows], fmt.Sprintf("more than %d rows; the rest was left out", MaxRows)
			}
		case a.err != nil:
			t.Error = a.err.Error()
		default:
			t.Error = c.Name + " gave no such table"
		}
		t.Took = took
		out = append(out, t)
	}
	return out
}
