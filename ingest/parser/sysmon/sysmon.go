// Package sysmon reads what Sysmon for Linux writes to syslog: one event a line,
// as XML, with or without a head of syslog before it.
package sysmon

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	return parser.Parser{
		Name:        "sysmon",
		Title:       "Sysmon for Linux",
		Description: "Events of Sysmon for Linux, in the XML that it writes to syslog; the data become fields under their own names.",
		References:  []string{"https://github.com/microsoft/SysmonForLinux", "[MS-EVEN6] 2.2.13"},
		Datasets:    Datasets(),
		Form:        parser.Line,
		Parse:       func(raw []byte, _ parser.Hint) (parser.Parsed, error) { return parse(raw) },
	}
}

// categories are those of Sigma, by event id.
var categories = map[string]string{
	"1": "process_creation", "3": "network_connection", "5": "process_termination", "9": "raw_access_thread", "11": "file_event", "23": "file_delete",
}

// Datasets lists one for each category, and one for other events.
func Datasets() []holdfast.Dataset {
	out := []holdfast.Dataset{dataset("linux.sysmon", "Sysmon for Linux: other events", "")}
	for _, id := range []string{"1", "3", "5", "9", "11", "23"} {
		c := categories[id]
		out = append(out, dataset("linux.sysmon."+c, "Sysmon for Linux: "+c, c))
	}
	return out
}

func dataset(name, title, category string) holdfast.Dataset {
	return holdfast.Dataset{
		Name: name, Title: title, Logsource: holdfast.Logsource{Product: "linux", Category: category, Service: "sysmon"},
		ECS: map[string]string{
			"Computer": holdfast.EntityHost, "User": holdfast.EntityUser, "Image": holdfast.EntityExecutable,
			"DestinationIp": holdfast.EntityDestination, "SourceIp": holdfast.EntitySource, "TargetFilename": holdfast.EntityFile,
			"Hashes": holdfast.EntityHash, "CommandLine": "process.command_line", "ParentImage": "process.parent.executable",
			"ParentCommandLine": "process.parent.command_line", "ProcessId": "process.pid", "EventID": "event.code",
			"SourcePort": "source.port", "DestinationPort": "destination.port",
		},
	}
}

func parse(raw []byte) (parser.Parsed, error) {
	from := bytes.Index(raw[:min(len(raw), 512)], []byte("<Event"))
	if from < 0 || raw[0] == '{' || !bytes.Contains(raw[from:min(len(raw), from+512)], []byte("Linux-Sysmon")) {
		return parser.Parsed{}, parser.ErrOther
	}
	var out parser.Parsed
	d := xml.NewDecoder(bytes.NewReader(raw[from:]))
	d.CharsetReader = func(string, io.Reader) (io.Reader, error) {
		return nil, errors.New("no other characters than UTF-8 are read")
	}
	var name string
	var text []byte
	depth := 0
	for {
		tok, err := d.Token()
		if errors.Is(err, io.EOF) {
			return parser.Parsed{}, errors.New("damaged XML: the event has no end")
		}
		if err != nil {
			return parser.Parsed{}, fmt.Errorf("damaged XML: %.200s", err.Error())
		}
		switch t := tok.(type) {
		case xml.StartElement:
			if depth++; depth > parser.MaxDepth {
				return parser.Parsed{}, errors.New("nested too deep")
			}
			name, text = t.Name.Local, text[:0]
			for _, a := range t.Attr {
				switch {
				case name == "Data" && a.Name.Local == "Name":
					name = a.Value
				case name == "Provider" && a.Name.Local == "Name":
					out.Fields = parser.Add(out.Fields, "Provider_Name", a.Value)
				case name == "TimeCreated" && a.Name.Local == "SystemTime":
					if at, err := time.Parse(time.RFC3339Nano, a.Value); err == nil {
						out.Time = at.UTC()
					}
				}
			}
		case xml.CharData:
			text = append(text, t...)
		case xml.EndElement:
			depth--
			value := string(bytes.TrimSpace(text))
			if value != "" && name != "" && (value != "-" || name != "RuleName") {
				if len(out.Fields) >= parser.MaxFields {
					return parser.Parsed{}, errors.New("the event has too many fields")
				}
				out.Fields = append(out.Fields, holdfast.Field{Name: name, Text: value})
			}
			name, text = "", text[:0]
			if depth == 0 {
				return finish(out)
			}
		}
	}
}

func finish(out parser.Parsed) (parser.Parsed, error) {
	out.Dataset = "linux.sysmon"
	for _, f := range out.Fields {
		switch f.Name {
		case "EventID":
			if c, ok := categories[f.Text]; ok {
				out.Dataset = "linux.sysmon." + c
			}
		case "Computer":
			out.Host = f.Text
		}
	}
	if len(out.Fields) == 0 {
		return parser.Parsed{}, errors.New("the event is empty")
	}
	return out, nil
}
