package events

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"
)

// damages are what may become of a segment's file.
var damages = map[string]func(path string, whole []byte) error{
	"gone":        func(path string, _ []byte) error { return os.Remove(path) },
	"empty":       func(path string, _ []byte) error { return os.WriteFile(path, nil, 0o600) },
	"torn":        func(path string, b []byte) error { return os.WriteFile(path, b[:len(b)/2], 0o600) },
	"overwritten": func(path string, b []byte) error { return os.WriteFile(path, make([]byte, len(b)), 0o600) },
	"without footer": func(path string, b []byte) error {
		return os.WriteFile(path, append(make([]byte, len(b)-4), "PAR1"...), 0o600)
	},
}

// TestStartsBesideDamage begins writing where the newest segment is damaged: what it
// looks at to know what was sent again must not keep it from starting.
func TestStartsBesideDamage(t *testing.T) {
	ctx := context.Background()
	for what, damage := range damages {
		t.Run(what, func(t *testing.T) {
			l, _ := ledgered(t, 2)
			segs, err := l.state.Segments(ctx, time.Time{}, time.Time{})
			if err != nil {
				t.Fatal(err)
			}
			path := l.store.path(segs[1])
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if err := damage(path, whole); err != nil {
				t.Fatal(err)
			}
			dir := l.dir
			l.close()
			l = open(t, dir)
			w := l.writer(t)
			if !w.known.has(event(3).ID) || w.known.has(event(13).ID) {
				t.Error("it does not know the events of the other segment, or those of the damaged one")
			}
			if err := errors.Join(w.Add(ctx, 7, block(900, 5)), w.Flush(ctx)); err != nil || w.Position() != 7 {
				t.Error(w.Position(), err)
			}
		})
	}
}
