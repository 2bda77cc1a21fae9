package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"holdfast"
	"holdfast/ingest/input"
	"holdfast/internal/intake"
)

// mayBeList reports whether a name may be that of a list of records as clouds
// export them: a JSON file, packed or not.
func mayBeList(name string) bool {
	if packed(name) {
		name = strings.TrimSuffix(name, filepath.Ext(name))
	}
	return strings.EqualFold(filepath.Ext(name), ".json")
}

// listHead is how much of a file tells whether it is such a list.
const listHead = 128

// isList looks at a file's beginning. A file that has none yet is not known.
func isList(name string) (list, known bool) {
	f, err := os.Open(name)
	if err != nil {
		return false, true
	}
	defer f.Close()
	head := make([]byte, listHead)
	n, err := io.ReadFull(f, head)
	return intake.IsList(head[:n]), n > 0 || err != nil && !errors.Is(err, io.EOF)
}

// readPlainList reads a list that is not packed.
func readPlainList(ctx context.Context, w *whole) error {
	f, err := os.Open(w.name)
	if err != nil {
		return err
	}
	defer f.Close()
	id, err := idOfOpen(f)
	if err != nil {
		return err
	}
	return readList(ctx, w, id, f)
}

// readList hands on the records of {"Records": […]}, and whatever else stands in
// the object behind them. The state's Offset counts them, so that after a crash,
// and when the file has grown, it goes on behind the last one.
func readList(ctx context.Context, w *whole, id string, src io.ReaderAt) error {
	if was, n := fingerprint(src, 0, w.st.Printed); w.st.ID != id || w.st.Printed == 0 || n != w.st.Printed || was != w.st.Print {
		w.st = wholeState{state: state{ID: id, Gen: w.st.Gen + 1}}
	}
	w.st.Print, w.st.Printed = fingerprint(src, 0, printBytes)
	w.st.Done = false
	values := intake.NewValues(io.NewSectionReader(src, 0, 1<<62), input.MaxRecord, true)
	var records []holdfast.Record
	size, n, part := 0, int64(0), 0
	flush := func() error {
		if len(records) == 0 {
			return nil
		}
		if err := w.f.put(ctx, w.name, records); err != nil {
			return err
		}
		records, size = nil, 0
		w.st.Offset = n
		w.save()
		return nil
	}
	for {
		raw, more, err := values.Next()
		if err != nil {
			if ferr := flush(); ferr != nil {
				return ferr
			}
			if errors.Is(err, io.EOF) {
				w.f.note(w.name, "")
				return nil
			}
			return fmt.Errorf("the list in it does not come to its end: %d records were read; it is looked at again when it changes: %w", n, err)
		}
		if n >= w.st.Offset {
			at := fmt.Sprintf("%s:%d:e%d", w.st.ID, w.st.Gen, n)
			if part > 0 {
				at += fmt.Sprintf(":%d", part)
			}
			records = append(records, holdfast.Record{
				Source: "file:" + w.name, Position: at, Asset: w.f.env.Asset, Dataset: w.f.cfg.Dataset, Received: w.f.received(),
				Raw: raw, Truncated: more, Part: part,
			})
			size += len(raw)
		}
		if more {
			part++
			continue
		}
		n, part = n+1, 0
		if len(records) >= maxPut || size >= maxPutBytes {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}
