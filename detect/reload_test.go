package detect

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"holdfast"
)

// TestReloadLosesNothing reloads the rules, changed each time, while blocks are
// processed; a window of a rule that does not change counts every event.
func TestReloadLosesNothing(t *testing.T) {
	const events = 3000
	still := "title: base\nname: base\nlogsource: {product: p}\ndetection: {s: {a: b}, condition: s}\n---\n" +
		fmt.Sprintf("title: all\nname: all\ncorrelation: {type: event_count, rules: [base], timespan: 1h, condition: {gte: %d}}\n", events)
	files := func(n int) fstest.MapFS {
		return fstest.MapFS{
			"still.yml":  {Data: []byte(still)},
			"moving.yml": {Data: fmt.Appendf(nil, "title: other\nname: other\nlogsource: {product: p}\ndetection: {s: {a: %d}, condition: s}\n", n)},
			"broken.yml": {Data: []byte("title: [")},
		}
	}
	d := New(Options{Datasets: map[string]holdfast.Dataset{"d": {Name: "d", Logsource: holdfast.Logsource{Product: "p"}}}})
	if faults := d.Load(Source{Name: "rules", FS: files(0)}); len(faults) != 1 {
		t.Fatal(faults)
	}
	stop := make(chan struct{})
	var wait sync.WaitGroup
	var reloads atomic.Int64
	for range 2 {
		wait.Go(func() {
			for n := 1; ; n++ {
				select {
				case <-stop:
					return
				default:
					d.Load(Source{Name: "rules", FS: files(n)})
					reloads.Add(1)
				}
			}
		})
	}
	begin := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	fired := 0
	for i := range events {
		for n := 0; i%300 == 0 && reloads.Load() < int64(i/300) && n < 5000; n++ { // some before each part of the events
			time.Sleep(time.Millisecond)
		}
		e := holdfast.Event{
			ID: holdfast.NewEventID("t", fmt.Sprint(i), nil, 0), Dataset: "d", Time: begin.Add(time.Duration(i) * time.Millisecond), Received: begin,
			Fields: []holdfast.Field{{Name: "a", Text: "b"}},
		}
		alerts := d.Process(uint64(i+1), &holdfast.Block{Events: []holdfast.Event{e}})
		if fired += len(alerts); fired > 0 && i < events-1 {
			t.Fatalf("it fired at event %d", i+1)
		}
	}
	close(stop)
	wait.Wait()
	if fired != 1 {
		t.Errorf("%d alerts after %d events and %d reloads; %+v", fired, events, reloads.Load(), d.Stats())
	}
	t.Logf("%d reloads", reloads.Load())
	if n := reloads.Load(); n < 9 {
		t.Errorf("the rules were reloaded %d times meanwhile", n)
	}
}
