// Package suricata reads Suricata's EVE output: JSON, one event a line.
package suricata

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"holdfast"
	"holdfast/ingest/parser"
)

// Parser describes the parser.
func Parser() parser.Parser {
	marks := parser.NewMarks(`"event_type"`, `"timestamp"`)
	pool := sync.Pool{New: func() any { return &parser.Flat{Learns: true} }}
	return parser.Parser{
		Name:  "suricata",
		Title: "Suricata",
		Description: "EVE JSON, every event type. Nested names are joined by dots, lists repeat their field; " +
			"the names of DNS questions stand in dns.rrname whatever the version of the output.",
		References: []string{"https://docs.suricata.io/en/latest/output/eve/eve-json-format.html"},
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

// titles are the event types that have a dataset of their own.
var titles = map[string]string{
	"alert": "Alerts", "anomaly": "Anomalies", "dns": "DNS", "http": "HTTP", "tls": "TLS", "flow": "Flows", "netflow": "Flows of one direction",
	"fileinfo": "Files", "ssh": "SSH", "smb": "SMB", "dcerpc": "DCE/RPC", "krb5": "Kerberos", "rdp": "RDP", "smtp": "SMTP", "ftp": "FTP",
	"ftp_data": "FTP data", "dhcp": "DHCP", "snmp": "SNMP", "tftp": "TFTP", "nfs": "NFS", "mqtt": "MQTT", "rfb": "VNC", "sip": "SIP",
	"ike": "IKE", "quic": "QUIC", "ldap": "LDAP", "modbus": "Modbus", "dnp3": "DNP3", "drop": "Dropped packets", "stats": "Suricata's load",
}

var names = func() map[string]string {
	out := map[string]string{}
	for t := range titles {
		out[t] = "suricata." + t
	}
	return out
}()

var web = map[string]string{
	"c-uri": "http.url", "cs-uri": "http.url", "cs-uri-query": "http.url", "cs-uri-stem": "http.url", "c-uri-query": "http.url", "uri_decoded": "http.url",
	"cs-method": "http.http_method", "cs-host": "http.hostname", "r-dns": "http.hostname",
	"c-useragent": "http.http_user_agent", "cs-user-agent": "http.http_user_agent", "cs-referer": "http.http_refer", "cs-referrer": "http.http_refer",
	"sc-status": "http.status", "c-ip": "src_ip", "dst_ip": "dest_ip", "dst_port": "dest_port",
}

var aliases = map[string]map[string]string{
	"http":  web,
	"alert": {"signature": "alert.signature", "dst_ip": "dest_ip", "dst_port": "dest_port"},
	"dns":   {"query": "dns.rrname", "record_type": "dns.rrtype", "answer": "dns.answers.rdata", "dst_ip": "dest_ip"},
	"flow":  {"dst_ip": "dest_ip", "dst_port": "dest_port"},
}

var general = map[string][]holdfast.Logsource{
	"http": {{Category: "webserver"}, {Category: "proxy"}},
	"dns":  {{Category: "dns"}},
	"flow": {{Category: "firewall"}},
}

// Datasets lists one for each event type that is usual, and one for the others.
func Datasets() []holdfast.Dataset {
	out := []holdfast.Dataset{dataset("other", "Suricata, other events", "")}
	for _, t := range slices.Sorted(maps.Keys(titles)) {
		out = append(out, dataset(t, "Suricata: "+titles[t], t))
	}
	return out
}

func dataset(name, title, service string) holdfast.Dataset {
	return holdfast.Dataset{
		Name: "suricata." + name, Title: title,
		Logsource: holdfast.Logsource{Product: "suricata", Service: service},
		Also:      general[name], Alias: aliases[name],
		ECS: map[string]string{
			"host": holdfast.EntityHost, "src_ip": holdfast.EntitySource, "dest_ip": holdfast.EntityDestination,
			"dns.rrname": holdfast.EntityDomain, "http.hostname": holdfast.EntityDomain, "tls.sni": holdfast.EntityDomain,
			"fileinfo.sha256": holdfast.EntityHash, "fileinfo.filename": holdfast.EntityFile,
		},
	}
}

func parse(fields []holdfast.Field) (parser.Parsed, error) {
	var kind, at string
	var out parser.Parsed
	known, named := false, false
	var asked []string
	for i := range fields {
		f := &fields[i]
		switch f.Name {
		case "event_type":
			kind = f.Text
		case "timestamp":
			at = f.Text
		case "flow_id", "src_ip", "stats.uptime", "pcap_cnt":
			known = true
		case "host":
			out.Host = f.Text
		case "dns.rrname":
			named = true
		case "dns.queries.rrname", "dns.query.rrname":
			asked = append(asked, f.Text)
		}
	}
	if kind == "" || at == "" || !known && kind != "stats" {
		return parser.Parsed{}, parser.ErrOther
	}
	if !named {
		for _, q := range asked {
			fields = append(fields, holdfast.Field{Name: "dns.rrname", Text: q})
		}
	}
	for _, layout := range [...]string{"2006-01-02T15:04:05.999999999-0700", time.RFC3339Nano} {
		if t, err := time.Parse(layout, at); err == nil {
			out.Time = t.UTC()
			break
		}
	}
	out.Dataset, out.Fields = "suricata.other", fields
	if n, ok := names[strings.ToLower(kind)]; ok {
		out.Dataset = n
	}
	return out, nil
}
