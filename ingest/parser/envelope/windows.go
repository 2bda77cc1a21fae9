package envelope

import (
	"strconv"
	"strings"

	"holdfast"
)

// winlog writes the Windows event of a document of Winlogbeat in the JSON form
// of its XML, which the parser of Windows events reads: so it gets the same
// fields and the same dataset as one from the host itself.
func (r *reader) winlog() []byte {
	b := []byte(`{"Event":{"System":{"Provider":{"#attributes":{`)
	b = pairs(b, [][2]string{{"Name", r.get("winlog.provider_name", "event.provider")}, {"Guid", r.get("winlog.provider_guid")}})
	b = append(b, `}},`...)
	b = pairs(b, [][2]string{
		{"EventID", r.get("winlog.event_id", "event.code")},
		{"Version", r.get("winlog.version")},
		{"Level", level(r.get("winlog.level"))},
		{"Task", r.get("winlog.task")},
		{"Opcode", r.get("winlog.opcode")},
		{"EventRecordID", r.get("winlog.record_id")},
		{"Channel", r.get("winlog.channel")},
		{"Computer", r.get("winlog.computer_name", "host.name")},
	})
	at := r.get("@timestamp", "winlog.time_created")
	for _, x := range [...]struct {
		element string
		list    [][2]string
	}{
		{"TimeCreated", [][2]string{{"SystemTime", at}}},
		{"Execution", [][2]string{{"ProcessID", r.get("winlog.process.pid")}, {"ThreadID", r.get("winlog.process.thread.id")}}},
		{"Correlation", [][2]string{{"ActivityID", r.get("winlog.activity_id")}}},
		{"Security", [][2]string{{"UserID", r.get("winlog.user.identifier")}}},
	} {
		b = append(append(append(b, `,"`...), x.element...), `":{"#attributes":{`...)
		b = append(pairs(b, x.list), `}}`...)
	}
	b = append(b, `},"EventData":{`...)
	data := append(r.below("winlog.event_data."), r.userData()...)
	data = r.renamed(data)
	for i, f := range data {
		if i > 0 {
			b = append(b, ',')
		}
		b = value(append(holdfast.AppendJSONString(b, f.Name), ':'), f)
	}
	b = append(b, '}')
	if m := r.text("message"); m != "" {
		b = holdfast.AppendJSONString(append(b, `,"RenderingInfo":{"Message":`...), m)
		b = append(b, '}')
	}
	return append(b, "}}"...)
}

// level is the number of a level: Winlogbeat has the word that is shown for it.
func level(s string) string {
	switch strings.ToLower(s) {
	case "critical":
		return "1"
	case "error":
		return "2"
	case "warning":
		return "3"
	case "information":
		return "4"
	case "verbose":
		return "5"
	}
	return s
}

func (r *reader) userData() []holdfast.Field {
	var out []holdfast.Field
	for _, f := range r.below("winlog.user_data.") {
		if f.Name != "xml_name" {
			out = append(out, f)
		}
	}
	return out
}

// native are the fields of Sysmon and of the Security log that the pipelines of
// Winlogbeat move to ECS names, with those names.
var native = []struct{ name, ecs string }{
	{"Image", "process.executable"},
	{"CommandLine", "process.command_line"},
	{"CurrentDirectory", "process.working_directory"},
	{"ParentImage", "process.parent.executable"},
	{"ParentCommandLine", "process.parent.command_line"},
	{"OriginalFileName", "process.pe.original_file_name"},
	{"Company", "process.pe.company"},
	{"Description", "process.pe.description"},
	{"Product", "process.pe.product"},
	{"ProcessId", "process.pid"},
	{"ParentProcessId", "process.parent.pid"},
	{"ProcessGuid", "process.entity_id"},
	{"ParentProcessGuid", "process.parent.entity_id"},
	{"TargetFilename", "file.path"},
	{"TargetObject", "registry.path"},
	{"ImageLoaded", "dll.path"},
	{"QueryName", "dns.question.name"},
	{"SourceIp", "source.ip"},
	{"SourcePort", "source.port"},
	{"DestinationIp", "destination.ip"},
	{"DestinationPort", "destination.port"},
	{"DestinationHostname", "destination.domain"},
	{"Protocol", "network.transport"},
	{"RuleName", "rule.name"},
}

// renamed adds the native names to the data of a Sysmon event that has lost
// them on its way.
func (r *reader) renamed(data []holdfast.Field) []holdfast.Field {
	if !strings.HasPrefix(strings.ToLower(r.get("winlog.channel")), "microsoft-windows-sysmon/") {
		return data
	}
	had := map[string]bool{}
	for i := range data {
		had[data[i].Name] = true
	}
	for _, n := range native {
		if v := r.get(n.ecs); v != "" && !had[n.name] {
			data = append(data, holdfast.Field{Name: n.name, Text: v})
		}
	}
	if !had["Hashes"] {
		var list []string
		for _, h := range [...]string{"md5", "sha1", "sha256", "pe.imphash"} {
			if v := r.get("process.hash."+h, "file.hash."+h, "dll.hash."+h, "process."+h, "file."+h, "dll."+h); v != "" {
				list = append(list, strings.ToUpper(strings.TrimPrefix(h, "pe."))+"="+v)
			}
		}
		if len(list) > 0 {
			data = append(data, holdfast.Field{Name: "Hashes", Text: strings.Join(list, ",")})
		}
	}
	if user := r.get("user.name"); user != "" && !had["User"] {
		if d := r.get("user.domain"); d != "" {
			user = d + `\` + user
		}
		data = append(data, holdfast.Field{Name: "User", Text: user})
	}
	return data
}

// windowsBody writes the Windows event of a body as OpenTelemetry's receiver of
// Windows event logs makes it.
func (r *reader) windowsBody() []byte {
	out := reader{fields: []holdfast.Field{}}
	for _, x := range [...]struct{ to, from string }{
		{"winlog.channel", "body.channel"},
		{"winlog.computer_name", "body.computer"},
		{"winlog.provider_name", "body.provider.name"},
		{"winlog.provider_guid", "body.provider.guid"},
		{"winlog.event_id", "body.event_id.id"},
		{"winlog.record_id", "body.record_id"},
		{"@timestamp", "body.system_time"},
		{"winlog.level", "body.level"},
		{"winlog.task", "body.task"},
		{"winlog.opcode", "body.opcode"},
		{"message", "body.message"},
		{"winlog.process.pid", "body.execution.process_id"},
		{"winlog.process.thread.id", "body.execution.thread_id"},
		{"winlog.user.identifier", "body.security.user_id"},
	} {
		if v := r.get(x.from); v != "" {
			out.fields = append(out.fields, holdfast.Field{Name: x.to, Text: v})
		}
	}
	for _, from := range [...]string{"body.event_data.data.", "body.event_data."} {
		list := r.below(from)
		for _, f := range list {
			if f.Name == "data" || strings.HasPrefix(f.Name, "data.") {
				continue
			}
			f.Name = "winlog.event_data." + f.Name
			out.fields = append(out.fields, f)
		}
		if from == "body.event_data.data." && len(list) > 0 {
			break
		}
	}
	return out.winlog()
}

// pairs appends members that have a value.
func pairs(b []byte, list [][2]string) []byte {
	first := true
	for _, x := range list {
		if x[1] == "" {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(holdfast.AppendJSONString(b, x[0]), ':')
		if n, err := strconv.ParseUint(x[1], 10, 63); err == nil && strconv.FormatUint(n, 10) == x[1] {
			b = append(b, x[1]...) // a number, as in an event from the host itself
		} else {
			b = holdfast.AppendJSONString(b, x[1])
		}
	}
	return b
}

func value(b []byte, f holdfast.Field) []byte {
	e := holdfast.Event{Fields: []holdfast.Field{{Name: "v", Text: f.Text, Kind: f.Kind}}}
	one := e.AppendFieldsJSON(nil) // {"v":…}
	return append(b, one[len(`{"v":`):len(one)-1]...)
}
