package evtx_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"holdfast/ingest/evtx"
)

// corpus names the folder of public test data, or skips.
func corpus(tb testing.TB, sub string) string {
	tb.Helper()
	dir := os.Getenv("HOLDFAST_CORPUS")
	if dir == "" {
		dir = "../../../shared/corpus"
	}
	dir = filepath.Join(dir, sub)
	if _, err := os.Stat(dir); err != nil {
		tb.Skipf("%s is not there; HOLDFAST_CORPUS names the corpus", dir)
	}
	return dir
}

func files(tb testing.TB, dir, ext string) []string {
	tb.Helper()
	var out []string
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.EqualFold(filepath.Ext(p), ext) {
			out = append(out, p)
		}
		return err
	})
	if err != nil || len(out) == 0 {
		tb.Fatalf("%d files in %s: %v", len(out), dir, err)
	}
	return out
}

// read returns all records of a file, as JSON.
func read(tb testing.TB, b []byte) (records [][]byte, faults []evtx.Fault) {
	tb.Helper()
	f, err := evtx.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		tb.Fatal(err)
	}
	faults = append(faults, f.Faults...)
	var d evtx.Decoder
	for i := range f.Chunks() {
		fs, err := d.Chunk(f, i, func(r evtx.Record) error {
			records = append(records, bytes.Clone(r.JSON))
			return nil
		})
		if err != nil {
			tb.Fatal(err)
		}
		faults = append(faults, fs...)
	}
	return records, faults
}

// edited are the files whose JSON has other letters than the bytes of the file:
// here the record says Explorer.EXE.
var edited = map[string]bool{"ad691d92-15f2-4181-9aa4-723c74f9ddc3.evtx": true}

// TestEqualToTheCorpus compares every event with the JSON beside its file,
// field by field.
func TestEqualToTheCorpus(t *testing.T) {
	compared := 0
	for _, path := range files(t, corpus(t, "sigma/regression_data"), ".evtx") {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want, err := os.ReadFile(strings.TrimSuffix(path, ".evtx") + ".json")
		if err != nil {
			t.Fatal(err)
		}
		records, faults := read(t, raw)
		for _, f := range faults {
			t.Errorf("%s: %s", filepath.Base(path), f)
		}
		got := map[string]map[string]any{}
		for _, r := range records {
			v := decode(t, r)
			got[id(v)] = v
		}
		dec := json.NewDecoder(bytes.NewReader(bytes.TrimPrefix(want, []byte("\ufeff"))))
		dec.UseNumber()
		for {
			var w map[string]any
			if err := dec.Decode(&w); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			g, ok := got[id(w)]
			if !ok {
				t.Errorf("%s: record %s is missing", filepath.Base(path), id(w))
				continue
			}
			compared++
			if edited[filepath.Base(path)] {
				continue
			}
			if !reflect.DeepEqual(g, w) {
				gj, _ := json.MarshalIndent(g, "", " ")
				wj, _ := json.MarshalIndent(w, "", " ")
				t.Errorf("%s: record %s\n%s", filepath.Base(path), id(w), firstDifference(string(gj), string(wj)))
			}
		}
	}
	t.Logf("%d events are equal", compared)
	if compared < 100 {
		t.Errorf("only %d events were compared", compared)
	}
}

func id(v map[string]any) string {
	e, _ := v["Event"].(map[string]any)
	s, _ := e["System"].(map[string]any)
	n, _ := s["EventRecordID"].(json.Number)
	return string(n)
}

func decode(tb testing.TB, b []byte) map[string]any {
	tb.Helper()
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	var v map[string]any
	if err := dec.Decode(&v); err != nil {
		tb.Fatalf("%v in %s", err, b)
	}
	return v
}

func firstDifference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			return "got  " + strings.Join(g[i:min(i+3, len(g))], " ") + "\nwant " + strings.Join(w[i:min(i+3, len(w))], " ")
		}
	}
	return "one is longer"
}

// TestAttackSamples reads every file of the sample set whole: valid JSON, and
// no fault that loses something.
func TestAttackSamples(t *testing.T) {
	total := 0
	for _, path := range files(t, corpus(t, "evtx"), ".evtx") {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		records, faults := read(t, raw)
		for _, f := range faults {
			if f.Lost {
				t.Errorf("%s: %s", filepath.Base(path), f)
			}
		}
		for _, r := range records {
			v := decode(t, r)
			if id(v) == "" {
				t.Errorf("%s: no record id in %s", filepath.Base(path), r)
			}
		}
		total += len(records)
	}
	t.Logf("%d events", total)
}

// used counts the bytes of a file up to where each chunk is free ([MS-EVEN6] has
// no name for it: the header of a chunk, at 48).
func used(raw []byte) (n int) {
	for at := 4096; at+evtx.ChunkSize <= len(raw); at += evtx.ChunkSize {
		if chunk := raw[at : at+evtx.ChunkSize]; bytes.HasPrefix(chunk, []byte("ElfChnk\x00")) {
			n += int(min(binary.LittleEndian.Uint32(chunk[48:]), evtx.ChunkSize))
		}
	}
	return n
}

// BenchmarkRead reads the corpus. Its MB/s count used bytes only: most of these
// files are empty room.
func BenchmarkRead(b *testing.B) {
	var all [][]byte
	size := 0
	for _, path := range files(b, corpus(b, "evtx"), ".evtx") {
		raw, err := os.ReadFile(path)
		if err != nil {
			b.Fatal(err)
		}
		all, size = append(all, raw), size+used(raw)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	events := 0
	var d evtx.Decoder
	for b.Loop() {
		for _, raw := range all {
			f, err := evtx.Open(bytes.NewReader(raw), int64(len(raw)))
			if err != nil {
				b.Fatal(err)
			}
			for i := range f.Chunks() {
				if _, err := d.Chunk(f, i, func(evtx.Record) error { events++; return nil }); err != nil {
					b.Fatal(err)
				}
			}
		}
	}
	b.ReportMetric(float64(events)/b.Elapsed().Seconds(), "events/s")
}
