package holdfast_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"holdfast"
)

// sample is a block with what blocks hold: names that come again, texts that
// stand in the record and texts that do not, and nothing at all.
func sample(events int) *holdfast.Block {
	at := time.Date(2026, 11, 3, 8, 15, 0, 123, time.UTC)
	b := &holdfast.Block{ID: "blk-1", Made: at, Counts: []holdfast.Count{{Source: "http:a", Hour: holdfast.Hour(at), Received: 9, Rejected: 2, DeadLettered: 1}}}
	for i := range events {
		user := fmt.Sprintf("user-%d", i)
		raw := fmt.Sprintf(`{"EventID":%d,"User":"%s","Image":"C:\\Windows\\%d.exe","Hashes":"SHA1=%s","Empty":""}`, i, user, i, strings.Repeat("ab12", 10))
		b.Events = append(b.Events, holdfast.Event{
			ID: holdfast.NewEventID("http:a", fmt.Sprint(i), []byte(raw), 0), Time: at.Add(time.Duration(i) * time.Second), Received: at,
			Source: "http:a", Dataset: "windows.sysmon", Raw: []byte(raw),
			Fields: []holdfast.Field{
				{Name: "EventID", Text: fmt.Sprint(i), Kind: holdfast.Number},
				{Name: "User", Text: user},
				{Name: "Image", Text: fmt.Sprintf(`C:\Windows\%d.exe`, i)},
				{Name: "Hashes", Text: "SHA1=" + strings.Repeat("ab12", 10)},
				{Name: "Empty"},
				{Name: "Gone", Kind: holdfast.Null},
				{Name: "", Text: "no name"},
			},
		})
	}
	b.Events = append(b.Events, holdfast.Event{
		Time: time.Unix(-62135596800, 0).UTC(), Received: time.Date(2300, 1, 1, 0, 0, 0, 999999999, time.UTC), Trouble: "cut", Drill: "drl-1",
		Raw: []byte{}, Fields: []holdfast.Field{},
	})
	return b
}

func TestBlock(t *testing.T) {
	for _, n := range []int{0, 1, 300} {
		want := sample(n)
		data, err := want.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var got holdfast.Block
		if err := got.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, &got); diff != "" {
			t.Error(diff)
		}
		for cut := range min(len(data), 2000) {
			if err := new(holdfast.Block).UnmarshalBinary(data[:cut]); !errors.Is(err, holdfast.ErrInvalid) {
				t.Fatalf("the first %d of %d bytes: %v", cut, len(data), err)
			}
		}
	}
}

// TestBlockOfBefore reads what versions 2 and 3 wrote.
func TestBlockOfBefore(t *testing.T) {
	for _, before := range []string{blockOfVersion2, blockOfVersion3} {
		data, err := hex.DecodeString(before)
		if err != nil {
			t.Fatal(err)
		}
		var got holdfast.Block
		if err := got.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(sample(1), &got); diff != "" {
			t.Error(diff)
		}
	}
}

func FuzzBlock(f *testing.F) {
	data, err := sample(2).MarshalBinary()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, before := range []string{blockOfVersion2, blockOfVersion3} {
		old, err := hex.DecodeString(before)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(old)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var b holdfast.Block
		if err := b.UnmarshalBinary(data); err != nil {
			if !errors.Is(err, holdfast.ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		again, err := b.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var c holdfast.Block
		if err := c.UnmarshalBinary(again); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(b, c); diff != "" {
			t.Error(diff)
		}
	})
}

// FuzzLaid writes and reads events of one kind whose texts stand in their records
// in all the ways there are: as they are, escaped, twice, out of turn, changed.
func FuzzLaid(f *testing.F) {
	f.Add(`{"a":"`, `C:\Users\x`, `","b":`, "17", `,"c":"","d":null}`, "say \"hi\"", byte(0))
	f.Add(`a=`, "1", ` b=`, "1", ` c=`, "", byte(7))
	f.Add("", "", "", "", "", "", byte(255))
	f.Fuzz(func(t *testing.T, gap1, text1, gap2, text2, gap3, text3 string, how byte) {
		write := func(s string, bit int) string {
			if how>>bit&1 == 0 {
				return s
			}
			return strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)
		}
		want := holdfast.Block{ID: "b", Made: time.Unix(0, 0).UTC(), Counts: []holdfast.Count{}}
		add := func(gap1, text1, gap2, text2, gap3, text3 string) {
			raw := gap1 + write(text1, 0) + gap2 + write(text2, 1) + gap3 + write(text3, 2) + gap1
			if how>>3&1 == 1 {
				text1, text3 = text3, text1
			}
			if how>>4&1 == 1 {
				text2 += gap2
			}
			want.Events = append(want.Events, holdfast.Event{
				Time: time.Unix(0, 0).UTC(), Received: time.Unix(0, 0).UTC(), Raw: []byte(raw),
				Fields: []holdfast.Field{{Name: gap1, Text: text1}, {Name: "b", Text: text2, Kind: holdfast.Number}, {Name: "c", Text: text3}, {Name: "d", Kind: holdfast.Null}},
			})
		}
		add(gap1, text1, gap2, text2, gap3, text3)
		add(gap1, text2, gap2, text3, gap3, text1)
		add(gap1, text1, gap3, text2, gap2, "")
		add(gap1, text1+"7", gap2, text2+"8", gap3, text3)
		data, err := want.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		var got holdfast.Block
		if err := got.UnmarshalBinary(data); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	})
}

func BenchmarkBlock(b *testing.B) {
	block := sample(999)
	data, err := block.MarshalBinary()
	if err != nil {
		b.Fatal(err)
	}
	b.Run("write", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := block.MarshalBinary(); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
		b.ReportMetric(float64(len(data))/1000, "bytes/event")
	})
	b.Run("read", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if err := new(holdfast.Block).UnmarshalBinary(data); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1000, "ns/event")
	})
}

// blockOfVersion2 is sample(1) as version 2 wrote it.
const blockOfVersion2 = "" +
	"0205626c6b2d3188e0ccae0d7b0106687474703a6180d2ccae0d000902010205e27d678bc54ed3fd4b18bc7b6059e488e0ccae0d7b88e0ccae0d7b06687474703a61000e77696e646f7773" +
	"2e7379736d6f6e000007074576656e744944013001045573657206757365722d300005496d61676510433a5c57696e646f77735c302e65786500064861736865732d534841313d61623132" +
	"6162313261623132616231326162313261623132616231326162313261623132616231320005456d707479000004476f6e65000300076e6f206e616d65007e7b224576656e744944223a30" +
	"2c2255736572223a22757365722d30222c22496d616765223a22433a5c5c57696e646f77735c5c302e657865222c22486173686573223a22534841313d6162313261623132616231326162" +
	"3132616231326162313261623132616231326162313261623132222c22456d707479223a22227d00000000000000000000000000000000ffdb8ff9ce030080ecaecb4dff93ebdc03000000" +
	"036375740564726c2d310000"

// blockOfVersion3 is sample(1) as version 3 wrote it.
const blockOfVersion3 = "" +
	"0305626c6b2d3188e0ccae0d7b0106687474703a6180d2ccae0d000902010205e27d678bc54ed3fd4b18bc7b6059e488e0ccae0d7b88e0ccae0d7b0006687474703a6101000e77696e646f" +
	"77732e7379736d6f6e01017e7b224576656e744944223a302c2255736572223a22757365722d30222c22496d616765223a22433a5c5c57696e646f77735c5c302e657865222c2248617368" +
	"6573223a22534841313d61623132616231326162313261623132616231326162313261623132616231326162313261623132222c22456d707479223a22227d0700074576656e7449440101" +
	"300004557365728015060005496d6167650010433a5c57696e646f77735c302e657865000648617368657380442d0005456d70747900000004476f6e6503000100076e6f206e616d650000" +
	"0000000000000000000000000000ffdb8ff9ce030080ecaecb4dff93ebdc030101010003637574000564726c2d310000"
