package file_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// exported is a list of records as CloudTrail writes it, on one line.
func exported(from, to int) (text string, records []string) {
	for i := from; i < to; i++ {
		records = append(records, fmt.Sprintf(`{"eventVersion":"1.11","n":%d,"text":"]}"}`, i))
	}
	return `{"Records":[` + strings.Join(records, ",") + `]}`, records
}

// TestExportedLists reads what clouds export: lists on one line or on many,
// packed or not, larger than what is handed on at once, and long before they are
// whole. Lines of JSON in files of the same name stay lines.
func TestExportedLists(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text, want := exported(0, 2500)
	write(t, filepath.Join(dir, "a.json"), []byte(text))
	write(t, filepath.Join(dir, "lines.json"), []byte("{\"x\":1}\n{\"x\":2}\n"))
	write(t, filepath.Join(dir, "late.json"), nil)
	h := newHost()
	stop := h.start(t, dir, nil)
	want = append(want, `{"x":1}`, `{"x":2}`)
	h.expectAll(t, want...)
	packed, more := exported(3000, 3010)
	write(t, filepath.Join(dir, "b.json.gz"), gz(t, packed))
	want = append(want, more...)
	write(t, filepath.Join(dir, "late.json"), []byte("{ \"records\" : [\n {\"late\":1},\n {\"late\":2}\n], \"cursor\": \"x\" }\n"))
	want = append(want, `{"late":1}`, `{"late":2}`, `{"cursor": "x" }`)
	h.expectAll(t, want...)
	waitFor(t, "all are done", func() bool {
		return h.finished(filepath.Join(dir, "a.json")) && h.finished(filepath.Join(dir, "b.json.gz")) && h.finished(filepath.Join(dir, "late.json"))
	})
	stop()
	half, some := exported(4000, 4004)
	open := filepath.Join(dir, "open.json")
	write(t, open, []byte(half[:len(half)-3])) // in the middle of the last record
	stop = h.start(t, dir, nil)                // nothing comes again
	want = append(want, some[:3]...)
	h.expectAll(t, want...)
	waitFor(t, "that it has no end is said", func() bool { return strings.Contains(h.trouble("file:"+open), "3 records were read") })
	f, err := os.OpenFile(open, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(half[len(half)-3:]); err != nil {
		t.Fatal(err)
	}
	want = append(want, some[3])
	h.expectAll(t, want...)
	waitFor(t, "it is well", func() bool { return h.finished(open) && h.trouble("file:"+open) == "" })
	stop()
}
