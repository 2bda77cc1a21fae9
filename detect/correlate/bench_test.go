package correlate

import (
	"fmt"
	"testing"
	"time"

	"holdfast"
)

// BenchmarkFullWindow gives hits to a window that is at its limit and in which
// the condition does not come to hold: the second rule first, as of one who
// logs in and then mistypes; all within one second; and each a little late.
func BenchmarkFullWindow(b *testing.B) {
	for _, kind := range []string{"temporal_ordered", "temporal, condition: a and not b", "value_count, condition: {field: v, gte: 900}", "event_count, condition: {gte: 900}"} {
		for _, order := range []string{"one second", "in turn", "late"} {
			b.Run(fmt.Sprintf("%.16s/%s", kind, order), func(b *testing.B) {
				c, rules := build(b, "title: c\nname: c\ncorrelation: {rules: [a, b], group-by: [g], timespan: 1h, type: "+kind+"}\n")
				n := 0
				give := func() {
					n++
					at := begin
					switch order {
					case "in turn":
						at = at.Add(time.Duration(n) * time.Second)
					case "late":
						at = at.Add(time.Duration(n-n*7%31) * time.Second)
					}
					e := holdfast.Event{
						ID: holdfast.NewEventID("b", fmt.Sprint(n), nil, 0), Time: at, Received: at,
						Fields: []holdfast.Field{{Name: "g", Text: "g"}, {Name: "v", Text: fmt.Sprint(n % 100)}},
					}
					rule := "a"
					if n == 1 || n%700 == 0 {
						rule = "b"
					}
					if kind == "temporal_ordered" && n > 1 {
						rule = "a"
					}
					c.Add(&e, &holdfast.Dataset{}, []Hit{{Rule: rules[rule]}})
					c.Take()
				}
				for range 2000 {
					give()
				}
				for b.Loop() {
					give()
				}
			})
		}
	}
}
