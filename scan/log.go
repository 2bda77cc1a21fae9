package scan

import (
	"bytes"
	"context"
	"io"

	"holdfast/ingest/evtx"
)

func (s *scan) faults(path string, faults []evtx.Fault) {
	for _, f := range faults {
		if f.Lost {
			s.left(path, "%s", f)
		} else {
			s.noted(path, f.String())
		}
	}
}

func (w *worker) chunks(ctx context.Context, path string, log *evtx.File, from, to int) {
	src := w.s.source(path)
	w.unknown = 0
	for i := from; i < to && ctx.Err() == nil; i++ {
		faults, err := w.dec.Chunk(log, i, func(r evtx.Record) error {
			w.event(path, r.ID, r.JSON, r.Written)
			return nil
		})
		w.s.faults(path, faults)
		if err != nil {
			w.s.left(path, "%v", err)
			break
		}
	}
	src.tell(w)
	src.done()
}

// packedLog reads an event log that is packed, which needs it whole.
func (w *worker) packedLog(ctx context.Context, path string, r io.Reader) {
	all, ok := w.whole(path, r)
	if !ok {
		return
	}
	log, err := evtx.Open(bytes.NewReader(all), int64(len(all)))
	if err != nil {
		w.s.left(path, "%v", err)
		return
	}
	w.s.faults(path, log.Faults)
	w.chunks(ctx, path, log, 0, log.Chunks())
}
