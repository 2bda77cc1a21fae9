package scan

import (
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"holdfast"
)

// Writer writes matches in one form. Close writes what comes last; it does not
// close what is written to.
type Writer interface {
	Match(m *Match) error
	Close(r Report) error
}

// Report is what a writer says of the scan as a whole.
type Report struct {
	Version string // of Holdfast
	Paths   []string
	Rules   int
	Started time.Time
	Summary Summary
	Faults  holdfast.Faults // rules that were left out
}

// Format is a form in which matches are written.
type Format struct {
	Name, Title string
	Extensions  []string // the longest that fits a file's name counts
	New         func(w io.Writer) Writer
}

// Formats lists the forms.
func Formats() []Format {
	return []Format{
		{"ndjson", "one JSON object a line", []string{".ndjson", ".jsonl", ".json"}, newNDJSON},
		{"csv", "a table for spreadsheets (RFC 4180)", []string{".csv"}, newCSV},
		{"html", "a report as one file, with a timeline", []string{".html", ".htm"}, newHTML},
		{"sarif", "SARIF 2.1.0", []string{".sarif", ".sarif.json"}, newSARIF},
		{"ocsf", "OCSF 1.5 detection findings, one a line", []string{".ocsf", ".ocsf.json", ".ocsf.ndjson", ".ocsf.jsonl"}, newOCSF},
		{"navigator", "a layer for the ATT&CK Navigator (4.5)", []string{".navigator", ".navigator.json", ".layer.json"}, newNavigator},
	}
}

// FormatNamed returns the format of a name.
func FormatNamed(name string) (Format, error) {
	var names []string
	for _, f := range Formats() {
		if f.Name == name {
			return f, nil
		}
		names = append(names, f.Name)
	}
	return Format{}, fmt.Errorf("%q is no format; there are %s: %w", name, strings.Join(names, ", "), holdfast.ErrInvalid)
}

// FormatOf returns the format of a file, by its extension.
func FormatOf(path string) (Format, error) {
	var best Format
	longest := 0
	name := strings.ToLower(filepath.Base(path))
	var all []string
	for _, f := range Formats() {
		for _, e := range f.Extensions {
			if strings.HasSuffix(name, e) && len(e) > longest {
				best, longest = f, len(e)
			}
		}
		all = append(all, f.Extensions[0])
	}
	if longest == 0 {
		return best, fmt.Errorf("%s: its extension names no format; write one of %s, or FORMAT:FILE: %w", path, strings.Join(all, ", "), holdfast.ErrInvalid)
	}
	return best, nil
}

// File is a report on its way to the disk. It has its name only once it is
// whole.
type File struct {
	Writer
	path string
	f    *os.File
	buf  *bufio.Writer
}

// Create begins a file beside its later name.
func Create(path string, format Format) (*File, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".part-*")
	if err != nil {
		return nil, fmt.Errorf("%s cannot be written: %w", path, err)
	}
	buf := bufio.NewWriterSize(f, 256<<10)
	return &File{format.New(buf), path, f, buf}, nil
}

// Close ends the file and gives it its name.
func (f *File) Close(r Report) error {
	err := errors.Join(f.Writer.Close(r), f.buf.Flush(), f.f.Chmod(0o644), f.f.Close())
	if err == nil {
		err = os.Rename(f.f.Name(), f.path)
	}
	if err != nil {
		os.Remove(f.f.Name())
		return fmt.Errorf("%s cannot be written: %w", f.path, err)
	}
	return nil
}

// Drop removes what was written.
func (f *File) Drop() {
	f.f.Close()
	os.Remove(f.f.Name())
}

// Tally is what there is to say about one rule.
type Tally struct {
	Match       // the first one, without its event
	Count       int
	First, Last time.Time
	// Hosts are MaxHosts at most; More counts the matches on others.
	Hosts map[string]int
	More  int
}

// MaxHosts bounds the hosts of a tally.
const MaxHosts = 1000

// Tallies counts matches by rule.
type Tallies map[string]*Tally

// Add counts a match.
func (t Tallies) Add(m *Match) *Tally {
	one := t[m.Rule]
	if one == nil {
		one = &Tally{Match: *m, First: m.Time, Last: m.Time, Hosts: map[string]int{}}
		one.Event, one.Because, one.Events = nil, nil, nil
		t[m.Rule] = one
	}
	one.Count++
	if m.Time.Before(one.First) {
		one.First = m.Time
	}
	if m.Time.After(one.Last) {
		one.Last = m.Time
	}
	if m.Host != "" {
		if _, known := one.Hosts[m.Host]; known || len(one.Hosts) < MaxHosts {
			one.Hosts[m.Host]++
		} else {
			one.More++
		}
	}
	return one
}

// Sorted lists them, the gravest first, then the most frequent.
func (t Tallies) Sorted() []*Tally {
	all := make([]*Tally, 0, len(t))
	for _, one := range t {
		all = append(all, one)
	}
	slices.SortFunc(all, func(x, y *Tally) int {
		return cmp.Or(y.Level.Rank()-x.Level.Rank(), y.Count-x.Count, strings.Compare(x.Title, y.Title), strings.Compare(x.Rule, y.Rule))
	})
	return all
}

// HostList names the hosts, those with the most matches first.
func (t *Tally) HostList() []string {
	names := make([]string, 0, len(t.Hosts))
	for h := range t.Hosts {
		names = append(names, h)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(t.Hosts[b]-t.Hosts[a], strings.Compare(a, b)) })
	return names
}

// Reasons says in words why a match is one.
func (m *Match) Reasons() string {
	if m.Why != "" {
		return m.Why
	}
	var b strings.Builder
	for i, p := range m.Because {
		if i > 0 {
			b.WriteString("; ")
		}
		if b.Len() > 2000 {
			fmt.Fprintf(&b, "and %d more", len(m.Because)-i)
			break
		}
		field := p.Field
		if field == "" {
			field = "any field"
		}
		fmt.Fprintf(&b, "%s %s %s", field, p.Op, p.Want)
	}
	return b.String()
}
