package indicator

import (
	"bytes"
	"encoding/csv"
	"errors"
	"io"
	"slices"
	"strings"
)

// The names that columns of CSV have.
var (
	valueNames = []string{"indicator", "value", "ioc", "ioc_value", "observable", "indicator_value", "address", "ip", "ip_address", "dst_ip", "domain", "hostname", "url", "sha256", "sha256_hash", "sha1", "md5", "hash", "filename", "file"}
	kindNames  = []string{"type", "ioc_type", "indicator_type", "kind", "indicator type"}
	noteNames  = []string{"note", "comment", "description", "malware", "malware_printable", "threat", "threat_type", "signature", "reference", "tags"}
)

// lines reads lines of text, or CSV where a comma, semicolon or tab is in the
// first line that is no comment.
func (r *reader) lines(b []byte) {
	if i := bytes.IndexByte(b, 0); i >= 0 {
		r.fault(1+bytes.Count(b[:i], []byte("\n")), "the list has a NUL byte; it is no text", "save it as text in UTF-8")
		return
	}
	if comma := delimiter(b); comma != 0 {
		r.csv(b, comma)
		return
	}
	for n := 1; len(b) > 0 && !r.over(); n++ {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		text := strings.TrimSpace(string(line[:min(len(line), 3*MaxValue)]))
		if text == "" || comment(text) {
			continue
		}
		value, note := text, ""
		if i := strings.IndexAny(text, " \t"); i > 0 && !strings.HasPrefix(strings.ToLower(text), "file") {
			if left := strings.TrimSpace(text[i:]); strings.HasPrefix(left, "#") || strings.HasPrefix(left, "//") || strings.HasPrefix(left, ";") {
				value, note = text[:i], strings.TrimLeft(left, "#/; ")
			}
		}
		r.take(n, "", value, note)
	}
}

// over reports whether reading on is of no use.
func (r *reader) over() bool {
	return r.full() && len(r.faults) > 0 || len(r.faults) == maxFaults && r.more > 1000
}

func comment(s string) bool {
	return strings.HasPrefix(s, "#") || strings.HasPrefix(s, ";") || strings.HasPrefix(s, "//")
}

func delimiter(b []byte) rune {
	for n := 0; len(b) > 0 && n < 1000; n++ {
		line, rest, _ := bytes.Cut(b, []byte("\n"))
		b = rest
		text := strings.TrimSpace(string(line[:min(len(line), 3*MaxValue)]))
		if text == "" || comment(text) {
			continue
		}
		for _, mark := range []string{" #", "\t#", " //"} { // what is said of a line is no cell
			text, _, _ = strings.Cut(text, mark)
		}
		for _, c := range ",;\t" {
			left, right, ok := strings.Cut(text, string(c))
			word, _, _ := strings.Cut(right, string(c))
			_, kind := typeNames[strings.ToLower(strings.TrimSpace(word))]
			if ok && (!strings.Contains(left, "//") || strings.HasPrefix(text, `"`) || kind || strings.HasPrefix(right, " ")) {
				return c
			}
		}
		return 0
	}
	return 0
}

// table is what the columns of a CSV mean.
type table struct {
	values     []int
	kind, note int
	head       bool
}

func (r *reader) csv(b []byte, comma rune) {
	c := csv.NewReader(bytes.NewReader(b))
	c.Comma, c.Comment, c.LazyQuotes, c.FieldsPerRecord, c.TrimLeadingSpace, c.ReuseRecord = comma, '#', true, -1, true, true
	var t *table
	for !r.over() {
		row, err := c.Read()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			var at *csv.ParseError
			line := 0
			if errors.As(err, &at) {
				line, err = at.StartLine, at.Err
			}
			r.fault(line, "this is no CSV: "+err.Error(), "put quotes around what has a comma in it")
			return
		}
		line, _ := c.FieldPos(0)
		if t == nil {
			if t = headOf(row); t.head {
				continue
			}
		}
		r.row(line, row, t)
	}
}

func headOf(row []string) *table {
	t := &table{kind: -1, note: -1}
	at := func(names []string, i int) bool {
		return slices.Contains(names, strings.ToLower(strings.Trim(strings.TrimSpace(row[i]), `"`)))
	}
	for i := range row {
		switch {
		case at(valueNames, i):
			t.values, t.head = append(t.values, i), true
		case at(kindNames, i):
			t.kind = i
		case at(noteNames, i) && t.note < 0:
			t.note = i
		}
	}
	if !t.head {
		t.kind, t.note = -1, -1
	}
	return t
}

// row takes the indicators of one row: those of the columns that the head
// names, else the first cell that is one.
func (r *reader) row(line int, row []string, t *table) {
	cell := func(i int) string {
		if i < 0 || i >= len(row) {
			return ""
		}
		return strings.TrimSpace(row[i])
	}
	note := cell(t.note)
	if !t.head {
		for i := range row {
			if x, err := Parse("", cell(i)); err == nil {
				kind := typeNames[strings.ToLower(cell(1-min(i, 1)))]
				if kind != x.Type { // the word beside it is no type of this one
					kind = ""
				}
				r.take(line, kind, cell(i), strings.Join(slices.Delete(slices.Clone(row), i, i+1), " "))
				return
			}
		}
		if len(row) > 0 && strings.Trim(strings.Join(row, ""), " ") != "" {
			r.fault(line, "no cell of this row is an indicator that is recognised", "name the columns in a first row: indicator,type,note")
		}
		return
	}
	found := false
	for _, i := range t.values {
		if v := cell(i); v != "" {
			found = true
			kind := Type("")
			if t.kind >= 0 && len(t.values) == 1 {
				kind = typeNames[strings.ToLower(cell(t.kind))]
			}
			r.take(line, kind, v, note)
		}
	}
	if !found && strings.TrimSpace(strings.Join(row, "")) != "" {
		r.fault(line, "this row has no indicator", "fill the column, or take the row out")
	}
}
