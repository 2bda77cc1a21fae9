package events

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"

	"holdfast"
)

// recall fills the writer's memory with the ids of the events that were stored
// last. What was committed, and whose sender never heard of it because the server
// was killed, is sent again to the next one: days later if the server was down
// for days, or at another time of day if a clock was set, when the bus, which
// remembers blocks for an hour, has forgotten. A segment that cannot be read is
// left out; verify names it.
func (w *Writer) recall(ctx context.Context) error {
	if w.store.far != nil {
		ids, err := w.store.far.newest(ctx, remember)
		w.remember(ids)
		return err
	}
	m, err := w.store.manifest.Manifest(ctx)
	if err != nil {
		return err
	}
	slices.SortFunc(m.Segments, func(a, b holdfast.Segment) int { return cmp.Compare(b.Last, a.Last) })
	var ids []holdfast.EventID // the newest segment's first
	for i := range m.Segments {
		if len(ids) >= remember {
			break
		}
		var in []holdfast.EventID
		err := eachID(ctx, filepath.Join(w.store.dir, filepath.FromSlash(m.Segments[i].Path)), func(id holdfast.EventID) { in = append(in, id) })
		if err != nil {
			_ = w.store.sound(ctx, &m.Segments[i]) // takes note of it
			w.store.log.Warn("a segment cannot be read; what is sent again of it would be stored again", "segment", m.Segments[i].ID, "error", err)
			continue
		}
		slices.Reverse(in)
		ids = append(ids, in[:min(len(in), remember-len(ids))]...)
	}
	w.remember(ids)
	return nil
}

// remember takes ids, the newest first.
func (w *Writer) remember(ids []holdfast.EventID) {
	for _, id := range slices.Backward(ids) {
		w.known.add(id)
	}
}
