package winevent

import (
	"testing"

	"holdfast/ingest/parser"
	"holdfast/internal/testkit/race"
)

const process = `{"Event":{"#attributes":{"xmlns":"http://schemas.microsoft.com/win/2004/08/events/event"},"System":{` +
	`"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon"}},"EventID":1,"TimeCreated":{"#attributes":{"SystemTime":"2026-11-23T10:15:04.123456Z"}},` +
	`"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"ws1.example.net"},"EventData":{"Image":"C:\\Windows\\System32\\cmd.exe","ProcessId":4711,"Rule Name":null}}}`

// TestMemoryOfTheCaller: nothing is allocated once the reader has seen the
// names, and fields that are the caller's to keep stay when the next is read.
func TestMemoryOfTheCaller(t *testing.T) {
	p := Parser()
	var m parser.Memory
	if n := testing.AllocsPerRun(100, func() {
		if got, err := p.Parse([]byte(process), parser.Hint{Into: &m}); err != nil || got.Dataset != "windows.sysmon.process_creation" {
			t.Fatal(got, err)
		}
	}); n > 1 && !race.On { // the conversion of process
		t.Errorf("%v allocations", n)
	}
	kept, err := p.Parse([]byte(process), parser.Hint{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Parse([]byte(`{"Event":{"System":{"Channel":"System","Computer":"another, with a longer name"}}}`), parser.Hint{}); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"Provider_Name": "Microsoft-Windows-Sysmon", "EventID": "1", "Image": `C:\Windows\System32\cmd.exe`, "RuleName": "", "ProcessId": "4711", "Computer": "ws1.example.net"}
	for _, f := range kept.Fields {
		if w, ok := want[f.Name]; ok && w != f.Text {
			t.Errorf("%s is %q, want %q", f.Name, f.Text, w)
		}
		delete(want, f.Name)
	}
	if len(want) > 0 || kept.Host != "ws1.example.net" || kept.Time.Year() != 2026 {
		t.Error(want, kept)
	}
}
