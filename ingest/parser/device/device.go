// Package device reads what network devices log: Cisco, Huawei, Juniper,
// FortiGate, Sophos, Check Point and the GlobalProtect service of Palo Alto. It knows the head of
// their lines and the names of their values; the message stays whole.
package device

import (
	"bytes"
	"strings"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
	"holdfast/internal/logline"
)

// Parser describes the parser.
func Parser() parser.Parser {
	return parser.Parser{
		Name:  "device",
		Title: "Network devices",
		Description: "Syslog of Cisco IOS, IOS XR and NX-OS with command accounting, BGP and LDP, of Huawei VRP and Junos; " +
			"FortiGate's key=value lines; what Sophos Firewall and Check Point's Log Exporter send as syslog; logs of Palo Alto's GlobalProtect service and of its telemetry.",
		References: []string{
			"https://www.cisco.com/c/en/us/td/docs/ios/system/messages/guide/sm_cnovr.html",
			"https://support.huawei.com/enterprise/en/doc/EDOC1100262560 (format of VRP's logs)",
			"https://www.juniper.net/documentation/us/en/software/junos/network-mgmt/topics/topic-map/system-logging.html",
			"https://docs.fortinet.com/document/fortigate/7.4.0/fortios-log-message-reference",
			"https://docs.sophos.com/nsg/sophos-firewall/21.5/syslog/index.html",
			"https://support.checkpoint.com/results/sk/sk122323",
			"https://security.paloaltonetworks.com/CVE-2024-3400",
		},
		Datasets: Datasets(),
		Parse:    parse,
	}
}

// Datasets lists them.
func Datasets() []holdfast.Dataset {
	type source = holdfast.Logsource
	ecs := map[string]string{
		"hostname": holdfast.EntityHost, "devname": holdfast.EntityHost, "user": holdfast.EntityUser, "srcip": holdfast.EntitySource, "src_ip": holdfast.EntitySource,
		"dstip": holdfast.EntityDestination, "mnemonic": "event.code", "logid": "event.code", "action": "event.action", "command": "process.command_line",
		"TargetFilename": holdfast.EntityFile, "message": "message",
	}
	// Rules for syslog as a whole keep seeing what came that way.
	syslog := source{Product: "linux", Service: "syslog"}
	cisco := []source{{Product: "cisco", Service: "syslog"}, syslog}
	gateway := source{Product: "paloalto", Category: "appliance", Service: "globalprotect"}
	out := []holdfast.Dataset{
		{Name: "cisco.aaa", Title: "Cisco command accounting", Logsource: source{Product: "cisco", Service: "aaa"}, Also: cisco},
		{Name: "cisco.bgp", Title: "Cisco BGP", Logsource: source{Product: "cisco", Service: "bgp"}, Also: cisco},
		{Name: "cisco.ldp", Title: "Cisco LDP", Logsource: source{Product: "cisco", Service: "ldp"}, Also: cisco},
		{Name: "cisco.syslog", Title: "Cisco", Logsource: cisco[0], Also: cisco[1:]},
		{Name: "huawei.bgp", Title: "Huawei BGP", Logsource: source{Product: "huawei", Service: "bgp"}, Also: []source{syslog}},
		{Name: "huawei.syslog", Title: "Huawei", Logsource: source{Product: "huawei", Service: "syslog"}, Also: []source{syslog}},
		{Name: "juniper.bgp", Title: "Juniper BGP", Logsource: source{Product: "juniper", Service: "bgp"}, Also: []source{syslog}},
		{Name: "fortigate.event", Title: "FortiGate events", Logsource: source{Product: "fortigate", Service: "event"}},
		{
			Name: "fortigate.sslvpnd", Title: "FortiGate SSL VPN", Logsource: source{Product: "fortios", Service: "sslvpnd"},
			Also: []source{{Product: "fortigate", Service: "event"}},
		},
		{
			Name: "fortigate.traffic", Title: "FortiGate traffic", Logsource: source{Product: "fortigate", Service: "traffic"},
			Also:  []source{{Category: "firewall"}},
			Alias: map[string]string{"src_ip": "srcip", "dst_ip": "dstip", "src_port": "srcport", "dst_port": "dstport"},
		},
		{Name: "fortigate.utm", Title: "FortiGate inspection", Logsource: source{Product: "fortigate", Service: "utm"}},
		{
			Name: "checkpoint", Title: "Check Point", Logsource: source{Product: "checkpoint"}, Also: []source{{Category: "firewall"}},
			Alias: map[string]string{"src_ip": "src", "dst_ip": "dst", "src_port": "s_port", "dst_port": "service"},
			ECS: map[string]string{
				"hostname": holdfast.EntityHost, "src": holdfast.EntitySource, "dst": holdfast.EntityDestination, "src_user_name": holdfast.EntityUser, "user": holdfast.EntityUser,
				"s_port": "source.port", "service": "destination.port", "action": "event.action", "rule_name": "rule.name",
			},
		},
		{
			Name: "sophos.firewall", Title: "Sophos Firewall", Logsource: source{Product: "sophos", Service: "firewall"}, Also: []source{{Category: "firewall"}},
			ECS: map[string]string{
				"hostname": holdfast.EntityHost, "src_ip": holdfast.EntitySource, "dst_ip": holdfast.EntityDestination, "user_name": holdfast.EntityUser,
				"src_port": "source.port", "dst_port": "destination.port", "log_id": "event.code", "fw_rule_name": "rule.name", "url": "url.original", "message": "message",
			},
		},
		{Name: "paloalto.globalprotect", Title: "Palo Alto GlobalProtect", Logsource: gateway},
		{
			Name: "paloalto.telemetry", Title: "Palo Alto telemetry", Logsource: source{Product: "paloalto", Category: "file_event", Service: "globalprotect"},
			Also: []source{gateway},
		},
	}
	for i := range out {
		if out[i].ECS == nil {
			out[i].ECS = ecs
		}
	}
	return out
}

func parse(raw []byte, hint parser.Hint) (parser.Parsed, error) {
	if len(raw) < 8 || len(raw) > 256<<10 {
		return parser.Parsed{}, parser.ErrOther
	}
	if raw[0] == '{' {
		begin := raw[:min(len(raw), 300)]
		if bytes.Contains(begin, []byte(`"task"`)) && bytes.Contains(begin, []byte(`"level"`)) && bytes.Contains(begin, []byte(`"message"`)) {
			return globalProtect(raw)
		}
		return parser.Parsed{}, parser.ErrOther
	}
	// What each line has is looked for before the line is copied.
	head := string(raw[:min(len(raw), 300)])
	percent := strings.IndexByte(head, '%')
	switch {
	case strings.Contains(head, "devname=") && strings.Contains(head, "logid="):
		return fortigate(string(raw), strings.Index(head, "date="))
	case strings.Contains(head, `device_name="SFW" `):
		return sophos(strings.TrimRight(string(raw), "\r\n"), strings.Index(head, `device_name="SFW" `), hint)
	case strings.Contains(head, `device="SFW" `):
		return sophos(strings.TrimRight(string(raw), "\r\n"), strings.Index(head, `device="SFW" `), hint)
	case strings.Contains(head, " CheckPoint ") && strings.Contains(head, ` - [`):
		return checkpoint(strings.TrimRight(string(raw), "\r\n"), hint)
	case strings.Contains(head, "/opt/panlogs/tmp/device_telemetry/"):
		return telemetry(strings.TrimRight(string(raw), "\r\n"))
	case percent >= 0 && strings.HasPrefix(head[percent:], "%%"):
		return huawei(strings.TrimRight(string(raw), "\r\n"), percent, hint)
	case percent >= 0:
		if m := ciscoCode(head[percent:]); m != "" {
			return cisco(strings.TrimRight(string(raw), "\r\n"), percent, m, hint)
		}
	case strings.Contains(head, "cmd=") && strings.Contains(head, "task_id=") && strings.ContainsRune(head, '\t'):
		return accounting(strings.TrimRight(string(raw), "\r\n"), hint)
	case strings.Contains(head, ":179") && (strings.Contains(head, "MD5 digest") || strings.Contains(head, "rpd[")):
		return juniper(strings.TrimRight(string(raw), "\r\n"), hint)
	}
	return parser.Parsed{}, parser.ErrOther
}

// started begins a record with what syslog wrote before the message.
func started(before string, hint parser.Hint) parser.Parsed {
	var p parser.Parsed
	if l, err := logline.Read(strings.TrimRight(before, " :*.")+" x: x", hint.Received); err == nil {
		p.Time = l.Time
		if parser.Address(l.Host) != "" || strings.ContainsAny(l.Host, "abcdefghijklmnopqrstuvwxyz") {
			p.Host = l.Host
			p.Fields = parser.Add(p.Fields, "hostname", l.Host)
		}
	}
	return p
}

// ciscoCode reads the mnemonic of "%PARSER-5-CFGLOG_LOGGEDCMD: " and of
// "%LDP-SESSION-5-…", or returns "".
func ciscoCode(s string) string {
	end := strings.IndexByte(s, ':')
	if end < 6 || end > 80 {
		return ""
	}
	code := strings.TrimRight(s[1:end], " ")
	level := false
	for i := range len(code) {
		switch c := code[i]; {
		case c >= 'A' && c <= 'Z', c == '_':
		case c >= '0' && c <= '9':
			level = level || c < '8' && i > 1 && code[i-1] == '-' && i+2 < len(code) && code[i+1] == '-'
		case c == '-':
		default:
			return ""
		}
	}
	if !level {
		return ""
	}
	return code
}

func cisco(line string, at int, code string, hint parser.Hint) (parser.Parsed, error) {
	p := started(line[:at], hint)
	if l, err := logline.Read(line, hint.Received); err == nil && (l.MsgID == code || l.Message == line[at:]) { // it knows the heads of IOS, ASA and NX-OS
		p = parser.Parsed{Time: l.Time, Host: l.Host, Fields: parser.Add(nil, "hostname", l.Host), Trouble: l.Note}
	}
	message := line[at:]
	p.Dataset = "cisco.syslog"
	switch {
	case strings.HasSuffix(code, "CFGLOG_LOGGEDCMD"), strings.HasPrefix(code, "AAA-"), strings.HasPrefix(code, "AAAA-"):
		p.Dataset = "cisco.aaa"
	case strings.Contains(code, "LDP"), strings.Contains(message, " LDP ") || strings.Contains(message, "LDP "):
		p.Dataset = "cisco.ldp"
	case strings.HasPrefix(code, "BGP"), strings.Contains(code, "BGP-"), strings.HasSuffix(code, "BADAUTH") && strings.Contains(message, "179"):
		p.Dataset = "cisco.bgp"
	}
	p.Fields = parser.Add(p.Fields, "mnemonic", code)
	p.Fields = append(p.Fields, holdfast.Field{Name: "message", Text: message})
	// "User:anna  logged command:no logging host 192.0.2.1"
	if _, said, ok := strings.Cut(message, "User:"); ok {
		if user, command, ok := strings.Cut(said, " logged command:"); ok {
			p.Fields = parser.Add(p.Fields, "user", strings.TrimSpace(user))
			p.Fields = parser.Add(p.Fields, "command", command)
		}
	}
	return p, nil
}

// accounting reads a line of a TACACS+ server's accounting log: values between
// tabs, the command in "cmd=".
func accounting(line string, hint parser.Hint) (parser.Parsed, error) {
	words := strings.Split(line, "\t")
	if len(words) > 200 {
		return parser.Parsed{}, parser.ErrOther
	}
	p := parser.Parsed{Dataset: "cisco.aaa"}
	if l, err := logline.Read(words[0]+" x: x", hint.Received); err == nil {
		p.Time = l.Time
	}
	p.Fields = append(p.Fields, holdfast.Field{Name: "message", Text: line})
	if len(words) > 3 {
		p.Fields = parser.Add(p.Fields, "hostname", words[1])
		p.Fields = parser.Add(p.Fields, "user", words[2])
		p.Fields = parser.Add(p.Fields, "src_ip", parser.Address(words[min(4, len(words)-1)]))
	}
	for _, w := range words {
		if c, ok := strings.CutPrefix(w, "cmd="); ok {
			p.Fields = parser.Add(p.Fields, "command", strings.TrimSuffix(c, " <cr>"))
		}
	}
	return p, nil
}

// huawei reads "%%01BGP/3/BGP_AUTH_FAILED(l)[12]:…".
func huawei(line string, at int, hint parser.Hint) (parser.Parsed, error) {
	code, _, ok := strings.Cut(line[at+2:], ":")
	code, _, _ = strings.Cut(code, "(")
	if !ok || len(code) < 6 || len(code) > 80 || code[0] < '0' || code[0] > '9' || code[1] < '0' || code[1] > '9' || strings.Count(code, "/") != 2 {
		return parser.Parsed{}, parser.ErrOther
	}
	var p parser.Parsed
	if l, err := logline.Read(line[:at]+"x: x", hint.Received); err == nil {
		p.Time, p.Host, p.Trouble = l.Time, l.Host, l.Note
		p.Fields = parser.Add(p.Fields, "hostname", l.Host)
	}
	p.Dataset = "huawei.syslog"
	if strings.HasPrefix(code[2:], "BGP/") {
		p.Dataset = "huawei.bgp"
	}
	p.Fields = parser.Add(p.Fields, "mnemonic", code[2:])
	p.Fields = append(p.Fields, holdfast.Field{Name: "message", Text: line[at:]})
	return p, nil
}

// juniper reads what Junos says of BGP's connections.
func juniper(line string, hint parser.Hint) (parser.Parsed, error) {
	l, err := logline.Read(line, hint.Received)
	if err != nil {
		return parser.Parsed{}, parser.ErrOther
	}
	said := parser.SaidBy(l)
	return parser.Parsed{Time: l.Time, Host: l.Host, Dataset: "juniper.bgp", Fields: parser.Shared(said, said.Message, 1)}, nil
}

// globalProtect reads gpsvc.log: JSON with level, task, time and message.
func globalProtect(raw []byte) (parser.Parsed, error) {
	var f parser.Flat
	fields, err := f.Object(raw, nil)
	if err != nil {
		return parser.Parsed{}, parser.ErrOther // the parser of any JSON says what is damaged
	}
	p := parser.Parsed{Dataset: "paloalto.globalprotect", Fields: fields}
	known := 0
	for i := range fields {
		switch fields[i].Name {
		case "level", "task", "message":
			known++
		case "time":
			if t, err := time.Parse(time.RFC3339Nano, fields[i].Text); err == nil {
				p.Time = t.UTC()
			}
		}
	}
	if known != 3 || len(fields) > 6 {
		return parser.Parsed{}, parser.ErrOther
	}
	return p, nil
}

// telemetry reads what the device's telemetry says of the files that it sends.
func telemetry(line string) (parser.Parsed, error) {
	p := parser.Parsed{Dataset: "paloalto.telemetry"}
	if len(line) > 23 {
		if t, err := time.Parse("2006-01-02 15:04:05.000", strings.Replace(line[:23], ",", ".", 1)); err == nil {
			p.Time = t
		}
	}
	p.Fields = append(p.Fields, holdfast.Field{Name: "message", Text: line})
	p.Fields = parser.Add(p.Fields, "TargetFilename", line[strings.Index(line, "/opt/panlogs/tmp/device_telemetry/"):])
	return p, nil
}
