package envelope

import (
	"strconv"
	"strings"

	"holdfast"
	"holdfast/ingest/parser"
)

// kept are the fields of a document that are worth keeping beside those of the
// record within: where it was read, and of what it is a part.
var kept = []string{
	"host.name", "log.file.path", "event.dataset", "event.module", "data_stream.dataset", "agent.type", "agent.name", "tags",
	"container.id", "container.name", "container.image.name", "kubernetes.namespace", "kubernetes.pod.name", "kubernetes.container.name",
	"cloud.provider", "cloud.account.id", "cloud.region", "cloud.instance.id", "service.name",
}

func (r *reader) said() []holdfast.Field {
	var out []holdfast.Field
	for _, f := range r.fields {
		for _, k := range kept {
			if f.Name == k || strings.HasPrefix(f.Name, "labels.") {
				out = append(out, f)
				break
			}
		}
	}
	return out
}

// elastic opens a document: a Windows event of Winlogbeat, or one with a line.
func (r *reader) elastic() (open, error) {
	if r.isMapped() {
		return r.mapped()
	}
	in := open{
		dataset: "ecs", fields: r.fields, said: r.said(),
		time: when(r.get("@timestamp", "timestamp", "time")),
		host: r.text("host.name", "host.hostname", "winlog.computer_name", "agent.hostname", "host", "hostname", "_HOSTNAME"),
		hint: datasetName(r.text("data_stream.dataset", "event.dataset", "event.module")),
	}
	if r.get("winlog.channel") != "" {
		in.line, in.hint = r.winlog(), "windows.event"
		return in, nil
	}
	in.line = r.line("event.original", "message", "log", "MESSAGE")
	return in, nil
}

// line is the record within: the text as it was read, with a head of syslog if
// the shipper has taken that off.
func (r *reader) line(names ...string) []byte {
	line := r.text(names...)
	if line == "" {
		return nil
	}
	if names[0] == "event.original" && r.text("event.original") != "" {
		return []byte(line)
	}
	app := r.text("appname", "app-name", "programname", "program", "syslog.appname", "syslog_identifier", "SYSLOG_IDENTIFIER", "ident", "log.syslog.appname")
	if app == "" && (r.get("log.syslog.priority") != "" || r.get("log.syslog.facility.code") != "") {
		app = r.text("process.name")
	}
	if app == "" || !token(app) {
		return []byte(line)
	}
	host, pid := r.text("hostname", "host.name", "host.hostname", "fromhost", "host", "_HOSTNAME"), r.get("procid", "pid", "process.pid", "syslog.procid", "log.syslog.procid", "SYSLOG_PID", "_PID")
	if !token(host) {
		host = "-"
	}
	if !token(pid) {
		pid = "-"
	}
	at := "-"
	if t := when(r.get("timestamp", "@timestamp", "time", "timereported")); !t.IsZero() {
		at = t.UTC().Format("2006-01-02T15:04:05.999999Z07:00")
	}
	return []byte("<" + r.priority() + ">1 " + at + " " + host + " " + app + " " + pid + " - - " + line)
}

// priority is that of an entry of the journal, or user.notice.
func (r *reader) priority() string {
	severity, err := strconv.ParseUint(r.get("PRIORITY"), 10, 8)
	if err != nil || severity > 7 {
		return "13"
	}
	facility, err := strconv.ParseUint(r.get("SYSLOG_FACILITY"), 10, 8)
	if err != nil || facility > 23 {
		facility = 1
	}
	return strconv.FormatUint(facility<<3|severity, 10)
}

// token reports whether a text may stand in a syslog head (RFC 5424, 6).
func token(s string) bool {
	if s == "" || len(s) > 48 {
		return false
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

// datasetName is what a shipper calls the kind of a record, as we would:
// "bro:conn:json" is zeek.conn.
func datasetName(s string) string {
	s = strings.ToLower(s)
	s = strings.TrimSuffix(s, ":json")
	s = strings.ReplaceAll(s, ":", ".")
	if rest, ok := strings.CutPrefix(s, "bro."); ok {
		s = "zeek." + rest
	}
	if len(s) > parser.MaxName {
		return ""
	}
	return s
}
