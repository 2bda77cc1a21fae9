package syslog

import (
	"bytes"
	"sync/atomic"

	"holdfast"
	"holdfast/ingest/frame"
)

// maxAudits bounds the senders whose audit records are put together at once; each
// may make us hold some megabytes.
const maxAudits = 16

// together puts the audit records of one sender together. Each record goes on as
// it came; an event of several goes on once more as one record. It is lost if
// Holdfast ends between the two, as syslog is.
type together struct {
	l    *listener
	open *atomic.Int32 // how many such there are, nil if somebody else counts
	by   frame.Framer
}

// add appends a record to a batch, and the event that became whole with it.
func (t *together) add(batch []holdfast.Record, r holdfast.Record) []holdfast.Record {
	batch = append(batch, r)
	if r.Truncated || !frame.IsAudit(r.Raw) {
		return batch
	}
	if t.by == nil {
		if t.open != nil && t.open.Add(1) > maxAudits {
			t.open.Add(-1)
			return batch
		}
		t.by = frame.NewAudit()
	}
	first := true // that is the record itself
	t.by.Line(r.Raw, func(raw []byte) {
		if !first {
			batch = append(batch, t.l.record(r.Source, bytes.Clone(raw), false))
		}
		first = false
	})
	return batch
}

// end returns what is held back.
func (t *together) end(source string) (batch []holdfast.Record) {
	if t.by != nil {
		t.by.End(func(raw []byte) { batch = append(batch, t.l.record(source, bytes.Clone(raw), false)) })
		t.by = nil
		if t.open != nil {
			t.open.Add(-1)
		}
	}
	return batch
}
