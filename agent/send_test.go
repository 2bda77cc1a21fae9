package agent

import (
	"context"
	"fmt"
	"testing"
	"time"

	"holdfast"
	"holdfast/ingest/input"
)

func TestRecordsArriveOnce(t *testing.T) {
	l := newLab(t)
	lines := make(chan string)
	o := l.options(t.TempDir())
	o.InputKinds = []input.Input{{Name: "test", Run: func(ctx context.Context, _ input.Config, env input.Env) error {
		for i := 0; ; i++ {
			select {
			case <-ctx.Done():
				return nil
			case s := <-lines:
				if err := env.Sink.Put(ctx, []holdfast.Record{{Source: "test", Position: fmt.Sprint(i), Received: time.Now(), Raw: []byte(s)}}); err != nil {
					return err
				}
				if err := env.Positions.Save("test", fmt.Sprint(i)); err != nil {
					return err
				}
			}
		}
	}}}
	o.Inputs = []input.Config{{Kind: "test"}, {Kind: "unheard-of"}}
	l.start(o)
	count := func() int { l.m.mu.Lock(); defer l.m.mu.Unlock(); return len(l.m.records) }
	lines <- "one"
	until(t, "the line", func() bool { return count() == 1 })
	l.m.mu.Lock()
	l.m.full = true
	l.m.mu.Unlock()
	for i := range 50 {
		lines <- fmt.Sprint(i)
	}
	l.m.mu.Lock()
	l.m.full = false
	l.m.mu.Unlock()
	until(t, "all lines", func() bool { return count() == 51 })
	until(t, "a note", func() bool {
		l.m.mu.Lock()
		defer l.m.mu.Unlock()
		return len(l.m.beats) > 0 && l.m.beats[len(l.m.beats)-1].Notes["unheard-of:"] != ""
	})
}
