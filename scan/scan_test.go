package scan_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf16"

	"github.com/klauspost/compress/zstd"

	"holdfast"
	"holdfast/detect"
	"holdfast/detect/engine"
	"holdfast/detect/sigma"
	parsers "holdfast/ingest/parser/all"
	"holdfast/scan"
)

const rules = `title: Shadow copies deleted
id: 0e3a3d1c-2f54-4f0b-a7f1-93f3d1a0c1aa
level: high
tags: [attack.t1490]
logsource: {product: windows, category: process_creation}
detection:
  sel:
    Image|endswith: '\vssadmin.exe'
    CommandLine|contains|all: [delete, shadows]
  condition: sel
---
title: Failed login
id: 0e3a3d1c-2f54-4f0b-a7f1-93f3d1a0c1ab
level: low
logsource: {product: linux, service: sshd}
detection:
  sel:
    action: login_failed
  condition: sel
`

func event(n int, command string) string {
	return fmt.Sprintf(`{"Event":{"System":{"EventID":1,"TimeCreated":{"#attributes":{"SystemTime":"2026-11-2%dT00:00:00Z"}},"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"pc"},`+
		`"EventData":{"Image":"C:\\Windows\\System32\\vssadmin.exe","CommandLine":%q}}}`, n, command)
}

// put writes files to a folder.
func put(t *testing.T, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	for name, b := range files {
		p := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(p), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func run(t *testing.T, o scan.Options) (found []scan.Match, sum scan.Summary) {
	t.Helper()
	set, faults := detect.Read([]detect.Source{{Name: "r", FS: fstest.MapFS{"r.yml": {Data: []byte(rules)}}}}, &sigma.Parser{})
	eng, more := engine.New(set.Rules, nil)
	if len(faults)+len(more) > 0 {
		t.Fatal(faults, more)
	}
	o.Engine, o.Parsers = eng, parsers.All()
	o.Found = func(m *scan.Match) { found = append(found, *m) }
	sum, err := scan.Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return found, sum
}

func gz(b []byte) []byte {
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	_, _ = w.Write(b)
	_ = w.Close()
	return out.Bytes()
}

func packTar(files map[string]string) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, text := range files {
		_ = w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o600})
		_, _ = w.Write([]byte(text))
	}
	_ = w.Close()
	return out.Bytes()
}

func packZip(files map[string]string) []byte {
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for name, text := range files {
		f, _ := w.Create(name)
		_, _ = f.Write([]byte(text))
	}
	_ = w.Close()
	return out.Bytes()
}

func utf16le(s string) []byte {
	out := []byte{0xff, 0xfe}
	for _, c := range utf16.Encode([]rune(s)) {
		out = append(out, byte(c), byte(c>>8))
	}
	return out
}

func zst(t *testing.T, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	return w.EncodeAll(b, nil)
}

// TestForms has one event that matches in each form that a file may have.
func TestForms(t *testing.T) {
	bad, good := event(1, "vssadmin Delete Shadows /all"), event(2, "vssadmin list shadows")
	for name, b := range map[string][]byte{
		"lines":   []byte(good + "\n" + bad + "\n"),
		"pretty":  []byte(strings.ReplaceAll(bad, ",", ",\n  ") + "\n" + good),
		"array":   []byte("\ufeff[" + good + ",\n" + bad + "]"),
		"records": []byte(`{"Records":[` + good + "," + bad + "]}"),
		"gz":      gz([]byte(good + bad)),
		"zst":     zst(t, []byte(bad+"\n"+good)),
		"gz.gz":   gz(gz([]byte(good + bad))),
		"zst.gz":  gz(zst(t, []byte(bad+"\n"+good))),
		"tar":     packTar(map[string]string{"../../etc/good.json": good, "bad.json": bad}),
		"tar.gz":  gz(packTar(map[string]string{"a/good.json": good, "b.zip": string(packZip(map[string]string{"x": bad}))})),
		"zip":     packZip(map[string]string{"good.json": good, "bad.json.gz": string(gz([]byte(bad)))}),
		"utf16le": utf16le(bad + "\r\n" + good),
		"csv": []byte("\ufeff\"TimeCreated\",\"Id\",\"LogName\",\"ProviderName\",\"MachineName\",\"Message\"\r\n" +
			"\"2026-11-21T00:00:00Z\",\"1\",\"Microsoft-Windows-Sysmon/Operational\",\"Microsoft-Windows-Sysmon\",\"pc\",\"Process Create:\r\nImage: C:\\Windows\\System32\\vssadmin.exe\r\nCommandLine: vssadmin Delete Shadows /all\"\r\n" +
			"\"2026-11-21T00:00:00Z\",\"1\",\"Microsoft-Windows-Sysmon/Operational\",\"Microsoft-Windows-Sysmon\",\"pc\",\"Process Create:\r\nImage: C:\\Windows\\x.exe\"\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			found, sum := run(t, scan.Options{Paths: []string{put(t, map[string][]byte{"x/" + name: b})}})
			if len(found) != 1 || sum.Events != 2 || sum.Matches != 1 || len(sum.Left) > 0 {
				t.Fatalf("%d matches, %+v", len(found), sum)
			}
			m := found[0]
			if m.Title != "Shadow copies deleted" || m.Level != holdfast.High || m.Host != "pc" || !slices.Contains(m.Attack, "T1490") ||
				m.Dataset != "windows.sysmon.process_creation" || len(m.Because) == 0 || !m.Time.Equal(time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)) {
				t.Errorf("%+v", m)
			}
		})
	}
}

func TestNarrowed(t *testing.T) {
	dir := put(t, map[string][]byte{
		"w.json":   []byte(event(1, "delete shadows") + event(5, "delete shadows")),
		"auth.log": []byte("Nov 23 10:15:04 web-1 sshd[4242]: Failed password for admin from 192.0.2.7 port 50122 ssh2\n"),
	})
	for name, c := range map[string]struct {
		o    scan.Options
		want int
	}{
		"all":   {scan.Options{}, 3},
		"level": {scan.Options{MinLevel: holdfast.Medium}, 2},
		"tag":   {scan.Options{Tags: []string{"T1490"}}, 2},
		"other": {scan.Options{Tags: []string{"t1110"}}, 0},
		"since": {scan.Options{Since: time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC), MinLevel: holdfast.High}, 1},
	} {
		c.o.Paths = []string{dir}
		if found, _ := run(t, c.o); len(found) != c.want {
			t.Errorf("%s: %d matches, want %d", name, len(found), c.want)
		}
	}
}

// TestWhatCannotBeRead is named, and the rest is scanned.
func TestWhatCannotBeRead(t *testing.T) {
	good := event(1, "delete shadows")
	for name, c := range map[string]struct {
		b    []byte
		say  string
		want int
	}{
		"cut object":     {[]byte(good + `{"Event":{"System"`), "in the middle", 1},
		"text between":   {[]byte(good + " oops " + good), "no JSON object", 2},
		"damaged object": {[]byte(good + `{"Event":}` + good), "damaged JSON", 2},
		"huge object":    {[]byte(`{"x":"` + strings.Repeat("y", 17<<20) + `"}` + good), "larger than", 1},
		"cut gzip":       {gz([]byte(good + strings.Repeat(" ", 1000)))[:60], "", 0},
		"binary":         {[]byte("\x7fELF\x00\x00"), "neither", 0},
		"prose":          {[]byte("one\ntwo\n"), "2 events that no parser knows, the first is number 1", 0},
		"long line":      {[]byte(strings.Repeat("x", 2<<20)), "too long", 0},
		"damaged log":    {append([]byte("ElfFile\x00"), make([]byte, 200)...), "", 0},
		"too deep":       {gz(gz(gz(gz(gz(gz(gz([]byte(good)))))))), "archives in archives", 0},
		"cut line":       {[]byte(good + "\n" + good[:60] + "\n" + good + "\n" + good[:100] + "\n" + good), "in the middle of an object", 3},
		"line and more":  {[]byte(strings.Repeat("x", 2<<20) + "\nNov 23 10:15:04 web-1 sshd[1]: Failed password for a from 192.0.2.7 port 1 ssh2\n"), "line 1 is too long", 1},
		"cut tar":        {packTar(map[string]string{"a": good, "b": good})[:600], "", 0},
		"cut zip":        {packZip(map[string]string{"a": good})[:200], "zip", 0},
		"xz":             {[]byte("\xfd7zXZ\x00\x00"), "unxz", 0},
		"wrong row":      {[]byte("one,two,three\n1,2,3\n1,2,3,4\n"), "row 2", 0},
	} {
		t.Run(name, func(t *testing.T) {
			dir := put(t, map[string][]byte{"bad": c.b, "good.json": []byte(good)})
			found, sum := run(t, scan.Options{Paths: []string{dir}})
			if len(sum.Left) == 0 || !strings.Contains(fmt.Sprint(sum.Left), c.say) || !strings.Contains(sum.Left[0].File, "bad") {
				t.Errorf("left out: %v", sum.Left)
			}
			if len(found) != c.want+1 {
				t.Errorf("%d matches, want %d", len(found), c.want+1)
			}
		})
	}
	if _, err := scan.Run(t.Context(), scan.Options{Paths: []string{"/nowhere/at/all"}}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a path that is not there: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := scan.Run(ctx, scan.Options{Paths: []string{t.TempDir()}}); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// TestLeftOfOneFile: a file full of faults says so in a few lines.
func TestLeftOfOneFile(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte("{\"a\":1}\n"+strings.Repeat("{\"a\" 1}\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(dir, "other.bin")
	if err := os.WriteFile(other, []byte("\x01\x00\x02\x00"), 0o600); err != nil {
		t.Fatal(err)
	}
	sum, err := scan.Run(t.Context(), scan.Options{Paths: []string{dir}, Parsers: parsers.All()})
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]int{}
	said := ""
	for _, l := range sum.Left {
		of[l.File]++
		if l.File == bad {
			said = l.What
		}
	}
	if of[bad] != 3 || of[other] != 1 || !strings.HasSuffix(said, "; and 97 more in this file") {
		t.Errorf("%+v", sum.Left)
	}
}
