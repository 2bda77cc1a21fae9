// Package eventlog writes Windows event logs for tests, whole and broken in the
// ways of disks, crashes and attackers. It leaves reading to package evtx.
package eventlog

import (
	"encoding/binary"
	"hash/crc32"
	"unicode/utf16"
)

const (
	headSize  = 4096
	chunkHead = 512
	chunkSize = 1 << 16
)

// Chunk writes one chunk as the event log service does, by [MS-EVEN6].
type Chunk struct {
	b     []byte
	names map[string]int
	ids   uint64
}

// New begins a chunk.
func New() *Chunk {
	return &Chunk{b: make([]byte, 512), names: map[string]int{}}
}

func (c *Chunk) u8(v ...byte)    { c.b = append(c.b, v...) }
func (c *Chunk) u16(v int)       { c.b = binary.LittleEndian.AppendUint16(c.b, uint16(v)) }
func (c *Chunk) u32(v int)       { c.b = binary.LittleEndian.AppendUint32(c.b, uint32(v)) }
func (c *Chunk) u64(v uint64)    { c.b = binary.LittleEndian.AppendUint64(c.b, v) }
func (c *Chunk) set32(at, v int) { binary.LittleEndian.PutUint32(c.b[at:], uint32(v)) }
func (c *Chunk) chars(s string) {
	for _, u := range utf16.Encode([]rune(s)) {
		c.u16(int(u))
	}
}

// name writes a name's offset, and the name where it is used first.
func (c *Chunk) name(s string) {
	if at, ok := c.names[s]; ok {
		c.u32(at)
		return
	}
	c.u32(len(c.b) + 4)
	c.names[s] = len(c.b)
	c.u32(0)
	c.u16(0)
	c.u16(len(utf16.Encode([]rune(s))))
	c.chars(s)
	c.u16(0)
}

// Element is an element of a template.
type Element struct {
	Name       string
	Attributes [][2]any // name; string, or int for a substitution
	Content    []any    // Element, string, or int for a substitution
}

func (c *Chunk) content(v any) {
	switch v := v.(type) {
	case string:
		c.u8(0x05, 0x01)
		c.u16(len(utf16.Encode([]rune(v))))
		c.chars(v)
	case int:
		c.u8(0x0e)
		c.u16(v)
		c.u8(0x01)
	case Element:
		c.element(v)
	}
}

func (c *Chunk) element(e Element) {
	if len(e.Attributes) > 0 {
		c.u8(0x41)
	} else {
		c.u8(0x01)
	}
	c.u16(-1 & 0xffff)
	size := len(c.b)
	c.u32(0)
	c.name(e.Name)
	if len(e.Attributes) > 0 {
		at := len(c.b)
		c.u32(0)
		for i, a := range e.Attributes {
			if i+1 < len(e.Attributes) {
				c.u8(0x46)
			} else {
				c.u8(0x06)
			}
			c.name(a[0].(string))
			c.content(a[1])
		}
		c.set32(at, len(c.b)-at-4)
	}
	if len(e.Content) == 0 {
		c.u8(0x03)
	} else {
		c.u8(0x02)
		for _, k := range e.Content {
			c.content(k)
		}
		c.u8(0x04)
	}
	c.set32(size, len(c.b)-size-4)
}

// Value is a value of a record, of a type that [MS-EVEN6] 2.2.18 numbers.
type Value struct {
	Type byte
	Data []byte
}

// Text is a value of text.
func Text(s string) Value {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return Value{1, b}
}

// Number is a value of a type of numbers, of so many bytes.
func Number(typ byte, size int, v uint64) Value {
	return Value{typ, binary.LittleEndian.AppendUint64(nil, v)[:size]}
}

// Record writes a record of a template; where is its offset, 0 to define it
// here. It returns where the template stands.
func (c *Chunk) Record(where int, root Element, values ...Value) int {
	c.ids++
	start := len(c.b)
	c.u32(0x2a2a)
	c.u32(0)
	c.u64(c.ids)
	c.u64(132539328000000000) // 2021-01-01
	c.u8(0x0f, 1, 1, 0, 0x0c, 1)
	c.u32(7)
	if where == 0 {
		where = len(c.b) + 4
		c.u32(where)
		c.u32(0)
		c.b = append(c.b, make([]byte, 16)...)
		size := len(c.b)
		c.u32(0)
		c.u8(0x0f, 1, 1, 0)
		c.element(root)
		c.u8(0)
		c.set32(size, len(c.b)-size-4)
	} else {
		c.u32(where)
	}
	c.u32(len(values))
	for _, v := range values {
		c.u16(len(v.Data))
		c.u8(v.Type, 0)
	}
	for _, v := range values {
		c.u8(v.Data...)
	}
	c.u8(0)
	c.set32(start+4, len(c.b)-start+4)
	c.u32(len(c.b) - start + 4)
	return where
}

// File closes the chunk and puts a file's header before it.
func (c *Chunk) File() []byte {
	le := binary.LittleEndian
	end := len(c.b)
	b := append(c.b, make([]byte, chunkSize-end)...)
	copy(b, "ElfChnk\x00")
	le.PutUint32(b[40:], 128)
	le.PutUint32(b[48:], uint32(end))
	le.PutUint32(b[52:], crc32.ChecksumIEEE(b[512:end]))
	le.PutUint32(b[124:], crc32.Update(crc32.ChecksumIEEE(b[:120]), crc32.IEEETable, b[128:512]))
	head := make([]byte, 4096)
	copy(head, "ElfFile\x00")
	le.PutUint32(head[32:], 128)
	le.PutUint16(head[42:], 1)
	le.PutUint32(head[124:], crc32.ChecksumIEEE(head[:120]))
	return append(head, b...)
}
