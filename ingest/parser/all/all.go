// Package all lists every parser that Holdfast ships, in the order in which
// they are asked.
package all

import (
	"holdfast/ingest/parser"
	"holdfast/ingest/parser/account"
	"holdfast/ingest/parser/application"
	"holdfast/ingest/parser/auditd"
	"holdfast/ingest/parser/azureflow"
	"holdfast/ingest/parser/cef"
	"holdfast/ingest/parser/cloud"
	"holdfast/ingest/parser/daemon"
	"holdfast/ingest/parser/device"
	"holdfast/ingest/parser/envelope"
	"holdfast/ingest/parser/esf"
	"holdfast/ingest/parser/journal"
	"holdfast/ingest/parser/json"
	"holdfast/ingest/parser/leef"
	"holdfast/ingest/parser/opencanary"
	"holdfast/ingest/parser/rpcfirewall"
	"holdfast/ingest/parser/sshd"
	"holdfast/ingest/parser/sudo"
	"holdfast/ingest/parser/suricata"
	"holdfast/ingest/parser/syslog"
	"holdfast/ingest/parser/sysmon"
	"holdfast/ingest/parser/vpcflow"
	"holdfast/ingest/parser/web"
	"holdfast/ingest/parser/winevent"
	"holdfast/ingest/parser/zeek"
)

// All lists them, the most particular first, the generic last. What opens
// envelopes stands before those that read what is within.
func All() []parser.Parser {
	within := within()
	return append([]parser.Parser{envelope.Parser(within...)}, within...)
}

func within() []parser.Parser {
	return []parser.Parser{
		auditd.Parser(),
		winevent.Parser(), // it is known by its first bytes
		sysmon.Parser(),
		cef.Parser(), // by what a message begins with, so before those that know programs
		leef.Parser(),
		sshd.Parser(),
		sudo.Parser(),
		account.Parser(),
		journal.Parser(sshd.Grammar(), sudo.Grammar(), account.Grammar(), daemon.Grammar()),
		device.Parser(),
		daemon.Parser(),
		application.Parser(),
		syslog.Parser(),
		vpcflow.Parser(),
		azureflow.Parser(), // before what knows any log of Azure
		web.Parser(),
		suricata.Parser(),
		esf.Parser(),
		zeek.Parser(),
		opencanary.Parser(),
		rpcfirewall.Parser(),
		cloud.Parser(),
		json.Parser(),
	}
}
