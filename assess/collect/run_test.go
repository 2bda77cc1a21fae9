package collect

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"holdfast"
	"holdfast/internal/clock"
	"holdfast/internal/host"
)

func TestNoCollectorStopsTheOthers(t *testing.T) {
	h := host.New(slog.New(slog.DiscardHandler), clock.System{})
	schema := func(n string) []Schema { return []Schema{{Name: n}} }
	release := make(chan struct{})
	defer close(release)
	f := Run(context.Background(), h, "ast-1", []Collector{
		{Name: "good", Tables: schema("good"), Collect: func(context.Context, *host.Host) ([]holdfast.Table, error) {
			return []holdfast.Table{{Name: "good", Rows: []holdfast.Row{{"a": "b"}}}}, nil
		}},
		{Name: "panics", Tables: schema("panics"), Collect: func(context.Context, *host.Host) ([]holdfast.Table, error) { panic("boom") }},
		{Name: "fails", Tables: schema("fails"), Collect: func(context.Context, *host.Host) ([]holdfast.Table, error) {
			return nil, errors.New("no right")
		}},
		{Name: "hangs", Tables: schema("hangs"), Collect: func(context.Context, *host.Host) ([]holdfast.Table, error) {
			<-release
			return nil, nil
		}},
		{Name: "lies", Tables: schema("lies"), Collect: func(context.Context, *host.Host) ([]holdfast.Table, error) { return nil, nil }},
		{Name: "huge", Tables: schema("huge"), Collect: func(context.Context, *host.Host) ([]holdfast.Table, error) {
			return []holdfast.Table{{Name: "huge", Rows: make([]holdfast.Row, MaxRows+1)}}, nil
		}},
		{Name: "elsewhere", OS: []string{"plan9"}, Tables: schema("elsewhere")},
	}, 200*time.Millisecond)
	for name, want := range map[string]string{"good": "", "panics": "boom", "fails": "no right", "hangs": "did not end", "lies": "no such table", "huge": ""} {
		tb, ok := f.Tables[name]
		if !ok || (want == "") != (tb.Error == "") || !strings.Contains(tb.Error, want) {
			t.Errorf("%s: %q, want %q", name, tb.Error, want)
		}
	}
	if _, ok := f.Tables["elsewhere"]; ok {
		t.Error("a collector of another system was run")
	}
	if tb := f.Tables["huge"]; len(tb.Rows) != MaxRows || tb.Partial == "" {
		t.Errorf("%d rows, %q", len(tb.Rows), tb.Partial)
	}
}
