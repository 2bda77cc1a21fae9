package scan

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/klauspost/compress/gzip"

	"holdfast"
	"holdfast/detect/engine"
	"holdfast/ingest/frame"
	"holdfast/ingest/parser"
	parsers "holdfast/ingest/parser/all"
	"holdfast/ingest/parser/zeek"
)

func quiet(tb testing.TB) Options {
	tb.Helper()
	eng, faults := engine.New(nil, nil)
	if len(faults) > 0 {
		tb.Fatal(faults)
	}
	return Options{Engine: eng, Parsers: parsers.All(), Found: func(*Match) {}}
}

// TestOneFileManyWorkers reads a file that is many batches, with something wrong
// in each part of it, and counts each record once.
func TestOneFileManyWorkers(t *testing.T) {
	var b bytes.Buffer
	const n = 50_000
	for i := range n {
		if i%1000 == 7 {
			b.WriteString("no parser knows this\n")
			continue
		}
		fmt.Fprintf(&b, "Nov 23 10:15:04 web-1 sshd[%d]: Failed password for admin from 192.0.2.7 port 50122 ssh2\n", i)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "auth.log"), b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, workers := range []int{1, 8} {
		o := quiet(t)
		o.Paths, o.Workers = []string{dir}, workers
		sum, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if sum.Events != n || len(sum.Left) != 1 || !strings.Contains(sum.Left[0].What, "50 events that no parser knows, the first is number 8") {
			t.Errorf("%d workers: %+v", workers, sum)
		}
	}
}

// TestNoRegularFile names what it was asked for and passes over the rest.
func TestNoRegularFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Skip(err)
	}
	o := quiet(t)
	o.Paths = []string{dir}
	if sum, err := Run(t.Context(), o); err != nil || len(sum.Left) > 0 || sum.Files != 0 {
		t.Errorf("%+v, %v", sum, err)
	}
	o.Paths = []string{pipe}
	if sum, err := Run(t.Context(), o); err != nil || len(sum.Left) != 1 {
		t.Errorf("%+v, %v", sum, err)
	}
}

// TestRoom stops what unpacks to too much.
func TestRoom(t *testing.T) {
	s := &scan{o: quiet(t), datasets: map[string]*holdfast.Dataset{}, told: map[string]int{}, shared: make(chan *batch)}
	a := &archive{w: &worker{s: s}, ctx: t.Context(), room: 1000}
	a.inner("x", io.LimitReader(zeros{}, 1<<40), 0)
	if len(s.sum.Left) == 0 {
		t.Error("nothing is said to be left out")
	}
	for _, l := range s.sum.Left {
		if strings.Contains(l.What, "unpacks to far more") {
			return
		}
	}
	t.Errorf("%+v", s.sum.Left)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = '\n'
	}
	return len(p), nil
}

// TestZeekForms holds every event of the corpus in Zeek's one form against the
// same in the other, field by field.
func TestZeekForms(t *testing.T) {
	dir := corpus(t, "zeek")
	files, _ := filepath.Glob(filepath.Join(dir, "tsv", "*.log.gz"))
	if len(files) == 0 {
		t.Fatal("no files")
	}
	p := zeek.Parser()
	read := func(name string, tsv bool) (out []parser.Parsed) {
		raw, err := unzip(name)
		if err != nil {
			t.Fatal(err)
		}
		parse := func(rec []byte) {
			got, err := p.Parse(rec, parser.Hint{})
			if err != nil {
				t.Fatalf("%s: %v: %.300q", name, err, rec)
			}
			got.Fields = slices.DeleteFunc(got.Fields, func(f holdfast.Field) bool { return f.Name == "_path" || f.Name == "_write_ts" })
			slices.SortStableFunc(got.Fields, func(a, b holdfast.Field) int { return strings.Compare(a.Name, b.Name) })
			out = append(out, got)
		}
		framer := frame.For(raw)
		if (framer != nil) != tsv {
			t.Fatalf("%s: taken for the other form", name)
		}
		for line := range bytes.Lines(raw) {
			if line = bytes.TrimSuffix(line, []byte("\n")); tsv {
				framer.Line(line, parse)
			} else {
				parse(line)
			}
		}
		return out
	}
	for _, name := range files {
		kind := strings.TrimSuffix(filepath.Base(name), ".log.gz")
		a, b := read(name, true), read(filepath.Join(dir, "json", kind+".json.gz"), false)
		if len(a) != len(b) {
			t.Errorf("%s: %d events and %d", kind, len(a), len(b))
			continue
		}
		differ := 0
		for i := range a {
			if d := cmp.Diff(a[i], b[i]); d != "" {
				if differ++; differ < 3 {
					t.Errorf("%s, event %d: %s", kind, i+1, d)
				}
			}
		}
		t.Logf("%s: %d events, %d differ", kind, len(a), differ)
	}
}

func unzip(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(z)
}

// byByte is the splitter as it was: a byte at a time, and nothing else.
func byByte(b []byte, limit int) (out [][]byte) {
	depth, quoted, escaped, start := 0, false, false, 0
	for i, c := range b {
		if depth == 0 {
			if c == '{' {
				depth, start, quoted, escaped = 1, i, false, false
			}
			continue
		}
		switch {
		case escaped:
			escaped = false
		case quoted:
			quoted, escaped = c != '"', c == '\\'
		case c == '"':
			quoted = true
		case c == '{' || c == '[':
			depth++
		case c == '}' || c == ']':
			depth--
		}
		if depth == 0 && i+1-start <= limit {
			out = append(out, b[start:i+1])
		}
	}
	return out
}

func split(b []byte, limit, buffer int) (out [][]byte, err error) {
	err = objects(bufio.NewReaderSize(bytes.NewReader(b), buffer), limit, func(_ uint64, raw []byte) error {
		out = append(out, bytes.Clone(raw))
		return nil
	}, func(uint64, string) {})
	return out, err
}

// TestCutLines has lines without an end at every place of the buffer.
func TestCutLines(t *testing.T) {
	for pad := range 64 {
		text := `{"a":1}` + "\n" + `{"p":"` + strings.Repeat("x", pad) + "\n" + `{"b":{"c":[` + "\n" + `{"d":4}` + "\n" + `{"e":5}`
		got, err := split([]byte(text), 1000, 16)
		if err != nil || len(got) != 3 || string(got[1]) != `{"d":4}` || string(got[2]) != `{"e":5}` {
			t.Errorf("%d: %q, %v", pad, got, err)
		}
	}
}

// FuzzObjects holds the splitter against going byte by byte, where no line is cut.
func FuzzObjects(f *testing.F) {
	f.Add([]byte(`{"a":"b\"}"}` + "\n" + `{"c":[1,{"d":"\\"}]}`))
	f.Add([]byte(`[{"a":"` + strings.Repeat("x", 50) + `\\\""},` + "\n{}]"))
	f.Add([]byte("{\"a\":1}\n{\"a\":\n{\"b\":2}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := split(b, 40, 16)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(b, []byte("\n")) || bytes.Contains(b, []byte("Records")) {
			return
		}
		if want := byByte(b, 40); !slices.EqualFunc(got, want, bytes.Equal) {
			t.Errorf("%q: %q, want %q", b, got, want)
		}
	})
}

// FuzzStream reads any bytes as a file.
func FuzzStream(f *testing.F) {
	f.Add([]byte("a,b,c\n1,2,3\n"))
	f.Add([]byte("\xff\xfe{\x00}\x00"))
	f.Add([]byte("#separator \\x09\n#fields\tts\tx\n#types\ttime\tset[string]\n1\ta,b\n"))
	f.Add([]byte("type=SYSCALL msg=audit(1.1:1): pid=1 ppid=2 exe=\"/x\"\ntype=EXECVE msg=audit(1.1:1): a0=\"x\"\ntype=EOE msg=audit(1.1:1):\n"))
	f.Add([]byte("#Fields: date time\n2026-11-23 02:09:06\n"))
	f.Add([]byte("PK\x03\x04"))
	f.Add([]byte("BZh91AY&SY"))
	o := quiet(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &scan{o: o, datasets: map[string]*holdfast.Dataset{}, told: map[string]int{}, shared: make(chan *batch)}
		a := &archive{w: &worker{s: s}, ctx: context.Background(), room: 1 << 20}
		a.stream("x", bytes.NewReader(b), io.NewSectionReader(bytes.NewReader(b), 0, int64(len(b))), 0)
	})
}

// BenchmarkObjects splits NDJSON.
func BenchmarkObjects(b *testing.B) {
	line := `{"Event":{"System":{"EventID":1,"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"pc"},"EventData":{"Image":"C:\\Windows\\System32\\cmd.exe","CommandLine":"cmd /c echo one two three four five six","User":"A\\b","Hashes":"SHA256=0123456789abcdef0123456789abcdef"}}}` + "\n"
	all := []byte(strings.Repeat(line, 10_000))
	b.SetBytes(int64(len(all)))
	for b.Loop() {
		n := 0
		err := objects(bufio.NewReaderSize(bytes.NewReader(all), 256<<10), maxEvent, func(uint64, []byte) error { n++; return nil }, func(uint64, string) {})
		if err != nil || n != 10_000 {
			b.Fatal(errors.Join(err, fmt.Errorf("%d", n)))
		}
	}
}
