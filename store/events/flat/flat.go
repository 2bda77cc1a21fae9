// Package flat writes Parquet files (parquet-format 2.11) of rows without
// repetition or null: of structs of text, bytes and 64-bit numbers. Each value goes
// straight into the page of its column, without the steps that a writer of any
// rows has between. Its files have pages of version 2, bounds of each column's part, bloom
// filters and an index of where pages begin, and no index of what is in them.
// Reading is left to the library, and what a column is called and means is taken
// from it.
package flat

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"
	"unsafe"

	"github.com/parquet-go/parquet-go"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

// groupRows is the most rows of one row group; it bounds what a writer holds in
// memory.
const groupRows = 100_000

const magic = "PAR1"

// Writer writes files of rows of type T, one after the other. It serves one
// goroutine.
type Writer[T any] struct {
	by      string
	schema  []format.SchemaElement
	orders  []format.ColumnOrder
	columns []column
	scratch scratch

	to      io.Writer
	at      int64 // bytes written
	rows    int   // of the row group that is gathered
	all     int64
	groups  []format.RowGroup
	offsets [][]format.OffsetIndex
	err     error // a writer that failed once writes no more
}

// New makes a writer, whose columns are as the tags of T say to the library. Pack
// appends zstd frames. The named columns have a bloom filter.
func New[T any](by string, pack func(dst, src []byte) []byte, filters ...string) (*Writer[T], error) {
	w := &Writer[T]{by: by, scratch: newScratch(pack)}
	var empty bytes.Buffer
	lib := parquet.NewGenericWriter[T](&empty)
	if err := lib.Close(); err != nil {
		return nil, fmt.Errorf("flat: %w", err)
	}
	file, err := parquet.OpenFile(bytes.NewReader(empty.Bytes()), int64(empty.Len()))
	if err != nil {
		return nil, fmt.Errorf("flat: %w", err)
	}
	w.schema, w.orders = file.Metadata().Schema, file.Metadata().ColumnOrders
	t := reflect.TypeFor[T]()
	if len(w.schema) != t.NumField()+1 || len(w.orders) != t.NumField() {
		return nil, fmt.Errorf("flat: %s has columns within columns", t)
	}
	for i := range t.NumField() {
		f, e := t.Field(i), w.schema[i+1]
		name, tags, _ := strings.Cut(f.Tag.Get("parquet"), ",")
		bytesOrText := f.Type.Kind() == reflect.String || f.Type == reflect.TypeFor[[]byte]()
		if name != e.Name || e.RepetitionType.V != format.Required || !bytesOrText && f.Type.Kind() != reflect.Int64 {
			return nil, fmt.Errorf("flat: the column %s of %s is no text, bytes or number that is always there", f.Name, t)
		}
		c := column{name: name, place: f.Offset, kind: e.Type.V, encoding: format.DeltaBinaryPacked, filter: slices.Contains(filters, name)}
		if bytesOrText {
			c.encoding = format.DeltaLengthByteArray
			c.clearData()
		}
		if slices.Contains(strings.Split(tags, ","), "dict") {
			c.encoding, c.own = format.RLEDictionary, &words{}
			c.words = c.own
		}
		w.columns = append(w.columns, c)
	}
	return w, nil
}

// Reset begins a file.
func (w *Writer[T]) Reset(to io.Writer) {
	for i := range w.columns {
		w.columns[i].clear()
	}
	w.to, w.at, w.rows, w.all, w.err = to, 0, 0, 0, nil
	w.groups, w.offsets = nil, nil
	w.write([]byte(magic))
}

// Write adds a row. Its texts may be changed afterwards.
func (w *Writer[T]) Write(r *T) error {
	for i := range w.columns {
		c := &w.columns[i]
		at := unsafe.Add(unsafe.Pointer(r), c.place) //nolint:gosec // the field's place
		switch {
		case c.kind == format.Int64:
			c.number(*(*int64)(at))
		case c.words != nil:
			c.word(*(*string)(at))
		default: // the beginning of a slice of bytes is that of a text
			c.text(*(*string)(at))
		}
		if c.full() {
			if err := c.endPage(&w.scratch); err != nil {
				return w.fail(err)
			}
		}
	}
	if w.rows++; w.rows == groupRows {
		w.endGroup()
	}
	return w.err
}

// Close ends the file.
func (w *Writer[T]) Close() error {
	w.endGroup()
	for i := range w.groups {
		for j := range w.groups[i].Columns {
			c := &w.groups[i].Columns[j]
			c.OffsetIndexOffset = w.at
			w.encode(&w.offsets[i][j])
			c.OffsetIndexLength = int32(w.at - c.OffsetIndexOffset)
		}
	}
	from := w.at
	w.encode(&format.FileMetaData{Version: 2, Schema: w.schema, NumRows: w.all, RowGroups: w.groups, CreatedBy: w.by, ColumnOrders: w.orders})
	w.write(binary.LittleEndian.AppendUint32(nil, uint32(w.at-from)))
	w.write([]byte(magic))
	return w.err
}

// endGroup writes the row group that was gathered: column by column, and then
// their filters.
func (w *Writer[T]) endGroup() {
	if w.rows == 0 || w.err != nil {
		return
	}
	g := format.RowGroup{NumRows: int64(w.rows), FileOffset: w.at, Ordinal: int16(len(w.groups))}
	offsets := make([]format.OffsetIndex, len(w.columns))
	for i := range w.columns {
		c := &w.columns[i]
		if err := c.endPage(&w.scratch); err != nil {
			_ = w.fail(err)
			return
		}
		m := format.ColumnMetaData{Type: c.kind, PathInSchema: []string{c.name}, Codec: format.Zstd, NumValues: c.rows}
		if c.words != nil {
			m.DictionaryPageOffset = w.at
			m.Encoding = append(m.Encoding, format.Plain)
			m.EncodingStats = append(m.EncodingStats, format.PageEncodingStats{PageType: format.DictionaryPage, Encoding: format.Plain, Count: 1})
			w.write(c.dictionary(&w.scratch))
		}
		m.Encoding = append(m.Encoding, format.RLE, c.encoding)
		m.EncodingStats = append(m.EncodingStats, format.PageEncodingStats{PageType: format.DataPageV2, Encoding: c.encoding, Count: int32(len(c.pages))})
		m.DataPageOffset = w.at
		for j := range c.pages {
			c.pages[j].Offset += w.at
		}
		w.write(c.packed)
		m.TotalUncompressedSize, m.TotalCompressedSize, m.Statistics = c.plain, c.bytes, c.statistics()
		g.TotalByteSize, g.TotalCompressedSize = g.TotalByteSize+c.plain, g.TotalCompressedSize+c.bytes
		g.Columns = append(g.Columns, format.ColumnChunk{MetaData: m})
		offsets[i].PageLocations = slices.Clone(c.pages)
	}
	for i := range w.columns {
		c := &w.columns[i]
		if c.filter {
			m := &g.Columns[i].MetaData
			m.BloomFilterOffset = w.at
			filter := c.bloom()
			w.encode(&format.BloomFilterHeader{
				NumBytes:    int32(len(filter)),
				Algorithm:   format.BloomFilterAlgorithm{Value: &format.SplitBlockAlgorithm{}},
				Hash:        format.BloomFilterHash{Value: &format.XxHash{}},
				Compression: format.BloomFilterCompression{Value: &format.BloomFilterUncompressed{}},
			})
			w.write(filter)
			m.BloomFilterLength = int32(w.at - m.BloomFilterOffset)
		}
		c.clear()
	}
	w.groups, w.offsets = append(w.groups, g), append(w.offsets, offsets)
	w.all, w.rows = w.all+g.NumRows, 0
}

// Append adds the row groups of another file as they lie there. Nothing of them is
// unpacked, so whoever calls it knows that the file is whole.
func (w *Writer[T]) Append(f *parquet.File) error {
	m := f.Metadata()
	if len(m.RowGroups)*len(w.columns) != len(f.OffsetIndexes()) || !reflect.DeepEqual(m.Schema[1:], thrift.Slice[format.SchemaElement](w.schema[1:])) {
		return w.fail(errors.New("the columns of the file are others"))
	}
	w.endGroup()
	for i := range m.RowGroups {
		g := m.RowGroups[i]
		from, upto := span(&g)
		by := w.at - from
		if from < int64(len(magic)) || upto > f.Size() || len(g.Columns) != len(w.columns) {
			return w.fail(fmt.Errorf("row group %d lies from byte %d to %d of %d", i, from, upto, f.Size()))
		}
		if w.err == nil {
			n, err := io.Copy(w.to, io.NewSectionReader(f, from, upto-from))
			if w.at += n; err != nil {
				return w.fail(err)
			}
		}
		g.Columns, g.FileOffset, g.Ordinal = slices.Clone(g.Columns), from+by, int16(len(w.groups))
		offsets := make([]format.OffsetIndex, len(g.Columns))
		for j := range g.Columns {
			c := &g.Columns[j]
			move(&c.MetaData, by)
			c.ColumnIndexOffset, c.ColumnIndexLength = 0, 0
			pages := slices.Clone(f.OffsetIndexes()[i*len(g.Columns)+j].PageLocations)
			for k := range pages {
				pages[k].Offset += by
			}
			offsets[j].PageLocations = pages
		}
		w.groups, w.offsets = append(w.groups, g), append(w.offsets, offsets)
		w.all += g.NumRows
	}
	return w.err
}

// span is where a row group lies, its filters included.
func span(g *format.RowGroup) (from, upto int64) {
	for i := range g.Columns {
		m := &g.Columns[i].MetaData
		start := m.DataPageOffset
		if m.DictionaryPageOffset > 0 {
			start = m.DictionaryPageOffset
		}
		if i == 0 || start < from {
			from = start
		}
		upto = max(upto, start+m.TotalCompressedSize, m.BloomFilterOffset+int64(m.BloomFilterLength))
	}
	return from, upto
}

func move(m *format.ColumnMetaData, by int64) {
	for _, at := range []*int64{&m.DataPageOffset, &m.DictionaryPageOffset, &m.BloomFilterOffset} {
		if *at > 0 {
			*at += by
		}
	}
}

func (w *Writer[T]) encode(v any) { w.write(w.scratch.thrift(v)) }

func (w *Writer[T]) write(p []byte) {
	if w.err != nil || len(p) == 0 {
		return
	}
	n, err := w.to.Write(p)
	if w.at += int64(n); err != nil {
		w.err = err
	}
}

func (w *Writer[T]) fail(err error) error {
	if w.err == nil {
		w.err = fmt.Errorf("flat: %w", err)
	}
	return w.err
}
