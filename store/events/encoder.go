package events

import (
	"io"
	"sync"

	"holdfast/internal/turn"
	"holdfast/internal/zstd"
	"holdfast/store/events/flat"
)

// encoders write rows as Parquet. One is kept to be used again, with its memory.
type encoders struct {
	pack *zstd.Packer

	mu   sync.Mutex
	idle *encoder
}

// encoder is one, and whose turn it works in.
type encoder struct {
	*flat.Writer[row]
	turn *turn.Turn
}

func newEncoders() *encoders { return &encoders{pack: zstd.New(zstd.Alike)} }

func (e *encoders) get(to io.Writer, t *turn.Turn) (*encoder, error) {
	e.mu.Lock()
	w := e.idle
	e.idle = nil
	e.mu.Unlock()
	if w == nil {
		w = &encoder{}
		pack := func(dst, src []byte) []byte {
			w.turn.Next()
			return e.pack.Append(dst, src)
		}
		var err error
		if w.Writer, err = flat.New[row]("holdfast version 1", pack, blooms...); err != nil {
			return nil, err
		}
	}
	w.turn = t
	w.Reset(to)
	return w, nil
}

// give takes back one whose file is whole. Those of a file that is not are left to
// the garbage collector.
func (e *encoders) give(w *encoder) {
	e.mu.Lock()
	e.idle = w
	e.mu.Unlock()
}
