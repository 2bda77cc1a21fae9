package evtx_test

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"strings"
	"testing"
	"unicode/utf16"

	"holdfast/ingest/evtx"
)

// chunkMaker writes one chunk as the event log service does, by [MS-EVEN6].
type chunkMaker struct {
	b     []byte
	names map[string]int
	ids   uint64
}

func newChunk() *chunkMaker {
	return &chunkMaker{b: make([]byte, 512), names: map[string]int{}}
}

func (c *chunkMaker) u8(v ...byte)    { c.b = append(c.b, v...) }
func (c *chunkMaker) u16(v int)       { c.b = binary.LittleEndian.AppendUint16(c.b, uint16(v)) }
func (c *chunkMaker) u32(v int)       { c.b = binary.LittleEndian.AppendUint32(c.b, uint32(v)) }
func (c *chunkMaker) u64(v uint64)    { c.b = binary.LittleEndian.AppendUint64(c.b, v) }
func (c *chunkMaker) set32(at, v int) { binary.LittleEndian.PutUint32(c.b[at:], uint32(v)) }
func (c *chunkMaker) chars(s string) {
	for _, u := range utf16.Encode([]rune(s)) {
		c.u16(int(u))
	}
}

// name writes a name's offset, and the name where it is used first.
func (c *chunkMaker) name(s string) {
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

// el is an element of a template.
type el struct {
	name  string
	attrs [][2]any // name; string, or int for a substitution
	kids  []any    // el, string, or int for a substitution
}

func (c *chunkMaker) content(v any) {
	switch v := v.(type) {
	case string:
		c.u8(0x05, 0x01)
		c.u16(len(utf16.Encode([]rune(v))))
		c.chars(v)
	case int:
		c.u8(0x0e)
		c.u16(v)
		c.u8(0x01)
	case el:
		c.element(v)
	}
}

func (c *chunkMaker) element(e el) {
	if len(e.attrs) > 0 {
		c.u8(0x41)
	} else {
		c.u8(0x01)
	}
	c.u16(-1 & 0xffff)
	size := len(c.b)
	c.u32(0)
	c.name(e.name)
	if len(e.attrs) > 0 {
		at := len(c.b)
		c.u32(0)
		for i, a := range e.attrs {
			if i+1 < len(e.attrs) {
				c.u8(0x46)
			} else {
				c.u8(0x06)
			}
			c.name(a[0].(string))
			c.content(a[1])
		}
		c.set32(at, len(c.b)-at-4)
	}
	if len(e.kids) == 0 {
		c.u8(0x03)
	} else {
		c.u8(0x02)
		for _, k := range e.kids {
			c.content(k)
		}
		c.u8(0x04)
	}
	c.set32(size, len(c.b)-size-4)
}

// val is a value of a record.
type val struct {
	typ byte
	b   []byte
}

func str(s string) val {
	var b []byte
	for _, u := range utf16.Encode([]rune(s)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return val{1, b}
}

func num(typ byte, size int, v uint64) val {
	return val{typ, binary.LittleEndian.AppendUint64(nil, v)[:size]}
}

// record writes a record of a template; where is its offset, 0 to define it
// here. It returns where the template stands.
func (c *chunkMaker) record(where int, root el, values ...val) int {
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
		c.u16(len(v.b))
		c.u8(v.typ, 0)
	}
	for _, v := range values {
		c.u8(v.b...)
	}
	c.u8(0)
	c.set32(start+4, len(c.b)-start+4)
	c.u32(len(c.b) - start + 4)
	return where
}

// file closes the chunk and puts a file's header before it.
func (c *chunkMaker) file() []byte {
	le := binary.LittleEndian
	end := len(c.b)
	b := append(c.b, make([]byte, evtx.ChunkSize-end)...)
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

var logon = el{"Event", [][2]any{{"xmlns", "http://example"}}, []any{
	el{"System", nil, []any{
		el{"Provider", [][2]any{{"Name", 0}}, nil},
		el{"EventID", [][2]any{{"Qualifiers", 1}}, []any{2}},
		el{"Correlation", [][2]any{{"ActivityID", 3}}, nil},
	}},
	el{"EventData", nil, []any{
		el{"Data", [][2]any{{"Name", "User"}}, []any{4}},
		el{"Data", [][2]any{{"Name", "Sid"}}, []any{5}},
		el{"Data", nil, []any{6}},
		el{"Data", nil, []any{7}},
		el{"Both", nil, []any{"a ", 8, " b"}},
	}},
}}

func logonValues() []val {
	return []val{
		str("Sécurité \"x\"\\\n"), num(6, 2, 0), num(6, 2, 4624),
		{},
		str("anna  \x00"),
		{0x13, []byte{1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0}},
		num(0x15, 8, 0x8000000000000000),
		{0x0f, []byte("0123456789abcdef")},
		num(0x11, 8, 132539328000000000),
	}
}

func made() []byte {
	c := newChunk()
	at := c.record(0, logon, logonValues()...)
	v := logonValues()
	v[1], v[3] = val{}, val{0x0f, []byte("fedcba9876543210")}
	c.record(at, logon, v...)
	list := el{"Event", nil, []any{el{"L", nil, []any{0}}, el{"B", nil, []any{1}}, el{"X", nil, []any{2}}, el{"N", nil, []any{3}}}}
	c.record(0, list, val{0x81, append(str("one\x00two\x00").b, str("three").b...)}, val{0x0e, []byte{0xde, 0xad}}, num(0x0d, 4, 1), num(0x09, 8, ^uint64(0)))
	return c.file()
}

func TestMade(t *testing.T) {
	records, faults := read(t, made())
	if len(faults) > 0 {
		t.Error(faults)
	}
	want := []string{
		`{"Event":{"#attributes":{"xmlns":"http://example"},"System":{"Provider":{"#attributes":{"Name":"Sécurité \"x\"\\"}},` +
			`"EventID":{"#attributes":{"Qualifiers":0},"#text":4624},"Correlation":null},` +
			`"EventData":{"User":"anna","Sid":"S-1-5-32-544","Data":["0x8000000000000000","33323130-3534-3736-3839-616263646566"],"Both":"a 2021-01-01T00:00:00.000000Z b"}}}`,
		`{"Event":{"#attributes":{"xmlns":"http://example"},"System":{"Provider":{"#attributes":{"Name":"Sécurité \"x\"\\"}},` +
			`"EventID":4624,"Correlation":{"#attributes":{"ActivityID":"63646566-6162-3839-3736-353433323130"}}},` +
			`"EventData":{"User":"anna","Sid":"S-1-5-32-544","Data":["0x8000000000000000","33323130-3534-3736-3839-616263646566"],"Both":"a 2021-01-01T00:00:00.000000Z b"}}}`,
		`{"Event":{"L":["one","two","three"],"B":"DEAD","X":true,"N":-1}}`,
	}
	if len(records) != len(want) {
		t.Fatalf("%d records", len(records))
	}
	for i, r := range records {
		if string(r) != want[i] {
			t.Errorf("record %d:\n got %s\nwant %s", i, r, want[i])
		}
	}
}

// TestDamage breaks files as disks, crashes and attackers do. The rest is read,
// and what was lost is said.
func TestDamage(t *testing.T) {
	good := made()
	at := func(n int) int { // where record n stands
		pos := 4096 + 512
		for range n {
			pos += int(binary.LittleEndian.Uint32(good[pos+4:]))
		}
		return pos
	}
	for name, c := range map[string]struct {
		do   func(b []byte) []byte
		left int
		say  string
		lost bool
	}{
		"header's checksum":   {func(b []byte) []byte { b[50] ^= 1; return b }, 3, "file header", false},
		"no header":           {func(b []byte) []byte { clear(b[:4096]); return b }, 3, "signature", false},
		"chunk's checksum":    {func(b []byte) []byte { b[4096+60] ^= 1; return b }, 3, "checksum of the chunk's header", false},
		"records' checksum":   {func(b []byte) []byte { b[at(2)+16] ^= 1; return b }, 3, "checksum of the chunk's records", false},
		"a record's size":     {func(b []byte) []byte { b[at(1)+4] ^= 0xf0; return b }, 2, "two sizes", true},
		"absurd size":         {func(b []byte) []byte { b[at(1)+7] = 0xff; return b }, 2, "two sizes", true},
		"a token":             {func(b []byte) []byte { b[at(1)+28] = 0x77; return b }, 2, "token 0x77", true},
		"template out of way": {func(b []byte) []byte { b[at(1)+36] = 0xff; return b }, 2, "", true},
		"cut in the chunk":    {func(b []byte) []byte { return b[:at(2)+10] }, 2, "cut off", true},
		"cut in the header":   {func(b []byte) []byte { return b[:100] }, 0, "100 bytes", true},
		"no chunk":            {func(b []byte) []byte { copy(b[4096:], "garbage!"); return b }, 0, "no chunk", true},
		"end out of way":      {func(b []byte) []byte { b[4096+51] = 0xff; return b }, 3, "records end", false},
	} {
		t.Run(name, func(t *testing.T) {
			records, faults := read(t, c.do(bytes.Clone(good)))
			said, lost := "", false
			for _, f := range faults {
				said += f.String() + "; "
				lost = lost || f.Lost
			}
			if len(records) != c.left || !strings.Contains(said, c.say) || said == "" || lost != c.lost {
				t.Errorf("%d records, lost %v: %s", len(records), lost, said)
			}
		})
	}
}

func TestTemplatesThatNeverEnd(t *testing.T) {
	c := newChunk()
	deep := el{"Event", nil, []any{"x"}}
	for range 100 {
		deep = el{"Event", nil, []any{deep}}
	}
	c.record(0, deep)
	// A value of binary XML that is an instance of the template it stands in.
	self := newChunk()
	root := el{"Event", nil, []any{0, 0, 0, 0, 0, 0, 0, 0}}
	where := self.record(0, root, str("x"))
	start := len(self.b)
	self.u32(0x2a2a)
	self.u32(0)
	self.u64(2)
	self.u64(0)
	self.u8(0x0f, 1, 1, 0, 0x0c, 1)
	self.u32(7)
	self.u32(where)
	self.u32(1)
	size := 0
	for range 60 { // each holds the next
		size += 18 + 4
	}
	self.u16(size)
	self.u8(0x21, 0)
	for left := size - 22; left >= 0; left -= 22 {
		self.u8(0x0f, 1, 1, 0, 0x0c, 1)
		self.u32(7)
		self.u32(where)
		self.u32(1)
		self.u16(left)
		self.u8(0x21, 0)
	}
	self.u8(0)
	self.set32(start+4, len(self.b)-start+4)
	self.u32(len(self.b) - start + 4)
	for name, file := range map[string][]byte{"deep": c.file(), "self": self.file()} {
		records, faults := read(t, file)
		for _, r := range records {
			if len(r) > 9<<20 {
				t.Errorf("%s: %d bytes", name, len(r))
			}
		}
		if len(faults) == 0 || !faults[0].Lost {
			t.Errorf("%s: %d records, faults %v", name, len(records), faults)
		}
	}
}

func FuzzChunk(f *testing.F) {
	good := made()
	f.Add(good[4096+512 : 4096+4096])
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > evtx.ChunkSize-512 {
			return
		}
		b := append([]byte{}, good[:4096+512]...)
		b = append(b, data...)
		b = append(b, make([]byte, 4096+evtx.ChunkSize-len(b))...)
		records, _ := read(t, b)
		for _, r := range records {
			decode(t, r)
		}
	})
}
