package zeek_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

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
