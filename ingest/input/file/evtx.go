package file

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"holdfast"
	"holdfast/ingest/evtx"
)

// eventLog reports whether a name is that of a Windows event log.
func eventLog(name string) bool { return strings.EqualFold(filepath.Ext(name), ".evtx") }

// firstRecord is where the first record of a Windows event log stands. Its bytes
// tell one log from another, and stay as they are while the log grows.
const firstRecord = 4096 + 512

// readEventLog hands on the records of a Windows event log, chunk by chunk. What
// is damaged is named; the rest is read.
func readEventLog(ctx context.Context, w *whole) error {
	f, err := os.Open(w.name)
	if err != nil {
		return err
	}
	defer f.Close()
	id, err := idOfOpen(f)
	if err != nil {
		return err
	}
	log, err := evtx.Open(f, w.seen.Size)
	if err != nil {
		return err
	}
	print, printed := fingerprint(f, firstRecord, printBytes)
	if w.st.ID != id || w.st.Print != print {
		w.st = wholeState{state: state{ID: id, Gen: w.st.Gen + 1, Print: print, Printed: printed}}
	}
	w.st.Done = false
	l := &logReader{w: w, faults: log.Faults}
	for i := int(w.st.Offset); i < log.Chunks(); i++ {
		if err := l.chunk(ctx, log, i); err != nil {
			return err
		}
		if len(l.records) >= maxPut || l.bytes >= maxPutBytes || i+1 == log.Chunks() {
			if err := l.put(ctx); err != nil {
				return err
			}
			w.st.Offset = int64(i + 1)
			w.save()
		}
	}
	w.st.Last, w.st.Newest, w.st.Offset = max(w.st.Last, w.st.Newest), 0, 0
	w.f.note(w.name, l.trouble())
	return nil
}

// logReader gathers the records of some chunks for one Put.
type logReader struct {
	w       *whole
	dec     evtx.Decoder
	records []holdfast.Record
	bytes   int
	faults  []evtx.Fault
}

// chunk reads one chunk. Records that were handed on before the log grew are
// known by their numbers; the order of those in a file is any.
func (l *logReader) chunk(ctx context.Context, log *evtx.File, i int) error {
	w := l.w
	faults, err := l.dec.Chunk(log, i, func(r evtx.Record) error {
		if r.ID <= w.st.Last {
			return nil
		}
		w.st.Newest = max(w.st.Newest, r.ID)
		l.records = append(l.records, holdfast.Record{
			Source: "file:" + w.name, Position: fmt.Sprintf("%s:%d:r%d", w.st.ID, w.st.Gen, r.ID),
			Asset: w.f.env.Asset, Dataset: w.f.cfg.Dataset, Received: w.f.received(), Raw: bytes.Clone(r.JSON),
		})
		l.bytes += len(r.JSON)
		return nil
	})
	if err != nil {
		return err
	}
	for _, f := range faults {
		if len(l.faults) < 1000 {
			l.faults = append(l.faults, f)
		}
	}
	return nil
}

func (l *logReader) put(ctx context.Context) error {
	for len(l.records) > 0 {
		n := min(len(l.records), maxPut)
		if err := l.w.f.put(ctx, l.w.name, l.records[:n]); err != nil {
			return err
		}
		l.records = l.records[n:]
	}
	l.records, l.bytes = nil, 0
	return nil
}

// trouble says what of the log could not be read.
func (l *logReader) trouble() string {
	lost, first := 0, ""
	for _, f := range l.faults {
		if !f.Lost {
			l.w.f.env.Log.Info("a Windows event log is not as it should be, and was read all the same", "path", l.w.name, "what", f.String())
			continue
		}
		if lost++; lost <= 3 {
			first += "; " + f.String()
		}
	}
	if lost == 0 {
		return ""
	}
	return fmt.Sprintf("%d places of %s are damaged and could not be read%s", lost, l.w.name, first)
}
