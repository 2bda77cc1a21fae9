package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// broken is a file that somebody wrote wrongly, and how it is put right.
type broken struct {
	verb []string // the command that names its fault
	file string
	text string
	at   string // line and column of its fault
	say  string
	mend string
	id   string // what is there once it is mended
}

const (
	ruleHead = "title: Mine\nname: mine_%s\nid: 267f529b-daa3-5a9f-bea7-476f7dd897f%d\nstatus: stable\ndescription: words\nlogsource:\n  product: linux\n  service: auth\n"
	goodRule = "detection:\n  selection:\n    action: user_created\n  condition: selection\nlevel: low\n"
	mineHead = "title: \"Mine\"\nseverity: low\ndescription: \"Words.\"\nover: sudoers\n"
	mineTail = "empty: \"none\"\nsay: \"{who}\"\nfix: \"Do it.\"\n"
)

func brokenFiles() []broken {
	rule := func(name string, n int) string { return fmt.Sprintf(ruleHead, name, n) }
	req := func(id, verb string) string {
		return "- id: " + id + "\n  say: The log is kept from users\n  owner: platform\n  " + verb + ": {on: \"kind=host os=linux\", settings: {sysctl.kernel.dmesg_restrict: 1}}\n"
	}
	rules, checks, reqs := []string{"rules"}, []string{"checks", "--catalogue"}, []string{"requirements"}
	return []broken{
		{rules, "rules/quote.yml", "title: \"Mine\n", "2:1", "YAML cannot be read", rule("quote", 1) + goodRule, "mine_quote"},
		{rules, "rules/name.yml", rule("name", 2) + strings.Replace(goodRule, "n: selection", "n: selektion", 1), "12:14", "no selection \"selektion\"", rule("name", 2) + goodRule, "mine_name"},
		{rules, "rules/bytes.yml", "title: \xff\xfe\x00\n", "1:1", "YAML cannot be read", rule("bytes", 3) + goodRule, "mine_bytes"},
		{rules, "rules/nothing.yml", "", "1:1", "holds no rule", rule("nothing", 4) + goodRule, "mine_nothing"},
		{checks, "checks/quote.yaml", "title: \"Mine\n", "2:1", "YAML cannot be read", mineHead + "expect: \"!row.nopasswd\"\n" + mineTail, "quote"},
		{checks, "checks/cel.yaml", mineHead + "expect: \"row.nopasswd &&& true\"\n" + mineTail, "5:25", "Syntax error", mineHead + "expect: \"!row.nopasswd\"\n" + mineTail, "cel"},
		{checks, "checks/key.yaml", mineHead + "expected: \"true\"\n" + mineTail, "5:1", "no key \"expected\"", mineHead + "expect: \"!row.nopasswd\"\n" + mineTail, "key"},
		{reqs, "requirements/quote.yaml", "- id: mine-quote\n  say: \"x\n", "2:1", "YAML cannot be read", req("mine-quote", "state"), "mine-quote"},
		{reqs, "requirements/verb.yaml", req("mine-other", "state") + req("mine-verb", "stait"), "8:3", "no key \"stait\"", req("mine-other", "state") + req("mine-verb", "state"), "mine-verb"},
		{reqs, "requirements/value.yaml", strings.Replace(req("mine-value", "state"), ": 1}", ": [1]}", 1), "4:78", "single value", req("mine-value", "state"), "mine-value"},
	}
}

// TestBadContent has broken rules, checks and requirements there at the start,
// and has them come while the server runs. Each is named with its place and
// what to do; the rest is in force; mended, it counts and nothing is said.
func TestBadContent(t *testing.T) {
	for _, when := range []string{"at the start", "while it runs"} {
		t.Run(when, func(t *testing.T) {
			s := newSolo(t, t.TempDir(), "--no-agent")
			files := brokenFiles()
			put := func(text func(broken) string) {
				for _, b := range files {
					s.write(b.file, text(b))
				}
			}
			bad := func(b broken) string { return b.text }
			mended := func(b broken) string { return b.mend }
			switch when {
			case "at the start":
				put(bad)
				s.start()
			default:
				put(mended)
				s.start()
				for _, b := range files {
					if out, _, _ := s.run(b.verb...); !strings.Contains(out, b.id) {
						t.Errorf("%s is not loaded", b.file)
					}
				}
				put(bad)
			}
			for _, b := range files {
				s.named(t, b)
			}
			// One good entry of a faulty file counts.
			if out, _, _ := s.run("requirements"); !strings.Contains(out, "mine-other") {
				t.Error("what stands beside a fault in the same file is not loaded")
			}
			st := s.status()
			for _, l := range []int{st.Rules.Loaded, st.Checks.Loaded, st.Requirements.Loaded} {
				if l < 9 {
					t.Errorf("what was shipped is not in force: %d rules, %d checks, %d requirements", st.Rules.Loaded, st.Checks.Loaded, st.Requirements.Loaded)
				}
			}
			put(mended)
			s.wait(time.Minute, "the faults are gone", func() bool {
				st := s.status()
				return len(st.Rules.Faults)+len(st.Checks.Faults)+len(st.Requirements.Faults) == 0
			})
			for _, b := range files {
				out, errOut, _ := s.run(b.verb...)
				if !strings.Contains(out, b.id) || errOut != "" {
					t.Errorf("%s is mended: %s", b.file, errOut)
				}
			}
			if out, _, code := s.run("status"); code != 0 || strings.Contains(out, "!") {
				t.Errorf("status ends with %d: %s", code, out)
			}
		})
	}
}

// named expects a fault in its own list and in status.
func (s *solo) named(t *testing.T, b broken) {
	t.Helper()
	want := regexp.MustCompile(`! \S*` + regexp.QuoteMeta(b.file+":"+b.at) + `: .*` + regexp.QuoteMeta(b.say) + `.*; \S.*`)
	var errOut, out string
	s.wait(time.Minute, b.file+" is named as "+want.String(), func() bool {
		_, errOut, _ = s.run(b.verb...)
		return want.MatchString(errOut)
	})
	if out, _, _ = s.run("status"); !want.MatchString(out) {
		t.Errorf("status does not name %s as %s:\n%s", b.file, want, out)
	}
	if b.verb[0] == "checks" { // the verdicts are the list that people read
		if _, errOut, _ = s.run("checks"); !want.MatchString(errOut) {
			t.Errorf("checks does not name %s:\n%s", b.file, errOut)
		}
	}
}

// TestBadSettings starts with configuration files that are wrong: each is
// refused with its place, and nothing is listened on.
func TestBadSettings(t *testing.T) {
	s := newSolo(t, t.TempDir())
	for text, want := range map[string]string{
		"listn: 127.0.0.1:1\n":                                  `1:1: there is no setting "listn"; the settings are `,
		"listen: [127.0.0.1:1\n":                                `1:1: the YAML cannot be read: `,
		"# mine\nlisten: nowhere\n":                             `2:9: listen: "nowhere" is no address to listen on; write it as `,
		"management:\n  - 10.0.0.0/24\n  - bogus\n":             `3:5: management: "bogus" is neither address nor prefix; write it as `,
		"log-level: loud\n":                                     `1:12: log-level: "loud" is no level; write `,
		"reserve: many\n":                                       `1:10: reserve: "many" is no number of bytes; write it as `,
		"no-agent: perhaps\n":                                   `1:11: no-agent: "perhaps" is neither true nor false; correct it`,
		"auto-approve: [action/x]\n":                            `1:16: auto-approve: there is no part "action/x"; the parts are action/block-address`,
		"inputs: 5\n":                                           `1:9: inputs should be a list; start each entry with -`,
		"inputs:\n  - {kind: file, wher: /x}\n":                 `2:18: an input has no key "wher"; the keys are kind, where`,
		"inputs:\n  - {kind: fil, where: /x}\n":                 `2:5: there is no input of the kind "fil"; the kinds are elastic, file, `,
		"inputs:\n  - {kind: file, where: x}\n":                 `2:5: file: "x" is no absolute path; write it from the root`,
		"geoip: [city.mmdb]\n":                                  `1:9: geoip: "city.mmdb" is no absolute path; write it from the root`,
		"syslog-zone: [Mars]\n":                                 `1:15: syslog-zone: "Mars" is no time zone; write it as `,
		"file: [/srv/***/x]\n":                                  `1:8: file: in "/srv/***/x", ** stands for whole folders; write it as `,
		"- listen\n":                                            `1:1: the settings should be a map of keys; write them as `,
		"reserve: 1\nreserve: 2\n":                              `2:1: the key "reserve" stands twice; remove one`,
		"inputs:\n  - {kind: file, where: /x, options: {a: b}}": `2:5: file: there is no option "a", only from, backfill, exclude and zone; `,
	} {
		s.write("holdfast.yaml", text)
		_, errOut, code := s.run(s.args...)
		if code != exitError || !strings.Contains(errOut, filepath.Join(s.data, "holdfast.yaml")+":"+want) {
			t.Errorf("%q ended with %d: %s", text, code, errOut)
		}
	}
	s.write("holdfast.yaml", "# nothing but the defaults\n")
	for _, c := range [][]string{{"--management", "bogus"}, {"--log-level", "loud"}, {"--listen", "nowhere"}, {"--auto-approve", "action/x"}, {"--reserve", "many"}, {"--file", "/[", "--no-agent=false"}, {"--file", "/x", "--no-agent"}, {"--syslog-tls", "nowhere"}, {"--syslog-key", "/x"}} {
		_, errOut, code := s.run(append(slices.Clone(s.args), c...)...)
		if code != exitUsage || !strings.Contains(errOut, c[0]) {
			t.Errorf("%v ended with %d: %s", c, code, errOut)
		}
	}
	cmd := s.command(t.Context(), s.args...)
	cmd.Env = append(os.Environ(), "HOLDFAST_MANAGEMENT=10.0.0.1,bogus")
	if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), `"bogus" is neither`) {
		t.Errorf("a wrong variable: %v %s", err, out)
	}
}

// TestBadSettingsLater breaks the configuration under a running server: it goes
// on as it was, and says that the file is broken until it is mended.
func TestBadSettingsLater(t *testing.T) {
	s := newSolo(t, t.TempDir(), "--no-agent")
	good := "log-level: info\n"
	s.write("holdfast.yaml", good)
	s.start()
	quiet := func() bool { return len(s.status().Notes) == 0 }
	if !quiet() {
		t.Errorf("trouble from the start: %+v", s.status().Notes)
	}
	for text, want := range map[string]string{
		"log-level: info\nlistn: x\n": `holdfast.yaml:2:1: there is no setting "listn"; the settings are `,
		"log-level: debug\n":          "has changed since the start; start Holdfast again",
	} {
		s.write("holdfast.yaml", text)
		if out, _, code := s.run("status"); code != 0 || !strings.Contains(out, want) {
			t.Errorf("%q: status ended with %d: %s", text, code, out)
		}
	}
	s.write("holdfast.yaml", good)
	if !quiet() {
		t.Errorf("trouble after it was mended: %+v", s.status().Notes)
	}
}
