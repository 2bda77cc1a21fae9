package scan

import (
	"bufio"
	"bytes"
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"

	"holdfast"
)

// sheet is a file of rows under a line with the names of the columns.
type sheet struct {
	names []string
	comma rune
	// windows says that the columns are those of Get-WinEvent or of Windows'
	// event viewer, so that the rows are given as events of Windows.
	windows map[string]int
}

// sheetOf looks whether text begins with a line of names and a row of as many
// values. Log lines with commas in them have no such first line.
func sheetOf(text []byte) *sheet {
	first, rest, ok := bytes.Cut(text, []byte("\n"))
	if !ok {
		return nil
	}
	if bytes.HasPrefix(first, []byte("#TYPE ")) { // Export-Csv of PowerShell 5
		first, rest, _ = bytes.Cut(rest, []byte("\n"))
	}
	for _, comma := range []rune{',', ';', '\t'} {
		names := cellsOf(first, comma)
		if len(names) < 3 || len(names) > 1000 {
			continue
		}
		good := true
		seen := map[string]bool{}
		for i, n := range names {
			names[i] = strings.TrimSpace(n)
			good = good && isColumn(names[i]) && !seen[names[i]]
			seen[names[i]] = true
		}
		if !good || len(cellsOf(rest, comma)) != len(names) {
			continue
		}
		return &sheet{names: names, comma: comma, windows: windowsColumns(names)}
	}
	return nil
}

// cellsOf reads the first row of b.
func cellsOf(b []byte, comma rune) []string {
	c := csv.NewReader(bytes.NewReader(b))
	c.Comma, c.LazyQuotes, c.FieldsPerRecord = comma, true, -1
	out, err := c.Read()
	if err != nil {
		return nil
	}
	return out
}

// isColumn reports whether s looks like the name of a column: it begins with a
// letter, is short, and has nothing of a line of log in it.
func isColumn(s string) bool {
	if s == "" || len(s) > 64 || strings.ContainsAny(s, "=:[]{}<>\"'|") {
		return false
	}
	c := s[0] | 0x20
	return c >= 'a' && c <= 'z' || s[0] == '_' || s[0] == '@' || s[0] >= 0x80
}

func windowsColumns(names []string) map[string]int {
	at := map[string]int{}
	for i, n := range names {
		switch strings.ToLower(strings.ReplaceAll(n, " ", "")) {
		case "id", "eventid", "instanceid":
			if _, ok := at["EventID"]; !ok || strings.EqualFold(n, "id") {
				at["EventID"] = i
			}
		case "logname", "channel", "log":
			at["Channel"] = i
		case "providername", "provider", "source":
			at["Provider"] = i
		case "machinename", "computer", "computername":
			at["Computer"] = i
		case "timecreated", "dateandtime", "timegenerated":
			at["Time"] = i
		case "message", "description":
			at["Message"] = i
		}
	}
	if _, ok := at["EventID"]; !ok {
		return nil
	}
	if _, ok := at["Channel"]; !ok {
		return nil
	}
	return at
}

// cut bounds what one row may take from the file.
type cut struct {
	r     io.Reader
	left  int
	limit int
}

var errRow = errors.New("a row is larger than 16 MB; a quote may be missing in it")

func (c *cut) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, errRow
	}
	n, err := c.r.Read(p[:min(len(p), c.left)])
	c.left -= n
	return n, err
}

// read gives each row as a JSON object.
func (t *sheet) read(ctx context.Context, b *bufio.Reader, add func(uint64, []byte), left func(uint64, string)) error {
	if head, _ := b.Peek(3); bytes.Equal(head, []byte("\ufeff")) {
		_, _ = b.Discard(3)
	}
	if head, _ := b.Peek(6); bytes.Equal(head, []byte("#TYPE ")) {
		if _, err := b.ReadString('\n'); err != nil {
			return err
		}
	}
	in := &cut{r: b, left: maxEvent, limit: maxEvent}
	c := csv.NewReader(in)
	c.Comma, c.LazyQuotes, c.FieldsPerRecord, c.ReuseRecord = t.comma, true, -1, true
	var buf []byte
	for n := uint64(0); ctx.Err() == nil; n++ {
		in.left = in.limit
		cells, err := c.Read()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("row %d: %w", n, err)
		case n == 0:
			continue
		case len(cells) > len(t.names):
			left(n, fmt.Sprintf("it has %d cells, the first line names %d", len(cells), len(t.names)))
			continue
		}
		if t.windows != nil {
			buf = t.event(buf[:0], cells)
		} else {
			buf = t.object(buf[:0], cells)
		}
		add(n, buf)
	}
	return nil
}

func (t *sheet) object(b []byte, cells []string) []byte {
	b = append(b, '{')
	for i, c := range cells {
		if i > 0 {
			b = append(b, ',')
		}
		b = holdfast.AppendJSONString(b, t.names[i])
		b = append(b, ':')
		b = holdfast.AppendJSONString(b, c)
	}
	return append(b, '}')
}

// renamed are names of the text of an event that its data call otherwise.
var renamed = map[string]string{"ProcessCommandLine": "CommandLine", "CreatorProcessName": "ParentProcessName", "ScriptBlockID": "ScriptBlockId"}

// event writes a row as the JSON of an event of Windows; the lines "Name: value"
// of its message become its data, the first of a name as long as it stands.
func (t *sheet) event(b []byte, cells []string) []byte {
	cell := func(name string) string {
		if i, ok := t.windows[name]; ok && i < len(cells) {
			return cells[i]
		}
		return ""
	}
	b = append(b, `{"Event":{"System":{"Provider":{"#attributes":{"Name":`...)
	b = holdfast.AppendJSONString(b, cell("Provider"))
	b = append(b, `}},"EventID":`...)
	b = holdfast.AppendJSONString(b, cell("EventID"))
	b = append(b, `,"Channel":`...)
	b = holdfast.AppendJSONString(b, cell("Channel"))
	b = append(b, `,"Computer":`...)
	b = holdfast.AppendJSONString(b, cell("Computer"))
	b = append(b, `,"TimeCreated":{"#attributes":{"SystemTime":`...)
	b = holdfast.AppendJSONString(b, cell("Time"))
	b = append(b, `}}},"EventData":{`...)
	message := cell("Message")
	seen := map[string]bool{}
	sep := ""
	for line := range strings.Lines(message) {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		value = strings.TrimSpace(value)
		name = strings.ReplaceAll(name, " ", "")
		if n, ok := renamed[name]; ok {
			name = n
		}
		if !ok || value == "" || name == "" || len(name) > 64 || seen[name] || len(seen) > 500 {
			continue
		}
		seen[name] = true
		b = append(b, sep...)
		b = holdfast.AppendJSONString(b, name)
		b = append(b, ':')
		b = holdfast.AppendJSONString(b, value)
		sep = ","
	}
	b = append(b, `},"RenderingInfo":{"Message":`...)
	b = holdfast.AppendJSONString(b, message)
	return append(b, `}}}`...)
}
