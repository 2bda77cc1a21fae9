package indicator

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const sha = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.7": "address 192.0.2.7", "192[.]0[.]2[.]7": "address 192.0.2.7", "192.0.2[.7": "address 192.0.2.7", "192.0.2.7:443": "address 192.0.2.7",
		"2001:DB8::1": "address 2001:db8::1", "[2001:db8::1]:53": "address 2001:db8::1", "::ffff:192.0.2.7": "address 192.0.2.7", "ip:192.0.2.7": "address 192.0.2.7",
		"198.51.100.77/24": "network 198.51.100.0/24", "198.51.100.1/32": "address 198.51.100.1", "2001:db8::/32": "network 2001:db8::/32",
		"Evil.Example.COM.": "domain evil.example.com", "evil(.)example(dot)com": "domain evil.example.com", "*.evil.example": "domain evil.example", `evil\.example\.com`: "domain evil.example.com",
		"evil.example:8443": "domain evil.example", "xn--80ak6aa92e.xn--p1ai": "domain xn--80ak6aa92e.xn--p1ai", "_dmarc.evil.example": "domain _dmarc.evil.example",
		"hxxp://Evil[.]example/A?b=1": "url http://evil.example/a?b=1", "hxxps[:]//evil.example/x": "url https://evil.example/x", "hXXps[://]evil.example": "url https://evil.example",
		"<https://evil.example/x>": "url https://evil.example/x", "evil.example/login.php": "url evil.example/login.php", "fxp://evil.example/x": "url ftp://evil.example/x",
		strings.ToUpper(sha): "sha256 " + sha, sha[:40]: "sha1 " + sha[:40], sha[:32]: "md5 " + sha[:32], "sha256:" + sha: "sha256 " + sha,
		"invoice.exe": "file invoice.exe", `C:\Users\Public\a.dll`: "file c:/users/public/a.dll", "/tmp/.x/miner": "file /tmp/.x/miner", "file:mimikatz": "file mimikatz",
		`\\192.0.2.7\c$\evil.exe`: "file //192.0.2.7/c$/evil.exe", `%TEMP%\x.tmp`: "file %temp%/x.tmp", "filename: run me.bat": "file run me.bat",
	} {
		x, err := Parse("", text)
		if got := string(x.Type) + " " + x.Value; err != nil || got != want {
			t.Errorf("%q: %s (%v), want %s", text, got, err, want)
		}
	}
	for _, text := range []string{
		"", "hello", "0.0.0.0/0", "::/0", "256.1.1.1", "a\x00b.example", "\xff", strings.Repeat("a", 3000), "http://", "http://a b", "file:*.*", "file:a", "sha256:" + sha[:40],
		"md5:evil.example", sha[:39], "-evil-.example", "evil..example", "just some words. really", "fe80::1%eth0",
	} {
		if x, err := Parse("", text); err == nil {
			t.Errorf("%q is taken as %+v", short(text), x)
		}
	}
}

func read(t *testing.T, text string) (out []string, faults []string) {
	t.Helper()
	l, f := Read("list.txt", []byte(text))
	for _, x := range l.Items {
		line := fmt.Sprintf("%d %s %s", x.Line, x.Type, x.Value)
		if x.Note != "" {
			line += " (" + x.Note + ")"
		}
		out = append(out, line)
	}
	for _, x := range f {
		faults = append(faults, x.Error())
	}
	return out, faults
}

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		text   string
		want   []string
		faults []string
	}{
		"text": {
			"\xef\xbb\xbf# a list\r\n192.0.2.7\r\n\r\nevil[.]example   # seen in spring, twice\n; old\n// older\n192.0.2.7\nhxxp://evil.example/a,b\n",
			[]string{"2 address 192.0.2.7", "4 domain evil.example (seen in spring, twice)", "8 url http://evil.example/a,b"},
			nil,
		},
		"faults with their lines": {
			"192.0.2.7\nnonsense\n0.0.0.0/0\nevil.example\n",
			[]string{"1 address 192.0.2.7", "4 domain evil.example"},
			[]string{
				`list.txt:2: "nonsense" is no address, network, domain, URL, hash or file that is recognised; name its type, as in file:nonsense; correct the line, or take it out`,
				"list.txt:3: 0.0.0.0/0 is every address there is; correct the line, or take it out",
			},
		},
		"csv with a head": {
			"\"type\",\"indicator\",\"description\"\n\"ipv4\",\"192.0.2.7\",\"a scanner\"\nfile,mimikatz,\"tool,\nof two lines\"\ndomain,evil.example,\nmd5,zz,\n",
			[]string{"2 address 192.0.2.7 (a scanner)", "3 file mimikatz (tool, of two lines)", "5 domain evil.example"},
			[]string{`list.txt:6: "zz" is no md5; correct the line, or take it out`},
		},
		"csv with several columns of indicators": {
			"ip;domain;note\n192.0.2.7;evil.example;both\n;other.example;\n",
			[]string{"2 address 192.0.2.7 (both)", "2 domain evil.example (both)", "3 domain other.example"},
			nil,
		},
		"csv without a head": {
			"2026-01-02,192.0.2.7,scanner\n2026-01-02,evil.example,c2\nmimikatz.exe\nhello,world\n",
			[]string{"1 address 192.0.2.7 (2026-01-02 scanner)", "2 domain evil.example (2026-01-02 c2)", "3 file mimikatz.exe"},
			[]string{"list.txt:4: no cell of this row is an indicator that is recognised; name the columns in a first row: indicator,type,note"},
		},
		"stix": {
			`{"type": "bundle", "id": "bundle--1", "objects": [
  {"type": "identity", "name": "x"},
  {"type": "indicator", "name": "C2", "pattern_type": "stix", "pattern": "[ipv4-addr:value = '192.0.2.7' OR ipv4-addr:value ISSUBSET '198.51.100.0/24']"},
  {"type": "indicator", "name": "Tool", "pattern": "[file:hashes.'SHA-256' = '` + sha + `' AND file:name = 'it''s'] AND [url:value IN ('http://a.example/x', 'http://b.example')]"},
  {"type": "indicator", "name": "Old", "revoked": true, "pattern": "[domain-name:value = 'old.example']"},
  {"type": "indicator", "name": "Not", "pattern": "[domain-name:value != 'good.example']"},
  {"type": "indicator", "name": "Yara", "pattern_type": "yara", "pattern": "rule x {}"},
  {"type": "indicator", "name": "Reg", "pattern": "[windows-registry-key:key = 'x']"},
  {"type": "indicator", "name": 7, "pattern": "x"},
  {"type": "indicator", "pattern": "[domain-name:value = 'evil.example']"}
]}`,
			[]string{
				"3 address 192.0.2.7 (C2)", "3 network 198.51.100.0/24 (C2)", "4 sha256 " + sha + " (Tool)", "4 url http://a.example/x (Tool)", "4 url http://b.example (Tool)", "10 domain evil.example",
			},
			[]string{
				`list.txt:4: the name of a file "it" is too short`,
				`list.txt:6: the pattern of "Not" says !=, which a list cannot; hunt with a rule`,
				`list.txt:7: the indicator "Yara" is a yara rule; hunt with the rule itself; lists have STIX patterns`,
				`list.txt:8: the pattern of "Reg" has no address, domain, URL, hash or file name: [windows-registry-key:key = 'x']; hunt with a rule`,
				`list.txt:9: an object of the bundle has a wrong name; fetch it again`,
			},
		},
		"no bundle":  {`{"type": "report", "objects": []}`, nil, []string{`list.txt:1: this JSON is no STIX bundle; a bundle is an object with "type": "bundle" and "objects"`}},
		"cut bundle": {"{\"type\": \"bundle\", \"objects\": [\n{\"type\": \"indic", nil, []string{"list.txt:2: the bundle cannot be read: it ends in the middle; fetch it again"}},
		"empty":      {" \n ", nil, []string{"list.txt: the list is empty; put one indicator on each line"}},
		"binary":     {"192.0.2.7\nMZ\x90\x00\x03", nil, []string{"list.txt:2: the list has a NUL byte; it is no text; save it as text in UTF-8"}},
		"utf-16":     {"\xff\xfe1\x00", nil, []string{"list.txt:1: the list is written in UTF-16; save it as UTF-8"}},
	} {
		got, faults := read(t, c.text)
		if name == "stix" { // what the parser says of a name is tried elsewhere
			faults = slices.DeleteFunc(faults, func(s string) bool { return strings.Contains(s, ":4:") })
			c.faults = slices.DeleteFunc(c.faults, func(s string) bool { return strings.Contains(s, ":4:") })
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		if diff := cmp.Diff(c.faults, faults); diff != "" {
			t.Errorf("%s: faults: %s", name, diff)
		}
	}
}

func TestBounds(t *testing.T) {
	var b strings.Builder
	for i := range Max + 5 {
		fmt.Fprintf(&b, "10.%d.%d.%d\n", i>>16, i>>8&255, i&255)
	}
	l, faults := Read("l", []byte(b.String()))
	if len(l.Items) != Max || len(faults) != 1 || faults[0].Line != Max+1 {
		t.Errorf("%d indicators, %v", len(l.Items), faults)
	}
	_, faults = Read("l", []byte(strings.Repeat("x\n", MaxBytes/2+1)))
	if len(faults) != 1 || !strings.Contains(faults[0].What, "16777216 are taken") {
		t.Errorf("%v", faults)
	}
	l, faults = Read("l", []byte(strings.Repeat("nonsense\n", 100_000)))
	if len(l.Items) != 0 || len(faults) != maxFaults+1 {
		t.Errorf("%d faults", len(faults))
	}
	_, faults = Read("l", []byte(strings.Repeat(`{"type":`, 100_000)))
	if len(faults) == 0 {
		t.Error("deep JSON is taken")
	}
}

func TestMatch(t *testing.T) {
	text := `192.0.2.7
198.51.100.0/24
2001:db8:1::/48
evil.example
` + sha + `
` + sha[:32] + `
mimikatz.exe
/tmp/.x/miner
C:\Users\Public\run.exe
http://evil.example/gate.php
`
	l, faults := Read("l", []byte(text))
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	m := NewMatcher(l.Items, true)
	say := func(found []int32) string {
		var out []string
		for _, n := range found {
			out = append(out, l.Items[n].Value)
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	for _, c := range []struct {
		kind       Kind
		text, want string
	}{
		{AnAddress, "192.0.2.7", "192.0.2.7"},
		{AnAddress, "::ffff:192.0.2.7", "192.0.2.7"},
		{AnAddress, "198.51.100.255", "198.51.100.0/24"},
		{AnAddress, "2001:db8:1:ffff::1", "2001:db8:1::/48"},
		{AnAddress, "198.51.101.1", ""},
		{AnAddress, "", ""},
		{AnAddress, "host", ""},
		{ADomain, "a.b.EVIL.example.", "evil.example"},
		{ADomain, "notevil.example", ""},
		{ADomain, "evil.example.com", ""},
		{AHash, strings.ToUpper(sha), sha},
		{AHash, "x", ""},
		{AFile, `C:\Tools\Mimikatz.exe`, "mimikatz.exe"},
		{AFile, "mimikatz.exe", "mimikatz.exe"},
		{AFile, `notmimikatz.exe`, ""},
		{AFile, "/tmp/.x/miner", "/tmp/.x/miner"},
		{AFile, "/var/tmp/.x/miner", "/tmp/.x/miner"},
		{AFile, "/tmp/miner", ""},
		{AFile, `c:\users\public\RUN.exe`, "c:/users/public/run.exe"},
		{AFile, "run.exe", ""},
	} {
		if got := say(m.Value(c.kind, c.text, nil)); got != c.want {
			t.Errorf("%s: %q, want %q", c.text, got, c.want)
		}
	}
	for text, want := range map[string]string{
		"from 192.0.2.7 port 22": "192.0.2.7", "192.0.2.7": "192.0.2.7", "192.0.2.7.": "192.0.2.7", "1192.0.2.7": "", "192.0.2.71": "", "192.0.2.7.5": "", "4.192.0.2.7": "", "192.0.2.7:22 192.0.2.7": "192.0.2.7",
		"query www.Evil.Example. IN A": "evil.example", "notevil.example": "", "evil.example.com": "", "x-evil.example": "", "mail from a@evil.example;": "evil.example",
		"Hashes: MD5=" + strings.ToUpper(sha[:32]) + ",X": sha[:32], "a" + sha: "", sha + ".exe": sha,
		"get http://evil.example/gate.php?id=1": "evil.example http://evil.example/gate.php", `{"url":"http:\/\/evil.example\/gate.php"}`: "evil.example http://evil.example/gate.php",
		`{"Image":"C:\\Users\\Public\\run.exe"}`: "c:/users/public/run.exe", `c:\users\public\run.exe.bak`: "", `D:\mimikatz.exe`: "mimikatz.exe", "nothing": "", "": "",
	} {
		if got := say(m.Within(text, nil)); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// FuzzRead holds that no list breaks the reader, that what it takes reads the
// same again, and that each indicator is found in itself.
func FuzzRead(f *testing.F) {
	f.Add([]byte("# x\n192.0.2.7\nhxxp://evil[.]example/a\n" + sha + "\n"))
	f.Add([]byte("type,indicator,note\nip,192.0.2.7,x\nfile,\"a,b.exe\",\n"))
	f.Add([]byte(`{"type":"bundle","objects":[{"type":"indicator","name":"n","pattern":"[ipv4-addr:value = '192.0.2.7']"}]}`))
	f.Add([]byte("[{\"a\":1}]"))
	f.Add([]byte("\\\\a\\b.exe\n%x%\\y.dll\n\xff\xfe"))
	f.Fuzz(func(t *testing.T, b []byte) {
		l, faults := Read("f", b)
		if len(l.Items) > Max || len(faults) > maxFaults+1 {
			t.Fatal("out of bounds")
		}
		m := NewMatcher(l.Items, true)
		for i, x := range l.Items {
			again, err := Parse(x.Type, x.Value)
			if err != nil || again.Value != x.Value || again.Type != x.Type {
				t.Fatalf("%+v reads again as %+v: %v", x, again, err)
			}
			if kind, ok := map[Type]Kind{Address: AnAddress, Domain: ADomain, SHA256: AHash, SHA1: AHash, MD5: AHash, File: AFile}[x.Type]; ok {
				if !slices.Contains(m.Value(kind, x.Value, nil), int32(i)) {
					t.Fatalf("%+v is not found as a value", x)
				}
			}
			if x.Type != Network && !x.Short() && !slices.Contains(m.Within(" "+x.Value+" ", nil), int32(i)) {
				t.Fatalf("%+v is not found in a record", x)
			}
		}
	})
}

func BenchmarkWithin(b *testing.B) {
	var list strings.Builder
	for i := range Max {
		fmt.Fprintf(&list, "host%d.evil%d.example\n", i, i%977)
	}
	l, _ := Read("l", []byte(list.String()))
	m := NewMatcher(l.Items, true)
	text := strings.Repeat(`Jan  2 03:04:05 web1 sshd[4242]: Failed password for invalid user admin from 203.0.113.9 port 55022 ssh2 `, 8)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if len(m.Within(text, nil)) > 0 {
			b.Fatal("found")
		}
	}
}
