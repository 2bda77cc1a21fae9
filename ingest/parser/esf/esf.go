// Package esf reads events of macOS Endpoint Security as eslogger(1) writes
// them: JSON, one message a line.
package esf

import (
	"strings"
	"sync"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	marks := parser.NewMarks(`"schema_version"`, `"event_type"`)
	pool := sync.Pool{New: func() any { return &parser.Flat{Learns: true} }}
	return parser.Parser{
		Name:  "esf",
		Title: "macOS Endpoint Security",
		Description: "Messages of eslogger. exec becomes a started process (Image, CommandLine, ParentImage, User by number), " +
			"create a new file; all fields of the message stay under their own names.",
		References: []string{"eslogger(1)", "https://developer.apple.com/documentation/endpointsecurity/es_message_t"},
		Datasets:   Datasets(),
		Form:       parser.Object,
		Parse: func(raw []byte, hint parser.Hint) (parser.Parsed, error) {
			if !marks.In(raw) {
				return parser.Parsed{}, parser.ErrOther
			}
			f := pool.Get().(*parser.Flat)
			defer pool.Put(f)
			fields, err := f.Object(raw, hint.Into)
			if err != nil {
				return parser.Parsed{}, err
			}
			return parse(fields)
		},
	}
}

// Datasets lists the kinds of event.
func Datasets() []holdfast.Dataset {
	one := func(name, title, category string) holdfast.Dataset {
		return holdfast.Dataset{
			Name: name, Title: title, Logsource: holdfast.Logsource{Product: "macos", Category: category},
			ECS: map[string]string{"Image": holdfast.EntityExecutable, "process.executable.path": holdfast.EntityExecutable, "CommandLine": "process.command_line", "User": holdfast.EntityUser, "TargetFilename": holdfast.EntityFile},
		}
	}
	return []holdfast.Dataset{
		one("macos.process_creation", "macOS: a process was started", "process_creation"),
		one("macos.file_event", "macOS: a file was made or renamed", "file_event"),
		one("macos.esf", "macOS: other Endpoint Security events", "endpoint_security"),
	}
}

func parse(fields []holdfast.Field) (parser.Parsed, error) {
	get := func(name string) string {
		for i := range fields {
			if fields[i].Name == name {
				return fields[i].Text
			}
		}
		return ""
	}
	if get("process.executable.path") == "" || get("event_type") == "" {
		return parser.Parsed{}, parser.ErrOther
	}
	out := parser.Parsed{Dataset: "macos.esf"}
	if t, err := time.Parse(time.RFC3339Nano, get("time")); err == nil {
		out.Time = t.UTC()
	}
	add := func(name, text string) { fields = parser.Add(fields, name, text) }
	switch {
	case get("event.exec.target.executable.path") != "":
		out.Dataset = "macos.process_creation"
		var args []string
		for i := range fields {
			if fields[i].Name == "event.exec.args" {
				args = append(args, fields[i].Text)
			}
		}
		add("Image", get("event.exec.target.executable.path"))
		add("CommandLine", strings.Join(args, " "))
		add("CurrentDirectory", get("event.exec.cwd.path"))
		// The message's own process is the one that turned into the new program:
		// a child of the shell, which still runs what its parent does.
		add("ParentImage", get("process.executable.path"))
		add("User", get("event.exec.target.audit_token.ruid"))
		fields = parser.AddNumber(fields, "ProcessId", get("event.exec.target.audit_token.pid"))
		fields = parser.AddNumber(fields, "ParentProcessId", get("event.exec.target.ppid"))
	case get("event.create.destination.existing_file.path") != "":
		out.Dataset = "macos.file_event"
		add("TargetFilename", get("event.create.destination.existing_file.path"))
		add("Image", get("process.executable.path"))
	case get("event.create.destination.new_path.filename") != "":
		out.Dataset = "macos.file_event"
		add("TargetFilename", strings.TrimSuffix(get("event.create.destination.new_path.dir.path"), "/")+"/"+get("event.create.destination.new_path.filename"))
		add("Image", get("process.executable.path"))
	case get("event.rename.destination.new_path.filename") != "":
		out.Dataset = "macos.file_event"
		add("TargetFilename", strings.TrimSuffix(get("event.rename.destination.new_path.dir.path"), "/")+"/"+get("event.rename.destination.new_path.filename"))
		add("SourceFilename", get("event.rename.source.path"))
		add("Image", get("process.executable.path"))
	}
	out.Fields = fields
	return out, nil
}
