package detect

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"holdfast"
)

const clean = `title: Shadow copies deleted
id: 8a1b6c1e-6f0e-4c55-9a0f-0c6f0d4f3f5e
status: test
date: 2026-01-31
tags: [attack.impact, attack.t1490]
logsource: {product: windows, category: process_creation}
detection:
  selection:
    Image|endswith: '\vssadmin.exe'
    CommandLine|contains: delete
  condition: selection
falsepositives: [An administrator]
level: high
`

func windows() map[string]holdfast.Dataset {
	return map[string]holdfast.Dataset{"w": {
		Name: "w", Logsource: holdfast.Logsource{Product: "windows", Service: "sysmon", Category: "process_creation"},
		ECS: map[string]string{"Image": "process.executable"},
	}}
}

// TestLint changes one thing of a rule that nothing is to be said about, and
// expects one finding, at its place.
func TestLint(t *testing.T) {
	for _, c := range []struct{ old, new, at, check, do string }{
		{"", "", "", "", ""},
		{"id: 8a1b6c1e-6f0e-4c55-9a0f-0c6f0d4f3f5e\n", "", "1:1", "no-id", "UUID"},
		{"id: 8a1b6c1e-6f0e-4c55-9a0f-0c6f0d4f3f5e", "id: shadow", "2:5", "bad-id", "8a1b"},
		{"status: test", "status: tested", "3:9", "bad-status", `"test"`},
		{"2026-01-31", "2026/01/31", "4:7", "bad-date", "2026-01-31"},
		{"2026-01-31", "2026-31-01", "4:7", "bad-date", "2026-01-31"},
		{"level: high\n", "", "1:1", "no-level", "medium"},
		{"level: high", "level: hihg", "13:8", "refused", "high"},
		{"[attack.impact, attack.t1490]", "[cve.2024-1]", "5:7", "no-attack", "attack.t"},
		{"attack.t1490", "attack.T1490", "5:23", "bad-tag", "attack.t1490"},
		{"attack.impact", "attack.impakt", "5:8", "bad-tag", `"attack.impact"`},
		{"attack.impact", "attack.credential_access", "5:8", "bad-tag", "attack.credential-access"},
		{"attack.impact", "atack.impact", "5:8", "bad-tag", `"attack"`},
		{"attack.impact", "attack.t1490", "5:22", "duplicate-tag", "remove"},
		{"falsepositives: [An administrator]\n", "", "1:1", "no-falsepositives", "falsepositives"},
		{"  condition: selection", "  other: {Image: x}\n  condition: selection", "11:3", "unused-selection", "condition"},
		{"condition: selection", "condition: selektion", "11:14", "refused", `"selection"`},
		{"condition: selection", "condition: 1 of selection*", "8:3", "single-of", "write selection"},
		{"contains: delete", "contains: '*delete'", "10:27", "wildcard", "remove"},
		{"CommandLine|contains: delete", "CommandLine: '*delete*'", "10:18", "wildcard", "|contains"},
		{"CommandLine|contains: delete", "CommandLine: '*delete'", "10:18", "wildcard", "|endswith"},
		{"CommandLine|contains: delete", "CommandLine: 'delete*'", "10:18", "wildcard", "|startswith"},
		{"CommandLine|contains: delete", "CommandLine|re: '.*delete.*'", "10:21", "plain-regex", "|contains"},
		{"CommandLine|contains: delete", "CommandLine|re: '^delete'", "10:21", "plain-regex", "|startswith"},
		{"CommandLine|contains: delete", "CommandLine|re: 'del+ete'", "", "", ""},
		{"CommandLine|contains: delete", "CommandLine: 'delete '", "10:18", "spaces", "contains"},
		{"CommandLine|contains: delete", "CommandLine|contains: ' delete '", "", "", ""},
		{"CommandLine|contains: delete", "CommandLine|contains: [delete, Delete]", "10:36", "duplicate-value", "remove"},
		{"CommandLine|contains: delete", "CommandLine|contains|all: [delete]", "10:5", "single-all", "remove"},
		{"CommandLine|contains", "Commandline|contains", "10:5", "unknown-field", `"CommandLine"`},
		{"CommandLine|contains", "CmdLineText|contains", "10:5", "unknown-field", "logsource"},
		{"CommandLine|contains", "CommandLine|containz", "10:5", "refused", `"contains"`},
		{"process_creation", "process_creaton", "1:1", "no-dataset", `"process_creation"`},
		{"product: windows", "product: solaris", "1:1", "no-dataset", "parser"},
	} {
		t.Run(c.new, func(t *testing.T) {
			if !strings.Contains(clean, c.old) {
				t.Fatal("nothing is changed")
			}
			fsys := fstest.MapFS{"a.yml": {Data: []byte(strings.Replace(clean, c.old, c.new, 1))}}
			got, err := LintRules(context.Background(), Options{Datasets: windows()}, Source{"", fsys})
			if err != nil {
				t.Fatal(err)
			}
			if c.check == "" {
				if len(got.Findings) > 0 {
					t.Errorf("%+v", got.Findings)
				}
				return
			}
			severity := LintWarning
			if c.check == "refused" {
				severity = LintError
			}
			if len(got.Findings) != 1 {
				t.Fatalf("%d findings: %+v", len(got.Findings), got.Findings)
			}
			f := got.Findings[0]
			if at := fmt.Sprintf("%d:%d", f.Line, f.Column); at != c.at || f.Check != c.check || f.Severity != severity || !strings.Contains(f.Do+f.What, c.do) {
				t.Errorf("%+v", f)
			}
		})
	}
}

// TestLintTogether holds rules against each other.
func TestLintTogether(t *testing.T) {
	fsys := fstest.MapFS{
		"a.yml": {Data: []byte(clean)}, "b.yml": {Data: []byte(clean)},
		"c.yml":      {Data: []byte("title: C\nid: 8a1b6c1e-6f0e-4c55-9a0f-0c6f0d4f3f5f\nlevel: low\ntags: [attack.t1490]\nfalsepositives: [none]\ncorrelation:\n  type: event_count\n  rules: [gone]\n  timespan: 1m\n  condition: {gte: 2}\n")},
		"a.test.yml": {Data: []byte("rule: x")},
	}
	got, err := LintRules(context.Background(), Options{Datasets: windows()}, Source{"", fsys})
	if err != nil || got.Errors != 2 || got.Warnings != 0 || got.Files != 3 {
		t.Fatalf("%+v %v", got, err)
	}
	if got.Findings[0].Check != "duplicate-id" || got.Findings[0].File != "b.yml" || !strings.Contains(got.Findings[1].What, "gone") {
		t.Errorf("%+v", got.Findings)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := LintRules(ctx, Options{}, Source{"", fsys}); err == nil {
		t.Error("it goes on when it is told to stop")
	}
}

// TestLintManyFiles is that a large collection takes no longer than a person
// waits.
func TestLintManyFiles(t *testing.T) {
	fsys := fstest.MapFS{}
	for i := range 10_000 {
		text := strings.Replace(clean, "8a1b6c1e", fmt.Sprintf("%08x", i), 1)
		fsys[fmt.Sprintf("%d/%d.yml", i%100, i)] = &fstest.MapFile{Data: []byte(strings.Replace(text, "deleted", fmt.Sprint("deleted ", i), 1))}
	}
	start := time.Now()
	got, err := LintRules(context.Background(), Options{Datasets: windows()}, Source{"", fsys})
	if err != nil || len(got.Findings) > 0 || got.Rules != 10_000 {
		t.Fatalf("%d rules, %v %v", got.Rules, got.Findings, err)
	}
	if took := time.Since(start); took > time.Minute {
		t.Errorf("it took %s", took)
	} else {
		t.Log(took)
	}
}

func FuzzLint(f *testing.F) {
	f.Add([]byte(clean))
	f.Add([]byte("detection:\n  a: [[1]]\n  condition: 1 of a*\nlogsource: {}\ntags: {a: b}\nid: [1]\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := LintRules(context.Background(), Options{Datasets: windows()}, Source{"", fstest.MapFS{"a.yml": {Data: b}}})
		if err != nil || got.Errors+got.Warnings != len(got.Findings) {
			t.Errorf("%+v %v", got, err)
		}
	})
}
