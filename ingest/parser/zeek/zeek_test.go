package zeek_test

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"holdfast/ingest/parser"
	"holdfast/ingest/parser/zeek"
)

const header = "#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tdns\n" +
	"#fields\tts\tuid\tid.orig_h\tid.orig_p\tquery\tanswers\tTTLs\trejected\trtt\n" +
	"#types\ttime\tstring\taddr\tport\tstring\tvector[string]\tvector[interval]\tbool\tinterval\n"

// more are records of several lines.
var more = []string{header + "1795399746.000001\tC1\t192.0.2.7\t5353\ta\\x09b\\\\c\t(empty)\t-\tF\t-"}

// TestBothForms reads the same event in both of Zeek's forms.
func TestBothForms(t *testing.T) {
	p := zeek.Parser()
	for tsv, json := range map[string]string{
		"1795399746.000001\tC1\t192.0.2.7\t5353\ta\\x09b\\\\c\tx,y\\x2cz\t60.000000,1.500000\tF\t0.000000": `{"_path":"dns","ts":1795399746.000001,"uid":"C1","id.orig_h":"192.0.2.7","id.orig_p":5353,"query":"a\tb\\c","answers":["x","y,z"],"TTLs":[60.0,1.5],"rejected":false,"rtt":0.0}`,
		"1795399746.100000\tC1\t192.0.2.7\t-\t(empty)\t(empty)\t-\tT\t-":                                   `{"_path":"dns","ts":"2026-11-23T02:09:06.100000Z","uid":"C1","id.orig_h":"192.0.2.7","query":"","answers":[],"rejected":true,"rtt":null}`,
	} {
		a, err := p.Parse([]byte(header+tsv), parser.Hint{})
		if err != nil {
			t.Fatal(err)
		}
		b, err := p.Parse([]byte(json), parser.Hint{})
		if err != nil {
			t.Fatal(err)
		}
		if b.Dataset != "zeek.dns" || b.Fields[0].Name != "_path" {
			t.Fatalf("%+v", b)
		}
		b.Fields = b.Fields[1:]
		if d := cmp.Diff(a, b); d != "" {
			t.Error(d)
		}
	}
	for _, bad := range []string{"1\t2", "1\t2\t3\t4\t5\t6\t7\t8\t9\t10"} {
		if _, err := p.Parse([]byte(header+bad), parser.Hint{}); err == nil {
			t.Errorf("%q passed", bad)
		}
	}
}

// TestKindByName finds the type of a log without _path.
func TestKindByName(t *testing.T) {
	for source, want := range map[string]string{
		"file:/l/known_hosts.log.gz":              "zeek.known_hosts",
		"file:/l/smb_files.00:00:00-01:00:00.log": "zeek.smb_files",
		"file:/l/http_20261123.json":              "zeek.http",
		"file:/l/a.tar!logs/kerberos.log":         "zeek.kerberos",
		"file:/l/a.tar!ssh.log":                   "zeek.ssh",
		"file:/l/unknown.log":                     "",
	} {
		got, err := zeek.Parser().Parse([]byte(`{"ts":1795399746.5,"host":"h"}`), parser.Hint{Source: source})
		if got.Dataset != want || (err == nil) != (want != "") {
			t.Errorf("%s: %q, %v", source, got.Dataset, err)
		}
	}
}

// FuzzLayouts: a record is read the same whether its like was read before or not.
func FuzzLayouts(f *testing.F) {
	b, err := os.ReadFile("testdata/lines.txt")
	if err != nil {
		f.Fatal(err)
	}
	lines := bytes.Split(b, []byte("\n"))
	for _, s := range []string{
		`{"_path":"conn","ts":1795399746.000001,"id.orig_p":"5353","id.resp_p":"x","_system_name":"a","x":1.50,"n":null}`,
		`{"_path":"conn","ts":"2026-11-23T02:09:06.1+01:00","id.orig_p":"5353","_system_name":7.0,"_path":"dns"}`,
		`{"_path":1,"_path":"dns","ts":"never","ts":null,"revoketime":-1.5,"first_seen":1e9,"last_seen":"0000-01-01T00:00:00+10:00"}`,
		`{"_path":"not plain","ts":[1,2,"3.25"],"uid":"C","id.orig_h":"h"}`, `{"_path":"x","ts":"0000-01-01T00:00:00+10:00"}`, `{"ts":99999999999.123456789,"_path":"x"}`,
	} {
		lines = append(lines, []byte(s))
	}
	for _, l := range lines {
		f.Add(l)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		seen, fresh := zeek.Parser(), zeek.Parser()
		var m parser.Memory
		for _, l := range append(lines[max(0, len(lines)-12):], raw) {
			_, _ = seen.Parse(l, parser.Hint{Into: &m})
		}
		want, first := fresh.Parse(raw, parser.Hint{})
		for _, into := range []*parser.Memory{&m, nil} {
			got, second := seen.Parse(raw, parser.Hint{Into: into})
			if (first == nil) != (second == nil) || first != nil && first.Error() != second.Error() {
				t.Fatalf("%v, but the first time %v", second, first)
			}
			if d := cmp.Diff(want, got, cmpopts.EquateEmpty()); first == nil && d != "" {
				t.Fatal(d)
			}
		}
	})
}
