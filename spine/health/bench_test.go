package health

import (
	"fmt"
	"testing"
	"time"

	"holdfast"
)

// BenchmarkObserve measures what counting costs an event, of 32 fields, in
// blocks of 1,000 from ten sources, with 200 watched fields.
func BenchmarkObserve(b *testing.B) {
	m := New(DefaultLimits())
	watched := Watched{}
	for i := range 200 {
		watched[fmt.Sprint("Field", i)] = []string{fmt.Sprint("Field", i)}
	}
	m.Watch(map[string]Watched{"windows.sysmon": watched})
	block := &holdfast.Block{}
	for i := range 1000 {
		e := holdfast.Event{Source: fmt.Sprintf("ast-1/file:/var/log/%d.log", i%10), Dataset: "windows.sysmon", Time: monday}
		for f := range 32 {
			e.Fields = append(e.Fields, holdfast.Field{Name: fmt.Sprint("Field", f*3), Text: "x"})
		}
		block.Events = append(block.Events, e)
	}
	b.ReportAllocs()
	n := uint64(0)
	for b.Loop() {
		n++
		block.Made = monday.Add(time.Duration(n) * time.Second)
		m.Observe(n, block)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(n)/1000, "ns/event")
}

// TestNothingIsAllocated holds the hot path to that.
func TestNothingIsAllocated(t *testing.T) {
	m := New(DefaultLimits())
	m.Watch(map[string]Watched{"d": {"a": {"a"}}})
	block := &holdfast.Block{Made: monday}
	for i := range 100 {
		block.Events = append(block.Events, holdfast.Event{Source: fmt.Sprint("s", i%3), Dataset: "d", Time: monday, Fields: []holdfast.Field{{Name: "a", Text: "x"}}})
	}
	n := uint64(1)
	m.Observe(n, block)
	if got := testing.AllocsPerRun(100, func() { n++; m.Observe(n, block) }); got > 0 {
		t.Errorf("%.1f allocations a block", got)
	}
}
