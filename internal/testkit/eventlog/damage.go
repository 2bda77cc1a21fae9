package eventlog

import "encoding/binary"

// Broken returns a copy of a file with one fault, by the fault's name. The file
// has three records at least. A name that is not known returns nil.
func Broken(fault string, file []byte) []byte {
	b := append([]byte{}, file...)
	at := func(n int) int { // where record n stands
		pos := headSize + chunkHead
		for range n {
			pos += int(binary.LittleEndian.Uint32(file[pos+4:]))
		}
		return pos
	}
	switch fault {
	case "header's checksum":
		b[50] ^= 1
	case "no header":
		clear(b[:headSize])
	case "dirty":
		b[120] |= 1
	case "chunk's checksum":
		b[headSize+60] ^= 1
	case "records' checksum":
		b[at(2)+16] ^= 1
	case "a record's size":
		b[at(1)+4] ^= 0xf0
	case "absurd size":
		b[at(1)+7] = 0xff
	case "a token":
		b[at(1)+28] = 0x77
	case "template out of way":
		b[at(1)+36] = 0xff
	case "cut in the chunk":
		b = b[:at(2)+10]
	case "cut in the header":
		b = b[:100]
	case "no chunk":
		copy(b[headSize:], "garbage!")
	case "end out of way":
		b[headSize+51] = 0xff
	default:
		return nil
	}
	return b
}

// Cycle adds a record with a value of binary XML that is an instance of the
// template it stands in, nested many times, eight at each level.
func (c *Chunk) Cycle() {
	where := c.Record(0, Element{"Event", nil, []any{0, 0, 0, 0, 0, 0, 0, 0}}, Text("x"))
	c.ids++
	start := len(c.b)
	c.u32(0x2a2a)
	c.u32(0)
	c.u64(c.ids)
	c.u64(0)
	instance := func() {
		c.u8(0x0f, 1, 1, 0, 0x0c, 1)
		c.u32(7)
		c.u32(where)
		c.u32(1)
	}
	const levels, each = 60, 18 + 4
	instance()
	c.u16(levels * each)
	c.u8(0x21, 0)
	for left := levels - 1; left >= 0; left-- {
		instance()
		c.u16(left * each)
		c.u8(0x21, 0)
	}
	c.u8(0)
	c.set32(start+4, len(c.b)-start+4)
	c.u32(len(c.b) - start + 4)
}

// Deep adds a record whose elements are nested too deep.
func (c *Chunk) Deep() {
	e := Element{"Event", nil, []any{"x"}}
	for range 100 {
		e = Element{"Event", nil, []any{e}}
	}
	c.Record(0, e)
}

// Processes adds records of Sysmon about programs that were started.
func (c *Chunk) Processes(lines ...string) {
	root := Element{"Event", nil, []any{
		Element{"System", nil, []any{
			Element{"Provider", [][2]any{{"Name", "Microsoft-Windows-Sysmon"}}, nil},
			Element{"EventID", nil, []any{"1"}},
			Element{"Channel", nil, []any{"Microsoft-Windows-Sysmon/Operational"}},
			Element{"Computer", nil, []any{"pc"}},
		}},
		Element{"EventData", nil, []any{
			Element{"Data", [][2]any{{"Name", "Image"}}, []any{0}},
			Element{"Data", [][2]any{{"Name", "CommandLine"}}, []any{1}},
		}},
	}}
	where := 0
	for _, l := range lines {
		where = c.Record(where, root, Text(`C:\Windows\System32\vssadmin.exe`), Text(l))
	}
}
