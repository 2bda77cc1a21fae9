package events

import (
	"io"
	"sync"

	"holdfast/internal/zstd"
	"holdfast/store/events/flat"
)

// encoders write rows as Parquet. One is kept to be used again, with its memory.
type encoders struct {
	pack *zstd.Packer

	mu   sync.Mutex
	idle *flat.Writer[row]
}

func newEncoders() *encoders { return &encoders{pack: zstd.New(zstd.Alike)} }

func (e *encoders) get(to io.Writer) (*flat.Writer[row], error) {
	e.mu.Lock()
	w := e.idle
	e.idle = nil
	e.mu.Unlock()
	if w == nil {
		var err error
		if w, err = flat.New[row]("holdfast version 1", e.pack.Append, blooms...); err != nil {
			return nil, err
		}
	}
	w.Reset(to)
	return w, nil
}

// give takes back one whose file is whole. Those of a file that is not are left to
// the garbage collector.
func (e *encoders) give(w *flat.Writer[row]) {
	e.mu.Lock()
	e.idle = w
	e.mu.Unlock()
}
