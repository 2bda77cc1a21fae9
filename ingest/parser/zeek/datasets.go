package zeek

import (
	"maps"
	"slices"

	"holdfast"
)

// titles are the types of log that have a dataset of their own.
var titles = map[string]string{
	"conn": "Connections", "dns": "DNS", "http": "HTTP", "ssl": "TLS", "files": "Files", "x509": "Certificates",
	"smb_files": "Files over SMB", "smb_mapping": "SMB shares", "dce_rpc": "DCE/RPC", "kerberos": "Kerberos", "ntlm": "NTLM",
	"rdp": "RDP", "ssh": "SSH", "smtp": "SMTP", "ftp": "FTP", "dhcp": "DHCP", "snmp": "SNMP", "sip": "SIP", "syslog": "Syslog",
	"mysql": "MySQL", "radius": "RADIUS", "rfb": "VNC", "socks": "SOCKS", "tunnel": "Tunnels", "irc": "IRC", "ntp": "NTP",
	"modbus": "Modbus", "dnp3": "DNP3", "ldap": "LDAP", "ldap_search": "LDAP searches", "quic": "QUIC", "ocsp": "OCSP", "pe": "Portable executables",
	"notice": "Notices", "weird": "Oddities", "intel": "Intelligence hits", "signatures": "Signatures", "software": "Software",
	"known_hosts": "Known hosts", "known_services": "Known services", "known_certs": "Known certificates", "dpd": "Protocol detection",
	"analyzer": "Analyzers", "traceroute": "Traceroutes", "reporter": "Zeek's messages", "stats": "Zeek's load", "capture_loss": "Lost packets",
}

// sign tells a type by fields that it alone has; flow asks for those of a
// connection too.
type sign struct {
	kind  string
	flow  bool
	names []string
}

// The more particular stand first.
var signs = []sign{
	{"conn", true, []string{"conn_state"}},
	{"dns", true, []string{"rejected", "trans_id"}},
	{"dns", true, []string{"qtype_name"}},
	{"dns", true, []string{"query", "qclass"}},
	{"http", true, []string{"trans_depth", "host"}},
	{"http", true, []string{"trans_depth", "method"}},
	{"http", true, []string{"trans_depth", "request_body_len"}},
	{"smtp", true, []string{"trans_depth"}},
	{"ssl", true, []string{"established", "resumed"}},
	{"ssl", true, []string{"server_name", "cipher"}},
	{"x509", false, []string{"certificate.serial"}},
	{"ocsp", false, []string{"issuerNameHash"}},
	{"smb_mapping", true, []string{"share_type"}},
	{"smb_mapping", true, []string{"native_file_system"}},
	{"smb_files", true, []string{"action", "times.modified"}},
	{"smb_files", true, []string{"action", "name", "path"}},
	{"dce_rpc", true, []string{"endpoint", "operation"}},
	{"dce_rpc", true, []string{"named_pipe"}},
	{"kerberos", true, []string{"request_type"}},
	{"ntlm", true, []string{"domainname"}},
	{"ntlm", true, []string{"server_nb_computer_name"}},
	{"rdp", true, []string{"security_protocol"}},
	{"rdp", true, []string{"cookie", "cert_count"}},
	{"rdp", true, []string{"result", "cert_count"}},
	{"ssh", true, []string{"auth_attempts"}},
	{"ssh", true, []string{"kex_alg"}},
	{"ftp", true, []string{"command", "reply_code"}},
	{"dhcp", false, []string{"msg_types"}},
	{"snmp", true, []string{"community"}},
	{"sip", true, []string{"call_id"}},
	{"mysql", true, []string{"cmd", "arg"}},
	{"tunnel", true, []string{"tunnel_type"}},
	{"socks", true, []string{"request.host"}},
	{"ldap", true, []string{"opcode", "message_id"}},
	{"ldap_search", true, []string{"base_object"}},
	{"quic", true, []string{"client_initial_dcid"}},
	{"files", false, []string{"fuid", "seen_bytes"}},
	{"pe", false, []string{"is_exe", "subsystem"}},
	{"intel", false, []string{"seen.indicator"}},
	{"notice", false, []string{"note", "actions"}},
	{"notice", false, []string{"note", "msg"}},
	{"weird", true, []string{"name", "notice", "peer"}},
	{"weird", false, []string{"name", "notice", "peer"}},
	{"software", false, []string{"software_type"}},
	{"dpd", true, []string{"failure_reason"}},
	{"analyzer", false, []string{"analyzer_kind"}},
	{"capture_loss", false, []string{"percent_lost"}},
	{"stats", false, []string{"pkts_proc"}},
	{"syslog", true, []string{"facility", "severity"}},
}

// names that Sigma rules of the general logsources use.
var aliases = map[string]map[string]string{
	"conn": {"src_ip": "id.orig_h", "src_port": "id.orig_p", "dst_ip": "id.resp_h", "dst_port": "id.resp_p"},
	"dns":  {"record_type": "qtype_name", "answer": "answers", "src_ip": "id.orig_h", "dst_ip": "id.resp_h"},
	"http": {
		"c-uri": "uri", "cs-uri": "uri", "cs-uri-query": "uri", "cs-uri-stem": "uri", "c-uri-query": "uri", "uri_decoded": "uri",
		"cs-method": "method", "cs-host": "host", "r-dns": "host",
		"c-useragent": "user_agent", "cs-user-agent": "user_agent", "sc-status": "status_code", "cs-referer": "referrer", "cs-referrer": "referrer",
		"cs-username": "username", "c-ip": "id.orig_h", "src_ip": "id.orig_h", "dst_ip": "id.resp_h", "dst_port": "id.resp_p",
	},
}

// general are the logsources of no product whose rules see the events too.
var general = map[string][]holdfast.Logsource{
	"conn": {{Category: "firewall"}, {Category: "network_connection"}},
	"dns":  {{Category: "dns"}},
	"http": {{Category: "webserver"}, {Category: "proxy"}},
}

// Datasets lists one for each type of log, and one for the types that are not
// known.
func Datasets() []holdfast.Dataset {
	out := []holdfast.Dataset{dataset("other", "Zeek, other logs", "")}
	for _, kind := range slices.Sorted(maps.Keys(titles)) {
		out = append(out, dataset(kind, "Zeek: "+titles[kind], kind))
	}
	return out
}

func dataset(name, title, service string) holdfast.Dataset {
	return holdfast.Dataset{
		Name:      "zeek." + name,
		Title:     title,
		Logsource: holdfast.Logsource{Product: "zeek", Service: service},
		Also:      general[name],
		Alias:     aliases[name],
		ECS: map[string]string{
			"id.orig_h": holdfast.EntitySource, "id.resp_h": holdfast.EntityDestination,
			"user": holdfast.EntityUser, "username": holdfast.EntityUser,
			"query": holdfast.EntityDomain, "host": holdfast.EntityDomain, "server_name": holdfast.EntityDomain,
			"sha256": holdfast.EntityHash, "filename": holdfast.EntityFile,
		},
	}
}

var names = func() map[string]string {
	out := map[string]string{}
	for kind := range titles {
		out[kind] = "zeek." + kind
	}
	return out
}()

func datasetOf(kind string) string {
	if n, ok := names[kind]; ok {
		return n
	}
	return "zeek.other"
}
