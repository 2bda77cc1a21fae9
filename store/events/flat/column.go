package flat

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"math/bits"
	"unsafe"

	"github.com/parquet-go/parquet-go/bloom"
	"github.com/parquet-go/parquet-go/bloom/xxhash"
	"github.com/parquet-go/parquet-go/encoding/delta"
	"github.com/parquet-go/parquet-go/encoding/rle"
	"github.com/parquet-go/parquet-go/encoding/thrift"
	"github.com/parquet-go/parquet-go/format"
)

const (
	// pageBytes is how much of a column is packed together.
	pageBytes = 256 << 10
	// head is the room before a page's texts for their lengths, which come first
	// and are known last.
	head = 4 << 10
	// filterBits is how many bits of a bloom filter each value has.
	filterBits = 10
	// longest is the length of texts of which there are bounds.
	longest = 256
)

// column is one of a file that is being written.
type column struct {
	name     string
	place    uintptr // of the field in the row
	kind     format.Type
	encoding format.Encoding
	filter   bool
	words    *words // the dictionary, or nil
	own      *words // the same, unless it is a table's

	// What the page under way has: texts side by side from head on and their
	// lengths, numbers, or numbers of words.
	data    []byte
	lengths []int32
	numbers []int64
	index   []int32

	// What the row group has.
	packed   []byte // pages, with their headers
	pages    []format.PageLocation
	rows     int64
	plain    int64 // bytes of all pages with their headers, not packed
	bytes    int64 // and packed
	hashes   []uint64
	empty    bool // one of hashes is that of the empty text
	any      bool // there are bounds
	long     bool // there will be none
	lo, hi   int64
	min, max []byte
}

func (c *column) clear() {
	c.clearData()
	c.numbers, c.index = c.numbers[:0], c.index[:0]
	c.packed, c.pages, c.hashes, c.min, c.max = c.packed[:0], c.pages[:0], c.hashes[:0], c.min[:0], c.max[:0]
	c.rows, c.plain, c.bytes, c.any, c.empty, c.long = 0, 0, 0, false, false, false
	if c.words = c.own; c.words != nil {
		c.words.clear()
	}
}

func (c *column) clearData() {
	if c.kind == format.ByteArray && c.words == nil {
		if c.data == nil {
			c.data = make([]byte, head, head+pageBytes+pageBytes/8)
		}
		c.data, c.lengths = c.data[:head], c.lengths[:0]
	}
}

func (c *column) number(n int64) {
	c.numbers = append(c.numbers, n)
	if !c.any {
		c.any, c.lo, c.hi = true, n, n
	}
	c.lo, c.hi = min(c.lo, n), max(c.hi, n)
}

func (c *column) word(s string) { c.index = append(c.index, c.words.number(s)) }

func (c *column) text(s string) {
	c.data = append(c.data, s...)
	c.lengths = append(c.lengths, int32(len(s)))
	c.bound(s)
	if c.filter && (s != "" || !c.empty) {
		c.empty = c.empty || s == ""
		c.hashes = append(c.hashes, hashOf(s))
	}
}

// bound widens the bounds to a text. There are none where one of the texts is long:
// it would cost a look at each, and no search asks for the bounds of such a column.
func (c *column) bound(s string) {
	switch {
	case c.long:
	case len(s) > longest:
		c.long = true
	case !c.any:
		c.any, c.min, c.max = true, append(c.min[:0], s...), append(c.max[:0], s...)
	case s < string(c.min):
		c.min = append(c.min[:0], s...)
	case s > string(c.max):
		c.max = append(c.max[:0], s...)
	}
}

func hashOf(s string) uint64 {
	return xxhash.Sum64(unsafe.Slice(unsafe.StringData(s), len(s))) //nolint:gosec // read only
}

func (c *column) full() bool {
	return len(c.data)+4*len(c.lengths) >= pageBytes+head || 8*len(c.numbers) >= pageBytes || 4*len(c.index) >= pageBytes
}

// endPage packs the page under way.
func (c *column) endPage(s *scratch) (err error) {
	rows := len(c.lengths) + len(c.numbers) + len(c.index)
	if rows == 0 {
		return nil
	}
	var body []byte
	switch {
	case c.kind == format.Int64:
		body, err = s.delta.EncodeInt64(s.body[:0], c.numbers)
		s.body = body
	case c.words != nil:
		body, err = s.dict.EncodeInt32(s.body[:0], c.index)
		s.body = body
	default:
		var lengths []byte
		lengths, err = s.delta.EncodeInt32(s.body[:0], c.lengths)
		if s.body = lengths; len(lengths) <= head {
			body = c.data[head-copy(c.data[head-len(lengths):], lengths):]
		} else {
			body = append(lengths, c.data[head:]...)
			s.body = body
		}
	}
	if err != nil {
		return err
	}
	s.packed = s.pack(s.packed[:0], body)
	header := s.thrift(&format.PageHeader{
		Type: format.DataPageV2, UncompressedPageSize: int32(len(body)), CompressedPageSize: int32(len(s.packed)),
		CRC: int32(crc32.ChecksumIEEE(s.packed)),
		DataPageHeaderV2: thrift.New(format.DataPageHeaderV2{
			NumValues: int32(rows), NumRows: int32(rows), Encoding: c.encoding, IsCompressed: thrift.New(true),
		}),
	})
	c.pages = append(c.pages, format.PageLocation{Offset: int64(len(c.packed)), CompressedPageSize: int32(len(header) + len(s.packed)), FirstRowIndex: c.rows})
	c.packed = append(append(c.packed, header...), s.packed...)
	c.count(len(header), len(body), len(s.packed))
	c.rows += int64(rows)
	c.numbers, c.index = c.numbers[:0], c.index[:0]
	c.clearData()
	return nil
}

func (c *column) count(header, plain, packed int) {
	c.plain += int64(header + plain)
	c.bytes += int64(header + packed)
}

// dictionary is the page of the words.
func (c *column) dictionary(s *scratch) []byte {
	s.packed = s.pack(s.packed[:0], c.words.data)
	header := s.thrift(&format.PageHeader{
		Type: format.DictionaryPage, UncompressedPageSize: int32(len(c.words.data)), CompressedPageSize: int32(len(s.packed)),
		CRC:                  int32(crc32.ChecksumIEEE(s.packed)),
		DictionaryPageHeader: thrift.New(format.DictionaryPageHeader{NumValues: int32(len(c.words.ends)), Encoding: format.Plain}),
	})
	c.count(len(header), len(c.words.data), len(s.packed))
	s.body = append(append(s.body[:0], header...), s.packed...)
	return s.body
}

// statistics are the bounds, if there are some.
func (c *column) statistics() (out format.Statistics) {
	switch {
	case c.kind == format.Int64:
		out.MinValue, out.MaxValue = binary.LittleEndian.AppendUint64(nil, uint64(c.lo)), binary.LittleEndian.AppendUint64(nil, uint64(c.hi))
		return out
	case c.words != nil:
		for i := range c.words.ends {
			c.bound(c.words.at(int32(i)))
		}
	}
	if !c.long {
		out.MinValue, out.MaxValue = append([]byte{}, c.min...), append([]byte{}, c.max...)
	}
	return out
}

// bloom is the filter of all values.
func (c *column) bloom() []byte {
	hashes := c.hashes
	if c.words != nil {
		hashes = c.words.hashes
	}
	f := make(bloom.SplitBlockFilter, bloom.NumSplitBlocksOf(int64(len(hashes)), filterBits))
	f.InsertBulk(hashes)
	return f.Bytes()
}

// words number texts in the order in which they first come.
type words struct {
	data   []byte   // each with its length before it, as the page of a dictionary has them
	ends   []uint32 // where each ends in data
	hashes []uint64
	table  []int32 // by hash: the number and one, or 0
	last   int32
	empty  int32 // the number of the empty text and one, or 0
}

func (d *words) clear() {
	clear(d.table)
	d.data, d.ends, d.hashes, d.last, d.empty = d.data[:0], d.ends[:0], d.hashes[:0], 0, 0
}

func (d *words) at(n int32) string {
	from := uint32(0)
	if n > 0 {
		from = d.ends[n-1]
	}
	b := d.data[from+4 : d.ends[n]]
	return unsafe.String(unsafe.SliceData(b), len(b)) //nolint:gosec // for a look
}

func (d *words) number(s string) int32 {
	if s == "" && d.empty > 0 {
		return d.empty - 1
	}
	if len(d.ends) > 0 && s == d.at(d.last) {
		return d.last
	}
	if 2*len(d.ends) >= len(d.table) {
		d.grow()
	}
	hash := hashOf(s)
	mask := uint64(len(d.table) - 1)
	slot := hash & mask
	for ; d.table[slot] != 0; slot = (slot + 1) & mask {
		if n := d.table[slot] - 1; d.hashes[n] == hash && d.at(n) == s {
			d.last = n
			return n
		}
	}
	d.last = int32(len(d.ends))
	d.table[slot] = d.last + 1
	if s == "" {
		d.empty = d.last + 1
	}
	d.data = append(binary.LittleEndian.AppendUint32(d.data, uint32(len(s))), s...)
	d.ends, d.hashes = append(d.ends, uint32(len(d.data))), append(d.hashes, hash)
	return d.last
}

func (d *words) grow() {
	d.table = make([]int32, 1<<bits.Len(uint(max(2*len(d.table)-1, 255))))
	mask := uint64(len(d.table) - 1)
	for n, hash := range d.hashes {
		slot := hash & mask
		for d.table[slot] != 0 {
			slot = (slot + 1) & mask
		}
		d.table[slot] = int32(n) + 1
	}
}

// scratch is memory that all columns use, one after the other.
type scratch struct {
	pack         func(dst, src []byte) []byte
	delta        delta.BinaryPackedEncoding
	dict         rle.DictionaryEncoding
	body, packed []byte
	buffer       *bytes.Buffer
	encoder      *thrift.Encoder
}

func newScratch(pack func(dst, src []byte) []byte) scratch {
	b := &bytes.Buffer{}
	return scratch{pack: pack, buffer: b, encoder: thrift.NewEncoder(new(thrift.CompactProtocol).NewWriter(b))}
}

// thrift is a value in the compact protocol, until the next call.
func (s *scratch) thrift(v any) []byte {
	s.buffer.Reset()
	if err := s.encoder.Encode(v); err != nil {
		panic(err) // it is written to memory
	}
	return s.buffer.Bytes()
}
