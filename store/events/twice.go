package events

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/parquet-go/parquet-go"

	"holdfast"
)

// idsAtOnce is how many ids are in memory at a time: 64 MiB of them.
const idsAtOnce = 4 << 20

type onlyID struct {
	ID string `parquet:"id"`
}

// twice looks for ids that stand in the store more than once, as many at a
// time as fit the memory, by their first two bytes.
func (v *verifier) twice(ctx context.Context, segs []holdfast.Segment) error {
	var total uint64
	for _, g := range segs {
		total += g.Events
	}
	passes := min(1+total/idsAtOnce, 1<<16)
	each := (1<<16 + passes - 1) / passes
	for lo := uint64(0); lo < 1<<16; lo += each {
		var ids []holdfast.EventID
		for _, g := range segs {
			if c := v.seen[g.ID]; c == nil || c.problem != nil {
				continue
			}
			err := eachID(ctx, filepath.Join(v.dir, filepath.FromSlash(g.Path)), func(id holdfast.EventID) {
				if n := uint64(id[0])<<8 | uint64(id[1]); n >= lo && n < lo+each {
					ids = append(ids, id)
				}
			})
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("segment %s: %w", g.ID, err)
			}
		}
		slices.SortFunc(ids, func(a, b holdfast.EventID) int { return bytes.Compare(a[:], b[:]) })
		for i := 1; i < len(ids); i++ {
			if ids[i] == ids[i-1] && (i < 2 || ids[i] != ids[i-2]) {
				v.add(Problem{Kind: "doubled", What: "the event " + ids[i].String() + " is stored more than once", Events: 1, FirstID: ids[i], LastID: ids[i]})
			}
		}
	}
	return nil
}

// eachID calls f with the id of every event of a segment's file.
func eachID(ctx context.Context, path string, f func(holdfast.EventID)) (err error) {
	h, err := os.Open(path)
	if err != nil {
		return err
	}
	defer h.Close()
	defer func() { // the library panics on some damage
		if r := recover(); r != nil {
			err = fmt.Errorf("it is damaged: %v", r)
		}
	}()
	r := parquet.NewGenericReader[onlyID](h)
	defer r.Close()
	buf := make([]onlyID, eachBatch)
	for ctx.Err() == nil {
		n, err := r.Read(buf)
		for i := range buf[:n] {
			var id holdfast.EventID
			if len(buf[i].ID) != 2*len(id) {
				return fmt.Errorf("%q is no event id: %w", buf[i].ID, holdfast.ErrInvalid)
			}
			if _, derr := hex.Decode(id[:], []byte(buf[i].ID)); derr != nil {
				return fmt.Errorf("%q is no event id: %w", buf[i].ID, holdfast.ErrInvalid)
			}
			f(id)
		}
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}
