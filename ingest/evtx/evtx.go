// Package evtx reads Windows event log files and renders each record as JSON.
//
// A file is a header of 4,096 bytes and chunks of 65,536 bytes, each of which
// can be read by itself: names and templates are shared inside a chunk and
// never across. Records are binary XML ([MS-EVEN6], section 2.2.12); templates
// are compiled once a chunk and then filled in with each record's values.
//
// Damaged and dirty files give what can be read, and a Fault for what cannot.
package evtx

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"time"

	"holdfast"
)

const (
	// ChunkSize is the size of a chunk in bytes.
	ChunkSize = 64 << 10

	fileHeader  = 4096
	chunkHeader = 512
	recordHead  = 24
	fileMagic   = "ElfFile\x00"
	chunkMagic  = "ElfChnk\x00"
	recordMagic = 0x00002a2a
)

// File is an event log file. It may be read from many goroutines, each with a
// Decoder of its own.
type File struct {
	r    io.ReaderAt
	size int64
	// Dirty says that the file was not closed by the event log service, so its
	// newest records may not be in the header's counts.
	Dirty bool
	// Faults is what is wrong with the file's header.
	Faults []Fault
}

// Fault is something that could not be read, or not be believed.
type Fault struct {
	Chunk  int    // counted from 0; -1 is the file itself
	Offset int64  // in the file
	Record uint64 // the record's id, 0 if none is concerned
	What   string
	// Lost says that data was left out; otherwise it was read all the same.
	Lost bool
}

func (f Fault) String() string {
	if f.Record != 0 {
		return fmt.Sprintf("byte %d, record %d: %s", f.Offset, f.Record, f.What)
	}
	return fmt.Sprintf("byte %d: %s", f.Offset, f.What)
}

// Record is one event.
type Record struct {
	ID      uint64
	Written time.Time
	// JSON is the event as an object with the one key "Event". Attributes stand
	// under "#attributes", the text beside them under "#text"; a Data element with a
	// Name is a key of that name; elements of the same name are an array. It is
	// valid until the next record is read.
	JSON []byte
}

// Is reports whether a file that starts with these bytes is an event log.
func Is(head []byte) bool {
	return bytes.HasPrefix(head, []byte(fileMagic)) || len(head) >= fileHeader+8 && string(head[fileHeader:fileHeader+8]) == chunkMagic
}

// Open reads a file's header. A damaged header is no error as long as a chunk
// stands where the first one must; anything else is, and wraps
// holdfast.ErrInvalid.
func Open(r io.ReaderAt, size int64) (*File, error) {
	head := make([]byte, fileHeader+8)
	n, err := r.ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("evtx: %w", err)
	}
	head = head[:n]
	if !Is(head) {
		return nil, fmt.Errorf("evtx: this is no Windows event log file: %w", holdfast.ErrInvalid)
	}
	f := &File{r: r, size: size}
	bad := func(format string, a ...any) {
		f.Faults = append(f.Faults, Fault{Chunk: -1, What: "file header: " + fmt.Sprintf(format, a...)})
	}
	switch {
	case n < 128:
		bad("it has %d bytes instead of %d", n, fileHeader)
		f.Faults[0].Lost = true
		return f, nil
	case string(head[:8]) != fileMagic:
		bad("its signature is missing")
		return f, nil
	case crc32.ChecksumIEEE(head[:120]) != binary.LittleEndian.Uint32(head[124:]):
		bad("its checksum is wrong")
	}
	f.Dirty = head[120]&1 != 0
	if f.Chunks() == 0 {
		bad("the file ends before its first chunk")
		f.Faults[len(f.Faults)-1].Lost = true
	}
	if want := int64(binary.LittleEndian.Uint16(head[42:])); want > int64(f.Chunks()) && !f.Dirty {
		bad("%d chunks are announced and %d are there", want, f.Chunks())
		f.Faults[len(f.Faults)-1].Lost = true
	}
	return f, nil
}

// Chunks is how many chunks the file has room for, the last one perhaps cut
// short. Some of them may be empty.
func (f *File) Chunks() int {
	if f.size <= fileHeader {
		return 0
	}
	return int((f.size - fileHeader + ChunkSize - 1) / ChunkSize)
}

// Decoder reads chunks, one after another. The zero value is ready.
type Decoder struct {
	// Exact keeps the blanks at the end of texts. Without it they are left out,
	// as the tools do whose output rules are commonly tested against.
	Exact bool

	buf    []byte
	at     int64 // of the chunk in the file
	number int
	faults []Fault
	out    []byte

	compiler
	values []value
	depth  int
	steps  int
}

// maxFaults bounds the faults told of one chunk.
const maxFaults = 50

func (d *Decoder) fault(offset int, record uint64, lost bool, format string, a ...any) {
	if len(d.faults) == maxFaults {
		d.faults = append(d.faults, Fault{Chunk: d.number, Offset: d.at, What: "there is more wrong with this chunk", Lost: lost})
	}
	if len(d.faults) > maxFaults {
		return
	}
	d.faults = append(d.faults, Fault{Chunk: d.number, Offset: d.at + int64(offset), Record: record, What: fmt.Sprintf(format, a...), Lost: lost})
}

// Chunk reads chunk i and calls each for every record, in the order of the
// file. The faults are valid until the next call. The error is that of each, or
// of reading the file.
func (d *Decoder) Chunk(f *File, i int, each func(Record) error) ([]Fault, error) {
	d.number, d.at, d.faults = i, fileHeader+int64(i)*ChunkSize, d.faults[:0]
	if d.buf == nil {
		d.buf = make([]byte, ChunkSize)
	}
	n, err := f.r.ReadAt(d.buf[:ChunkSize], d.at)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("evtx: chunk %d: %w", i, err)
	}
	b := d.buf[:n]
	if empty(b) {
		return nil, nil // room that was never used
	}
	if n < chunkHeader || string(b[:8]) != chunkMagic {
		d.fault(0, 0, true, "no chunk stands here")
		return d.faults, nil
	}
	end := d.bounds(b)
	d.reset(b)
	return d.faults, d.records(b, end, each)
}

func empty(b []byte) bool {
	return len(b) == 0 || b[0] == 0 && bytes.Count(b[:min(len(b), chunkHeader)], []byte{0}) == min(len(b), chunkHeader)
}

// bounds looks at the chunk's header and returns where its records end.
func (d *Decoder) bounds(b []byte) int {
	le := binary.LittleEndian
	if len(b) < ChunkSize {
		d.fault(len(b), 0, true, "the chunk is cut off after %d of %d bytes", len(b), ChunkSize)
	}
	sum := crc32.Update(crc32.ChecksumIEEE(b[:120]), crc32.IEEETable, b[128:chunkHeader])
	if sum != le.Uint32(b[124:]) {
		d.fault(0, 0, false, "the checksum of the chunk's header is wrong")
	}
	end := int(le.Uint32(b[48:]))
	if end < chunkHeader || end > len(b) {
		d.fault(48, 0, false, "the chunk's records end at byte %d, by its header", end)
		return len(b)
	}
	if crc32.ChecksumIEEE(b[chunkHeader:end]) != le.Uint32(b[52:]) {
		d.fault(chunkHeader, 0, false, "the checksum of the chunk's records is wrong")
		return len(b) // the service may have died before it wrote the header again
	}
	return end
}

// records reads from one record to the next; after a damaged one it looks for
// the next that could be one.
func (d *Decoder) records(b []byte, end int, each func(Record) error) error {
	le := binary.LittleEndian
	last, any := uint64(0), false
	for pos := chunkHeader; pos+recordHead+4 <= end; {
		if le.Uint32(b[pos:]) != recordMagic {
			next := bytes.Index(b[pos:end], []byte{0x2a, 0x2a, 0, 0})
			rest := b[pos:end]
			if next >= 0 {
				rest = b[pos : pos+next]
			}
			if len(bytes.Trim(rest, "\x00")) > 0 {
				d.fault(pos, 0, true, "%d bytes are no record", len(rest))
			}
			if next < 0 {
				return nil
			}
			pos += next
			continue
		}
		size, id := int(le.Uint32(b[pos+4:])), le.Uint64(b[pos+8:])
		if size < recordHead+4 || size > end-pos || le.Uint32(b[pos+size-4:]) != uint32(size) {
			d.fault(pos, id, true, "the record's two sizes do not agree, or it would not fit")
			pos += 4
			continue
		}
		if any && id <= last { // what an older, overwritten chunk left behind
			d.fault(pos, id, false, "the record comes after record %d", last)
		}
		last, any = id, true
		json, err := d.event(b, pos+recordHead, pos+size-4)
		if err != nil {
			d.fault(pos, id, true, "%v", err)
		} else if err := each(Record{ID: id, Written: filetime(le.Uint64(b[pos+16:])), JSON: json}); err != nil {
			return err
		}
		pos += size
	}
	return nil
}

// filetime is a FILETIME: steps of 100 ns since 1601 ([MS-DTYP], 2.3.3).
func filetime(v uint64) time.Time {
	const toUnix = 116444736000000000
	if v > 1<<62 { // beyond what time.Time can be written as
		return time.Time{}
	}
	t := int64(v) - toUnix
	return time.Unix(t/1e7, t%1e7*100).UTC()
}
