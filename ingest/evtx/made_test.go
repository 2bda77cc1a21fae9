package evtx_test

import (
	"bytes"
	"strings"
	"testing"

	"holdfast/ingest/evtx"
	"holdfast/internal/testkit/eventlog"
)

// This is what the descriptions below are written with.
var (
	str = eventlog.Text
	num = eventlog.Number
)

func el(name string, attributes [][2]any, content []any) eventlog.Element {
	return eventlog.Element{Name: name, Attributes: attributes, Content: content}
}

func val(typ byte, data []byte) eventlog.Value { return eventlog.Value{Type: typ, Data: data} }

var logon = el("Event", [][2]any{{"xmlns", "http://example"}}, []any{
	el("System", nil, []any{
		el("Provider", [][2]any{{"Name", 0}}, nil),
		el("EventID", [][2]any{{"Qualifiers", 1}}, []any{2}),
		el("Correlation", [][2]any{{"ActivityID", 3}}, nil),
	}),
	el("EventData", nil, []any{
		el("Data", [][2]any{{"Name", "User"}}, []any{4}),
		el("Data", [][2]any{{"Name", "Sid"}}, []any{5}),
		el("Data", nil, []any{6}),
		el("Data", nil, []any{7}),
		el("Both", nil, []any{"a ", 8, " b"}),
	}),
})

func logonValues() []eventlog.Value {
	return []eventlog.Value{
		str("Sécurité \"x\"\\\n"), num(6, 2, 0), num(6, 2, 4624),
		{},
		str("anna  \x00"),
		val(0x13, []byte{1, 2, 0, 0, 0, 0, 0, 5, 32, 0, 0, 0, 0x20, 2, 0, 0}),
		num(0x15, 8, 0x8000000000000000),
		val(0x0f, []byte("0123456789abcdef")),
		num(0x11, 8, 132539328000000000),
	}
}

func made() []byte {
	c := eventlog.New()
	at := c.Record(0, logon, logonValues()...)
	v := logonValues()
	v[1], v[3] = eventlog.Value{}, val(0x0f, []byte("fedcba9876543210"))
	c.Record(at, logon, v...)
	list := el("Event", nil, []any{el("L", nil, []any{0}), el("B", nil, []any{1}), el("X", nil, []any{2}), el("N", nil, []any{3})})
	c.Record(0, list, val(0x81, append(str("one\x00two\x00").Data, str("three").Data...)), val(0x0e, []byte{0xde, 0xad}), num(0x0d, 4, 1), num(0x09, 8, ^uint64(0)))
	return c.File()
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
	for name, c := range map[string]struct {
		left int
		say  string
		lost bool
	}{
		"header's checksum":   {3, "file header", false},
		"no header":           {3, "signature", false},
		"chunk's checksum":    {3, "checksum of the chunk's header", false},
		"records' checksum":   {3, "checksum of the chunk's records", false},
		"a record's size":     {2, "two sizes", true},
		"absurd size":         {2, "two sizes", true},
		"a token":             {2, "token 0x77", true},
		"template out of way": {2, "", true},
		"cut in the chunk":    {2, "cut off", true},
		"cut in the header":   {0, "100 bytes", true},
		"no chunk":            {0, "no chunk", true},
		"end out of way":      {3, "records end", false},
	} {
		t.Run(name, func(t *testing.T) {
			records, faults := read(t, eventlog.Broken(name, made()))
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
	c, self := eventlog.New(), eventlog.New()
	c.Deep()
	self.Cycle()
	for name, file := range map[string][]byte{"deep": c.File(), "self": self.File()} {
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

// FuzzFile changes the file around a chunk: its header, a second chunk, its end.
func FuzzFile(f *testing.F) {
	good := made()
	f.Add(good[:4096], []byte{})
	f.Add(good[:128], good[4096:4096+600])
	f.Fuzz(func(t *testing.T, head, tail []byte) {
		b := append(append(bytes.Clone(head[:min(len(head), 4096)]), good[min(len(head), 4096):]...), tail...)
		file, err := evtx.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		var d evtx.Decoder
		for i := range file.Chunks() {
			if i > len(b)/evtx.ChunkSize {
				t.Fatalf("chunk %d of a file of %d bytes", i, len(b))
			}
			_, _ = d.Chunk(file, i, func(r evtx.Record) error {
				decode(t, r.JSON)
				return nil
			})
		}
	})
}
