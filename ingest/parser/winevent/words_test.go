package winevent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/internal/testkit/race"
)

// access is an event of the Security log whose AccessList is as given.
func access(list string) []byte {
	return fmt.Appendf(nil, `{"Event":{"System":{"EventID":5145,"TimeCreated":{"#attributes":{"SystemTime":"2026-11-23T10:15:04Z"}},"Channel":"Security","Computer":"dc1"},"EventData":{"ShareName":"\\\\*\\IPC$","AccessList":"%s","AccessMask":"0x12019f"}}}`, list)
}

func values(t *testing.T, raw []byte, name string) []string {
	t.Helper()
	got, err := Parser().Parse(raw, parser.Hint{})
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, f := range got.Fields {
		if f.Name == name {
			out = append(out, f.Text)
		}
	}
	return out
}

// TestWords: codes stay, and a second value says them in words.
func TestWords(t *testing.T) {
	for list, want := range map[string]string{
		`%%4417 %%4418`:            "WriteData (or AddFile) AppendData (or AddSubdirectory or CreatePipeInstance)",
		`%%1538\r\n\t\t\t\t%%4417`: "READ_CONTROL\r\n\t\t\t\tWriteData (or AddFile)",
		`%%9999 %%1537`:            "%%9999 DELETE",
		`%%5392: x`:                "ReadPasswordParameters: x",
		`%%9999`:                   "",
		`%%44`:                     "",
		`%%%%4417`:                 "",
		`-`:                        "",
	} {
		plain := strings.NewReplacer(`\r`, "\r", `\n`, "\n", `\t`, "\t").Replace(list)
		said := []string{plain}
		if want != "" {
			said = append(said, want)
		}
		if got := values(t, access(list), "AccessList"); !slices.Equal(got, said) {
			t.Errorf("%q is %q, want %q", list, got, said)
		}
	}
	other := strings.Replace(string(access("%%4417")), `"Security"`, `"System"`, 1)
	if got := values(t, []byte(other), "AccessList"); len(got) != 1 {
		t.Errorf("of another channel: %q", got)
	}
}

// TestWordsAreBounded: a sender who lists a right often does not multiply the
// memory of an event.
func TestWordsAreBounded(t *testing.T) {
	got := values(t, access(strings.Repeat("%%4568", 100_000)), "AccessList")
	if len(got) != 1 {
		t.Errorf("%d values", len(got))
	}
	var m parser.Memory
	raw := access("%%4417 %%4418 %%1541")
	p := Parser()
	var first []holdfast.Field
	if n := testing.AllocsPerRun(100, func() {
		got, err := p.Parse(raw, parser.Hint{Into: &m})
		if err != nil {
			t.Fatal(err)
		}
		first = got.Fields
	}); n > 0 && !race.On {
		t.Errorf("%v allocations", n)
	}
	if last := first[len(first)-1]; last.Name != "AccessList" || !strings.HasPrefix(last.Text, "WriteData") {
		t.Error(last)
	}
}
